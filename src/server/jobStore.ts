/**
 * The submitted side of the jobs in memory: header and submits of each, beside the scheduler's rows in the core. A job leaves together
 * with its rows; from then on the journal answers for it.
 */
import type { Core } from '../core/core.ts';
import type { Job, Segment } from '../core/jobTable.ts';
import { segmentOf } from '../core/jobTable.ts';
import type { JobInfo } from '../protocol/schema/job.ts';
import type { JobHeader, JobRow } from './journal/types.ts';
import type { SpecSource } from './recorder.ts';
import { hasSecrets, type SubmitRecord } from './specs.ts';
import { wrapperDirectory } from './wrapperEnds.ts';

export interface LiveJob {
  readonly jobId: number;
  /** Replaced when the job is changed. */
  header: JobHeader;
  readonly submittedAtMs: number;
  readonly submits: SubmitRecord[];
  cancelReason: string | null;
  /** When its last unfinished task ended; null while one is unfinished. */
  finishedAtMs: number | null;
}

export class JobStore implements SpecSource {
  private readonly core: Core;
  private readonly jobs = new Map<number, LiveJob>();
  private ended: number[] = [];

  constructor(core: Core) {
    this.core = core;
  }

  add(job: LiveJob): void {
    this.jobs.set(job.jobId, job);
  }

  /** A job whose rows are in the core. */
  get(jobId: number): { live: LiveJob; core: Job } | undefined {
    const live = this.jobs.get(jobId);
    const core = this.core.jobs.get(jobId);
    return live === undefined || core === undefined ? undefined : { live, core };
  }

  /** All of them, sorted by id. */
  all(): { live: LiveJob; core: Job }[] {
    return [...this.jobs.keys()].sort((a, b) => a - b).flatMap((jobId) => this.get(jobId) ?? []);
  }

  record(jobId: number, submitIndex: number): SubmitRecord | undefined {
    return this.jobs.get(jobId)?.submits[submitIndex];
  }

  noteJobEnded(jobId: number, atMs: number): void {
    const live = this.jobs.get(jobId);
    if (live !== undefined) live.finishedAtMs = atMs;
  }

  /** Is nobody told of the ends of its tasks? They have no secrets that are deleted then, and no workflow manager waits for them. */
  endsQuietly(jobId: number): boolean {
    const { submits } = this.jobs.get(jobId) ?? { submits: [] };
    return submits.every(({ secretTasksLeft, hasWrapper }) => secretTasksLeft === 0 && !hasWrapper);
  }

  /** Counts the end of a task with secrets; @returns the submit whose last one it was, to be redacted in the journal. */
  secretTaskEnded(jobId: number, taskId: number): SubmitRecord | undefined {
    const record = this.submitOf(jobId, taskId)?.record;
    if (record === undefined || record.secretTasksLeft === 0) return undefined;
    record.secretTasksLeft -= 1;
    return record.secretTasksLeft === 0 ? record : undefined;
  }

  wrapperDirectory(jobId: number, taskId: number): string | null {
    const found = this.submitOf(jobId, taskId);
    return found === undefined ? null : wrapperDirectory(found.record, found.segment.index.indexOf(taskId), taskId);
  }

  private submitOf(jobId: number, taskId: number): { record: SubmitRecord; segment: Segment } | undefined {
    const job = this.get(jobId);
    const segment = job === undefined ? undefined : segmentOf(job.core, taskId);
    const record = segment === undefined ? undefined : job?.live.submits[segment.submitIndex];
    return segment === undefined || record === undefined ? undefined : { record, segment };
  }

  /** Forgets completed jobs whose rows have left the core; called after their end is in the journal. */
  sweep(completed: readonly number[]): void {
    this.ended.push(...completed);
    this.ended = this.ended.filter((jobId) => {
      if (this.core.jobs.has(jobId)) return true;
      this.jobs.delete(jobId);
      return false;
    });
  }
}

/**
 * Number of tasks to wait for before secrets of a submit are deleted.
 * @param unfinished tasks of the submit that have not ended
 */
export function countSecretTasks(record: Pick<SubmitRecord, 'submit'>, unfinished: number): number {
  return hasSecrets(record.submit) ? unfinished : 0;
}

/** A job in memory as the API lists it. */
export function liveJobInfo(live: LiveJob, core: Job): JobInfo {
  return {
    id: live.jobId,
    name: live.header.name,
    isOpen: core.open,
    cancelReason: live.cancelReason,
    taskCount: core.taskCount,
    stats: { ...core.stats },
    maxFails: live.header.maxFails ?? null,
    labels: live.header.labels,
    submittedAtMs: live.submittedAtMs,
    finishedAtMs: core.taskCount > 0 ? live.finishedAtMs : null,
  };
}

/** A completed job out of the journal. */
export function storedJobInfo(row: JobRow): JobInfo {
  return {
    id: row.jobId,
    name: row.header.name,
    isOpen: row.open,
    cancelReason: row.cancelReason,
    taskCount: row.taskCount,
    stats: row.stats,
    maxFails: row.header.maxFails ?? null,
    labels: row.header.labels,
    submittedAtMs: row.submittedAtMs,
    finishedAtMs: row.finishedAtMs,
  };
}
