/** A journal in a directory of its own, removed after the test, and short ways to say what happens in it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { HqEvent } from '../../../../src/protocol/schema/event.ts';
import type { Submit, TaskSpec } from '../../../../src/protocol/schema/task.ts';
import type { WorkerConfiguration } from '../../../../src/protocol/schema/worker.ts';
import type { AllocationRecord } from '../../../../src/server/autoalloc/allocation.ts';
import type { QueueRecord } from '../../../../src/server/autoalloc/queue.ts';
import { encodeBatch } from '../../../../src/server/journal/batchCodec.ts';
import { decodeEvents, type EventPage, EventWriter } from '../../../../src/server/journal/eventCodec.ts';
import { JournalStore, type JournalStoreOptions } from '../../../../src/server/journal/journalStore.ts';
import { RestoreAssembler } from '../../../../src/server/journal/restore.ts';
import { bulkRowOf, jobRowOf, taskRowOf, workerRowOf } from '../../../../src/server/journal/rows.ts';
import type { JobRow, JournalBatch, JournalEntry, Restored, TaskRow, WorkerRow } from '../../../../src/server/journal/types.ts';

export const T0 = 1_700_000_000_000;

export function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'hq-journal-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The file system is not examined: that takes a second process and has tests of its own. */
export function openStore(path: string, options: Partial<JournalStoreOptions> = {}): JournalStore {
  return JournalStore.open({ path, probe: () => 'unknown', ...options });
}

export function makeStore(options: Partial<JournalStoreOptions> = {}): JournalStore {
  const store = openStore(join(makeDir(), 'journal.db'), options);
  onTestFinished(() => store.close());
  return store;
}

/** @returns the events as a turn of the server would write them; null for none */
export function pageOf(events: readonly HqEvent[]): EventPage | null {
  const writer = new EventWriter((events[0]?.seq ?? 1) - 1);
  for (const { seq: _seq, timeMs, ...body } of events) writer.add(timeMs, body);
  return writer.take();
}

type BatchOptions = Partial<Omit<JournalBatch, 'events'>> & { readonly events?: readonly HqEvent[] };

export function batchOf(entries: readonly JournalEntry[], { events = [], ...o }: BatchOptions = {}): JournalBatch {
  return { entries, events: pageOf(events), durable: false, ...o };
}

/** Writes one batch in a transaction of its own. */
export function write(store: JournalStore, ...entries: JournalEntry[]): void {
  store.apply([encodeBatch(batchOf(entries))], { durable: false });
}

export function writeEvents(store: JournalStore, events: readonly HqEvent[]): void {
  store.apply([encodeBatch(batchOf([], { events }))], { durable: false });
}

export function restore(store: JournalStore): Restored {
  const assembler = new RestoreAssembler();
  for (const part of store.reader.restore()) assembler.add(part);
  return assembler.restored();
}

export function taskRows(store: JournalStore, jobId = 1, o: { ids?: string; after?: number; limit?: number } = {}): TaskRow[] {
  const { ids = null, after = -1, limit = 1_000_000 } = o;
  return store.reader.answer({ name: 'tasks', jobId, ids, after, limit }).map(taskRowOf);
}

export function jobRow(store: JournalStore, jobId = 1): JobRow | undefined {
  return store.reader.answer({ name: 'job', jobId }).map(jobRowOf)[0];
}

export function workerRows(store: JournalStore): WorkerRow[] {
  return store.reader.answer({ name: 'workers', after: 0, limit: 1_000 }).map(workerRowOf);
}

export function bulkRows(store: JournalStore, jobId = 1): ReturnType<typeof bulkRowOf>[] {
  return store.reader.answer({ name: 'bulkRows', jobId }).map(bulkRowOf);
}

export function eventsAfter(store: JournalStore, after: number, limit = 1_000): { first: number; events: HqEvent[] } {
  const [oldest, ...blobs] = store.reader.answer({ name: 'events', after, limit }) as [[number], ...[number, Uint8Array, number, number][]];
  return { first: oldest[0], events: blobs.flatMap(([first, blob]) => decodeEvents(blob, first)) };
}

export function job(jobId = 1, o: { open?: boolean; atMs?: number } = {}): JournalEntry {
  return { kind: 'job', jobId, header: { name: `job ${jobId}`, labels: { run: 'a' } }, open: o.open ?? false, atMs: o.atMs ?? T0 };
}

export function submit(jobId = 1, o: { index?: number; ids?: string; spec?: Partial<TaskSpec> } = {}): JournalEntry {
  const taskIds = o.ids ?? '0-9';
  return { kind: 'submit', jobId, submitIndex: o.index ?? 0, taskIds, submit: submitOf(o.spec), atMs: T0 + 1 };
}

export function submitOf(spec: Partial<TaskSpec> = {}): Submit {
  const whole: TaskSpec = {
    command: ['true'],
    env: {},
    secretEnv: [],
    request: [{ nodes: 0, timeRequestMs: 0, weight: 1 }],
    priority: 0,
    crashLimit: 5,
    maxRetries: 0,
    ...spec,
  };
  return { strict: false, submitDir: '/work', tasks: { kind: 'array', spec: whole } };
}

export const CONFIGURATION: WorkerConfiguration = {
  resources: { resources: [{ name: 'cpus', kind: 'range', start: 0, end: 3 }], coupling: { weights: [] } },
  hostname: 'node1',
  group: 'default',
  pid: 4711,
  workDir: '/tmp/worker',
  heartbeatMs: 8_000,
  idleTimeoutMs: null,
  timeLimitMs: 3_600_000,
  startedAtMs: T0,
  onServerLost: 'reconnect',
  minUtilization: 0,
  allocation: { manager: 'Slurm', id: '77' },
  listenAddress: '',
  version: '0.1.0',
};

/** A queue that has learned what its workers are like, and rests after a failure. */
export function queueRecord(): QueueRecord {
  return {
    id: 1,
    params: {
      system: 'slurm',
      name: 'night',
      timeLimitMs: 14_400_000,
      backlog: 2,
      maxWorkersPerAlloc: 1,
      maxWorkerCount: 10,
      additionalArgs: ['--partition=general', '--mem=32G'],
      idleTimeoutMs: 300_000,
      onServerLost: 'finish-running',
      worker: { cpus: '4x2', resources: ['licenses=4'], hyperThreading: true, minUtilization: 0 },
    },
    state: 'active',
    pausedReason: null,
    failures: { submits: 0, allocations: 1, restsUntilMs: T0 + 60_000, lastError: 'allocation 77 ended as FAILED' },
    knownResources: CONFIGURATION.resources,
    lastNumber: 1,
  };
}

export function allocationRecord(): AllocationRecord {
  return {
    queueId: 1,
    number: 1,
    phase: 'running',
    batchId: '77',
    comment: 'hq:gold01:1:1',
    directory: '/work/autoalloc/1-night/001',
    workers: 1,
    queuedAtMs: T0 + 1,
    startedAtMs: T0 + 2,
    limitAtMs: T0 + 14_400_002,
    endedAtMs: null,
    outcome: null,
    exitCode: null,
    rawState: 'RUNNING',
    statusText: 'it is running',
    restarts: 0,
    cancel: null,
    connected: 1,
    gone: 0,
    everConnected: 1,
    wasOfUse: false,
    hopelessSinceMs: null,
  };
}

export function worker(workerId = 1, session = `session-${workerId}`): JournalEntry {
  return { kind: 'worker', workerId, session, configuration: CONFIGURATION, atMs: T0 + 2 };
}

export function assigned(taskIds: readonly number[], o: { workerId?: number; instance?: number; jobId?: number } = {}): JournalEntry {
  const { workerId = 1, instance = 0, jobId = 1 } = o;
  return { kind: 'assigned', workerId, tasks: taskIds.map((taskId) => [jobId, taskId, instance] as const) };
}

export function started(taskId: number, o: { workerId?: number; instance?: number; jobId?: number; variant?: number } = {}): JournalEntry {
  const { workerId = 1, instance = 0, jobId = 1, variant = 0 } = o;
  return { kind: 'started', jobId, taskId, instance, workerId, variant, atMs: T0 + 10 };
}

export function finished(taskId: number, o: { instance?: number; jobId?: number } = {}): JournalEntry {
  const usage = { wallMs: 12.5, userMs: 3.25, systemMs: null, maxRssBytes: 5_000_000_000, peakMemBytes: 6_000_000_000 };
  return { kind: 'ended', jobId: o.jobId ?? 1, taskId, instance: o.instance ?? 0, state: 'finished', atMs: T0 + 20, usage, failure: null };
}

export function failed(taskId: number, o: { instance?: number; jobId?: number } = {}): JournalEntry {
  const failure = { kind: 'exit' as const, error: 'exit code 3', exitCode: 3, signal: null };
  return { kind: 'ended', jobId: o.jobId ?? 1, taskId, instance: o.instance ?? 0, state: 'failed', atMs: T0 + 20, usage: null, failure };
}

export function completed(jobId = 1, atMs = T0 + 30): JournalEntry {
  const stats = { running: 0, finished: 10, failed: 0, canceled: 0, aborted: 0, waiting: 0 };
  return { kind: 'job-stats', jobId, stats, finishedAtMs: atMs, completed: true };
}
