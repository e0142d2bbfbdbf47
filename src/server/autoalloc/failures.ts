/**
 * When a queue rests: failures in a row delay its next submission, too many pause it, with the reason. What the site does to an allocation
 * (preemption, lost nodes) says nothing against the queue. Pure; called by the allocation service.
 */
import { assertNever } from '../../common/assert.ts';
import type { AllocationOutcome } from './batchSystem.ts';

const MINUTE_MS = 60_000;

/** Delay of the next submission after so many failures in a row, the last one also after more; HyperQueue's. */
const BACKOFF_MS = [0, MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, 60 * MINUTE_MS] as const;

/** A batch system that does not answer is asked again after this time; that is nobody's failure. */
const UNREACHABLE_RETRY_MS = 15_000;

/** Workers that all vanish within this time of their connection were never of use, milliseconds; HyperQueue's rule. */
export const SHORT_LIFE_MS: number = MINUTE_MS;

export interface FailureLimits {
  /** Refused submissions in a row that pause a queue. */
  readonly submits: number;
  /** Failed allocations in a row that pause a queue. */
  readonly allocations: number;
}

/** HyperQueue's limits. */
export const FAILURE_LIMITS: FailureLimits = { submits: 10, allocations: 3 };

export interface FailureCount {
  /** In a row. */
  readonly submits: number;
  /** In a row. */
  readonly allocations: number;
  /** Nothing is submitted before, Unix milliseconds. */
  readonly restsUntilMs: number;
  /** What was the matter last, one line; null when the last attempt went well. */
  readonly lastError: string | null;
}

export const NO_FAILURES: FailureCount = { submits: 0, allocations: 0, restsUntilMs: 0, lastError: null };

/** The batch system accepted an allocation. */
export function afterSubmit(count: FailureCount): FailureCount {
  return { ...count, submits: 0, lastError: count.allocations > 0 ? count.lastError : null };
}

/** It refused one. */
export function afterRefusal(count: FailureCount, o: { readonly error: string; readonly nowMs: number }): FailureCount {
  return rested({ ...count, submits: count.submits + 1 }, o);
}

/** It did not answer. */
export function afterSilence(count: FailureCount, o: { readonly error: string; readonly nowMs: number }): FailureCount {
  return { ...count, restsUntilMs: Math.max(count.restsUntilMs, o.nowMs + UNREACHABLE_RETRY_MS), lastError: o.error };
}

/** An allocation has ended. */
export function afterEnd(
  count: FailureCount,
  o: { readonly verdict: Verdict; readonly error: string; readonly nowMs: number },
): FailureCount {
  if (o.verdict === 'good') return { ...count, allocations: 0, restsUntilMs: 0, lastError: null };
  return o.verdict === 'neutral' ? count : rested({ ...count, allocations: count.allocations + 1 }, o);
}

function rested(count: FailureCount, o: { readonly error: string; readonly nowMs: number }): FailureCount {
  const inRow = Math.max(count.submits, count.allocations);
  const delayMs = BACKOFF_MS[Math.min(inRow, BACKOFF_MS.length - 1)] as number;
  return { ...count, restsUntilMs: o.nowMs + delayMs, lastError: o.error };
}

/** @returns why the queue is to be paused, one line; null when it is not */
export function reasonToPause(count: FailureCount, limits: FailureLimits): string | null {
  const last = count.lastError ?? '';
  if (count.submits >= limits.submits) return `${inRowText(count.submits, 'submission')}; the last one: ${last}`;
  if (count.allocations >= limits.allocations) return `${inRowText(count.allocations, 'allocation')}; the last one: ${last}`;
  return null;
}

function inRowText(count: number, what: string): string {
  return count === 1 ? `one ${what} failed` : `${count} ${what}s in a row failed`;
}

/** What an end says of the queue: it works, nothing, or that it is broken. */
export type Verdict = 'good' | 'neutral' | 'bad';

/** How an allocation ended, and what became of its workers. */
export interface AllocationEnd {
  readonly outcome: AllocationOutcome | 'vanished';
  /** It was ended by us: no longer needed, removed, or the server stops. */
  readonly canceledByUs: boolean;
  /** At least one of them left in order, or lived longer than `SHORT_LIFE_MS`. */
  readonly wasOfUse: boolean;
}

/** @returns what the end says of the queue */
export function judge(end: AllocationEnd): Verdict {
  if (end.canceledByUs) return 'neutral';
  switch (end.outcome) {
    case 'preempted':
    case 'node failed':
    case 'boot failed':
      return 'neutral';
    case 'canceled':
      // Somebody else did it, and would do it again with the next one.
      return 'bad';
    case 'finished':
    case 'timed out':
    case 'vanished':
      return end.wasOfUse ? 'good' : 'bad';
    case 'failed':
    case 'out of memory':
    case 'launch failed':
      return end.wasOfUse ? 'neutral' : 'bad';
    default:
      return assertNever(end.outcome, 'outcome');
  }
}
