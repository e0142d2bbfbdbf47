/**
 * Tasks that go back to wait for another attempt: given back unstarted, lost with their worker, or failed with retries left. Called by the
 * other reactor functions; delayed ones are woken by the planner.
 */
import type { Core } from '../core.ts';
import type { Outbox, RequeueCause } from '../outbox.ts';
import { grownRequest } from '../retryPolicy.ts';
import { DELAYED, READY } from '../taskTable.ts';
import { applyChanges } from './onModify.ts';
import { releaseHold, requeue, setState } from './transitions.ts';

/** Queues the row as the next instance. */
export function requeueNext(core: Core, out: Outbox, o: { row: number; cause: RequeueCause; error: string | null; nowMs: number }): void {
  const instance = core.tasks.instance[o.row] as number;
  releaseHold(core, o.row, o.nowMs);
  applyChanges(core, o.row);
  requeue(core, o.row, instance + 1);
  emitRequeued(core, out, { row: o.row, instance, cause: o.cause, error: o.error, dueAtMs: null });
  out.askPlan();
}

/** Queues a row that nobody has run, as the same instance. */
export function requeueSame(core: Core, out: Outbox, row: number, nowMs: number): void {
  const instance = core.tasks.instance[row] as number;
  releaseHold(core, row, nowMs);
  applyChanges(core, row);
  requeue(core, row, instance);
  emitRequeued(core, out, { row, instance, cause: null, error: null, dueAtMs: null });
}

/** A failed attempt is followed by another one, now or after the delay of its policy, perhaps with more memory. */
export function retry(core: Core, out: Outbox, o: { row: number; error: string; nowMs: number }): void {
  const { tasks } = core;
  const { row } = o;
  const { delayMs } = core.retryPolicies.get(tasks.retryPolicy[row] as number);
  const instance = tasks.instance[row] as number;
  tasks.retries[row] = (tasks.retries[row] as number) + 1;
  // What it held was of its old request.
  releaseHold(core, row, o.nowMs);
  growMemory(core, row, 1);
  applyChanges(core, row);
  const dueAtMs = delayMs > 0 ? o.nowMs + delayMs : null;
  if (dueAtMs === null) requeue(core, row, instance + 1);
  else {
    setState(core, row, DELAYED);
    tasks.instance[row] = instance + 1;
    core.delayed.add(tasks, row, dueAtMs);
  }
  emitRequeued(core, out, { row, instance, cause: 'retry', error: o.error, dueAtMs });
  out.askPlan();
}

/**
 * The row asks for more memory from now on, if its policy says so. Must not be held or queued.
 * @param times number of retries that this is for
 */
export function growMemory(core: Core, row: number, times: number): void {
  const { tasks, classes } = core;
  const { memFactor } = core.retryPolicies.get(tasks.retryPolicy[row] as number);
  if (memFactor === 1) return;
  const { request, timeLimitMs } = classes.get(tasks.requestClass[row] as number);
  const limit = Number.isFinite(timeLimitMs) ? timeLimitMs : null;
  tasks.requestClass[row] = classes.intern(grownRequest(request, memFactor, times), limit).id;
}

/** Rows whose delay is over are ready, before the others of their class: they were out already. */
export function wakeDelayed(core: Core, nowMs: number): void {
  // Latest first, so that they keep their order in front of the queue.
  for (const row of core.delayed.takeDue(core.tasks, nowMs).reverse()) {
    setState(core, row, READY);
    core.ready.pushFront(core.tasks, row);
  }
}

function emitRequeued(
  core: Core,
  out: Outbox,
  o: { row: number; instance: number; cause: RequeueCause | null; error: string | null; dueAtMs: number | null },
): void {
  const { tasks } = core;
  out.emit({
    kind: 'requeued',
    jobId: tasks.jobId[o.row] as number,
    taskId: tasks.taskId[o.row] as number,
    instance: o.instance,
    nextInstance: tasks.instance[o.row] as number,
    crashes: tasks.crashes[o.row] as number,
    retries: tasks.retries[o.row] as number,
    cause: o.cause,
    error: o.error,
    dueAtMs: o.dueAtMs,
  });
}
