/**
 * What workers hold: rows with reserved resources, rows queued ahead of need, rows that are being taken back. The only code that writes the
 * hold column and the counts of the worker table; called by the other reactor functions and by the planner.
 */
import { invariant } from '../../common/assert.ts';
import type { Room } from '../../protocol/schema/resources.ts';
import type { Core } from '../core.ts';
import { dissolveGang } from '../schedule/gangs.ts';
import { HOLD_NONE, HOLD_PREFILLED, HOLD_RESERVED, HOLD_RETRACTING, SENT } from '../taskTable.ts';
import { fitsNow, giveRoom, takeRoom } from '../workerRoom.ts';
import { type CoreWorker, reserve } from '../workerTable.ts';

/** A worker gets a row, with its resources reserved or queued ahead of need. */
export function takeHold(
  core: Core,
  o: { row: number; workerId: number; hold: typeof HOLD_RESERVED | typeof HOLD_PREFILLED; variant: number },
): void {
  const { tasks } = core;
  const worker = core.workers.get(o.workerId);
  const job = core.jobs.get(tasks.jobId[o.row] as number);
  invariant(worker !== undefined && job !== undefined && tasks.hold[o.row] === HOLD_NONE, `row ${o.row} is held already, or is nobody's`);
  tasks.worker[o.row] = o.workerId;
  tasks.variant[o.row] = o.variant;
  worker.rows.add(o.row);
  worker.idleSinceMs = null;
  job.held += 1;
  if (o.hold === HOLD_PREFILLED) enqueue(core, worker, o.row);
  else reserveRow(core, worker, o.row);
}

/** The worker no longer has the row. @returns false when nobody held it; else the caller counts it off its job */
export function letGo(core: Core, row: number, nowMs: number): boolean {
  const { tasks } = core;
  if (tasks.hold[row] === HOLD_NONE) return false;
  const worker = core.workers.get(tasks.worker[row] as number);
  invariant(worker !== undefined, `row ${row} is held by worker ${tasks.worker[row]}, which is unknown`);
  if (tasks.hold[row] === HOLD_RESERVED) unreserveRow(core, worker, row);
  else dequeue(core, worker, row);
  worker.rows.delete(row);
  dissolveGang(core, row);
  if (worker.rows.size === 0) {
    worker.idleSinceMs = nowMs;
    // Also when it held nothing but what it was sent ahead: multi-node tasks may have waited for it.
    core.planned.changed.add(worker.id);
  }
  tasks.hold[row] = HOLD_NONE;
  tasks.worker[row] = 0;
  return true;
}

/** A queued row gets its resources reserved: the worker starts it now, or will as soon as it hears of the end of another. */
export function promote(core: Core, row: number): void {
  const worker = holderOf(core, row);
  dequeue(core, worker, row);
  reserveRow(core, worker, row);
}

/**
 * Resources of a worker became free: what it has queued starts there by itself, so it is reserved before anything new is planned.
 * Rows that are being taken back count too, because the worker may start them before it hears of it.
 */
export function promoteQueued(core: Core, workerId: number): void {
  const worker = core.workers.get(workerId);
  if (worker === undefined || worker.queued.size === 0) return;
  for (const row of worker.queued) {
    const variant = core.classes.get(core.tasks.requestClass[row] as number).variants[core.tasks.variant[row] as number];
    // All that is queued asks for the same in the usual case, so the first that does not fit ends the search.
    if (variant === undefined || !fitsNow(core, worker, variant, Number.NEGATIVE_INFINITY)) return;
    promote(core, row);
  }
}

/**
 * A worker started a queued row before one that was counted on to start first (a higher priority that arrived in the same moment). What
 * has not started and no longer fits counts as queued until the worker starts it.
 */
export function demoteUnstarted(core: Core, workerId: number): void {
  const { tasks } = core;
  const worker = core.workers.get(workerId);
  if (worker === undefined || !isOverBooked(worker)) return;
  for (const row of [...worker.rows].reverse()) {
    if (!isOverBooked(worker)) return;
    if (tasks.hold[row] !== HOLD_RESERVED || tasks.state[row] !== SENT) continue;
    unreserveRow(core, worker, row);
    enqueue(core, worker, row);
  }
}

/** A queued row is asked back. */
export function markRetracting(core: Core, row: number): void {
  const worker = holderOf(core, row);
  core.tasks.hold[row] = HOLD_RETRACTING;
  worker.retracting += 1;
  core.planned.retracting += 1;
}

/** A worker is back. It has not heard, and will not hear, that rows were asked back: they are queued there as before. */
export function forgetRetracts(core: Core, worker: CoreWorker): void {
  core.planned.reviewIdle = true;
  if (worker.retracting === 0) return;
  for (const row of worker.queued) {
    if (core.tasks.hold[row] !== HOLD_RETRACTING) continue;
    core.tasks.hold[row] = HOLD_PREFILLED;
    worker.lowestQueued = Math.min(worker.lowestQueued, core.tasks.priority[row] as number);
  }
  core.planned.retracting -= worker.retracting;
  worker.retracting = 0;
}

/** What runs on workers has changed, so when those that are kept for a task are free is no longer known. */
function forgetEnds(core: Core): void {
  if (core.planned.reservation !== null) core.planned.reservation.latestMs = null;
}

/** The worker runs a row with another variant than was thought (after a restart the choice is not known). */
export function changeVariant(core: Core, row: number, variant: number): void {
  const worker = holderOf(core, row);
  const isReserved = core.tasks.hold[row] === HOLD_RESERVED;
  if (isReserved) unreserveRow(core, worker, row);
  core.tasks.variant[row] = variant;
  if (isReserved) reserveRow(core, worker, row);
}

function holderOf(core: Core, row: number): CoreWorker {
  const worker = core.workers.get(core.tasks.worker[row] as number);
  invariant(worker !== undefined, `row ${row} is held by worker ${core.tasks.worker[row]}, which is unknown`);
  return worker;
}

/**
 * A worker tells what is free of its resources, all updates of the same moment applied. What has no room there counts as queued until it starts.
 * @param room null: it has nothing to tell that the server does not know
 */
export function takeOverRoom(core: Core, worker: CoreWorker, room: Room | null): void {
  worker.told = room;
  if (room === null || worker.room === null) return;
  for (const row of worker.room.load(room)) {
    if (core.tasks.state[row] !== SENT) continue;
    unreserveRow(core, worker, row);
    enqueue(core, worker, row);
  }
  core.planned.changed.add(worker.id);
}

function isOverBooked(worker: CoreWorker): boolean {
  return worker.free.some((units) => units !== undefined && units < 0);
}

function enqueue(core: Core, worker: CoreWorker, row: number): void {
  const { tasks } = core;
  const requestClass = tasks.requestClass[row] as number;
  tasks.hold[row] = HOLD_PREFILLED;
  worker.queued.add(row);
  count(worker.queuedOf, requestClass, 1);
  if (count(core.planned.queued, requestClass, 1) === 1) core.planned.reviewIdle = true;
  worker.lowestQueued = Math.min(worker.lowestQueued, tasks.priority[row] as number);
}

function dequeue(core: Core, worker: CoreWorker, row: number): void {
  const { tasks } = core;
  const requestClass = tasks.requestClass[row] as number;
  if (tasks.hold[row] === HOLD_RETRACTING) {
    worker.retracting -= 1;
    core.planned.retracting -= 1;
    core.planned.reviewIdle = true;
  }
  worker.queued.delete(row);
  count(worker.queuedOf, requestClass, -1);
  count(core.planned.queued, requestClass, -1);
  if (worker.queued.size === 0) worker.lowestQueued = Number.POSITIVE_INFINITY;
}

/** Adds to a count that has no entry when it is 0. @returns the count */
function count(counts: Map<number, number>, key: number, change: 1 | -1): number {
  const next = (counts.get(key) ?? 0) + change;
  if (next === 0) counts.delete(key);
  else counts.set(key, next);
  return next;
}

function reserveRow(core: Core, worker: CoreWorker, row: number): void {
  const { tasks } = core;
  const requestClass = core.classes.get(tasks.requestClass[row] as number);
  const index = tasks.variant[row] as number;
  const variant = requestClass.variants[index];
  tasks.hold[row] = HOLD_RESERVED;
  forgetEnds(core);
  if (variant !== undefined) {
    reserve(core.names, worker, variant, 1);
    takeRoom(core, worker, row, variant);
  }
  const reserved = worker.reservedOf.get(requestClass.id);
  if (reserved !== undefined) {
    reserved.count += 1;
    reserved.variant = index;
    return;
  }
  worker.reservedOf.set(requestClass.id, { count: 1, variant: index });
  requestClass.workers += 1;
}

function unreserveRow(core: Core, worker: CoreWorker, row: number): void {
  const { tasks } = core;
  const requestClass = core.classes.get(tasks.requestClass[row] as number);
  const variant = requestClass.variants[tasks.variant[row] as number];
  if (variant !== undefined) {
    reserve(core.names, worker, variant, -1);
    giveRoom(core, worker, row, variant);
  }
  core.planned.changed.add(worker.id);
  forgetEnds(core);
  const reserved = worker.reservedOf.get(requestClass.id);
  invariant(reserved !== undefined, `worker ${worker.id} has nothing reserved for class ${requestClass.id}`);
  reserved.count -= 1;
  if (reserved.count > 0) return;
  worker.reservedOf.delete(requestClass.id);
  requestClass.workers -= 1;
}
