/** Tasks that wait in the launcher: which, how many, and what becomes of them when the server or another task changes its mind. */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  UPDATE_CANCELED,
  UPDATE_FINISHED,
  UPDATE_RETRACTED,
  UPDATE_STARTED,
  UPDATE_STOPPED,
} from '../../../src/protocol/messages/worker.ts';
import type { HeldTask } from '../../../src/worker/heldTask.ts';
import { stagingTarget } from '../../../src/worker/staging.ts';
import type { WorkerState } from '../../../src/worker/state.ts';
import type { Instructions } from '../../../src/worker/stateEvents.ts';
import { compute, machine, makeBody, NOW_MS } from './stateHelp.ts';

const ids = (tasks: readonly HeldTask[]): number[] => tasks.map(({ task }) => task);
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const updates = (out: Instructions): [number, number][] => out.updates.map(([kind, , task]) => [kind, task]);

function end(state: WorkerState, task: HeldTask, o: { next?: HeldTask; wallMs?: number } = {}): Instructions {
  const usage = { wallMs: o.wallMs ?? 1, userMs: null, systemMs: null, maxRssBytes: null, peakMemBytes: null };
  const one = { task, end: { kind: 'exit', code: 0 } as const, usage, atMs: NOW_MS, next: o.next ?? null };
  return state.handle({ kind: 'ended', ends: [one], nowMs: NOW_MS });
}

describe('how many are staged', () => {
  test.each([
    ['nothing before the first has ended', { running: 2, meanMs: null }, 0],
    ['nothing of a class that does not run', { running: 0, meanMs: 1 }, 0],
    ['15 ms of work for each that runs', { running: 2, meanMs: 1 }, 30],
    ['one for each that runs when they are longer', { running: 4, meanMs: 40 }, 4],
    ['nothing when the worker is quick enough', { running: 4, meanMs: 51 }, 0],
    ['not more than the launcher should hold', { running: 64, meanMs: 0.01 }, 1024],
  ])('%s', (_what, queueClass, expected) => {
    expect(stagingTarget(queueClass)).toBe(expected);
  });
});

describe('a worker with two CPUs and 200 quick tasks', () => {
  let state: WorkerState;
  let running: HeldTask[];
  let staged: HeldTask[];
  beforeEach(() => {
    state = machine(['cpus=2'], null, true);
    running = state.handle(compute(range(1, 200))).start;
    const out = end(state, running[0] as HeldTask);
    running = [running[1] as HeldTask, ...out.start];
    staged = out.stage;
  });

  test('stages those that are next', () => {
    expect(ids(running)).toEqual([2, 3]);
    expect(ids(staged)).toEqual(range(4, 33));
    expect(state.queue.size).toBe(167);
  });

  test('a staged task takes over what another held, and is replaced', () => {
    const [first, next] = [running[0] as HeldTask, staged[0] as HeldTask];
    const held = first.allocation;
    const out = end(state, first, { next });
    expect(updates(out)).toEqual([
      [UPDATE_FINISHED, 2],
      [UPDATE_STARTED, 4],
    ]);
    expect([next.state, next.allocation === held]).toEqual(['running', true]);
    expect([ids(out.start), ids(out.stage)]).toEqual([[], [34]]);
    state.checkInvariants();
  });

  test.each([
    ['another priority', makeBody({ priority: 1 })],
    ['another request', makeBody({ cpus: 2 })],
  ])('%s calls them back, once, and they keep their place', (_what, body) => {
    const out = state.handle(compute([500], body));
    expect(ids(out.unstage)).toEqual(ids(staged));
    expect(state.handle(compute([501], body)).unstage).toEqual([]);
    const back = state.handle({ kind: 'returned', returned: staged.map((task) => ({ task, lost: false })), nowMs: NOW_MS });
    expect([ids(back.start), ids(back.stage)]).toEqual([[], []]);
    state.checkInvariants();
    end(state, running[0] as HeldTask);
    const last = end(state, running[1] as HeldTask);
    const next = body.priority === 1 ? 501 : 5;
    expect(ids(last.start)).toEqual([next]);
  });

  test('one that is asked back is retracted when it comes back, and runs when it has started', () => {
    const [a, b] = staged as [HeldTask, HeldTask];
    const out = state.handle({
      kind: 'retract',
      tasks: [
        [1, 4, 0],
        [1, 5, 0],
      ],
      nowMs: NOW_MS,
    });
    expect([ids(out.unstage), out.updates]).toEqual([[4, 5], []]);
    expect(updates(end(state, running[0] as HeldTask, { next: a }))).toEqual([
      [UPDATE_FINISHED, 2],
      [UPDATE_STARTED, 4],
    ]);
    const back = state.handle({ kind: 'returned', returned: [{ task: b, lost: false }], nowMs: NOW_MS });
    expect(updates(back)).toEqual([[UPDATE_RETRACTED, 5]]);
  });

  test('one that is canceled is stopped when it has started meanwhile', () => {
    const [a, b] = staged as [HeldTask, HeldTask];
    state.handle({
      kind: 'cancel',
      tasks: [
        [1, 4, 0],
        [1, 5, 0],
      ],
      nowMs: NOW_MS,
    });
    const out = end(state, running[0] as HeldTask, { next: a });
    expect([ids(out.stop), updates(out)[1]]).toEqual([[4], [UPDATE_STARTED, 4]]);
    expect(updates(end(state, a))[0]).toEqual([UPDATE_CANCELED, 4]);
    const back = state.handle({ kind: 'returned', returned: [{ task: b, lost: false }], nowMs: NOW_MS });
    expect(updates(back)).toEqual([[UPDATE_CANCELED, 5]]);
  });

  test('one that the server no longer wants is killed without a word', () => {
    const [a, b] = staged as [HeldTask, HeldTask];
    const held = state.heldForHello(1000).map(([job, task, instance]) => [job, task, instance] as const);
    const wanted = held.filter(([, task]) => task !== 4 && task !== 5);
    const out = state.handle({ kind: 'reconnected', wanted, settled: [], nowMs: NOW_MS });
    expect(ids(out.unstage)).toEqual([4, 5]);
    const taken = end(state, running[0] as HeldTask, { next: a });
    expect([ids(taken.stop), updates(taken)]).toEqual([[4], [[UPDATE_FINISHED, 2]]]);
    expect(state.handle({ kind: 'returned', returned: [{ task: b, lost: false }], nowMs: NOW_MS }).updates).toEqual([]);
    expect(updates(end(state, a)).filter(([, task]) => task === 4)).toEqual([]);
    state.checkInvariants();
  });

  test('with the launcher they are lost as if they had run', () => {
    const out = state.handle({ kind: 'returned', returned: [{ task: staged[0] as HeldTask, lost: true }], nowMs: NOW_MS });
    expect(updates(out)).toEqual([
      [UPDATE_STARTED, 4],
      [UPDATE_STOPPED, 4],
    ]);
  });

  test('the end of the worker calls them back, and stops what starts meanwhile', () => {
    const out = state.handle({ kind: 'close', running: true, nowMs: NOW_MS });
    expect(ids(out.unstage)).toEqual(ids(staged));
    const [next, ...rest] = staged as [HeldTask, ...HeldTask[]];
    expect(ids(end(state, running[0] as HeldTask, { next }).stop)).toEqual([4]);
    const back = state.handle({ kind: 'returned', returned: rest.map((task) => ({ task, lost: false })), nowMs: NOW_MS });
    expect(back.updates.every(([kind]) => kind === UPDATE_RETRACTED)).toBe(true);
    end(state, running[1] as HeldTask);
    end(state, next);
    expect(state.isIdle).toBe(true);
  });

  test('a place that stays free calls the last one back', () => {
    state.handle({ kind: 'retract', tasks: range(34, 200).map((id) => [1, id, 0] as const), nowMs: NOW_MS });
    expect(ids(end(state, running[0] as HeldTask).unstage)).toEqual([33]);
  });

  test('what a warm runner starts does not wait in the launcher', () => {
    const warm = { kind: 'snakemake', python: 'python3', run: 'r', level: 'snakefile' } as const;
    state = machine(['cpus=2'], null, true);
    const [first] = state.handle(compute(range(1, 200), makeBody({ warm }))).start as [HeldTask];
    const out = end(state, first);
    expect([ids(out.start), ids(out.stage)]).toEqual([[3], []]);
  });

  test('one that came back unasked is started by the worker, never staged again', () => {
    const [first] = staged as [HeldTask];
    const out = state.handle({ kind: 'returned', returned: [{ task: first, lost: false }], nowMs: NOW_MS });
    expect([ids(out.start), ids(out.stage)]).toEqual([[], []]);
    expect(ids(end(state, running[0] as HeldTask).start)).toEqual([4]);
  });
});
