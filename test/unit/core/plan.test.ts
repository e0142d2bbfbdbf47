/** Where and when tasks start: resources, priorities, feeding ahead, taking back, lifetimes. */
import { describe, expect, test } from 'vitest';
import { CoreSim, type SimWorker, traits } from '../../helpers/coreSim.ts';

function running(worker: SimWorker): string[] {
  return worker.tasks.filter((task) => task.running).map((task) => task.key);
}

describe('resources', () => {
  test('fractions of a device are shared exactly', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 10, gpus: 1 });
    sim.openJob(1);
    sim.submit(1, '1-5', { traits: traits({ needs: { cpus: 1, gpus: 0.25 } }) });
    sim.receive(worker);
    expect(running(worker)).toHaveLength(4);
  });

  test('a request for gpus is met by a vendor resource', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 4, 'gpus/nvidia': 1 });
    sim.openJob(1);
    // The simulated worker looks resources up by name, so only the server's side is checked.
    sim.submit(1, '1-2', { traits: traits({ needs: { gpus: 1 } }) });
    const { rows, queued } = sim.core.workers.get(worker.id) ?? { rows: new Set(), queued: new Set() };
    expect(rows.size - queued.size).toBe(1);
  });

  test('`all` waits until the resource is entirely free', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 4 });
    const all = { variants: [{ nodes: 0, minTimeMs: 0, weight: 10_000, entries: [{ name: 'cpus', policy: 'all' as const, units: 0 }] }] };
    sim.openJob(1);
    sim.submit(1, '0');
    sim.submit(1, '1', { traits: traits({ request: all }) });
    sim.receive(worker);
    sim.report(worker);
    expect(running(worker)).toEqual(['1.0.0']);
    sim.drain();
    expect(sim.starts).toEqual(['1.0.0', '1.1.0']);
  });

  test('a later variant is taken when the earlier cannot start now', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 2, gpus: 1 });
    const variant = (name: string) => ({
      nodes: 0,
      minTimeMs: 0,
      weight: 10_000,
      entries: [{ name, policy: 'compact' as const, units: 10_000 }],
    });
    sim.openJob(1);
    sim.submit(1, '0-2', { traits: traits({ request: { variants: [variant('gpus'), variant('cpus')] } }) });
    sim.receive(worker);
    expect(worker.tasks.map((task) => [...task.needs.keys()])).toEqual([['gpus'], ['cpus'], ['cpus']]);
  });

  test('a task with a time request starts only where enough lifetime is left', () => {
    const sim = new CoreSim();
    const short = sim.addWorker({ cpus: 1 }, 60_000);
    const request = {
      variants: [{ nodes: 0, minTimeMs: 120_000, weight: 10_000, entries: [{ name: 'cpus', policy: 'compact' as const, units: 10_000 }] }],
    };
    sim.openJob(1);
    sim.submit(1, '0', { traits: traits({ request }) });
    expect(sim.core.workers.get(short.id)?.rows.size).toBe(0);
    const long = sim.addWorker({ cpus: 1 }, 180_000);
    expect(sim.core.workers.get(long.id)?.rows.size).toBe(1);
  });
});

describe('priorities', () => {
  test('higher ones start first, equal ones in the order of their submission', () => {
    const sim = new CoreSim();
    sim.openJob(1);
    sim.openJob(2);
    sim.submit(2, '0', { traits: traits({ priority: 0 }) });
    sim.submit(1, '0-1', { traits: traits({ priority: 0, maxRetries: 1 }) });
    sim.submit(2, '1', { traits: traits({ priority: 5 }) });
    sim.addWorker({ cpus: 1 });
    sim.drain();
    expect(sim.starts).toEqual(['2.1.0', '2.0.0', '1.0.0', '1.1.0']);
  });

  test('what was sent ahead is taken back for a higher priority and keeps its instance', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 1 });
    sim.openJob(1);
    sim.submit(1, '0-9');
    sim.receive(worker);
    sim.report(worker);
    expect(worker.tasks.length).toBeGreaterThan(1);
    sim.submit(1, '10', { traits: traits({ priority: 1 }) });
    sim.receive(worker);
    sim.report(worker);
    sim.drain();
    expect(sim.starts[1]).toBe('1.10.0');
    expect(sim.starts.every((key) => key.endsWith('.0'))).toBe(true);
    expect(sim.starts).toHaveLength(11);
  });
});

describe('feeding ahead', () => {
  test('a worker that joins gets what another one only held for later', () => {
    const sim = new CoreSim();
    const first = sim.addWorker({ cpus: 1 });
    sim.openJob(1);
    sim.submit(1, '0-1');
    sim.receive(first);
    sim.report(first);
    expect(first.tasks).toHaveLength(2);
    const second = sim.addWorker({ cpus: 1 });
    sim.receive(first);
    sim.report(first);
    sim.receive(second);
    expect([...running(first), ...running(second)]).toEqual(['1.0.0', '1.1.0']);
  });

  test('long tasks are not sent ahead once the rate is known', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 1 });
    sim.openJob(1);
    sim.submit(1, '0-99');
    for (let i = 0; i < 10; i += 1) {
      sim.receive(worker);
      sim.nowMs += 60_000;
      const task = worker.tasks.find((candidate) => candidate.running);
      if (task !== undefined) sim.end(worker, task);
      sim.report(worker);
    }
    sim.receive(worker);
    expect(worker.tasks).toHaveLength(1);
  });

  test('quick tasks are sent ahead by the dozen', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 2 });
    sim.openJob(1);
    sim.submit(1, '0-1999');
    for (let i = 0; i < 200; i += 1) {
      sim.receive(worker);
      sim.nowMs += 3;
      for (const task of worker.tasks.filter((candidate) => candidate.running)) sim.end(worker, task);
      sim.report(worker);
    }
    sim.receive(worker);
    expect(worker.tasks.length).toBeGreaterThan(50);
  });

  test('a stopping or disconnected worker gets nothing new', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 4 });
    sim.openJob(1);
    sim.disconnect(worker);
    sim.submit(1, '0-3');
    expect(worker.inbox).toHaveLength(0);
    sim.reconnect(worker);
    expect(worker.inbox).toHaveLength(4);
  });
});
