/**
 * What is known of the jobs of this server beyond what Grid Engine tells at a moment: it forgets a job when that ends, and its accounting, written some
 * seconds later, has neither the comment nor jobs that never ran. Pure; owned by `gridEngine.ts`.
 */
import type { BatchJobStatus } from '../../../../src/server/autoalloc/batchSystem.ts';
import { type EndRecord, endStatus } from './accounting.ts';

/**
 * How long a job that is gone from qstat may be without a record before it counts as having none. The accounting is written every 15 s by default
 * (`accounting_flush_time`), and shared file systems take their time to show it. Milliseconds.
 */
const RECORD_WAIT_MS = 60_000;

/** Older jobs have been forgotten by the allocation service, too. */
const JOBS_MAX = 10_000;

interface Known {
  readonly comment: string | null;
  /** Unix milliseconds; null: by an earlier server. */
  readonly submittedMs: number | null;
  /** Last one while it was in qstat. */
  readonly status: BatchJobStatus | null;
  /** `waiting`: it was deleted before it ran. `running`: its end was asked for. */
  readonly deleted: 'waiting' | 'running' | null;
  /** When it was first missed in qstat. */
  readonly missedMs: number | null;
}

const NOTHING: Known = { comment: null, submittedMs: null, status: null, deleted: null, missedMs: null };

/** Of clocks of two hosts, milliseconds. */
const CLOCKS_MS = 60_000;

export class JobMemory {
  private readonly jobs = new Map<string, Known>();

  submitted(id: string, comment: string, nowMs: number): void {
    this.jobs.delete(id);
    this.change(id, { comment, submittedMs: nowMs });
  }

  /** @param status while the job is in qstat */
  seen(id: string, status: BatchJobStatus): void {
    this.change(id, { status, missedMs: null, ...(status.comment === null ? {} : { comment: status.comment }) });
  }

  deleted(id: string, deleted: 'waiting' | 'running'): void {
    this.change(id, { deleted });
  }

  /** @returns when the earliest of these jobs was submitted; null when one was not submitted by this server */
  earliestMs(ids: readonly string[]): number | null {
    const times = ids.map((id) => this.jobs.get(id)?.submittedMs ?? null);
    return times.includes(null) ? null : Math.min(...(times as number[]));
  }

  /** Jobs that need not be looked up in the accounting: deleted before they ran, they have no record. */
  hasNoRecord(id: string): boolean {
    return this.jobs.get(id)?.deleted === 'waiting';
  }

  /**
   * @param record of the accounting, if there is one under this id
   * @returns what is true of a job that is not in qstat; undefined: nothing is known of it
   */
  gone(id: string, record: EndRecord | undefined, nowMs: number): BatchJobStatus | undefined {
    const known = this.jobs.get(id) ?? NOTHING;
    // An id is given out again after ten million jobs.
    const isOlder = known.submittedMs !== null && (record?.submittedMs ?? 0) < known.submittedMs - CLOCKS_MS;
    if (record !== undefined && !isOlder) return endStatus(record, known.comment, known.deleted === 'running');
    if (known === NOTHING) return undefined;
    if (known.deleted === 'waiting') return neverRan(known, nowMs);
    const missedMs = known.missedMs ?? nowMs;
    this.change(id, { missedMs });
    if (nowMs - missedMs < RECORD_WAIT_MS) return known.status ?? waiting(known);
    return known.status?.state === 'queued' ? neverRan(known, missedMs) : undefined;
  }

  private change(id: string, part: Partial<Known>): void {
    this.jobs.set(id, { ...(this.jobs.get(id) ?? NOTHING), ...part });
    const oldest = this.jobs.keys().next();
    if (this.jobs.size > JOBS_MAX && !oldest.done) this.jobs.delete(oldest.value);
  }
}

/** Somebody has deleted it while it waited. */
function neverRan({ comment }: Known, endMs: number): BatchJobStatus {
  return { state: 'ended', outcome: 'canceled', exitCode: null, rawState: '', reason: null, startMs: null, endMs, restarts: 0, comment };
}

/** It was submitted and has not been looked at since. */
function waiting({ comment }: Known): BatchJobStatus {
  return { state: 'queued', hopeless: false, rawState: '', reason: null, startMs: null, endMs: null, restarts: 0, comment };
}
