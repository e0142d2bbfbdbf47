/** Feeding ahead and taking back when not everything that waits can run everywhere. */
import { describe, expect, test } from 'vitest';
import { UPDATE_RETRACTED } from '../../../src/protocol/messages/worker.ts';
import { CoreSim, type SimWorker, traits } from '../../helpers/coreSim.ts';

function running(worker: SimWorker): string[] {
  return worker.tasks.filter((task) => task.running).map((task) => task.key);
}

const needsMinute = {
  variants: [{ nodes: 0, minTimeMs: 60_000, weight: 10_000, entries: [{ name: 'cpus', policy: 'compact' as const, units: 10_000 }] }],
};

describe('workers near their end', () => {
  test('are not fed with tasks that need more time than is left', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 1 }, 90_000);
    sim.openJob(1);
    sim.submit(1, '0', { traits: traits({ request: needsMinute }) });
    sim.receive(worker);
    sim.nowMs += 60_000;
    sim.report(worker);
    sim.submit(1, '1-4', { traits: traits({ request: needsMinute }) });
    expect(sim.core.workers.get(worker.id)?.rows.size).toBe(1);
  });

  test('do not get a task again that they gave back by their own clock', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 1 }, 60_000);
    sim.openJob(1);
    sim.submit(1, '0', { traits: traits({ request: needsMinute }) });
    expect(worker.inbox).toHaveLength(1);
    worker.inbox.length = 0;
    // Its clock is five seconds ahead of the server's.
    worker.outgoing.push([UPDATE_RETRACTED, 1, 0, 0, sim.nowMs + 5_000]);
    sim.report(worker);
    expect(worker.inbox).toHaveLength(0);
    expect(sim.core.jobs.get(1)?.held).toBe(0);
    const other = sim.addWorker({ cpus: 1 }, 90_000);
    sim.receive(other);
    expect(running(other)).toEqual(['1.0.0']);
  });
});

describe('when something waits that no worker can run', () => {
  test('an idle worker still gets what another one only holds for later', () => {
    const sim = new CoreSim();
    const first = sim.addWorker({ cpus: 1 });
    sim.openJob(1);
    sim.submit(1, '0-1');
    sim.receive(first);
    sim.report(first);
    expect(first.tasks).toHaveLength(2);
    sim.submit(1, '2', { traits: traits({ needs: { gpus: 1 } }) });
    const second = sim.addWorker({ cpus: 1 });
    sim.receive(first);
    sim.report(first);
    sim.receive(second);
    expect(running(second)).toEqual(['1.1.0']);
  });

  test('a higher priority of it neither takes back what is queued nor keeps others from being fed', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 1 });
    sim.openJob(1);
    sim.submit(1, '0-9');
    sim.receive(worker);
    sim.report(worker);
    const queued = sim.core.workers.get(worker.id)?.queued.size;
    expect(queued).toBeGreaterThan(0);
    sim.submit(1, '10', { traits: traits({ needs: { gpus: 1 }, priority: 9 }) });
    expect(worker.inbox).toHaveLength(0);
    const task = worker.tasks.find((candidate) => candidate.running);
    if (task !== undefined) sim.end(worker, task);
    sim.report(worker);
    expect(sim.core.workers.get(worker.id)?.queued.size).toBe(queued);
  });

  test('two workers that become idle together are both given something', () => {
    const sim = new CoreSim();
    const first = sim.addWorker({ cpus: 1 });
    sim.openJob(1);
    sim.submit(1, '0-2');
    sim.receive(first);
    sim.report(first);
    expect(first.tasks).toHaveLength(3 - sim.core.ready.size);
    const others = [sim.addWorker({ cpus: 1 }), sim.addWorker({ cpus: 1 })];
    for (let i = 0; i < 2; i += 1)
      for (const worker of [first, ...others]) {
        sim.receive(worker);
        sim.report(worker);
      }
    expect([first, ...others].map(running)).toEqual([['1.0.0'], expect.anything(), expect.anything()]);
    expect(new Set(others.flatMap(running))).toEqual(new Set(['1.1.0', '1.2.0']));
  });
});

test('dependants of many canceled tasks are found once, however much they overlap', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const count = 4_000;
  sim.submit(1, `0-${count - 1}`, {
    traits: Array.from({ length: count }, () => traits()),
    deps: Array.from({ length: count }, (_, i) => (i === 0 ? [] : [i - 1])),
  });
  expect(sim.cancel(1, `0-${count / 2}`)).toEqual({ canceled: count / 2 + 1, alreadyDone: 0 });
  expect(sim.core.jobs.get(1)?.stats).toMatchObject({ canceled: count / 2 + 1, aborted: count / 2 - 1 });
});
