/**
 * The committed journals of fixtures/journals: every released version restores for ever, to what its JSON file says. A new schema version
 * adds a file, old ones are never written again. HQ_UPDATE_GOLDEN=1 writes the newest one anew.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { HqEvent } from '../../../../src/protocol/schema/event.ts';
import type { Submit } from '../../../../src/protocol/schema/task.ts';
import { encodeBatch } from '../../../../src/server/journal/batchCodec.ts';
import type { JournalStore } from '../../../../src/server/journal/journalStore.ts';
import { jobRowOf } from '../../../../src/server/journal/rows.ts';
import { SCHEMA_VERSION } from '../../../../src/server/journal/schema.ts';
import type { JournalBatch } from '../../../../src/server/journal/types.ts';
import {
  allocationRecord,
  assigned,
  batchOf,
  bulkRows,
  CONFIGURATION,
  completed,
  eventsAfter,
  failed,
  finished,
  job,
  makeDir,
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
} from './helpers.ts';

const FOLDER = join(import.meta.dirname, '../../../../fixtures/journals');

/** Everything that a journal can hold at least once. */
function batches(): JournalBatch[] {
  const graph: Submit['tasks'] = {
    kind: 'graph',
    shared: {
      command: ['sh', '-c', 'exit 0'],
      env: { LANG: 'C', TOKEN: 'secret' },
      secretEnv: ['TOKEN'],
      request: [{ nodes: 0, timeRequestMs: 60_000, weight: 1, resources: { cpus: '2-4', mem: '4GiB' } }],
    },
    tasks: [
      { id: 100, label: 'größe' },
      { id: 101, deps: [100], priority: -5, crashLimit: 'unlimited' },
    ],
  };
  const task = (taskId: number) => ({ jobId: 1, taskId, instance: 0 });
  const events: HqEvent[] = [
    { seq: 1, timeMs: T0, type: 'server-start', serverUid: 'gold01', version: '0.1.0', pid: 1 },
    { seq: 2, timeMs: T0 + 1, type: 'worker-connected', workerId: 1, configuration: CONFIGURATION },
    { seq: 3, timeMs: T0 + 2, type: 'job-created', jobId: 1, name: 'job 1', open: true },
    { seq: 4, timeMs: T0 + 3, type: 'task-started', ...task(0), workerId: 1, variant: 0 },
    {
      seq: 5,
      timeMs: T0 + 4.5,
      type: 'task-finished',
      ...task(0),
      usage: { wallMs: 1.5, userMs: 1, systemMs: null, maxRssBytes: 4_096, peakMemBytes: 8_192 },
    },
    { seq: 6, timeMs: T0 + 5, type: 'task-finished', ...task(1), usage: null },
  ];
  const later: HqEvent[] = [
    {
      seq: 7,
      timeMs: T0 + 6,
      type: 'task-failed',
      ...task(2),
      error: 'exit code 3',
      failure: 'exit',
      exitCode: 3,
      signal: null,
      usage: null,
    },
    { seq: 8, timeMs: T0 + 7, type: 'tasks-aborted', jobId: 1, ids: '4-9', reason: 'too many failures' },
  ];
  return [
    batchOf([worker(1), worker(2), job(1, { open: true }), submit(1)], { events, durable: true }),
    batchOf([
      {
        kind: 'submit',
        jobId: 1,
        submitIndex: 1,
        taskIds: '100-101',
        submit: { ...submitOf(), stream: 'log', tasks: graph },
        atMs: T0 + 5,
      },
    ]),
    batchOf([
      assigned([0, 1, 2, 3]),
      assigned([100], { workerId: 2 }),
      { kind: 'gang', jobId: 1, taskId: 2, instance: 0, workerIds: [1, 2] },
      started(0),
      started(1),
      started(2),
      { kind: 'worker-seq', workerId: 1, seq: 4 },
    ]),
    batchOf(
      [
        ...[finished(0), finished(1), failed(2)],
        { kind: 'requeued', jobId: 1, taskId: 100, nextInstance: 1, crashes: 1, retries: 0, dueAtMs: null },
        { kind: 'requeued', jobId: 1, taskId: 3, nextInstance: 1, crashes: 0, retries: 1, dueAtMs: T0 + 60_000 },
      ],
      { events: later },
    ),
    batchOf([{ kind: 'bulk-ended', jobId: 1, taskIds: '4-9', state: 'aborted', atMs: T0 + 7, error: 'too many failures' }]),
    batchOf([
      { kind: 'worker-ended', workerId: 2, reason: 'HEARTBEAT LOST', atMs: T0 + 8 },
      { kind: 'redact', jobId: 1, submitIndex: 1 },
    ]),
    batchOf([
      { kind: 'queue', queue: queueRecord() },
      { kind: 'queue', queue: { ...queueRecord(), id: 2 } },
      { kind: 'allocation', allocation: allocationRecord() },
      { kind: 'allocation', allocation: { ...allocationRecord(), queueId: 2 } },
      { kind: 'queue-removed', queueId: 2 },
    ]),
    batchOf([job(2), submit(2, { ids: '1-3:2' }), assigned([1, 3], { jobId: 2 }), { kind: 'job-canceled', jobId: 2, reason: null }]),
    batchOf([failed(1, { jobId: 2 }), finished(3, { jobId: 2 }), completed(2)], { durable: true }),
    batchOf([job(3), submit(3), completed(3), { kind: 'job-forgotten', jobId: 3 }], { durable: true }),
  ];
}

function contents(store: JournalStore) {
  const { first, events } = eventsAfter(store, 0);
  const jobs = store.reader.answer({ name: 'jobs', completedOnly: false, after: 0, limit: 100 }).map(jobRowOf);
  const history = jobs.map((row) => ({ ...row, tasks: taskRows(store, row.jobId), bulk: bulkRows(store, row.jobId) }));
  return { restored: restore(store), jobs: history, workers: workerRows(store), events: { first, events } };
}

function writeNewest(path: string): void {
  const store = openStore(path, { serverUid: 'gold01' });
  for (const batch of batches()) store.apply([encodeBatch(batch)], { durable: batch.durable });
  while (store.step(store.retention.sweep));
  store.close();
}

/** Registered only on demand, because a run has no skipped tests. */
function update(): void {
  const path = join(FOLDER, `v${SCHEMA_VERSION}.db`);
  rmSync(path, { force: true });
  writeNewest(path);
  const copy = join(makeDir(), 'copy.db');
  copyFileSync(path, copy);
  const store = openStore(copy);
  writeFileSync(path.replace(/\.db$/, '.json'), `${JSON.stringify(contents(store), null, 1)}\n`);
  store.close();
}
if (process.env['HQ_UPDATE_GOLDEN'] === '1') test('writes the newest golden journal', update);

test('there is a golden journal of every schema version', () => {
  const names = Array.from({ length: SCHEMA_VERSION }, (_, i) => [`v${i + 1}.db`, `v${i + 1}.json`]).flat();
  expect(readdirSync(FOLDER).sort()).toEqual(names.sort());
});

test.each(Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1))(
  'the journal of schema version %i restores to what it held',
  (version) => {
    const copy = join(makeDir(), 'copy.db');
    copyFileSync(join(FOLDER, `v${version}.db`), copy);
    const expected = JSON.parse(readFileSync(join(FOLDER, `v${version}.json`), 'utf8'));
    for (let start = 0; start < 2; start++) {
      const store = openStore(copy);
      expect(contents(store)).toEqual(expected);
      store.close();
    }
    expect(existsSync(`${copy}-wal`)).toBe(false);
  },
);

test('this version still writes what the newest golden journal holds', () => {
  const path = join(makeDir(), 'fresh.db');
  writeNewest(path);
  const store = openStore(path);
  expect(contents(store)).toEqual(JSON.parse(readFileSync(join(FOLDER, `v${SCHEMA_VERSION}.json`), 'utf8')));
  store.close();
});
