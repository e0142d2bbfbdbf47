/** Multi-node tasks: whole idle workers of one group, kept from others while the task runs, collected after a minute when they never are idle at once. */
import { describe, expect, test } from 'vitest';
import { RESERVE_AFTER_MS } from '../../../src/core/schedule/reserve.ts';
import { CoreSim, type SimWorker, traits } from '../../helpers/coreSim.ts';

const nodes = (count: number, minTimeMs = 0) =>
  traits({ request: { variants: [{ nodes: count, minTimeMs, weight: 10_000, entries: [] }] } });
const ids = (worker: SimWorker): number[] => worker.tasks.map((task) => task.task);

function cluster(groups: readonly string[]): { sim: CoreSim; workers: SimWorker[] } {
  const sim = new CoreSim();
  sim.openJob(1);
  return { sim, workers: groups.map((group) => sim.addWorker({ cpus: 2 }, Number.POSITIVE_INFINITY, { group })) };
}

function receiveAll(sim: CoreSim, workers: readonly SimWorker[]): void {
  for (const worker of workers) sim.receive(worker);
}

describe('a task of two nodes', () => {
  test('runs on its root and keeps the other from everybody until it ends', () => {
    const { sim, workers } = cluster(['a', 'a', 'a']);
    sim.submit(1, '0', { traits: nodes(2) });
    sim.submit(1, '10-19');
    receiveAll(sim, workers);
    const [root, member, third] = workers as [SimWorker, SimWorker, SimWorker];
    expect([ids(root), ids(member)]).toEqual([[0], []]);
    expect(ids(third).length).toBeGreaterThan(0);
    expect([...sim.core.gangs.values()]).toEqual([[root.id, member.id]]);
    sim.end(root, root.tasks[0] as never);
    sim.report(root);
    receiveAll(sim, workers);
    expect(sim.core.gangs.size).toBe(0);
    expect(ids(member).length).toBeGreaterThan(0);
  });

  test('the next one is not sent ahead to the root, which alone could not run it', () => {
    const { sim, workers } = cluster(['a', 'a', 'a']);
    sim.submit(1, '0-5', { traits: nodes(2) });
    receiveAll(sim, workers);
    expect(workers.map(ids)).toEqual([[0], [], []]);
    sim.drain();
    expect(sim.starts).toEqual(['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0', '1.5.0']);
  });

  test('that a lost worker has left before its root came back is gathered anew when the root never got it', () => {
    const { sim, workers } = cluster(['a', 'a', 'a']);
    sim.submit(1, '0', { traits: nodes(2) });
    const [root, member] = workers as [SimWorker, SimWorker];
    sim.disconnect(root);
    sim.lose(member);
    sim.reconnect(root);
    sim.drain();
    expect(sim.starts).toEqual(['1.0.1']);
    expect(sim.core.gangs.size).toBe(0);
  });

  test('takes workers of one group only', () => {
    const { sim, workers } = cluster(['a', 'b', 'b']);
    sim.submit(1, '0', { traits: nodes(2) });
    receiveAll(sim, workers);
    expect([...sim.core.gangs.values()]).toEqual([[2, 3]]);
  });

  test('waits when no group has enough, and for workers that live long enough', () => {
    const { sim } = cluster(['a', 'b']);
    sim.submit(1, '0', { traits: nodes(2, 10_000) });
    expect(sim.core.gangs.size).toBe(0);
    sim.addWorker({ cpus: 2 }, 5_000, { group: 'a' });
    expect(sim.core.gangs.size).toBe(0);
    sim.addWorker({ cpus: 2 }, 20_000, { group: 'b' });
    expect([...sim.core.gangs.values()]).toEqual([[2, 4]]);
  });

  test('goes on when a node is lost that is not its root, and runs again when the root is', () => {
    const { sim, workers } = cluster(['a', 'a', 'a', 'a']);
    sim.submit(1, '0', { traits: nodes(2) });
    receiveAll(sim, workers);
    const [root, member] = workers as [SimWorker, SimWorker];
    sim.report(root);
    sim.lose(member);
    expect([...sim.core.gangs.values()]).toEqual([[root.id]]);
    expect(sim.changes.some((change) => change.kind === 'requeued')).toBe(false);
    sim.lose(root);
    expect(sim.changes.find((change) => change.kind === 'requeued')).toMatchObject({ taskId: 0, nextInstance: 1 });
    expect([...sim.core.gangs.values()]).toEqual([[3, 4]]);
  });

  test('canceled, its nodes are free when the root has ended it', () => {
    const { sim, workers } = cluster(['a', 'a']);
    sim.submit(1, '0', { traits: nodes(2) });
    receiveAll(sim, workers);
    sim.cancel(1, '0');
    expect(sim.core.gangs.size).toBe(1);
    const root = workers[0] as SimWorker;
    sim.receive(root);
    sim.report(root);
    expect(sim.core.gangs.size).toBe(0);
    sim.submit(1, '10-11', { traits: traits({ needs: { cpus: 2 } }) });
    receiveAll(sim, workers);
    expect(workers.map(ids)).toEqual([[10], [11]]);
  });
});

test('workers that are never idle at once are collected after a minute', () => {
  const { sim, workers } = cluster(['a', 'a']);
  sim.submit(1, '10-200');
  receiveAll(sim, workers);
  sim.submit(1, '0', { traits: { ...nodes(2), priority: 1 } });
  const turn = (): void => {
    for (const worker of workers) {
      const task = worker.tasks.find((candidate) => candidate.running);
      if (task !== undefined) sim.end(worker, task);
      sim.report(worker);
      sim.receive(worker);
    }
  };
  for (let i = 0; i < 5; i += 1) turn();
  expect(sim.core.gangs.size).toBe(0);
  sim.wait(RESERVE_AFTER_MS + 1);
  for (let i = 0; i < 10; i += 1) turn();
  expect(sim.starts.some((key) => key.startsWith('1.0.'))).toBe(true);
});

test('with a least utilisation a worker gets nothing until what waits fills it so far', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const worker = sim.addWorker({ cpus: 8 }, Number.POSITIVE_INFINITY, { minUtilization: 0.5 });
  sim.submit(1, '0-2');
  sim.receive(worker);
  expect(ids(worker)).toEqual([]);
  sim.submit(1, '3');
  sim.receive(worker);
  expect(ids(worker)).toEqual([0, 1, 2, 3]);
});

test('the preferred variant is used wherever it can start, a later one only when none can', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const entry = (name: string, amount: number) => ({ name, policy: 'compact' as const, units: amount * 10_000 });
  const variant = (weight: number, ...entries: ReturnType<typeof entry>[]) => ({ nodes: 0, minTimeMs: 0, weight, entries });
  const cpuOnly = sim.addWorker({ cpus: 16 });
  const withGpu = sim.addWorker({ cpus: 4, gpus: 1 });
  const request = { variants: [variant(10_000, entry('cpus', 4), entry('gpus', 1)), variant(10_000, entry('cpus', 16))] };
  sim.submit(1, '0-1', { traits: traits({ request }) });
  for (const worker of [cpuOnly, withGpu]) sim.receive(worker);
  expect(withGpu.tasks.map(({ task, variant: used }) => [task, used])).toEqual([[0, 0]]);
  expect(cpuOnly.tasks.map(({ task, variant: used }) => [task, used])).toEqual([[1, 1]]);
});

test('of two variants that could start, the one of larger weight is used', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const worker = sim.addWorker({ cpus: 4, gpus: 1 });
  const entry = (name: string, amount: number) => ({ name, policy: 'compact' as const, units: amount * 10_000 });
  const request = {
    variants: [
      { nodes: 0, minTimeMs: 0, weight: 10_000, entries: [entry('cpus', 4)] },
      { nodes: 0, minTimeMs: 0, weight: 20_000, entries: [entry('cpus', 1), entry('gpus', 1)] },
    ],
  };
  sim.submit(1, '0', { traits: traits({ request }) });
  sim.receive(worker);
  expect(worker.tasks.map(({ variant }) => variant)).toEqual([1]);
});

test('of tasks of one priority the heavier start first, however old the others are', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const entries = [{ name: 'cpus', policy: 'compact' as const, units: 10_000 }];
  const request = { variants: [{ nodes: 0, minTimeMs: 0, weight: 20_000, entries }] };
  sim.submit(1, '0-1');
  sim.submit(1, '2', { traits: traits({ request }) });
  sim.submit(1, '3', { traits: traits({ priority: 1 }) });
  sim.addWorker({ cpus: 1 });
  sim.drain();
  expect(sim.starts).toEqual(['1.3.0', '1.2.0', '1.0.0', '1.1.0']);
});
