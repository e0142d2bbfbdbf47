/**
 * What the server asks of its journal. The implementation runs SQLite on its own thread (the only user of the database), so that the
 * server's thread never waits for a disk. All entries and events of one turn go in one transaction.
 */

import type { TaskChange } from '../../core/jobTable.ts';
import type { CreateJob, TaskStats } from '../../protocol/schema/job.ts';
import type { FailureKind, Submit, TaskState, TaskUsage } from '../../protocol/schema/task.ts';
import type { WorkerConfiguration, WorkerEnd } from '../../protocol/schema/worker.ts';
import type { AllocationRecord } from '../autoalloc/allocation.ts';
import type { QueueRecord } from '../autoalloc/queue.ts';
import type { EventPage } from './eventCodec.ts';

/** A job's own description, without its tasks. */
export type JobHeader = Omit<CreateJob, 'submit' | 'open'>;

/** What was changed of tasks after their submit. */
interface Modification {
  readonly taskIds: string;
  readonly change: TaskChange;
}

/** A submit as the journal keeps it: with what was changed of its tasks, in order. */
export type StoredSubmit = Submit & { readonly modifications?: readonly Modification[] };

/** One change of the journal's state. Hot kinds (`assigned`, `started`, `ended`) are tuples, see the comments. */
export type JournalEntry =
  | { readonly kind: 'job'; readonly jobId: number; readonly header: JobHeader; readonly open: boolean; readonly atMs: number }
  /** `taskIds` in the order of the tasks (IntArray text). `submitIndex` counts from 0 within the job. */
  | {
      readonly kind: 'submit';
      readonly jobId: number;
      readonly submitIndex: number;
      readonly taskIds: string;
      readonly submit: Submit;
      readonly atMs: number;
    }
  | { readonly kind: 'job-modified'; readonly jobId: number; readonly header: JobHeader }
  | { readonly kind: 'tasks-modified'; readonly jobId: number; readonly submitIndex: number; readonly modification: Modification }
  | { readonly kind: 'job-closed'; readonly jobId: number }
  | { readonly kind: 'job-canceled'; readonly jobId: number; readonly reason: string | null }
  /** Every task of the job has ended; `completed` when the job is closed too. Written again when an open job gets more tasks (`finishedAtMs` null). */
  | {
      readonly kind: 'job-stats';
      readonly jobId: number;
      readonly stats: TaskStats;
      readonly finishedAtMs: number | null;
      readonly completed: boolean;
    }
  | { readonly kind: 'job-forgotten'; readonly jobId: number }
  /** Values of secret variables of this submit are no longer needed and are overwritten. */
  | { readonly kind: 'redact'; readonly jobId: number; readonly submitIndex: number }
  /** The instance is given out to this worker session; committed before the frame is sent. */
  | {
      readonly kind: 'assigned';
      readonly workerId: number;
      /** What follows the three numbers is not the journal's. */
      readonly tasks: readonly (readonly [job: number, task: number, instance: number, ...rest: unknown[]])[];
    }
  | {
      readonly kind: 'started';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly workerId: number;
      readonly variant: number;
      readonly atMs: number;
    }
  /** The task waits again: `nextInstance` has not been given out yet. Counters are kept over restarts of the server. */
  | {
      readonly kind: 'requeued';
      readonly jobId: number;
      readonly taskId: number;
      readonly nextInstance: number;
      readonly crashes: number;
      readonly retries: number;
      /** The next attempt does not start before, Unix milliseconds; null: at once. */
      readonly dueAtMs: number | null;
    }
  /** The workers of a multi-node task that is assigned in this transaction, the root first. */
  | {
      readonly kind: 'gang';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly workerIds: readonly number[];
    }
  | {
      readonly kind: 'ended';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly state: Exclude<TaskState, 'waiting' | 'running'>;
      readonly atMs: number;
      readonly usage: TaskUsage | null;
      readonly failure: {
        readonly kind: FailureKind;
        readonly error: string;
        readonly exitCode: number | null;
        readonly signal: string | null;
      } | null;
    }
  /** Many tasks that never started end at once; stays compressed (IntArray text). */
  | {
      readonly kind: 'bulk-ended';
      readonly jobId: number;
      readonly taskIds: string;
      readonly state: 'canceled' | 'aborted';
      readonly atMs: number;
      readonly error: string | null;
    }
  | {
      readonly kind: 'worker';
      readonly workerId: number;
      readonly session: string;
      readonly configuration: WorkerConfiguration;
      readonly atMs: number;
    }
  /** All updates of this session up to `seq` are part of this or an earlier transaction. */
  | { readonly kind: 'worker-seq'; readonly workerId: number; readonly seq: number }
  /** An allocation queue as it is from now on. */
  | { readonly kind: 'queue'; readonly queue: QueueRecord }
  /** The queue and its allocations are gone; its number is not given out again. */
  | { readonly kind: 'queue-removed'; readonly queueId: number }
  /** An allocation as it is from now on. */
  | { readonly kind: 'allocation'; readonly allocation: AllocationRecord }
  | { readonly kind: 'worker-ended'; readonly workerId: number; readonly reason: WorkerEnd; readonly atMs: number };

export interface JournalBatch {
  readonly entries: readonly JournalEntry[];
  /** Sequence numbers are given out by the server, gapless and growing. Null for none. */
  readonly events: EventPage | null;
  /** True: fsync with this commit (submit, open, close, cancel, forget). False: fsync within the journal's delay at the latest. */
  readonly durable: boolean;
}

/** Longest time between a commit and its fsync, where nothing else is asked for, milliseconds. */
export const FSYNC_DELAY_MS = 100;

/** State of one task that is not plainly waiting. */
export interface TaskRow {
  readonly taskId: number;
  /** `assigned`: sent to a worker, not started; shown as waiting. */
  readonly state: TaskState | 'assigned';
  readonly instance: number;
  readonly workerId: number | null;
  readonly variant: number;
  readonly crashes: number;
  readonly retries: number;
  /** Of a waiting task: its next attempt does not start before, Unix milliseconds. Without meaning in other states. */
  readonly dueAtMs: number | null;
  /** Workers of a multi-node task that is assigned or running, the root first; null for others. Without meaning in other states. */
  readonly gang: readonly number[] | null;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  readonly error: string | null;
  readonly failure: FailureKind | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly usage: TaskUsage | null;
}

export interface SubmitRow {
  readonly submitIndex: number;
  readonly taskIds: string;
  readonly submit: StoredSubmit;
  readonly atMs: number;
}

export interface BulkRow {
  readonly taskIds: string;
  readonly state: 'canceled' | 'aborted';
  readonly atMs: number;
  readonly error: string | null;
}

export interface JobRow {
  readonly jobId: number;
  readonly header: JobHeader;
  readonly open: boolean;
  readonly cancelReason: string | null;
  readonly submittedAtMs: number;
  /** Last known counts; exact when `finishedAtMs` is set. */
  readonly stats: TaskStats;
  readonly taskCount: number;
  readonly finishedAtMs: number | null;
  readonly completed: boolean;
}

export interface WorkerRow {
  readonly workerId: number;
  readonly session: string;
  readonly configuration: WorkerConfiguration;
  readonly ackedSeq: number;
  readonly connectedAtMs: number;
  readonly endedAtMs: number | null;
  readonly endReason: WorkerEnd | null;
}

/** What a starting server needs in memory: jobs that are not completed, with everything of theirs, and workers that had not ended. */
export interface Restored {
  /** Of the journal, which keeps the first one that it was given; null: none was given yet. */
  readonly serverUid: string | null;
  readonly lastSeq: number;
  readonly maxJobId: number;
  readonly maxWorkerId: number;
  readonly jobs: readonly {
    readonly job: JobRow;
    readonly submits: readonly SubmitRow[];
    readonly tasks: readonly TaskRow[];
    readonly bulk: readonly BulkRow[];
  }[];
  readonly workers: readonly WorkerRow[];
  readonly maxQueueId: number;
  readonly queues: readonly QueueRecord[];
  /** By queue and number. */
  readonly allocations: readonly AllocationRecord[];
}

/** Called on the server's thread; tickets grow by one per batch. `durable <= committed`. */
export type CommitListener = (tickets: { committed: number; durable: number }) => void;

export interface Journal {
  readonly restored: Restored;
  /** Queues a batch; returns its ticket (1, 2, …). Never blocks. After a write error every later batch is refused through `onError`. */
  append(batch: JournalBatch): number;
  onCommit(listener: CommitListener): void;
  /**
   * A batch could not be written (disk full): HQ_E_JOURNAL_WRITE. Everything in its transaction was rolled back, each of those batches is told
   * here, and so is every later one: what the server has in memory is ahead of the disk, so it must end and start again. What was committed
   * before stays; questions are still answered. A failed fsync is told with the newest committed ticket, the end of the thread with the
   * newest one of all.
   */
  onError(listener: (ticket: number, error: Error) => void): void;
  /** Queries see every batch appended before them. */
  jobs(filter: { completedOnly: boolean }): Promise<JobRow[]>;
  job(jobId: number): Promise<JobRow | null>;
  submits(jobId: number): Promise<SubmitRow[]>;
  /** Sorted by id. `ids`: IntArray text. */
  taskRows(jobId: number, filter: { ids?: string; after?: number; limit: number }): Promise<TaskRow[]>;
  bulkRows(jobId: number): Promise<BulkRow[]>;
  workers(): Promise<WorkerRow[]>;
  /** Pages from the one with event `after + 1` on, until they hold `limit` events behind `after`; `first` = oldest kept. */
  events(after: number, limit: number): Promise<{ first: number; pages: EventPage[] }>;
  /** Deletes completed jobs, ended workers and events older than this (Unix milliseconds), in slices; resolves when all are deleted. */
  prune(beforeMs: number): Promise<void>;
  /** Copies everything committed into a new file (absolute path), in slices. Rejects with HQ_E_BACKUP; nothing is left there then. */
  backup(path: string): Promise<void>;
  /** Everything appended is on disk and the database is closed cleanly. */
  close(): Promise<void>;
}
