/** Jobs, submits, workers and what a restart, a forgotten job and a full disk make of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { Submit } from '../../../../src/protocol/schema/task.ts';
import { encodeBatch } from '../../../../src/server/journal/batchCodec.ts';
import type { JournalStore } from '../../../../src/server/journal/journalStore.ts';
import {
  allocationRecord,
  assigned,
  batchOf,
  CONFIGURATION,
  completed,
  eventsAfter,
  failed,
  finished,
  job,
  jobRow,
  makeDir,
  makeStore,
  openStore,
  queueRecord,
  restore,
  started,
  submit,
  submitOf,
  T0,
  taskRows,
  worker,
  workerRows,
  write,
  writeEvents,
} from './helpers.ts';

const EMPTY = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 };

/** The store after a restart of the server. */
function reopen(store: JournalStore): JournalStore {
  store.close();
  return openStore(store.path);
}

const NO_QUEUES = { maxQueueId: 0, queues: [], allocations: [] };

test('a new journal is empty and takes the uid that it is given once', () => {
  const store = makeStore({ serverUid: 'abc123' });
  expect(restore(store)).toEqual({ serverUid: 'abc123', lastSeq: 0, maxJobId: 0, maxWorkerId: 0, ...NO_QUEUES, jobs: [], workers: [] });
  store.close();
  const other = openStore(store.path, { serverUid: 'other1' });
  expect(restore(other).serverUid).toBe('abc123');
  other.close();
});

test('a job through its life', () => {
  const store = makeStore();
  write(store, job(1, { open: true }));
  const fresh = { jobId: 1, header: { name: 'job 1', labels: { run: 'a' } }, open: true, cancelReason: null, submittedAtMs: T0 };
  expect(jobRow(store)).toEqual({ ...fresh, stats: EMPTY, taskCount: 0, finishedAtMs: null, completed: false });
  write(store, submit(1, { ids: '0-9' }), submit(1, { index: 1, ids: '20,30' }));
  expect(jobRow(store)).toMatchObject({ taskCount: 12, stats: { ...EMPTY, waiting: 12 } });
  const stats = { ...EMPTY, finished: 10, canceled: 2 };
  write(store, { kind: 'job-stats', jobId: 1, stats, finishedAtMs: T0 + 5, completed: false });
  expect(jobRow(store)).toMatchObject({ stats, finishedAtMs: T0 + 5, completed: false, open: true });
  write(store, submit(1, { index: 2, ids: '40' }));
  expect(jobRow(store)).toMatchObject({ taskCount: 13, finishedAtMs: null });
  write(store, { kind: 'job-canceled', jobId: 1, reason: 'no longer needed' }, { kind: 'job-closed', jobId: 1 });
  expect(jobRow(store)).toMatchObject({ open: false, cancelReason: 'no longer needed' });
  expect(jobRow(store, 2)).toBeUndefined();
});

test('a starting server gets the jobs that are not completed and the workers that have not ended, with everything of theirs', () => {
  const before = makeStore();
  write(before, worker(1), worker(2), { kind: 'worker-seq', workerId: 1, seq: 17 }, { kind: 'worker-seq', workerId: 1, seq: 12 });
  write(before, { kind: 'worker-ended', workerId: 2, reason: 'TIME LIMIT REACHED', atMs: T0 + 3 });
  for (const jobId of [1, 2, 3]) write(before, job(jobId), submit(jobId), assigned([1], { jobId }), started(1, { jobId }));
  write(before, { kind: 'bulk-ended', jobId: 3, taskIds: '2-9', state: 'canceled', atMs: T0 + 4, error: null });
  write(before, finished(1, { jobId: 1 }), finished(1, { jobId: 2 }), completed(2));
  writeEvents(before, [{ seq: 1, timeMs: T0, type: 'server-stop' }]);
  const store = reopen(before);
  const { jobs, workers, ...numbers } = restore(store);
  expect(numbers).toEqual({ serverUid: null, lastSeq: 1, maxJobId: 3, maxWorkerId: 2, ...NO_QUEUES });
  expect(workers).toEqual([
    {
      workerId: 1,
      session: 'session-1',
      configuration: CONFIGURATION,
      ackedSeq: 17,
      connectedAtMs: T0 + 2,
      endedAtMs: null,
      endReason: null,
    },
  ]);
  expect(jobs.map(({ job: row }) => row.jobId)).toEqual([1, 3]);
  expect(jobs[0]).toMatchObject({ tasks: [{ taskId: 1, state: 'finished' }], bulk: [] });
  expect(jobs[1]).toMatchObject({
    submits: [{ submitIndex: 0, taskIds: '0-9', submit: submitOf(), atMs: T0 + 1 }],
    tasks: [{ taskId: 1, state: 'running', workerId: 1 }],
    bulk: [{ taskIds: '2-9', state: 'canceled', atMs: T0 + 4, error: null }],
  });
  store.close();
});

test('a job of more tasks than a page restores whole', () => {
  const before = makeStore();
  const count = 12_345;
  write(before, job(), submit(1, { ids: `0-${count - 1}` }), assigned(Array.from({ length: count }, (_, id) => id)));
  const store = reopen(before);
  expect(restore(store).jobs[0]?.tasks.map((row) => row.taskId)).toEqual(Array.from({ length: count }, (_, id) => id));
  store.close();
});

test('a worker that registers anew under its id starts to count anew', () => {
  const store = makeStore();
  write(store, worker(1), { kind: 'worker-seq', workerId: 1, seq: 5 });
  write(store, worker(1));
  expect(workerRows(store)).toMatchObject([{ session: 'session-1', ackedSeq: 5 }]);
  write(store, worker(1, 'another'));
  expect(workerRows(store)).toMatchObject([{ session: 'another', ackedSeq: 0, endedAtMs: null }]);
});

test('of a forgotten job nothing is left but its number', () => {
  const store = makeStore();
  write(store, job(7), submit(7), assigned([0, 1, 2], { jobId: 7 }), completed(7));
  write(store, { kind: 'job-forgotten', jobId: 7 });
  expect(jobRow(store, 7)).toBeUndefined();
  expect(taskRows(store, 7)).toEqual([]);
  expect(store.retention.hasGarbage).toBe(true);
  while (store.step(store.retention.sweep));
  expect(store.retention.hasGarbage).toBe(false);
  const after = reopen(store);
  expect(restore(after)).toMatchObject({ maxJobId: 7, jobs: [] });
  after.close();
  const db = new Database(store.path);
  for (const table of ['jobs', 'submits', 'tasks', 'bulk_ends', 'garbage']) {
    expect([table, db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()]).toEqual([table, 0]);
  }
  db.close();
});

test('rows of a job that was forgotten just before the end are swept after the next start', () => {
  const store = makeStore();
  write(store, job(7), submit(7), assigned([0, 1, 2], { jobId: 7 }), completed(7), { kind: 'job-forgotten', jobId: 7 });
  const after = reopen(store);
  expect(after.retention.hasGarbage).toBe(true);
  after.close();
});

test('prunes completed jobs, events and ended workers that are older, and gives no number out twice', () => {
  const store = makeStore();
  for (const jobId of [1, 2, 3]) write(store, job(jobId), submit(jobId), assigned([0], { jobId }));
  write(store, completed(1, T0 + 100), completed(2, T0 + 200), worker(1), worker(2), worker(3));
  for (const [workerId, atMs] of [
    [1, 100],
    [3, 150],
  ] as const)
    write(store, { kind: 'worker-ended', workerId, reason: 'STOPPED', atMs: T0 + atMs });
  for (let seq = 1; seq <= 6; seq++) writeEvents(store, [{ seq, timeMs: T0 + seq * 50, type: 'job-idle', jobId: 3 }]);
  const steps = store.retention.prune(T0 + 175);
  for (const step of steps) while (store.step(step));
  expect([1, 2, 3].map((jobId) => jobRow(store, jobId) !== undefined)).toEqual([false, true, true]);
  expect(taskRows(store, 1)).toEqual([]);
  expect(workerRows(store).map((row) => row.workerId)).toEqual([2]);
  expect(eventsAfter(store, 0)).toMatchObject({ first: 4, events: [{ seq: 4 }, { seq: 5 }, { seq: 6 }] });
  for (const step of store.retention.prune(T0 + 10_000)) while (store.step(step));
  expect(eventsAfter(store, 0)).toEqual({ first: 7, events: [] });
  const after = reopen(store);
  expect(restore(after)).toMatchObject({
    lastSeq: 6,
    maxJobId: 3,
    maxWorkerId: 3,
    jobs: [{ job: { jobId: 3 } }],
    workers: [{ workerId: 2 }],
  });
  after.close();
});

test('events come back by number, a page at a time, also from the middle of a batch', () => {
  const store = makeStore();
  for (let first = 1; first <= 21; first += 5) {
    writeEvents(
      store,
      Array.from({ length: 5 }, (_, i) => ({ seq: first + i, timeMs: T0 + first + i, type: 'job-closed' as const, jobId: first + i })),
    );
  }
  const seqs = (after: number, limit: number): number[] => eventsAfter(store, after, limit).events.map((event) => event.seq);
  expect(seqs(0, 1_000)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
  expect(seqs(7, 3)).toEqual([6, 7, 8, 9, 10]);
  expect(seqs(7, 4)).toEqual([6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  expect(seqs(25, 10)).toEqual([]);
  expect(eventsAfter(store, 12, 1).events[0]).toEqual({ seq: 11, timeMs: T0 + 11, type: 'job-closed', jobId: 11 });
});

test('secret values disappear from the submit and from the files', () => {
  const store = makeStore();
  const spec = { env: { TOKEN: 'hunter2-in-array', PLAIN: 'stays' }, secretEnv: ['TOKEN'] };
  const graph: Submit['tasks'] = {
    kind: 'graph',
    shared: { command: ['true'], env: { SHARED: 'hunter2-shared', PLAIN: 'stays' }, secretEnv: ['LATE'] },
    tasks: [
      { env: { LATE: 'hunter2-late' } },
      { secretEnv: ['SHARED', 'OWN'], env: { OWN: 'hunter2-own' } },
      { env: { OWN: 'not secret here' } },
    ],
  };
  write(store, job(), submit(1, { spec }), submit(1, { index: 1 }));
  write(store, { kind: 'submit', jobId: 1, submitIndex: 2, taskIds: '20-22', submit: { ...submitOf(), tasks: graph }, atMs: T0 });
  store.sync();
  expect(rawBytes(store.path)).toContain('hunter2');
  write(store, { kind: 'redact', jobId: 1, submitIndex: 0 }, { kind: 'redact', jobId: 1, submitIndex: 2 });
  expect(store.unsynced).toBe(true);
  store.sync();
  expect(rawBytes(store.path)).not.toContain('hunter2');
  const submits = restore(store).jobs[0]?.submits;
  expect(submits?.[0]?.submit.tasks).toMatchObject({ spec: { env: { TOKEN: '[redacted]', PLAIN: 'stays' }, secretEnv: ['TOKEN'] } });
  expect(submits?.[1]?.submit).toEqual(submitOf());
  expect(submits?.[2]?.submit.tasks).toEqual({
    kind: 'graph',
    shared: { command: ['true'], env: { SHARED: '[redacted]', PLAIN: 'stays' }, secretEnv: ['LATE'] },
    tasks: [
      { env: { LATE: '[redacted]' } },
      { secretEnv: ['SHARED', 'OWN'], env: { OWN: '[redacted]' } },
      { env: { OWN: 'not secret here' } },
    ],
  });
});

test('a full disk keeps nothing of the transaction and ends the journal until the next start', () => {
  const store = makeStore();
  write(store, job(), submit());
  limitSize(store);
  const large = { env: { X: 'x'.repeat(2 ** 20) } };
  const full = [encodeBatch(batchOf([finished(0)])), encodeBatch(batchOf([submit(1, { index: 1, spec: large })]))];
  const refused = { code: 'HQ_E_JOURNAL_WRITE', data: { detail: `${store.path}: database or disk is full` } };
  expect(() => store.apply(full, { durable: true })).toThrow(expect.objectContaining(refused));
  expect(() => write(store, job(2))).toThrow(expect.objectContaining(refused));
  expect(() => store.sync()).toThrow(expect.objectContaining(refused));
  expect(store.failed).toMatchObject(refused);
  const after = reopen(store);
  expect(restore(after).jobs).toMatchObject([{ job: { taskCount: 10 }, submits: [{ submitIndex: 0 }], tasks: [] }]);
  write(after, failed(3));
  expect(taskRows(after)).toMatchObject([{ taskId: 3, state: 'failed' }]);
  after.close();
});

test('what cannot be written because of a defect is rolled back in the same way', () => {
  const store = makeStore();
  write(store, job());
  expect(() => write(store, assigned([1]), job())).toThrow(expect.objectContaining({ code: 'HQ_E_JOURNAL_WRITE' }));
  expect(taskRows(store)).toEqual([]);
});

/** No more pages than there are. */
function limitSize(store: JournalStore): void {
  const { db } = store as unknown as { db: Database.Database };
  db.pragma(`max_page_count = ${db.pragma('page_count', { simple: true })}`);
}

function rawBytes(path: string): string {
  return [path, `${path}-wal`].map((file) => readFileSync(file, 'latin1')).join('');
}

test('a path with blanks and umlauts is a path like any other', () => {
  const store = openStore(join(makeDir(), 'a journal für uns?.db'));
  write(store, job());
  const after = reopen(store);
  expect(restore(after).jobs).toHaveLength(1);
  after.close();
});

test('a queue is kept with its allocations until it is removed, and its number is not given out again', () => {
  const store = makeStore();
  const [queue, allocation] = [queueRecord(), allocationRecord()];
  write(
    store,
    { kind: 'queue', queue },
    { kind: 'allocation', allocation },
    { kind: 'allocation', allocation: { ...allocation, number: 2 } },
  );
  write(
    store,
    { kind: 'queue', queue: { ...queue, state: 'paused' } },
    { kind: 'allocation', allocation: { ...allocation, phase: 'ended', endedAtMs: T0 } },
  );
  const { queues, allocations } = restore(store);
  expect(queues).toEqual([{ ...queue, state: 'paused' }]);
  expect(allocations.map(({ number, phase }) => [number, phase])).toEqual([
    [1, 'ended'],
    [2, 'running'],
  ]);
  for (const step of store.retention.prune(T0 + 1)) while (store.step(step));
  expect(restore(store).allocations.map(({ number }) => number)).toEqual([2]);
  write(store, { kind: 'queue-removed', queueId: 1 });
  expect(restore(store)).toMatchObject({ maxQueueId: 1, queues: [], allocations: [] });
});
