/**
 * Whatever batches come: a restart restores what a naive model holds, and a copy of the files at any moment, cut anywhere behind the last
 * fsync, restores the state after some batch, never one before a durable batch.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HqEvent } from '../../src/protocol/schema/event.ts';
import type { Submit } from '../../src/protocol/schema/task.ts';
import type { WorkerConfiguration } from '../../src/protocol/schema/worker.ts';
import { encodeBatch } from '../../src/server/journal/batchCodec.ts';
import { decodeEvents } from '../../src/server/journal/eventCodec.ts';
import { JournalStore } from '../../src/server/journal/journalStore.ts';
import { RestoreAssembler } from '../../src/server/journal/restore.ts';
import type { JournalBatch, JournalEntry, Restored } from '../../src/server/journal/types.ts';
import { allocationRecord, pageOf, queueRecord } from '../unit/server/journal/helpers.ts';
import { JournalModel } from './journalModel.ts';

const RUNS = process.env['HQ_TEST_LONG'] === '1' ? 2_000 : 60;
const T0 = 1_700_000_000_000;

const JOBS = 3;
const TASKS = 6;
const jobId = fc.integer({ min: 1, max: JOBS });
const taskId = fc.integer({ min: 0, max: TASKS - 1 });
const workerId = fc.integer({ min: 1, max: 3 });
const instance = fc.integer({ min: 0, max: 3 });
const atMs = fc.integer({ min: T0, max: T0 + 1_000 });
const count = fc.nat(4);
const words = fc.option(fc.string({ maxLength: 8 }), { nil: null });
const ids = fc.constantFrom('0-5', '0', '1,3,5', '4,2', '0-4:2');

const usage = fc.option(
  fc.record({
    wallMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    userMs: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }), { nil: null }),
    systemMs: fc.option(fc.nat(), { nil: null }),
    maxRssBytes: fc.option(fc.maxSafeNat(), { nil: null }),
    peakMemBytes: fc.option(fc.maxSafeNat(), { nil: null }),
  }),
  { nil: null },
);
const failure = fc.option(
  fc.record({
    kind: fc.constantFrom('exit', 'signal', 'worker-lost', 'canceled'),
    error: fc.string({ maxLength: 12 }),
    exitCode: fc.option(fc.integer({ min: 0, max: 255 }), { nil: null }),
    signal: fc.constantFrom(null, 'SIGKILL'),
  }),
  { nil: null },
);

const configuration = { hostname: 'n', group: 'g', pid: 1 } as WorkerConfiguration;
const submit: Submit = { strict: false, submitDir: '/w', tasks: { kind: 'graph', shared: {}, tasks: [{ command: ['true'], label: 'ö' }] } };

/** Entries in any order; jobs are created, and submits counted, by `lawful` below. */
const entry = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('job'), jobId, open: fc.boolean(), atMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('submit'), jobId, taskIds: ids, atMs }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('assigned'), workerId, tasks: fc.array(fc.tuple(jobId, taskId, instance), { maxLength: 5 }) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('started'), jobId, taskId, instance, workerId, variant: count, atMs }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ kind: fc.constant('requeued'), jobId, taskId, nextInstance: instance, crashes: count, retries: count },
      dueAtMs: fc.option(atMs, { nil: null }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('gang'),
      jobId,
      taskId,
      instance,
      workerIds: fc.array(workerId, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ kind: fc.constant('ended'), jobId, taskId, instance, atMs, usage, failure },
      state: fc.constantFrom('finished', 'failed', 'canceled', 'aborted'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('bulk-ended'),
      jobId,
      taskIds: ids,
      state: fc.constantFrom('canceled', 'aborted'),
      atMs,
      error: words,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('job-closed', 'job-forgotten'), jobId }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('job-canceled'), jobId, reason: words }) },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ kind: fc.constant('job-stats'), jobId, finishedAtMs: fc.option(atMs, { nil: null }), completed: fc.boolean() },
      stats: fc.record({ running: count, finished: count, failed: count, canceled: count, aborted: count, waiting: count }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('worker'), workerId, session: fc.constantFrom('a', 'b'), atMs }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('worker-seq'), workerId, seq: fc.nat(50) }) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({ kind: fc.constant('queue' as const), queue: fc.integer({ min: 1, max: 3 }).map((id) => ({ ...queueRecord(), id })) }),
      fc.record({ kind: fc.constant('queue-removed' as const), queueId: fc.integer({ min: 1, max: 3 }) }),
      fc
        .record({ queueId: fc.integer({ min: 1, max: 3 }), number: fc.integer({ min: 1, max: 3 }), endedAtMs: fc.option(atMs) })
        .map((own) => ({ kind: 'allocation' as const, allocation: { ...allocationRecord(), ...own } })),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('worker-ended'), workerId, reason: fc.constantFrom('STOPPED', 'HEARTBEAT LOST'), atMs }),
  },
);
const batches = fc.array(fc.record({ entries: fc.array(entry, { maxLength: 8 }), events: fc.nat(3), durable: fc.boolean() }), {
  minLength: 1,
  maxLength: 12,
});
type Drawn = typeof batches extends fc.Arbitrary<infer T> ? T : never;

/** Makes batches of what was drawn: a job number is used once, the rest needs its job or worker, events are numbered. */
function lawful(drawn: Drawn): JournalBatch[] {
  const [jobs, used, workers] = [new Set<number>(), new Set<number>(), new Set<number>()];
  const submits = new Map<number, number>();
  let seq = 0;
  return drawn.map(({ entries, events, durable }) => {
    const kept = entries.flatMap((raw): JournalEntry[] => {
      const one = raw as Record<string, unknown> & { kind: string; jobId: number; workerId: number };
      if (one.kind === 'job') {
        if (used.has(one.jobId)) return [];
        used.add(one.jobId);
        jobs.add(one.jobId);
        return [{ ...one, header: { name: `job ${one.jobId}`, labels: { 'ä key': 'value' } } } as unknown as JournalEntry];
      }
      if (one.kind === 'assigned') {
        const tasks = (one['tasks'] as [number, number, number][]).filter(([job]) => jobs.has(job));
        return [{ ...one, tasks } as unknown as JournalEntry];
      }
      if (one.kind === 'worker') {
        workers.add(one.workerId);
        return [{ ...one, configuration } as unknown as JournalEntry];
      }
      if (one.kind.startsWith('worker-')) return workers.has(one.workerId) ? [one as unknown as JournalEntry] : [];
      if (!jobs.has(one.jobId)) return [];
      if (one.kind === 'job-forgotten') jobs.delete(one.jobId);
      if (one.kind !== 'submit') return [one as unknown as JournalEntry];
      const submitIndex = submits.get(one.jobId) ?? 0;
      submits.set(one.jobId, submitIndex + 1);
      return [{ ...one, submitIndex, submit } as unknown as JournalEntry];
    });
    const numbered = Array.from({ length: events }, (): HqEvent => {
      seq += 1;
      return seq % 2 === 0
        ? { seq, timeMs: T0 + seq, type: 'job-idle', jobId: 1 }
        : { seq, timeMs: T0 - seq, type: 'task-finished', jobId: 1, taskId: seq, instance: 0, usage: null };
    });
    return { entries: kept, events: pageOf(numbered), durable };
  });
}

function withDir(work: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'hq-journal-'));
  try {
    work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const open = (path: string): JournalStore => JournalStore.open({ path, probe: () => 'unknown' });

function restored(path: string): { state: Restored; events: HqEvent[] } {
  const store = open(path);
  try {
    const assembler = new RestoreAssembler();
    for (const part of store.reader.restore()) assembler.add(part);
    const [, ...blobs] = store.reader.answer({ name: 'events', after: 0, limit: 1_000 }) as [unknown, ...[number, Uint8Array][]];
    return { state: assembler.restored(), events: blobs.flatMap(([first, blob]) => decodeEvents(blob, first)) };
  } finally {
    store.close();
  }
}

test('what is restored after a restart is what a model without a database holds', () => {
  fc.assert(
    fc.property(batches, fc.infiniteStream(fc.nat(3)), (drawn, together) => {
      withDir((dir) => {
        const all = lawful(drawn);
        const model = new JournalModel();
        const store = open(join(dir, 'j.db'));
        for (let at = 0; at < all.length; ) {
          const some = all.slice(at, at + 1 + (together.next().value as number));
          at += some.length;
          store.apply(some.map(encodeBatch), { durable: some.some((batch) => batch.durable) });
        }
        store.close();
        for (const batch of all) model.apply(batch);
        const { state, events } = restored(store.path);
        expect(state).toEqual(model.restored());
        expect(events).toEqual(all.flatMap((batch) => batch.events?.decode() ?? []));
      });
    }),
    { numRuns: RUNS },
  );
});

test('after a crash at any moment the journal holds the first batches, every durable one among them', () => {
  fc.assert(
    fc.property(batches, fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), fc.boolean(), (drawn, cuts, checkpoints) => {
      withDir((dir) => {
        const model = new JournalModel();
        const states = [model.restored()];
        const store = open(join(dir, 'j.db'));
        let [durable, safeBytes] = [0, 0];
        const walBytes = (): number => (existsSync(`${store.path}-wal`) ? statSync(`${store.path}-wal`).size : 0);
        for (const [index, batch] of lawful(drawn).entries()) {
          store.apply([encodeBatch(batch)], { durable: batch.durable });
          model.apply(batch);
          states.push(model.restored());
          if (checkpoints && index % 3 === 2) {
            // Cut off, so that the size of the log says what is in it.
            (store as unknown as { db: { pragma(text: string): void } }).db.pragma('wal_checkpoint(TRUNCATE)');
            [durable, safeBytes] = [index + 1, 0];
          } else if (batch.durable) [durable, safeBytes] = [index + 1, walBytes()];
          const copy = join(dir, `copy-${index}.db`);
          copyFileSync(store.path, copy);
          if (walBytes() > 0) {
            copyFileSync(`${store.path}-wal`, `${copy}-wal`);
            truncateSync(`${copy}-wal`, safeBytes + Math.floor((walBytes() - safeBytes) * (cuts.next().value as number)));
          }
          const { state } = restored(copy);
          const possible = states.slice(durable);
          expect(possible.some((each) => isDeepStrictEqual(each, state))).toBe(true);
        }
        store.close();
      });
    }),
    { numRuns: Math.ceil(RUNS / 3) },
  );
});
