/**
 * Priority and limits of tasks are changed after their submit. What waits gets them at once; what a worker has goes on as it is and gets them with
 * its next attempt, so the changes stay with the job.
 */
import { type IntArray, Runs } from '../../common/intArray.ts';
import type { Core } from '../core.ts';
import type { Job, Segment, Selection, TaskChange } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import { BLOCKED, HOLD_NONE, READY } from '../taskTable.ts';
import { crashLimitColumn } from './crashLimit.ts';
import { enforceMaxFails, isEnded, jobOf, noticeJobEnd, queueRuns } from './transitions.ts';

interface Modified {
  /** Ids of the tasks that had not ended, by submit; submits without one are left out. */
  readonly changed: readonly { readonly segment: Segment; readonly ids: IntArray }[];
  /** How many tasks that are. */
  readonly count: number;
  /** How many of them a worker has. */
  readonly withWorker: number;
}

/** No list of tasks is made: a job may have a million of them, and the server does nothing else meanwhile. */
export function onModify(core: Core, out: Outbox, o: { job: Job; selection: Selection; change: TaskChange }): Modified {
  const { tasks } = core;
  const changed: { segment: Segment; ids: IntArray }[] = [];
  let withWorker = 0;
  for (const [segment, places] of o.selection) {
    const unfinished = new Runs();
    for (const place of places) {
      const row = segment.base + place;
      if (isEnded(tasks.state[row] as number)) continue;
      unfinished.push(place);
      if (tasks.hold[row] === HOLD_NONE) changeWaiting(core, row, o.change);
      else withWorker += 1;
    }
    const ids = segment.ids.pick(unfinished.toArray());
    if (ids.length > 0) changed.push({ segment, ids });
  }
  for (const segment of o.job.segments) queueRuns(core, segment.base, segment.count);
  out.askPlan();
  return { changed, count: changed.reduce((sum, { ids }) => sum + ids.length, 0), withWorker };
}

function changeWaiting(core: Core, row: number, change: TaskChange): void {
  const { tasks } = core;
  if (tasks.state[row] === READY) {
    // Both are waiting for everybody else; what is ready goes back into a queue when all rows are changed.
    core.ready.remove(tasks, row);
    tasks.state[row] = BLOCKED;
  }
  changeRow(core, row, change);
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
