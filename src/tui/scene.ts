/**
 * What the dashboard shows, as plain data: the same for a server that is looked at (live.ts) and for a journal that is replayed (replay.ts). Drawn by
 * view.ts. Times are Unix milliseconds.
 */
import type { TaskStats } from '../protocol/schema/job.ts';
import type { TaskState } from '../protocol/schema/task.ts';

export interface JobLine {
  readonly id: number;
  readonly name: string;
  /** As `hq job list` has it. */
  readonly state: string;
  readonly taskCount: number;
  readonly stats: TaskStats;
}

export interface TaskLine {
  readonly id: number;
  readonly state: TaskState;
  readonly workers: readonly number[];
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  /** 0 for the first attempt. */
  readonly instance: number;
  readonly error: string | null;
}

/** Amounts in whole resources. */
export interface ResourceUse {
  readonly name: string;
  /** Given to running tasks; null where it is not known. */
  readonly used: number | null;
  readonly total: number;
}

export interface WorkerLine {
  readonly id: number;
  readonly host: string;
  readonly state: string;
  readonly sinceMs: number;
  readonly runningTasks: number;
  readonly resources: readonly ResourceUse[];
}

export interface QueueLine {
  readonly id: number;
  readonly name: string;
  readonly system: string;
  readonly state: string;
  readonly queued: number;
  readonly running: number;
  /** Why it is paused or rests, else empty. */
  readonly why: string;
}

export interface AllocationLine {
  readonly queueId: number;
  readonly number: number;
  readonly id: string;
  readonly state: string;
  readonly workers: number;
  readonly queuedAtMs: number;
  readonly detail: string;
}

export interface Scene {
  readonly title: string;
  readonly atMs: number;
  /** Something that the person should know, e.g. that the server is away. */
  readonly note: string;
  /** The newest first. */
  readonly jobs: readonly JobLine[];
  /** Of the job that was asked for. */
  readonly tasks: readonly TaskLine[];
  readonly workers: readonly WorkerLine[];
  readonly queues: readonly QueueLine[];
  readonly allocations: readonly AllocationLine[];
}

export const EMPTY_STATS: TaskStats = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 };

/** All jobs together. */
export function totalOf(jobs: readonly JobLine[]): TaskStats {
  const sum = { ...EMPTY_STATS };
  for (const { stats } of jobs) for (const key of Object.keys(sum) as (keyof TaskStats)[]) sum[key] += stats[key];
  return sum;
}
