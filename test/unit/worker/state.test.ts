import { describe, expect, test } from 'vitest';
import {
  UPDATE_CANCELED as CANCELED,
  UPDATE_FAILED as FAILED,
  UPDATE_FINISHED as FINISHED,
  UPDATE_RETRACTED as RETRACTED,
  UPDATE_STARTED as STARTED,
  UPDATE_STOPPED as STOPPED,
} from '../../../src/protocol/messages/worker.ts';
import type { HeldTask } from '../../../src/worker/heldTask.ts';
import type { WorkerState } from '../../../src/worker/state.ts';
import type { Instructions, WorkerEvent } from '../../../src/worker/stateEvents.ts';
import { compute, ended, machine, makeBody, NOW_MS } from './stateHelp.ts';

/** Kind and task of every update, e.g. `0:1` = task 1 started. */
function updates(out: Instructions): string[] {
  return out.updates.map((update) => `${update[0]}:${update[2]}`);
}

function step(state: WorkerState, event: WorkerEvent): Instructions {
  const out = state.handle(event);
  state.checkInvariants();
  return out;
}

const key = (task: number, instance = 0): [number, number, number] => [1, task, instance];

test('tasks start while they fit, the rest when others end', () => {
  const state = machine(['cpus=2']);
  const first = step(state, compute([1, 2, 3]));
  expect(first.start.map((task) => task.task)).toEqual([1, 2]);
  expect(updates(first)).toEqual([`${STARTED}:1`, `${STARTED}:2`]);
  const second = step(state, ended(first.start.slice(0, 1)));
  expect(updates(second)).toEqual([`${FINISHED}:1`, `${STARTED}:3`]);
  step(state, ended([...first.start.slice(1), ...second.start]));
  expect(state.isIdle).toBe(true);
});

test('higher priority first, then order of arrival', () => {
  const state = machine(['cpus=1']);
  const [running] = step(state, compute([0])).start;
  step(state, compute([1]));
  step(state, compute([2], makeBody({ priority: 5 })));
  step(state, compute([3], makeBody({ cpus: 0.5 })));
  step(state, compute([4], makeBody({ priority: 5 })));
  const order: number[] = [];
  for (let task = running; task !== undefined; ) {
    const out = step(state, ended([task]));
    order.push(...out.start.map((one) => one.task));
    task = out.start[0];
  }
  expect(order).toEqual([2, 4, 1, 3]);
});

test('what is free is used beside a task that waits for its like, and kept for one that waits for nobody', () => {
  const started = (out: Instructions): number[] => out.start.map((one) => one.task);
  const state = machine(['cpus=4']);
  const [large] = step(state, compute([1, 2], makeBody({ cpus: 3 }))).start as [HeldTask];
  const [small] = step(state, compute([3, 4])).start as [HeldTask];
  expect([large.task, small.task]).toEqual([1, 3]);
  expect(started(step(state, ended([small])))).toEqual([4]);
  // The large one was first: what has become free is its own, whatever else waits.
  step(state, compute([5, 6, 7]));
  expect(started(step(state, ended([large])))).toEqual([2]);
  const other = machine(['cpus=4']);
  const smalls = step(other, compute([1, 2, 3, 4, 5, 6])).start;
  step(other, compute([10], makeBody({ cpus: 3, priority: 1 })));
  expect(started(step(other, ended(smalls.slice(0, 2))))).toEqual([]);
  expect(started(step(other, ended(smalls.slice(2))))).toEqual([10, 5]);
});

describe('ranges', () => {
  const range = makeBody({ entries: [{ name: 'cpus', policy: 'compact', units: 20_000, maxUnits: 80_000 }] });
  const amounts = (out: Instructions): number[] => out.start.map((task) => (task.allocation?.entries[0]?.units ?? 0) / 10_000);

  test('one task takes what is free, several share it, many get the least amount', () => {
    expect(amounts(step(machine(['cpus=10']), compute([1], range)))).toEqual([8]);
    expect(amounts(step(machine(['cpus=10']), compute([1, 2], range)))).toEqual([5, 5]);
    expect(amounts(step(machine(['cpus=10']), compute([1, 2, 3, 4], range)))).toEqual([2, 2, 3, 3]);
    const busy = machine(['cpus=10']);
    const first = step(busy, compute([1, 2, 3, 4, 5, 6, 7, 8], range));
    expect(amounts(first)).toEqual([2, 2, 2, 2, 2]);
    expect(amounts(step(busy, ended(first.start)))).toEqual([3, 3, 4]);
  });

  test('what other tasks came for is left to them', () => {
    const state = machine(['cpus=10']);
    const bodies = [range, makeBody()];
    const tasks = [0, 1, 1, 1].map((body, id) => [1, id, 0, body, null, 0] as const);
    const out = step(state, { kind: 'compute', bodies, tasks, nowMs: NOW_MS });
    expect(amounts(out)).toEqual([7, 1, 1, 1]);
  });
});

test('a task that does not fit keeps later ones from taking what it waits for, and only that', () => {
  const state = machine(['cpus=4', 'gpus=1']);
  const small = step(state, compute([1, 2])).start;
  expect(step(state, compute([3], makeBody({ cpus: 3 }))).start).toEqual([]);
  expect(step(state, compute([4])).start).toEqual([]);
  const gpu = makeBody({ entries: [{ name: 'gpus', policy: 'compact', units: 10_000 }] });
  expect(step(state, compute([5], gpu)).start.map((task) => task.task)).toEqual([5]);
  expect(step(state, ended(small.slice(0, 1))).start.map((task) => task.task)).toEqual([3]);
  expect(step(state, ended(small.slice(1))).start.map((task) => task.task)).toEqual([4]);
});

test('cancelling drops what is queued and stops what runs; the answer comes after the end', () => {
  const state = machine(['cpus=1']);
  const { start } = step(state, compute([1, 2]));
  const out = step(state, { kind: 'cancel', tasks: [key(1), key(2), key(3)], nowMs: NOW_MS });
  expect(updates(out)).toEqual([`${CANCELED}:2`]);
  expect(out.stop).toEqual(start);
  expect(step(state, { kind: 'cancel', tasks: [key(1)], nowMs: NOW_MS }).stop).toEqual([]);
  expect(updates(step(state, ended(start, { kind: 'signal', signal: 'SIGINT' })))).toEqual([`${CANCELED}:1`]);
});

test('retract gives back what has not started', () => {
  const state = machine(['cpus=1']);
  step(state, compute([1, 2]));
  expect(updates(step(state, { kind: 'retract', tasks: [key(1), key(2), key(2, 1)], nowMs: NOW_MS }))).toEqual([`${RETRACTED}:2`]);
  // Given back and assigned again as the same instance: nobody has run it.
  expect(updates(step(state, compute([2])))).toEqual([]);
  expect(state.queue.size).toBe(1);
});

test('a repeated assignment is one assignment; an older instance is ignored, a newer one replaces', () => {
  const state = machine(['cpus=2']);
  const { start } = step(state, compute([1], makeBody(), { instance: 1 }));
  expect(step(state, compute([1], makeBody(), { instance: 1 })).start).toEqual([]);
  expect(step(state, compute([1], makeBody(), { instance: 0 })).start).toEqual([]);
  const newer = step(state, compute([1], makeBody(), { instance: 2 }));
  expect(newer.stop).toEqual(start);
  expect(newer.start.map((task) => task.instance)).toEqual([2]);
  expect(updates(step(state, ended(start)))).toEqual([]);
  expect(updates(step(state, ended(newer.start)))).toEqual([`${FINISHED}:1`]);
});

test('failures carry the sentences of the original', () => {
  const texts = (end: Parameters<typeof ended>[1], stop = false): unknown => {
    const state = machine();
    const { start } = step(state, compute([1]));
    if (stop) for (const task of start) step(state, { kind: 'time-limit', task });
    const [update] = step(state, ended(start, end)).updates;
    return update?.[6];
  };
  expect(texts({ kind: 'exit', code: 3 })).toEqual({
    kind: 'exit',
    error: 'Program terminated with exit code 3.',
    exitCode: 3,
    signal: null,
  });
  expect(texts({ kind: 'signal', signal: 'SIGKILL' })).toEqual({
    kind: 'signal',
    error: 'Program terminated with exit code -1. Received signal 9 (SIGKILL).',
    exitCode: null,
    signal: 'SIGKILL',
  });
  expect(texts({ kind: 'signal', signal: 'SIGINT' }, true)).toEqual({
    kind: 'time-limit',
    error: 'Time limit reached',
    exitCode: null,
    signal: 'SIGINT',
  });
  expect(texts({ kind: 'exit', code: 0 }, true)).toMatchObject({ kind: 'time-limit' });
  expect(texts({ kind: 'spawn', error: 'x' })).toEqual({ kind: 'spawn', error: 'x', exitCode: null, signal: null });
});

test('a task that holds too much memory has failed, whatever its end, and a kill by the kernel is told', () => {
  const excess = { usedBytes: 1.5 * 2 ** 30, limitBytes: 2 ** 30 };
  const end = (...ends: Parameters<typeof ended>[1][]) =>
    ends.map((one) => {
      const state = machine();
      const [task] = step(state, compute([1])).start as [HeldTask];
      const out = step(state, { kind: 'memory-limit', task, excess });
      expect(out.stop).toEqual([task]);
      expect(step(state, { kind: 'memory-limit', task, excess }).stop).toEqual([]);
      return step(state, ended([task], one)).updates[0]?.[6];
    });
  const error = 'Memory limit exceeded: 1.5 GiB used, 1 GiB requested.';
  expect(end({ kind: 'signal', signal: 'SIGKILL' }, { kind: 'exit', code: 0 })).toEqual([
    { kind: 'memory-limit', error, exitCode: null, signal: 'SIGKILL' },
    { kind: 'memory-limit', error, exitCode: 0, signal: null },
  ]);
  const state = machine();
  const [task] = step(state, compute([1])).start as [HeldTask];
  expect(step(state, ended([task], { kind: 'signal', signal: 'SIGKILL', outOfMemory: true })).updates[0]?.[6]).toEqual({
    kind: 'memory-limit',
    error:
      'Program terminated with exit code -1. Received signal 9 (SIGKILL). The kernel has killed a process of it, because no memory was left.',
    exitCode: null,
    signal: 'SIGKILL',
  });
});

test('a request that this worker can never meet fails with the reason', () => {
  const out = step(machine(), compute([1], makeBody({ cpus: 5 })));
  expect(updates(out)).toEqual([`${STARTED}:1`, `${FAILED}:1`]);
  expect(out.updates[1]?.[6]).toMatchObject({
    kind: 'internal',
    error: "The task cannot run here: this worker has 4 of 'cpus', 5 requested.",
  });
});

test('after a reconnect unwanted tasks go without a report, settled ones are not run again', () => {
  const state = machine(['cpus=2']);
  const { start } = step(state, compute([1, 2, 3, 4]));
  expect(state.heldForHello(100)).toEqual([
    [1, 1, 0, 1],
    [1, 2, 0, 1],
    [1, 3, 0, 0],
    [1, 4, 0, 0],
  ]);
  const out = step(state, { kind: 'reconnected', wanted: [key(1), key(4)], settled: [key(9)], nowMs: NOW_MS });
  expect(out.updates).toEqual([]);
  expect(out.stop.map((task) => task.task)).toEqual([2]);
  step(state, compute([9]));
  expect([...state.queue.all()].map((task) => task.task)).toEqual([4]);
  const after = step(state, ended(start.slice(1)));
  expect(updates(after)).toEqual([`${STARTED}:4`]);
  step(state, { kind: 'settled' });
  step(state, compute([9]));
  expect(state.queue.size).toBe(1);
});

test('a hello that would be too long forgets queued tasks, never running ones', () => {
  const state = machine(['cpus=2']);
  step(state, compute([1, 2, 3, 4, 5]));
  expect(state.heldForHello(3).map((task) => task[1])).toEqual([1, 2, 3]);
  state.checkInvariants();
  expect(state.queue.size).toBe(1);
});

test('a closing worker gives back, stops, and takes nothing new', () => {
  const state = machine(['cpus=1']);
  const { start } = step(state, compute([1, 2]));
  const out = step(state, { kind: 'close', running: true, nowMs: NOW_MS });
  expect(updates(out)).toEqual([`${RETRACTED}:2`]);
  expect(out.stop).toEqual(start);
  expect(step(state, compute([3])).updates).toEqual([]);
  expect(updates(step(state, ended(start, { kind: 'exit', code: 0 })))).toEqual([`${STOPPED}:1`]);
  expect(state.isIdle).toBe(true);
});

test('closing without stopping lets running tasks finish', () => {
  const state = machine(['cpus=1']);
  const { start } = step(state, compute([1, 2]));
  expect(step(state, { kind: 'close', running: false, nowMs: NOW_MS }).stop).toEqual([]);
  expect(updates(step(state, ended(start)))).toEqual([`${FINISHED}:1`]);
});

test('tasks that need more lifetime than is left are given back', () => {
  const state = machine(['cpus=1'], NOW_MS + 60_000);
  expect(updates(step(state, compute([1], makeBody({ minTimeMs: 60_001 }))))).toEqual([`${RETRACTED}:1`]);
  expect(updates(step(state, compute([2], makeBody({ minTimeMs: 60_000 }))))).toEqual([`${STARTED}:2`]);
  step(state, compute([3, 4], makeBody({ minTimeMs: 30_000 })));
  expect(updates(step(state, { kind: 'sweep', nowMs: NOW_MS + 30_000 }))).toEqual([]);
  expect(updates(step(state, { kind: 'sweep', nowMs: NOW_MS + 30_001 }))).toEqual([`${RETRACTED}:3`, `${RETRACTED}:4`]);
});
