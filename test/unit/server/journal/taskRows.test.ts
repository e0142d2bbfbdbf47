/** What the journal keeps of one task through every order in which changes can arrive. */
import { expect, test } from 'vitest';
import type { JournalEntry, TaskRow } from '../../../../src/server/journal/types.ts';
import { assigned, bulkRows, failed, finished, job, makeStore, started, submit, T0, taskRows, write } from './helpers.ts';

const BLANK: TaskRow = {
  taskId: 0,
  state: 'waiting',
  instance: 0,
  workerId: null,
  variant: 0,
  crashes: 0,
  retries: 0,
  dueAtMs: null,
  gang: null,
  startedAtMs: null,
  finishedAtMs: null,
  error: null,
  failure: null,
  exitCode: null,
  signal: null,
  usage: null,
};

/** The row of task 0 after these entries, each in a transaction of its own and all in one: the same. */
function rowAfter(...entries: JournalEntry[]): TaskRow | undefined {
  const [one, each] = [makeStore(), makeStore()];
  write(one, job(), submit(), ...entries);
  write(each, job(), submit());
  for (const entry of entries) write(each, entry);
  const [row] = taskRows(one);
  expect(taskRows(each)[0]).toEqual(row);
  return row;
}

const requeued = (nextInstance: number, crashes = 0, retries = 0, dueAtMs: number | null = null): JournalEntry => {
  return { kind: 'requeued', jobId: 1, taskId: 0, nextInstance, crashes, retries, dueAtMs };
};

test('a task that was never touched has no row', () => {
  expect(rowAfter()).toBeUndefined();
});

test('assigned, running, finished', () => {
  const sent = { ...BLANK, state: 'assigned', workerId: 3 };
  expect(rowAfter(assigned([0], { workerId: 3 }))).toEqual(sent);
  const running = { ...sent, state: 'running', variant: 2, startedAtMs: T0 + 10 };
  expect(rowAfter(assigned([0], { workerId: 3 }), started(0, { workerId: 3, variant: 2 }))).toEqual(running);
  const usage = { wallMs: 12.5, userMs: 3.25, systemMs: null, maxRssBytes: 5_000_000_000, peakMemBytes: 6_000_000_000 };
  expect(rowAfter(assigned([0], { workerId: 3 }), started(0, { workerId: 3, variant: 2 }), finished(0))).toEqual({
    ...{ ...running, state: 'finished', finishedAtMs: T0 + 20, usage },
  });
});

test('a failure keeps its words, numbers and signal', () => {
  expect(rowAfter(assigned([0]), started(0), failed(0))).toMatchObject({
    state: 'failed',
    error: 'exit code 3',
    failure: 'exit',
    exitCode: 3,
  });
  const killed: JournalEntry = {
    ...{ kind: 'ended', jobId: 1, taskId: 0, instance: 0, state: 'canceled', atMs: T0, usage: null },
    failure: { kind: 'canceled', error: 'ünwanted', exitCode: null, signal: 'SIGTERM' },
  };
  expect(rowAfter(assigned([0]), killed)).toMatchObject({
    state: 'canceled',
    error: 'ünwanted',
    failure: 'canceled',
    exitCode: null,
    signal: 'SIGTERM',
  });
});

test('a requeued task waits as its next instance and keeps its counters through the next attempt', () => {
  const waiting = { ...BLANK, instance: 1, crashes: 1, retries: 2 };
  expect(rowAfter(assigned([0]), started(0), requeued(1, 1, 2))).toEqual(waiting);
  const again = rowAfter(assigned([0]), started(0), requeued(1, 1, 2), assigned([0], { instance: 1, workerId: 9 }));
  expect(again).toEqual({ ...waiting, state: 'assigned', workerId: 9 });
});

test('the workers of a multi-node task are kept with their instance', () => {
  const gang: JournalEntry = { kind: 'gang', jobId: 1, taskId: 0, instance: 0, workerIds: [3, 1, 12] };
  expect(rowAfter(assigned([0], { workerId: 3 }), gang)?.gang).toEqual([3, 1, 12]);
  expect(rowAfter(assigned([0]), { ...gang, instance: 1 })?.gang).toBeNull();
});

test('the time of the next attempt is kept until the task waits for another reason', () => {
  const delayed = [assigned([0]), started(0), requeued(1, 0, 1, T0 + 5_000)];
  expect(rowAfter(...delayed)).toEqual({ ...BLANK, instance: 1, retries: 1, dueAtMs: T0 + 5_000 });
  const lost = rowAfter(...delayed, assigned([0], { instance: 1 }), started(0, { instance: 1 }), requeued(2, 1, 1));
  expect(lost).toEqual({ ...BLANK, instance: 2, retries: 1, crashes: 1 });
});

test('a task that was given back is assigned again as the same instance', () => {
  expect(rowAfter(assigned([0]), requeued(0), assigned([0], { workerId: 2 }))).toMatchObject({
    state: 'assigned',
    workerId: 2,
    instance: 0,
  });
});

test('updates of an instance that is not out are ignored', () => {
  const next = [assigned([0]), started(0), requeued(1), assigned([0], { instance: 1, workerId: 2 })];
  const expected = { state: 'assigned', instance: 1, workerId: 2, startedAtMs: null, finishedAtMs: null };
  expect(rowAfter(...next, started(0))).toMatchObject(expected);
  expect(rowAfter(...next, finished(0))).toMatchObject(expected);
  expect(rowAfter(...next, started(0, { instance: 2 }))).toMatchObject(expected);
  expect(rowAfter(...next, failed(0, { instance: 2 }))).toMatchObject(expected);
  expect(rowAfter(...next, assigned([0], { instance: 0 }))).toMatchObject(expected);
  expect(rowAfter(...next, requeued(0))).toMatchObject(expected);
});

test('the first end counts and nothing comes after it', () => {
  const ended = [assigned([0]), started(0), finished(0)];
  const row = rowAfter(...ended);
  for (const late of [failed(0), started(0), assigned([0]), assigned([0], { instance: 1 }), requeued(1)]) {
    expect(rowAfter(...ended, late)).toEqual(row);
  }
});

test('a start or end whose assignment is not known counts for the first instance only', () => {
  expect(rowAfter(started(0, { workerId: 5 }))).toMatchObject({ state: 'running', workerId: 5, instance: 0 });
  expect(rowAfter(failed(0))).toMatchObject({ state: 'failed', exitCode: 3, instance: 0 });
  expect(rowAfter(finished(0))).toMatchObject({ state: 'finished', usage: { wallMs: 12.5 } });
  expect(rowAfter(started(0, { instance: 1 }))).toBeUndefined();
  expect(rowAfter(finished(0, { instance: 1 }))).toBeUndefined();
});

test('many tasks that wait end at once; a row of one that was tried before says so, too', () => {
  const store = makeStore();
  write(store, job(), submit(), assigned([0, 1, 2, 3, 4]), started(0), started(4), finished(4));
  for (const taskId of [1, 2, 3])
    write(store, { kind: 'requeued', jobId: 1, taskId, nextInstance: 1, crashes: 1, retries: 0, dueAtMs: null });
  write(store, { kind: 'bulk-ended', jobId: 1, taskIds: '1-9:2,4,0', state: 'aborted', atMs: T0 + 40, error: 'task 4 failed' });
  const state = (row: TaskRow): string => `${row.taskId} ${row.state} ${row.finishedAtMs ?? ''} ${row.error ?? ''}`;
  expect(taskRows(store).map(state)).toMatchInlineSnapshot(`
    [
      "0 running  ",
      "1 aborted 1700000000040 task 4 failed",
      "2 waiting  ",
      "3 aborted 1700000000040 task 4 failed",
      "4 finished 1700000000020 ",
    ]
  `);
  expect(bulkRows(store)).toEqual([{ taskIds: '1-9:2,4,0', state: 'aborted', atMs: T0 + 40, error: 'task 4 failed' }]);
});

test('ids up to 2^32 - 1 and times with fractions are kept exactly', () => {
  const store = makeStore();
  const [jobId, taskId, workerId] = [4_294_967_294, 4_294_967_295, 4_294_967_293];
  write(store, job(jobId), submit(jobId, { ids: String(taskId) }), assigned([taskId], { jobId, workerId, instance: 0 }));
  write(store, { kind: 'started', jobId, taskId, instance: 0, workerId, variant: 31, atMs: T0 + 0.25 });
  expect(taskRows(store, jobId)).toMatchObject([{ taskId, workerId, variant: 31, startedAtMs: T0 + 0.25, state: 'running' }]);
});

test('selects rows by ids, page by page', () => {
  const store = makeStore();
  const all = Array.from({ length: 50 }, (_, id) => id);
  write(store, job(), submit(1, { ids: '0-49' }), assigned(all));
  const ids = (o: Parameters<typeof taskRows>[2]): number[] => taskRows(store, 1, o).map((row) => row.taskId);
  expect(ids({})).toEqual(all);
  expect(ids({ ids: '40-60,3,1' })).toEqual([1, 3, ...all.slice(40)]);
  expect(ids({ ids: '0-49:10', after: 10, limit: 2 })).toEqual([20, 30]);
  expect(ids({ ids: '10-20', after: 15 })).toEqual([16, 17, 18, 19, 20]);
  expect(ids({ limit: 3, after: 46 })).toEqual([47, 48, 49]);
  expect(ids({ ids: '1-4000000000:2', after: 40, limit: 3 })).toEqual([41, 43, 45]);
  expect(taskRows(store, 2)).toEqual([]);
});
