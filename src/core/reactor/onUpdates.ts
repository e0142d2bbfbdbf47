/** What workers report of their tasks. Updates of attempts that are no longer wanted only release what they held. */
import { assertNever } from '../../common/assert.ts';
import {
  type AttemptFailure,
  type TaskUpdate,
  UPDATE_CANCELED,
  UPDATE_FAILED,
  UPDATE_FINISHED,
  UPDATE_NOTIFIED,
  UPDATE_RETRACTED,
  UPDATE_STARTED,
  UPDATE_STOPPED,
} from '../../protocol/messages/worker.ts';
import type { Room } from '../../protocol/schema/resources.ts';
import type { TaskUsage } from '../../protocol/schema/task.ts';
import type { Core } from '../core.ts';
import { rowOf } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import { mayRetry } from '../retryPolicy.ts';
import { FAILED, FINISHED, HOLD_NONE, HOLD_PREFILLED, HOLD_RETRACTING, RUNNING, SENT } from '../taskTable.ts';
import { type CoreWorker, livesFor } from '../workerTable.ts';
import { changeVariant, demoteUnstarted, promote, promoteQueued, takeOverRoom } from './holds.ts';
import { requeueNext, requeueSame, retry } from './requeues.ts';
import { endTask, isEnded, releaseHold, setState } from './transitions.ts';

/** Length of one measurement of a worker's task rate, milliseconds: short enough to follow a change of work within a second. */
const RATE_WINDOW_MS = 200;
/** Share of the newest window in the average. */
const RATE_SMOOTHING = 0.5;

export interface UpdatesEvent {
  readonly workerId: number;
  readonly updates: readonly TaskUpdate[];
  /** What is free of the worker's resources after them; null when it does not tell. */
  readonly room: Room | null;
  readonly nowMs: number;
}

/** Applies a frame of updates in order. An update of a task that this worker does not hold in that instance is ignored. */
export function onUpdates(core: Core, out: Outbox, event: UpdatesEvent): void {
  const worker = core.workers.get(event.workerId);
  if (worker === undefined) return;
  for (const update of event.updates) {
    const row = heldRow(core, worker, update);
    if (row >= 0) applyUpdate(core, out, { worker, row, update, nowMs: event.nowMs });
  }
  takeOverRoom(core, worker, event.room);
  promoteQueued(core, worker.id);
  out.askPlan();
}

interface RowUpdate {
  readonly worker: CoreWorker;
  readonly row: number;
  readonly update: TaskUpdate;
  readonly nowMs: number;
}

function applyUpdate(core: Core, out: Outbox, o: RowUpdate): void {
  const { worker, row, update, nowMs } = o;
  switch (update[0]) {
    case UPDATE_STARTED:
      return started(core, out, { row, workerId: worker.id, atMs: update[4], variant: update[5] });
    case UPDATE_FINISHED:
      if (!isEnded(core.tasks.state[row] as number)) finished(core, out, { row, atMs: update[4], usage: update[5] });
      countEnded(worker, nowMs);
      break;
    case UPDATE_FAILED:
      countEnded(worker, nowMs);
      if (!isEnded(core.tasks.state[row] as number)) {
        if (failed(core, out, { row, atMs: update[4], usage: update[5], failure: update[6], nowMs })) return;
      }
      break;
    case UPDATE_STOPPED:
      if (!isEnded(core.tasks.state[row] as number)) return stopped(core, out, row, nowMs);
      break;
    case UPDATE_RETRACTED:
      if (core.tasks.state[row] === SENT) return retracted(core, out, { worker, row, nowMs, workerMs: update[4] });
      break;
    case UPDATE_CANCELED:
      // Killed at the wish of a server that lost its disk's last moments with its power: nobody was told that the task is canceled.
      if (!isEnded(core.tasks.state[row] as number)) return requeueNext(core, out, { row, cause: 'worker-stopped', error: null, nowMs });
      break;
    case UPDATE_NOTIFIED:
      return out.emit({ kind: 'notified', ...taskOf(core, row), workerId: worker.id, message: update[5] });
    default:
      assertNever(update[0], 'update');
  }
  // The row may belong to a job that is forgotten with this release: nothing may touch it afterwards.
  if (isEnded(core.tasks.state[row] as number)) releaseHold(core, row, nowMs);
}

function heldRow(core: Core, worker: CoreWorker, update: TaskUpdate): number {
  const job = core.jobs.get(update[1]);
  const row = job === undefined ? -1 : rowOf(job, update[2]);
  const { tasks } = core;
  const mine = row >= 0 && tasks.hold[row] !== HOLD_NONE && tasks.worker[row] === worker.id && tasks.instance[row] === update[3];
  return mine ? row : -1;
}

function started(core: Core, out: Outbox, o: { row: number; workerId: number; atMs: number; variant: number }): void {
  const { tasks } = core;
  const isKnown = core.classes.get(tasks.requestClass[o.row] as number).variants[o.variant] !== undefined;
  if (isKnown && o.variant !== tasks.variant[o.row]) changeVariant(core, o.row, o.variant);
  const hold = tasks.hold[o.row];
  if (hold === HOLD_PREFILLED || hold === HOLD_RETRACTING) promote(core, o.row);
  core.workers.get(o.workerId)?.room?.started(o.row);
  if (tasks.state[o.row] !== SENT) return;
  setState(core, o.row, RUNNING);
  demoteUnstarted(core, o.workerId);
  out.emit({
    kind: 'started',
    jobId: tasks.jobId[o.row] as number,
    taskId: tasks.taskId[o.row] as number,
    instance: tasks.instance[o.row] as number,
    workerId: o.workerId,
    variant: tasks.variant[o.row] as number,
    atMs: o.atMs,
  });
}

function finished(core: Core, out: Outbox, o: { row: number; atMs: number; usage: TaskUsage | null }): void {
  const { tasks } = core;
  // A result without a start report cannot come from a correct worker, but it must not be lost.
  if (tasks.state[o.row] === SENT) {
    started(core, out, { row: o.row, workerId: tasks.worker[o.row] as number, atMs: o.atMs, variant: tasks.variant[o.row] as number });
  }
  // Field by field, as in `started`: every task comes by here.
  out.emit({
    kind: 'finished',
    jobId: tasks.jobId[o.row] as number,
    taskId: tasks.taskId[o.row] as number,
    instance: tasks.instance[o.row] as number,
    atMs: o.atMs,
    usage: o.usage,
  });
  endTask(core, out, { row: o.row, state: FINISHED, atMs: o.atMs });
}

/** @returns true when the task was queued again and its hold released */
function failed(
  core: Core,
  out: Outbox,
  o: { row: number; atMs: number; usage: TaskUsage | null; failure: AttemptFailure; nowMs: number },
): boolean {
  const { tasks } = core;
  const policy = core.retryPolicies.get(tasks.retryPolicy[o.row] as number);
  if (mayRetry(policy, tasks.retries[o.row] as number, o.failure)) {
    retry(core, out, { row: o.row, error: o.failure.error, nowMs: o.nowMs });
    return true;
  }
  out.emit({ kind: 'failed', ...taskOf(core, o.row), atMs: o.atMs, usage: o.usage, failure: o.failure });
  endTask(core, out, { row: o.row, state: FAILED, atMs: o.atMs });
  return false;
}

function stopped(core: Core, out: Outbox, row: number, nowMs: number): void {
  if (restartForbidden(core, row)) failRestartForbidden(core, out, row, nowMs);
  else requeueNext(core, out, { row, cause: 'worker-stopped', error: null, nowMs });
}

/** `never-restart`: any loss of the worker while the task runs fails it. */
export function restartForbidden(core: Core, row: number): boolean {
  return core.tasks.state[row] === RUNNING && core.tasks.crashLimit[row] === 0;
}

/** Fails a running task that may not be restarted, and releases it. */
export function failRestartForbidden(core: Core, out: Outbox, row: number, atMs: number): void {
  failWithWorker(core, out, { row, error: 'Task was running on a lost worker while never restart flag was set.', atMs });
}

/** Fails a task because of its worker, and releases it. */
export function failWithWorker(core: Core, out: Outbox, o: { row: number; error: string; atMs: number }): void {
  const failure: AttemptFailure = { kind: 'worker-lost', error: o.error, exitCode: null, signal: null };
  out.emit({ kind: 'failed', ...taskOf(core, o.row), atMs: o.atMs, usage: null, failure });
  endTask(core, out, { row: o.row, state: FAILED, atMs: o.atMs });
  releaseHold(core, o.row, o.atMs);
}

/** The worker gave the row back unstarted: the same instance may go elsewhere, because nobody has run it. */
function retracted(core: Core, out: Outbox, o: { worker: CoreWorker; row: number; nowMs: number; workerMs: number }): void {
  const { worker, row } = o;
  const variant = core.classes.get(core.tasks.requestClass[row] as number).variants[core.tasks.variant[row] as number];
  // By its own clock the worker has too little time left for it. Going by another clock, the server would send it again at once.
  if (variant !== undefined && !livesFor(worker, variant, o.workerMs)) {
    worker.endsAtMs = Math.min(worker.endsAtMs, worker.endsAtMs - o.workerMs + o.nowMs);
  }
  requeueSame(core, out, row, o.nowMs);
}

function taskOf(core: Core, row: number): { jobId: number; taskId: number; instance: number } {
  const { tasks } = core;
  return { jobId: tasks.jobId[row] as number, taskId: tasks.taskId[row] as number, instance: tasks.instance[row] as number };
}

function countEnded(worker: CoreWorker, nowMs: number): void {
  worker.rateWindowEnded += 1;
  const elapsedMs = nowMs - worker.rateWindowStartMs;
  if (elapsedMs < RATE_WINDOW_MS) return;
  const rate = (worker.rateWindowEnded * 1000) / elapsedMs;
  worker.ratePerSecond = worker.ratePerSecond === null ? rate : worker.ratePerSecond + RATE_SMOOTHING * (rate - worker.ratePerSecond);
  worker.rateWindowStartMs = nowMs;
  worker.rateWindowEnded = 0;
}
