/** What clients do to jobs: cancel, close. */
import type { IntArray } from '../../common/intArray.ts';
import type { Core } from '../core.ts';
import { rowOf, unfinishedCount } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import { dropWithDependents, noticeJobEnd } from './transitions.ts';

/**
 * Cancels all unfinished tasks of a job, or the given ones; what waits for a canceled task is aborted, in other jobs, too.
 * @returns tasks canceled by this call, and selected ones that had ended before
 */
export function onCancel(
  core: Core,
  out: Outbox,
  o: { jobId: number; taskIds: IntArray | null; reason: string | null; nowMs: number },
): { canceled: number; alreadyDone: number } {
  const job = core.jobs.get(o.jobId);
  if (job === undefined) return { canceled: 0, alreadyDone: 0 };
  const rows = o.taskIds === null ? null : [...o.taskIds].map((id) => rowOf(job, id)).filter((row) => row >= 0);
  const selected = rows === null ? job.taskCount : rows.length;
  const canceled = dropWithDependents(core, out, { job, rows, state: 'canceled', reason: o.reason, atMs: o.nowMs });
  if (canceled > 0) noticeJobEnd(core, out, job, o.nowMs);
  out.askPlan();
  return { canceled, alreadyDone: selected - canceled };
}

/** No more tasks will be added. A job without unfinished tasks is complete with this. */
export function onClose(core: Core, out: Outbox, o: { jobId: number; nowMs: number }): void {
  const job = core.jobs.get(o.jobId);
  if (job === undefined || !job.open) return;
  job.open = false;
  if (unfinishedCount(job) === 0) noticeJobEnd(core, out, job, o.nowMs);
}
