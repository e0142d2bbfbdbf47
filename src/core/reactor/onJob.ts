/** What clients do to jobs: cancel, close. */
import type { IntArray } from '../../common/intArray.ts';
import type { Core } from '../core.ts';
import { rowOf, unfinishedCount } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import { allRows, dropTasks, isEnded, noticeJobEnd, transitiveDependents } from './transitions.ts';

/**
 * Cancels all unfinished tasks of a job, or the given ones; what depends on a single canceled task is aborted.
 * @returns tasks canceled by this call, and selected ones that had ended before
 */
export function onCancel(
  core: Core,
  out: Outbox,
  o: { jobId: number; taskIds: IntArray | null; reason: string | null; nowMs: number },
): { canceled: number; alreadyDone: number } {
  const job = core.jobs.get(o.jobId);
  if (job === undefined) return { canceled: 0, alreadyDone: 0 };
  const selected = o.taskIds === null ? [...allRows(job)] : [...o.taskIds].map((id) => rowOf(job, id)).filter((row) => row >= 0);
  const rows = selected.filter((row) => !isEnded(core.tasks.state[row] as number));
  const dependents = o.taskIds === null ? [] : transitiveDependents(core, rows);
  const canceled = dropTasks(core, out, { job, rows, state: 'canceled', reason: o.reason, atMs: o.nowMs });
  dropTasks(core, out, { job, rows: dependents, state: 'aborted', reason: 'a task that it depends on was canceled', atMs: o.nowMs });
  if (canceled > 0) noticeJobEnd(core, out, job, o.nowMs);
  out.askPlan();
  return { canceled, alreadyDone: selected.length - rows.length };
}

/** No more tasks will be added. A job without unfinished tasks is complete with this. */
export function onClose(core: Core, out: Outbox, o: { jobId: number; nowMs: number }): void {
  const job = core.jobs.get(o.jobId);
  if (job === undefined || !job.open) return;
  job.open = false;
  if (unfinishedCount(job) === 0) noticeJobEnd(core, out, job, o.nowMs);
}
