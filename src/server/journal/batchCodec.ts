/**
 * A batch on its way to the journal's thread: hot entries as numbers in one array, the rest packed. Cloning objects between threads would
 * cost the server's thread more than everything else that it does for a task. Never stored, so it needs no version.
 */
import { assertNever } from '../../common/assert.ts';
import { FAILURE_CODE, STATE_CODE } from './codes.ts';
import { packBytes, unpackBytes } from './pack.ts';
import type { JournalBatch, JournalEntry } from './types.ts';

type HotKind = 'assigned' | 'started' | 'ended' | 'requeued' | 'worker-seq';
type Packed<K extends JournalEntry['kind'], F extends string> = Omit<Extract<JournalEntry, { kind: K }>, F> & Record<F, Uint8Array>;

/** Entries that are not hot; what is stored as a blob is packed already. */
export type ColdEntry =
  | Exclude<JournalEntry, { kind: HotKind | 'job' | 'job-modified' | 'submit' | 'worker' | 'queue' | 'allocation' }>
  | Packed<'job', 'header'>
  | Packed<'job-modified', 'header'>
  | Packed<'submit', 'submit'>
  | Packed<'worker', 'configuration'>
  | { readonly kind: 'queue'; readonly queueId: number; readonly body: Uint8Array }
  | {
      readonly kind: 'allocation';
      readonly queueId: number;
      readonly number: number;
      readonly endedAtMs: number | null;
      readonly body: Uint8Array;
    };

/** Why an attempt failed, as in an `ended` entry. */
export type Failure = NonNullable<Extract<JournalEntry, { kind: 'ended' }>['failure']>;

/** Codes of the hot entries in `hot`; `HOT_FIELDS` says what follows each. */
export const HOT = { assigned: 0, started: 1, ended: 2, requeued: 3, workerSeq: 4, cold: 5 } as const;

/** Places of the fields behind the code of a hot entry, and how many numbers they are. */
export const HOT_FIELDS = {
  /** `count` runs follow, see `ASSIGNED_RUN`. */
  assigned: { workerId: 0, count: 1, length: 2 },
  started: { jobId: 0, taskId: 1, instance: 2, workerId: 3, variant: 4, atMs: 5, length: 6 },
  /** `state` of `STATE_CODE`; `failure`: index of the failure among the cold ones or -1; NaN: not known, `wallMs` for no usage at all. */
  ended: {
    jobId: 0,
    taskId: 1,
    instance: 2,
    state: 3,
    atMs: 4,
    failure: 5,
    wallMs: 6,
    userMs: 7,
    systemMs: 8,
    maxRssBytes: 9,
    peakMemBytes: 10,
    length: 11,
  },
  /** `dueAtMs`: NaN for none. */
  requeued: { jobId: 0, taskId: 1, nextInstance: 2, crashes: 3, retries: 4, dueAtMs: 5, length: 6 },
  workerSeq: { workerId: 0, seq: 1, length: 2 },
  /** Index of the entry among the cold ones. */
  cold: { index: 0, length: 1 },
} as const;

/** Fields of a run of `assigned`: as many tasks of a job from `firstTask` on, in the same instance. The next tasks of an array are one run. */
export const ASSIGNED_RUN = { jobId: 0, firstTask: 1, count: 2, instance: 3, length: 4 } as const;

/** What crosses to the thread; all buffers are of their own. */
export interface EncodedBatch {
  readonly durable: boolean;
  readonly hot: Float64Array<ArrayBuffer>;
  /** Packed array of cold entries and failures; null when there is none. */
  readonly cold: Uint8Array<ArrayBuffer> | null;
  readonly events: EncodedEvents | null;
}

export interface EncodedEvents {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Time of the last one, Unix milliseconds. */
  readonly atMs: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** Grows as needed and is used again for every batch. */
let scratch = new Float64Array(4_096);

export function encodeBatch({ entries, events, durable }: JournalBatch): EncodedBatch {
  const cold: (ColdEntry | Failure)[] = [];
  let length = 0;
  for (const entry of entries) {
    const most = length + 16 + (entry.kind === 'assigned' ? entry.tasks.length * ASSIGNED_RUN.length : 0);
    if (most > scratch.length) scratch = grown(scratch, most);
    length = encodeEntry(entry, length, cold);
  }
  return {
    durable,
    hot: scratch.slice(0, length),
    cold: cold.length === 0 ? null : packBytes(cold),
    events: events === null ? null : { firstSeq: events.firstSeq, lastSeq: events.lastSeq, atMs: events.atMs, payload: events.payload },
  };
}

/** @returns the cold entries and failures of a batch by their index */
export function coldEntries(batch: EncodedBatch): readonly (ColdEntry | Failure)[] {
  return batch.cold === null ? [] : (unpackBytes(batch.cold) as (ColdEntry | Failure)[]);
}

/** The buffers of a batch that are transferred rather than copied; events are still needed here, for their readers. */
export function transferList(batch: EncodedBatch): ArrayBuffer[] {
  return [batch.hot, batch.cold].flatMap((array) => array?.buffer ?? []);
}

function encodeEntry(entry: JournalEntry, start: number, cold: (ColdEntry | Failure)[]): number {
  const out = scratch;
  let at = start;
  switch (entry.kind) {
    case 'assigned':
      out[at++] = HOT.assigned;
      out[at++] = entry.workerId;
      return encodeRuns(entry.tasks, at);
    case 'started':
      out[at++] = HOT.started;
      out[at++] = entry.jobId;
      out[at++] = entry.taskId;
      out[at++] = entry.instance;
      out[at++] = entry.workerId;
      out[at++] = entry.variant;
      out[at++] = entry.atMs;
      return at;
    case 'ended': {
      const { usage, failure } = entry;
      out[at++] = HOT.ended;
      out[at++] = entry.jobId;
      out[at++] = entry.taskId;
      out[at++] = entry.instance;
      out[at++] = STATE_CODE[entry.state];
      out[at++] = entry.atMs;
      out[at++] = failure === null ? -1 : cold.push(failure) - 1;
      out[at++] = usage?.wallMs ?? Number.NaN;
      out[at++] = usage?.userMs ?? Number.NaN;
      out[at++] = usage?.systemMs ?? Number.NaN;
      out[at++] = usage?.maxRssBytes ?? Number.NaN;
      out[at++] = usage?.peakMemBytes ?? Number.NaN;
      return at;
    }
    case 'requeued':
      out[at++] = HOT.requeued;
      out[at++] = entry.jobId;
      out[at++] = entry.taskId;
      out[at++] = entry.nextInstance;
      out[at++] = entry.crashes;
      out[at++] = entry.retries;
      out[at++] = entry.dueAtMs ?? Number.NaN;
      return at;
    case 'worker-seq':
      out[at++] = HOT.workerSeq;
      out[at++] = entry.workerId;
      out[at++] = entry.seq;
      return at;
    default:
      out[at++] = HOT.cold;
      out[at++] = cold.push(packCold(entry)) - 1;
      return at;
  }
}

/** @param start place of the number of runs @returns place behind the runs */
function encodeRuns(tasks: Extract<JournalEntry, { kind: 'assigned' }>['tasks'], start: number): number {
  const out = scratch;
  const { jobId, firstTask, count, instance, length } = ASSIGNED_RUN;
  let runs = 0;
  let at = start + 1 - length;
  for (const task of tasks) {
    const goesOn =
      runs > 0 &&
      out[at + jobId] === task[0] &&
      (out[at + firstTask] as number) + (out[at + count] as number) === task[1] &&
      out[at + instance] === task[2];
    if (goesOn) {
      out[at + count] = (out[at + count] as number) + 1;
      continue;
    }
    at += length;
    runs += 1;
    out[at + jobId] = task[0];
    out[at + firstTask] = task[1];
    out[at + count] = 1;
    out[at + instance] = task[2];
  }
  out[start] = runs;
  return at + length;
}

function packCold(entry: Exclude<JournalEntry, { kind: HotKind }>): ColdEntry {
  switch (entry.kind) {
    case 'job':
    case 'job-modified':
      return { ...entry, header: packBytes(entry.header) };
    case 'submit':
      return { ...entry, submit: packBytes(entry.submit) };
    case 'worker':
      return { ...entry, configuration: packBytes(entry.configuration) };
    case 'queue':
      return { kind: 'queue', queueId: entry.queue.id, body: packBytes(entry.queue) };
    case 'allocation': {
      const { queueId, number, endedAtMs } = entry.allocation;
      return { kind: 'allocation', queueId, number, endedAtMs, body: packBytes(entry.allocation) };
    }
    case 'tasks-modified':
    case 'queue-removed':
    case 'job-closed':
    case 'job-canceled':
    case 'job-stats':
    case 'job-forgotten':
    case 'redact':
    case 'bulk-ended':
    case 'gang':
    case 'worker-ended':
      return entry;
    default:
      return assertNever(entry, 'journal entry');
  }
}

function grown(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(length, array.length * 2));
  larger.set(array);
  return larger;
}

/** @returns the code of a failure in the database */
export function failureCode(failure: Failure): number {
  return FAILURE_CODE[failure.kind];
}
