/** A status of the batch system as one sentence for people. Pure; used by all batch systems. */
import { assertNever } from '../../common/assert.ts';
import type { AllocationOutcome, BatchJobStatus, BatchReason } from './batchSystem.ts';

const ENDS: Readonly<Record<AllocationOutcome, string>> = {
  finished: 'it has ended in order',
  failed: 'it has failed',
  'timed out': 'it ran until its time limit',
  canceled: 'it was canceled',
  preempted: 'it was preempted by a job of higher priority',
  'node failed': 'a node of it has failed',
  'out of memory': 'it was ended because it used more memory than it was given',
  'boot failed': 'its nodes could not be made ready',
  'launch failed': 'it could not be launched',
};

/** The reason says more than the outcome only in these. */
const UNSPECIFIC: ReadonlySet<AllocationOutcome> = new Set(['failed', 'canceled', 'launch failed']);

/** @param title of the batch system: `Slurm`; @returns without a full stop */
export function explainStatus(title: string, status: BatchJobStatus): string {
  const why = status.reason === null ? '' : `: ${status.reason.text} (${status.reason.code})`;
  switch (status.state) {
    case 'queued':
      return `${title} ${status.hopeless ? 'will not start it as things are' : 'keeps it waiting'}${why}`;
    case 'running':
      return 'it is running';
    case 'suspended':
      return `${title} has suspended it${why}`;
    case 'vanished':
      return `${title} does not know it any more`;
    case 'ended': {
      const code = status.exitCode === null || status.exitCode === 0 ? '' : `, exit code ${status.exitCode}`;
      return `${ENDS[status.outcome]}${code}${endReason(status.outcome, status.reason, why)}`;
    }
    default:
      return assertNever(status);
  }
}

function endReason(outcome: AllocationOutcome, reason: BatchReason | null, why: string): string {
  if (outcome === 'finished' || reason === null) return '';
  return UNSPECIFIC.has(outcome) ? why : ` (${reason.code})`;
}

/** Status of a job that the batch system does not know (any more). */
export function vanishedStatus(): BatchJobStatus {
  return { state: 'vanished', rawState: '', reason: null, startMs: null, endMs: null, restarts: 0, comment: null };
}
