/** "What if there were more workers": what waits asks for as many as would get something, in the order of the plan, and for each only once. */
import { describe, expect, test } from 'vitest';
import { type Offer, type WorkerShape, whatIf } from '../../../src/core/query.ts';
import { CoreSim, traits } from '../../helpers/coreSim.ts';

const HOUR_MS = 3_600_000;

/** Four CPUs and an hour. */
function shape(o: Partial<Omit<WorkerShape, 'resources'>> & { has?: Record<string, number> } = {}): WorkerShape {
  const { has = { cpus: 4 }, ...rest } = o;
  const resources = new Map(Object.entries(has).map(([name, amount]) => [name, amount * 10_000]));
  return { isOpen: false, lifetimeMs: HOUR_MS, minUtilization: 0, ...rest, resources };
}

function offer(o: Partial<Offer> = {}): Offer {
  return { shape: shape(), late: [], maxAllocations: 100, maxWorkersPerAllocation: 1, maxWorkers: 100, ...o };
}

function waiting(ids: string, o: Parameters<typeof traits>[0] = {}): CoreSim {
  const sim = new CoreSim();
  sim.openJob(1);
  sim.submit(1, ids, { traits: traits(o) });
  return sim;
}

const gangOf = (nodes: number, minTimeMs = 0) => ({ variants: [{ nodes, minTimeMs, weight: 10_000, entries: [] }] });

const askOne = (sim: CoreSim, one: Offer): readonly number[] =>
  whatIf(sim.core, { expected: [], offers: [one] }).offers[0]?.allocations ?? [];
const workersOf = (allocations: readonly number[]): number => allocations.reduce((sum, workers) => sum + workers, 0);

describe('workers asked for', () => {
  test('are as many as what waits fills, the last one partly', () => {
    expect(askOne(waiting('1-9'), offer())).toEqual([1, 1, 1]);
    expect(askOne(waiting('1-8'), offer())).toEqual([1, 1]);
    expect(askOne(waiting('1-2', { needs: { cpus: 3 } }), offer())).toEqual([1, 1]);
  });

  test('are none when nothing waits, or nothing that would fit', () => {
    const sim = new CoreSim();
    expect(askOne(sim, offer())).toEqual([]);
    expect(askOne(waiting('1-9', { needs: { cpus: 5 } }), offer())).toEqual([]);
    expect(askOne(waiting('1-9', { needs: { cpus: 1, gpus: 1 } }), offer())).toEqual([]);
  });

  test('come in allocations of the greatest size and one for the rest, within all limits', () => {
    const sim = waiting('1-100');
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 10 }))).toEqual([10, 10, 5]);
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 10, maxAllocations: 2 }))).toEqual([10, 10]);
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 10, maxWorkers: 13 }))).toEqual([10, 3]);
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 10, maxWorkers: 0 }))).toEqual([]);
  });

  test('do not count tasks that workers can take, wait for others, or wait for a retry', () => {
    const sim = new CoreSim();
    sim.openJob(1);
    const worker = sim.addWorker({ cpus: 2 });
    sim.submit(1, '1-2', { traits: traits({ retry: { maxRetries: 1, delayMs: 60_000, on: null, memFactor: 1 } }) });
    sim.submit(1, '3-5', { traits: [1, 2, 3].map(() => traits()), deps: [[1], [1], [2]] });
    sim.receive(worker);
    sim.report(worker);
    expect(askOne(sim, offer())).toEqual([]);
    const [first] = worker.tasks.filter((task) => task.running);
    sim.end(worker, first as never, { kind: 'exit', error: 'exit 1', exitCode: 1, signal: null });
    sim.report(worker);
    expect(askOne(sim, offer())).toEqual([]);
  });

  test('count what a slow worker has queued ahead: it is taken back when there is room elsewhere', () => {
    const sim = new CoreSim();
    sim.openJob(1);
    const worker = sim.addWorker({ cpus: 1 });
    sim.submit(1, '1-5');
    expect(worker.inbox.length).toBeGreaterThan(1);
    expect(sim.core.ready.size).toBeLessThan(4);
    expect(askOne(sim, offer({ shape: shape({ has: { cpus: 1 } }) }))).toEqual([1, 1, 1, 1]);
  });

  test('of one class are asked for at once, however many there are', () => {
    const sim = waiting('1-100000');
    expect(workersOf(askOne(sim, offer({ maxWorkers: 1_000_000, maxAllocations: 1_000_000, maxWorkersPerAllocation: 1_000 })))).toBe(
      25_000,
    );
  });
});

describe('the time that a worker lives', () => {
  test('must be as long as the time request', () => {
    const request = {
      variants: [{ nodes: 0, minTimeMs: HOUR_MS, weight: 10_000, entries: [{ name: 'cpus', policy: 'compact' as const, units: 10_000 }] }],
    };
    expect(askOne(waiting('1', { request }), offer())).toEqual([1]);
    expect(askOne(waiting('1', { request }), offer({ shape: shape({ lifetimeMs: HOUR_MS - 1 }) }))).toEqual([]);
    expect(
      askOne(waiting('1', { request: gangOf(2, HOUR_MS) }), offer({ maxWorkersPerAllocation: 2, shape: shape({ lifetimeMs: 1 }) })),
    ).toEqual([]);
  });
});

describe('a worker of which not everything is known', () => {
  test('is expected to have what is not listed, without end', () => {
    const sim = waiting('1-50', { needs: { cpus: 1, gpus: 1 } });
    expect(askOne(sim, offer({ shape: shape({ has: {}, isOpen: true }) }))).toEqual([1]);
    expect(askOne(sim, offer({ shape: shape({ has: { cpus: 10 }, isOpen: true }) }))).toEqual([1, 1, 1, 1, 1]);
  });

  test('meets a request for gpus with those of a vendor', () => {
    expect(askOne(waiting('1-3', { needs: { gpus: 1 } }), offer({ shape: shape({ has: { cpus: 4, 'gpus/nvidia': 2 } }) }))).toEqual([1, 1]);
  });
});

describe('the least utilization', () => {
  test('lets no worker come that would be used less', () => {
    const half = offer({ shape: shape({ minUtilization: 0.5 }) });
    expect(askOne(waiting('1'), half)).toEqual([]);
    expect(askOne(waiting('1-2'), half)).toEqual([1]);
    expect(askOne(waiting('1-5'), half)).toEqual([1]);
    expect(askOne(waiting('1-6'), half)).toEqual([1, 1]);
  });

  test('is met by anything where the number of CPUs is not known', () => {
    expect(askOne(waiting('1'), offer({ shape: shape({ has: {}, isOpen: true, minUtilization: 1 }) }))).toEqual([1]);
  });
});

describe('multi-node tasks', () => {
  test('get an allocation each, of just their size, before all others', () => {
    const sim = waiting('1-2', { request: gangOf(3) });
    sim.submit(1, '10-17');
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 4 }))).toEqual([3, 3, 2]);
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 4, maxAllocations: 1 }))).toEqual([3]);
  });

  test('ask for nothing where allocations, or what is left of the limit, are smaller', () => {
    const sim = waiting('1-2', { request: gangOf(3) });
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 2 }))).toEqual([]);
    expect(askOne(sim, offer({ maxWorkersPerAllocation: 3, maxWorkers: 5 }))).toEqual([3]);
  });
});

const askAll = (sim: CoreSim, offers: readonly Offer[]) => whatIf(sim.core, { expected: [], offers }).offers.map((one) => one.allocations);

describe('several queues', () => {
  test('share what waits: what the first may not ask for is left to the next', () => {
    const sim = waiting('1-20');
    expect(askAll(sim, [offer({ maxAllocations: 2 }), offer()])).toEqual([
      [1, 1],
      [1, 1, 1],
    ]);
  });

  test('get the tasks that only they can run', () => {
    const sim = waiting('1-4', { needs: { cpus: 1, gpus: 1 } });
    sim.submit(1, '10-13');
    const gpus = offer({ shape: shape({ has: { cpus: 8, gpus: 2 } }) });
    expect(askAll(sim, [offer(), gpus])).toEqual([[1], [1, 1]]);
  });
});

describe('workers that are on their way', () => {
  test('get their share first, the oldest before the others', () => {
    const expected = [
      { shape: shape(), workers: 2 },
      { shape: shape(), workers: 2 },
    ];
    expect(whatIf(waiting('1-12').core, { expected, offers: [offer()] })).toEqual({
      expected: [2, 1],
      offers: [{ late: [], allocations: [] }],
    });
    expect(whatIf(waiting('1-20').core, { expected, offers: [offer()] })).toEqual({
      expected: [2, 2],
      offers: [{ late: [], allocations: [1] }],
    });
    expect(whatIf(waiting('1-4').core, { expected, offers: [offer()] })).toEqual({
      expected: [1, 0],
      offers: [{ late: [], allocations: [] }],
    });
  });

  test('of one allocation take a multi-node task together', () => {
    const sim = waiting('1-2', { request: gangOf(2) });
    const pair = { shape: shape(), workers: 2 };
    const single = { shape: shape(), workers: 1 };
    const found = whatIf(sim.core, { expected: [single, pair], offers: [offer({ maxWorkersPerAllocation: 2 })] });
    expect(found).toEqual({ expected: [0, 2], offers: [{ late: [], allocations: [2] }] });
  });

  test('for too long count in their own queue only', () => {
    const late = [{ shape: shape(), workers: 1 }];
    expect(whatIf(waiting('1-4').core, { expected: [], offers: [offer({ late }), offer()] }).offers).toEqual([
      { late: [1], allocations: [] },
      { late: [], allocations: [1] },
    ]);
    expect(whatIf(waiting('1-8').core, { expected: [], offers: [offer({ late }), offer()] }).offers).toEqual([
      { late: [1], allocations: [1] },
      { late: [], allocations: [1] },
    ]);
  });
});
