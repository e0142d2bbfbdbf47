/**
 * The steps that every reactor function is made of: changing a row's state with its counts, ending tasks with all that follows
 * (dependants, max-fails, the end of the job). The only code that writes the state column of rows in use, but for the submit.
 */
import { invariant } from '../../common/assert.ts';
import type { Core } from '../core.ts';
import { gateOf } from '../dependencies.ts';
import { passGate } from '../gates.ts';
import { type Job, publicState, unfinishedCount } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import { ABORTED, BLOCKED, CANCELED, DELAYED, FAILED, FINISHED, HOLD_NONE, READY, RUNNING, SENT } from '../taskTable.ts';
import { letGo } from './holds.ts';

/** Which states may follow which; anything else is a defect. */
const ALLOWED: Readonly<Record<number, readonly number[]>> = {
  [BLOCKED]: [READY, CANCELED, ABORTED],
  [READY]: [SENT, CANCELED, ABORTED],
  [SENT]: [READY, RUNNING, DELAYED, FAILED, CANCELED, ABORTED],
  [RUNNING]: [READY, DELAYED, FINISHED, FAILED, CANCELED, ABORTED],
  [DELAYED]: [READY, CANCELED, ABORTED],
  [FINISHED]: [],
  [FAILED]: [],
  [CANCELED]: [],
  [ABORTED]: [],
};

/** The same as one bit per next state: every task asks several times. */
const ALLOWED_BITS = Uint16Array.from({ length: ABORTED + 1 }, (_, state) =>
  (ALLOWED[state] ?? []).reduce((bits, next) => bits | (1 << next), 0),
);

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
  if (((ALLOWED_BITS[state] as number) & (1 << next)) === 0) {
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

/** The worker no longer has the row. Its job may be complete and have waited for this. */
export function releaseHold(core: Core, row: number, nowMs: number): void {
  if (!letGo(core, row, nowMs)) return;
  const job = jobOf(core, row);
  job.held -= 1;
  dropIfDone(core, job);
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

/** All rows that transitively wait for one of `rows`, of any job, each once, none of them ended. Cost: their number, however they overlap. */
export function transitiveDependents(core: Core, rows: Iterable<number>): number[] {
  const found = new Set<number>();
  const gates = new Set<number>();
  const stack = [...rows];
  const visit = (dependent: number): void => {
    if (found.has(dependent) || isEnded(core.tasks.state[dependent] as number)) return;
    found.add(dependent);
    stack.push(dependent);
  };
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    for (const dependent of core.dependencies.of(core.tasks, next)) {
      const gateId = gateOf(dependent);
      if (gateId === null) {
        visit(dependent);
        continue;
      }
      const gate = core.gates.get(gateId);
      if (gate === undefined || gates.has(gateId)) continue;
      gates.add(gateId);
      for (let row = gate.base; row < gate.base + gate.count; row += 1) visit(row);
    }
  }
  return [...found];
}

/** Queues the waiting rows without unfinished dependencies, neighbours of one class and priority as one range. */
export function queueRuns(core: Core, base: number, count: number): void {
  const { tasks } = core;
  const end = base + count;
  const isOpen = (row: number): boolean => tasks.state[row] === BLOCKED && tasks.unfinishedDeps[row] === 0;
  for (let start = base; start < end; ) {
    let row = start;
    while (
      row < end &&
      isOpen(row) &&
      tasks.requestClass[row] === tasks.requestClass[start] &&
      tasks.priority[row] === tasks.priority[start]
    )
      row += 1;
    if (row > start) {
      tasks.state.fill(READY, start, row);
      core.ready.push(tasks, start, row - start);
    }
    start = Math.max(row, start + 1);
  }
}

function wakeDependents(core: Core, out: Outbox, row: number): void {
  const { tasks } = core;
  for (const dependent of core.dependencies.take(tasks, row)) {
    const gateId = gateOf(dependent);
    if (gateId !== null) {
      const gate = core.gates.get(gateId);
      if (gate === undefined || !passGate(core, gate)) continue;
      queueRuns(core, gate.base, gate.count);
      out.askPlan();
      continue;
    }
    tasks.unfinishedDeps[dependent] = (tasks.unfinishedDeps[dependent] as number) - 1;
    if (tasks.unfinishedDeps[dependent] !== 0 || tasks.state[dependent] !== BLOCKED) continue;
    setState(core, dependent, READY);
    core.ready.push(tasks, dependent);
    out.askPlan();
  }
}

function abortDependents(core: Core, out: Outbox, row: number, atMs: number): void {
  const rows = transitiveDependents(core, [row]);
  if (rows.length === 0) return;
  const [taskId, jobId] = [core.tasks.taskId[row] as number, core.tasks.jobId[row] as number];
  abortRows(core, out, {
    rows,
    home: jobOf(core, row),
    reason: (job) => `task ${taskId}${job.id === jobId ? '' : ` of job ${jobId}`}, which it depends on, failed`,
    atMs,
  });
}

/**
 * Aborts rows of any jobs.
 * @param o.home the job whose end the caller looks at itself; that of the others is noticed here
 */
function abortRows(core: Core, out: Outbox, o: { rows: readonly number[]; home: Job; reason: (job: Job) => string; atMs: number }): void {
  const byJob = new Map<Job, number[]>();
  for (const row of [...o.rows].sort((a, b) => a - b)) {
    const job = jobOf(core, row);
    const rows = byJob.get(job);
    if (rows === undefined) byJob.set(job, [row]);
    else rows.push(row);
  }
  for (const [job, rows] of byJob) {
    const count = dropTasks(core, out, { job, rows, state: 'aborted', reason: o.reason(job), atMs: o.atMs });
    if (count > 0 && job !== o.home) noticeJobEnd(core, out, job, o.atMs);
  }
}

/** More tasks of the job have failed than may: the rest is aborted, and what waits for it in other jobs. */
export function enforceMaxFails(core: Core, out: Outbox, job: Job, atMs: number): void {
  if (job.maxFails === null || job.aborted || job.stats.failed <= job.maxFails) return;
  job.aborted = true;
  const reason = `more than ${job.maxFails} tasks of the job have failed`;
  dropWithDependents(core, out, { job, rows: null, state: 'aborted', reason, atMs });
}

/**
 * Ends unfinished tasks of a job and aborts what waits for them.
 * @param o.rows null: all of the job
 * @returns how many of `rows` were dropped
 */
export function dropWithDependents(
  core: Core,
  out: Outbox,
  o: { job: Job; rows: readonly number[] | null; state: 'canceled' | 'aborted'; reason: string | null; atMs: number },
): number {
  const { job, atMs } = o;
  const rows = (): Iterable<number> => o.rows ?? allRows(job);
  // Without gates nothing outside of the job waits for it.
  const unfinished = o.rows === null && core.gates.size === 0 ? [] : [...rows()].filter((row) => !isEnded(core.tasks.state[row] as number));
  const dependents = transitiveDependents(core, unfinished);
  const dropped = dropTasks(core, out, { ...o, rows: rows() });
  const end = o.state === 'canceled' ? 'was canceled' : 'was aborted';
  abortRows(core, out, { rows: dependents, home: job, reason: () => `a task that it depends on ${end}`, atMs });
  return dropped;
}

/** Every row of a job. */
export function* allRows(job: Job): Generator<number> {
  for (const segment of job.segments) for (let i = 0; i < segment.count; i += 1) yield segment.base + i;
}

function dropIfDone(core: Core, job: Job): void {
  if (job.open || job.held > 0 || unfinishedCount(job) > 0) return;
  core.jobs.delete(job.id);
  for (const gate of job.gates) core.gates.delete(gate);
  for (const segment of job.segments) {
    for (let row = segment.base; row < segment.base + segment.count; row += 1) core.dependencies.take(core.tasks, row);
    core.tasks.free(segment.base, segment.count);
  }
}
