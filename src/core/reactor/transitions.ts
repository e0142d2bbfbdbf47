/**
 * The steps that every reactor function is made of: changing a row's state with its counts, letting go of a worker's row, ending tasks
 * with all that follows (dependants, max-fails, the end of the job). The only code that writes the state and hold columns.
 */
import { invariant } from '../../common/assert.ts';
import type { Core } from '../core.ts';
import { type Job, publicState, unfinishedCount } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import {
  ABORTED,
  BLOCKED,
  CANCELED,
  FAILED,
  FINISHED,
  HOLD_NONE,
  HOLD_PREFILLED,
  HOLD_RESERVED,
  READY,
  RUNNING,
  SENT,
} from '../taskTable.ts';
import { fitsNow, reserve } from '../workerTable.ts';

/** Which states may follow which; anything else is a defect. */
const ALLOWED: Readonly<Record<number, readonly number[]>> = {
  [BLOCKED]: [READY, CANCELED, ABORTED],
  [READY]: [SENT, CANCELED, ABORTED],
  [SENT]: [READY, RUNNING, FAILED, CANCELED, ABORTED],
  [RUNNING]: [READY, FINISHED, FAILED, CANCELED, ABORTED],
  [FINISHED]: [],
  [FAILED]: [],
  [CANCELED]: [],
  [ABORTED]: [],
};

export function isEnded(state: number): boolean {
  return state >= FINISHED;
}

/** @throws Error when the row's job is unknown (a defect). */
export function jobOf(core: Core, row: number): Job {
  const job = core.jobs.get(core.tasks.jobId[row] as number);
  invariant(job !== undefined, `row ${row} has no job`);
  return job;
}

/** @throws Error with the task's story when the step is not allowed (a defect). */
export function setState(core: Core, row: number, next: number): void {
  const { tasks } = core;
  const state = tasks.state[row] as number;
  if (ALLOWED[state]?.includes(next) !== true) {
    throw new Error(
      `task ${tasks.jobId[row]}.${tasks.taskId[row]} cannot go from state ${state} to ${next} (hold ${tasks.hold[row]}, worker ${tasks.worker[row]}, instance ${tasks.instance[row]})`,
    );
  }
  const stats = jobOf(core, row).stats;
  stats[publicState(state)] -= 1;
  stats[publicState(next)] += 1;
  tasks.state[row] = next;
}

/** Sets the state of a row of a job that is being restored, past the table of allowed steps: it took them before the restart. */
export function restoreState(core: Core, row: number, state: number): void {
  const stats = jobOf(core, row).stats;
  stats[publicState(core.tasks.state[row] as number)] -= 1;
  stats[publicState(state)] += 1;
  core.tasks.state[row] = state;
}

/** A worker gets a row, with its resources reserved or queued ahead of need. */
export function takeHold(
  core: Core,
  o: { row: number; workerId: number; hold: typeof HOLD_RESERVED | typeof HOLD_PREFILLED; variant: number },
): void {
  const { tasks } = core;
  const worker = core.workers.get(o.workerId);
  invariant(worker !== undefined && tasks.hold[o.row] === HOLD_NONE, `row ${o.row} is held already or its worker is gone`);
  tasks.worker[o.row] = o.workerId;
  tasks.variant[o.row] = o.variant;
  tasks.hold[o.row] = o.hold;
  worker.rows.add(o.row);
  worker.idleSinceMs = null;
  jobOf(core, o.row).held += 1;
  if (o.hold === HOLD_PREFILLED) worker.queued.add(o.row);
  else reserveRow(core, o.row, 1);
}

/** A queued row gets its resources reserved: the worker starts it now, or will as soon as it hears of the end of another. */
export function promote(core: Core, row: number): void {
  core.workers.get(core.tasks.worker[row] as number)?.queued.delete(row);
  core.tasks.hold[row] = HOLD_RESERVED;
  reserveRow(core, row, 1);
}

/**
 * Resources of a worker became free: what it has queued starts there by itself, so it is reserved before anything new is planned.
 * Rows that are being taken back count too, because the worker may start them before it hears of it.
 */
export function promoteQueued(core: Core, workerId: number): void {
  const worker = core.workers.get(workerId);
  if (worker === undefined) return;
  for (const row of worker.queued) {
    const variant = core.classes.get(core.tasks.requestClass[row] as number).variants[core.tasks.variant[row] as number];
    // All that is queued asks for the same in the usual case, so the first that does not fit ends the search.
    if (variant === undefined || !fitsNow(core.names, worker, variant, Number.NEGATIVE_INFINITY)) return;
    promote(core, row);
  }
}

/** The worker no longer has the row. Its job may be complete and have waited for this. */
export function releaseHold(core: Core, row: number, nowMs: number): void {
  const { tasks } = core;
  if (tasks.hold[row] === HOLD_NONE) return;
  if (tasks.hold[row] === HOLD_RESERVED) reserveRow(core, row, -1);
  const worker = core.workers.get(tasks.worker[row] as number);
  worker?.rows.delete(row);
  worker?.queued.delete(row);
  if (worker !== undefined && worker.rows.size === 0) worker.idleSinceMs = nowMs;
  tasks.hold[row] = HOLD_NONE;
  tasks.worker[row] = 0;
  const job = jobOf(core, row);
  job.held -= 1;
  dropIfDone(core, job);
}

/**
 * A worker started a queued row before one that was counted on to start first (a higher priority that arrived in the same moment). What
 * has not started and no longer fits counts as queued until the worker starts it.
 */
export function demoteUnstarted(core: Core, workerId: number): void {
  const { tasks } = core;
  const worker = core.workers.get(workerId);
  if (worker === undefined) return;
  for (const row of [...worker.rows].reverse()) {
    if (worker.free.every((units) => (units ?? 0) >= 0)) return;
    if (tasks.hold[row] !== HOLD_RESERVED || tasks.state[row] !== SENT) continue;
    reserveRow(core, row, -1);
    tasks.hold[row] = HOLD_PREFILLED;
    worker.queued.add(row);
  }
}

/** Puts a row that was out back to the front of its queue as the given instance. */
export function requeue(core: Core, row: number, instance: number): void {
  setState(core, row, READY);
  core.tasks.instance[row] = instance;
  core.ready.pushFront(core.tasks, row);
}

/** A task finished or failed for good. The row's hold must have been released or is released by the caller afterwards. */
export function endTask(core: Core, out: Outbox, o: { row: number; state: typeof FINISHED | typeof FAILED; atMs: number }): void {
  const job = jobOf(core, o.row);
  setState(core, o.row, o.state);
  if (o.state === FINISHED) wakeDependents(core, out, o.row);
  else {
    abortDependents(core, out, o.row, o.atMs);
    enforceMaxFails(core, out, job, o.atMs);
  }
  noticeJobEnd(core, out, job, o.atMs);
}

/**
 * Ends unfinished tasks that will not run: compressed in one change, workers are told to kill what they hold.
 * @returns how many rows were dropped
 */
export function dropTasks(
  core: Core,
  out: Outbox,
  o: { job: Job; rows: Iterable<number>; state: 'canceled' | 'aborted'; reason: string | null; atMs: number },
): number {
  const { tasks } = core;
  const taskIds: number[] = [];
  const held: { taskId: number; instance: number }[] = [];
  for (const row of o.rows) {
    const state = tasks.state[row] as number;
    if (isEnded(state)) continue;
    if (state === READY) core.ready.remove(tasks, row);
    setState(core, row, o.state === 'canceled' ? CANCELED : ABORTED);
    if (tasks.hold[row] === HOLD_NONE) taskIds.push(tasks.taskId[row] as number);
    else {
      held.push({ taskId: tasks.taskId[row] as number, instance: tasks.instance[row] as number });
      out.control(tasks.worker[row] as number, 'cancel', row);
    }
  }
  const count = taskIds.length + held.length;
  if (count > 0) out.emit({ kind: 'dropped', jobId: o.job.id, taskIds, held, state: o.state, atMs: o.atMs, reason: o.reason });
  return count;
}

/** Emits the end (or idleness) of a job whose last unfinished task ended; forgets it once no worker holds a row of it. */
export function noticeJobEnd(core: Core, out: Outbox, job: Job, atMs: number): void {
  if (unfinishedCount(job) > 0) return;
  out.emit(job.open ? { kind: 'job-idle', jobId: job.id, atMs } : { kind: 'job-completed', jobId: job.id, atMs });
  dropIfDone(core, job);
}

/** All rows that transitively wait for `row`, each once, none of them ended. */
export function transitiveDependents(core: Core, row: number): number[] {
  const found = new Set<number>();
  const stack = [row];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    for (const dependent of core.dependencies.of(core.tasks, next)) {
      if (found.has(dependent) || isEnded(core.tasks.state[dependent] as number)) continue;
      found.add(dependent);
      stack.push(dependent);
    }
  }
  return [...found];
}

function wakeDependents(core: Core, out: Outbox, row: number): void {
  const { tasks } = core;
  for (const dependent of core.dependencies.take(tasks, row)) {
    tasks.unfinishedDeps[dependent] = (tasks.unfinishedDeps[dependent] as number) - 1;
    if (tasks.unfinishedDeps[dependent] !== 0 || tasks.state[dependent] !== BLOCKED) continue;
    setState(core, dependent, READY);
    core.ready.push(tasks, dependent);
    out.askPlan();
  }
}

function abortDependents(core: Core, out: Outbox, row: number, atMs: number): void {
  const rows = transitiveDependents(core, row);
  if (rows.length === 0) return;
  const reason = `task ${core.tasks.taskId[row]}, which it depends on, failed`;
  dropTasks(core, out, { job: jobOf(core, row), rows: rows.sort((a, b) => a - b), state: 'aborted', reason, atMs });
}

function enforceMaxFails(core: Core, out: Outbox, job: Job, atMs: number): void {
  if (job.maxFails === null || job.aborted || job.stats.failed <= job.maxFails) return;
  job.aborted = true;
  const reason = `more than ${job.maxFails} tasks of the job have failed`;
  dropTasks(core, out, { job, rows: allRows(job), state: 'aborted', reason, atMs });
}

/** Every row of a job. */
export function* allRows(job: Job): Generator<number> {
  for (const segment of job.segments) for (let i = 0; i < segment.count; i += 1) yield segment.base + i;
}

function dropIfDone(core: Core, job: Job): void {
  if (job.open || job.held > 0 || unfinishedCount(job) > 0) return;
  core.jobs.delete(job.id);
  for (const segment of job.segments) {
    for (let row = segment.base; row < segment.base + segment.count; row += 1) core.dependencies.take(core.tasks, row);
    core.tasks.free(segment.base, segment.count);
  }
}

function reserveRow(core: Core, row: number, sign: 1 | -1): void {
  const { tasks } = core;
  const worker = core.workers.get(tasks.worker[row] as number);
  const variant = core.classes.get(tasks.requestClass[row] as number).variants[tasks.variant[row] as number];
  if (worker !== undefined && variant !== undefined) reserve(core.names, worker, variant, sign);
}
