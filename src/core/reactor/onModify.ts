/**
 * Priority and limits of tasks are changed after their submit. What waits gets them at once; what a worker has goes on as it is and gets them with
 * its next attempt, so the changes stay with the job.
 */
import type { IntArray } from '../../common/intArray.ts';
import type { Core } from '../core.ts';
import { type Job, rowOf, type TaskChange } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import { BLOCKED, HOLD_NONE, READY } from '../taskTable.ts';
import { crashLimitColumn } from './crashLimit.ts';
import { allRows, enforceMaxFails, isEnded, jobOf, noticeJobEnd, queueRuns } from './transitions.ts';

interface Modified {
  /** Ids of the tasks that had not ended. */
  readonly taskIds: number[];
  /** How many of them a worker has. */
  readonly withWorker: number;
}

/** @param o.taskIds null: all tasks that the job has; unknown ones are passed over */
export function onModify(core: Core, out: Outbox, o: { job: Job; taskIds: IntArray | null; change: TaskChange }): Modified {
  const { tasks } = core;
  const { job } = o;
  const selected = o.taskIds === null ? [...allRows(job)] : [...o.taskIds].map((id) => rowOf(job, id));
  const rows = selected.filter((row) => row >= 0 && !isEnded(tasks.state[row] as number));
  let withWorker = 0;
  for (const row of rows) {
    if (tasks.hold[row] !== HOLD_NONE) {
      withWorker += 1;
      continue;
    }
    if (tasks.state[row] === READY) {
      // Both are waiting for everybody else; what is ready goes back into a queue below.
      core.ready.remove(tasks, row);
      tasks.state[row] = BLOCKED;
    }
    changeRow(core, row, o.change);
  }
  for (const segment of job.segments) queueRuns(core, segment.base, segment.count);
  out.askPlan();
  return { taskIds: rows.map((row) => tasks.taskId[row] as number), withWorker };
}

/** More failed tasks than this abort the rest, from now on. */
export function onMaxFails(core: Core, out: Outbox, o: { job: Job; maxFails: number | null; nowMs: number }): void {
  const { job } = o;
  job.maxFails = o.maxFails;
  job.aborted = false;
  enforceMaxFails(core, out, job, o.nowMs);
  if (job.aborted) noticeJobEnd(core, out, job, o.nowMs);
}

/** A row that a worker had gets what was changed meanwhile. Must not be held or queued. */
export function applyChanges(core: Core, row: number): void {
  const taskId = core.tasks.taskId[row] as number;
  for (const { ids, change } of jobOf(core, row).changes) if (ids.has(taskId)) changeRow(core, row, change);
}

function changeRow(core: Core, row: number, { priority, timeLimitMs, crashLimit, maxRetries }: TaskChange): void {
  const { tasks, classes, retryPolicies } = core;
  if (priority !== undefined) tasks.priority[row] = priority;
  if (crashLimit !== undefined) tasks.crashLimit[row] = crashLimitColumn(crashLimit);
  if (maxRetries !== undefined) {
    const policy = retryPolicies.get(tasks.retryPolicy[row] as number);
    if (policy.maxRetries !== maxRetries) tasks.retryPolicy[row] = retryPolicies.intern({ ...policy, maxRetries });
  }
  if (timeLimitMs !== undefined)
    tasks.requestClass[row] = classes.intern(classes.get(tasks.requestClass[row] as number).request, timeLimitMs).id;
}
