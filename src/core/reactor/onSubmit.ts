/** A submit that was checked and written to the journal enters the core; also used to restore one. */

import { invariant } from '../../common/assert.ts';
import type { IntArray } from '../../common/intArray.ts';
import type { ResourceRequest } from '../../protocol/schema/resources.ts';
import type { CrashLimit } from '../../protocol/schema/task.ts';
import type { Core } from '../core.ts';
import { type Awaited, type Gate, linkGate, passGate, shutGate, type TaskName } from '../gates.ts';
import { addSegment, createJob, type Job, rowOf } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import type { RetryPolicy } from '../retryPolicy.ts';
import { FINISHED } from '../taskTable.ts';
import { crashLimitColumn } from './crashLimit.ts';
import { allRows, dropTasks, isEnded, noticeJobEnd, queueRuns, transitiveDependents } from './transitions.ts';

/** What the scheduler must know of a task; many tasks may share one. */
export interface TaskTraits {
  readonly request: ResourceRequest;
  readonly priority: number;
  readonly crashLimit: CrashLimit;
  readonly retry: RetryPolicy;
  /** Null for no limit. */
  readonly timeLimitMs: number | null;
}

export interface SubmitEvent {
  readonly jobId: number;
  readonly submitIndex: number;
  /** Task ids in the order of the tasks, none of them in the job yet. */
  readonly ids: IntArray;
  /** One for all tasks, or one per task. */
  readonly traits: readonly TaskTraits[];
  /** Per task, ids of tasks of this job (of this submit or an earlier one); empty when no task has any. */
  readonly deps: readonly (readonly number[])[];
  /** Tasks of earlier submits, of any job, that must finish before any of these starts; left out: none. */
  readonly awaited?: readonly Awaited[];
  /** One that waits for a task of a job that is no longer in memory, and that did not finish. */
  readonly unsuccessful?: TaskName | null;
  readonly nowMs: number;
}

/** @throws Error when the id is taken (a defect: ids are given out by the server). */
export function onJobCreated(core: Core, o: { jobId: number; open: boolean; maxFails: number | null }): Job {
  invariant(!core.jobs.has(o.jobId), `job ${o.jobId} exists`);
  const job = createJob({ id: o.jobId, open: o.open, maxFails: o.maxFails });
  core.jobs.set(job.id, job);
  return job;
}

/** Adds tasks. Those whose dependencies have failed are aborted at once, as are all when the job went over its max-fails. */
export function onSubmit(core: Core, out: Outbox, event: SubmitEvent): void {
  const job = core.jobs.get(event.jobId);
  invariant(job !== undefined, `job ${event.jobId} is not in memory`);
  const { base, doomed, gate } = enterRows(core, job, event, () => {});
  const unsuccessful = (gate === null ? null : linkGate(core, gate)) ?? event.unsuccessful ?? null;
  if (gate !== null) passGate(core, gate);
  queueRuns(core, base, event.ids.length);
  abortHopeless(core, out, { job, event, base, doomed, unsuccessful });
  out.askPlan();
}

function abortHopeless(
  core: Core,
  out: Outbox,
  o: { job: Job; event: SubmitEvent; base: number; doomed: readonly number[]; unsuccessful: TaskName | null },
): void {
  const { job, unsuccessful } = o;
  let rows: Iterable<number> = o.doomed;
  let reason = 'a task that it depends on did not finish';
  if (job.aborted) {
    rows = allRows(job);
    reason = `more than ${job.maxFails} tasks of the job have failed`;
  } else if (unsuccessful !== null) {
    rows = Array.from({ length: o.event.ids.length }, (_, index) => o.base + index);
    reason = `task ${unsuccessful.taskId} of job ${unsuccessful.jobId}, which it waits for, did not finish`;
  }
  if (dropTasks(core, out, { job, rows, state: 'aborted', reason, atMs: o.event.nowMs }) > 0) noticeJobEnd(core, out, job, o.event.nowMs);
}

/**
 * Fills the rows of a submit and links its dependencies.
 * @param restore called with the first row before dependencies are linked: sets the states of tasks that a restored job has behind it
 * @returns the first row, rows that can never run because a dependency ended without success, and the gate, not linked yet, when tasks of other
 *   submits are awaited
 */
export function enterRows(
  core: Core,
  job: Job,
  event: SubmitEvent,
  restore: (base: number) => void,
): { base: number; doomed: number[]; gate: Gate | null } {
  const base = core.tasks.allocate(event.ids.length);
  addSegment(job, { submitIndex: event.submitIndex, base, ids: event.ids });
  job.stats.waiting += event.ids.length;
  fillRows(core, event, base);
  restore(base);
  const { awaited = [] } = event;
  const gate = awaited.length === 0 ? null : shutGate(core, job, { base, count: event.ids.length, awaited });
  return { base, doomed: linkDependencies(core, job, event, base), gate };
}

function fillRows(core: Core, event: SubmitEvent, base: number): void {
  const { tasks } = core;
  let row = base;
  for (const taskId of event.ids) {
    tasks.jobId[row] = event.jobId;
    tasks.taskId[row] = taskId;
    row += 1;
  }
  const { traits } = event;
  // Neighbours that share their traits, as most tasks of a graph do, cost one look at them.
  for (let first = 0; first < traits.length; ) {
    const shared = traits[first] as TaskTraits;
    let next = first + 1;
    while (next < traits.length && traits[next] === shared) next += 1;
    const [start, end] = traits.length === 1 ? [base, row] : [base + first, base + next];
    tasks.requestClass.fill(core.classes.intern(shared.request, shared.timeLimitMs).id, start, end);
    tasks.priority.fill(shared.priority, start, end);
    tasks.retryPolicy.fill(core.retryPolicies.intern(shared.retry), start, end);
    tasks.crashLimit.fill(crashLimitColumn(shared.crashLimit), start, end);
    first = next;
  }
}

/** @returns rows that can never run because a dependency ended without success */
function linkDependencies(core: Core, job: Job, event: SubmitEvent, base: number): number[] {
  const { tasks } = core;
  const doomed: number[] = [];
  event.deps.forEach((deps, index) => {
    for (const dep of deps) {
      const row = rowOf(job, dep);
      invariant(row >= 0, `dependency ${dep} is not a task of job ${job.id}`);
      if (isEnded(tasks.state[base + index] as number)) continue;
      if (!isEnded(tasks.state[row] as number)) core.dependencies.add(tasks, row, base + index);
      else if (tasks.state[row] !== FINISHED) doomed.push(base + index);
    }
  });
  return collectDoomed(core, doomed);
}

/** The doomed rows and everything that waits for them. */
function collectDoomed(core: Core, rows: readonly number[]): number[] {
  const all = new Set(rows);
  for (const dependent of transitiveDependents(core, rows)) all.add(dependent);
  return [...all].sort((a, b) => a - b);
}
