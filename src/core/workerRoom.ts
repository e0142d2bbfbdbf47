/**
 * Whether a task would start on a worker at once, and the books that this takes: sums of amounts where they tell everything, and a mirror of the
 * worker's pool where tasks share indices, insist on groups, or are ranges. Called by the planner (may it go there?) and by `reactor/holds.ts`.
 */
import { UNITS_PER_WHOLE } from '../protocol/resourceTerms.ts';
import type { Core } from './core.ts';
import type { ClassVariant } from './requestClasses.ts';
import { RoomMirror } from './roomMirror.ts';
import { HOLD_RESERVED, SENT } from './taskTable.ts';
import { type CoreWorker, demandOf, isIntricate, livesFor } from './workerTable.ts';

/**
 * Does the variant fit into what is free now, and into the worker's remaining lifetime? Then it starts there at once.
 * @param nowMs Unix milliseconds
 */
export function fitsNow(core: Core, worker: CoreWorker, variant: ClassVariant, nowMs: number): boolean {
  return variant.nodes === 0 && livesFor(worker, variant, nowMs) && hasRoom(core, worker, variant);
}

function hasRoom(core: Core, worker: CoreWorker, variant: ClassVariant): boolean {
  const { room } = worker;
  const fits = variant.needs.every((need) => {
    const demand = demandOf(core.names, worker, need);
    if (demand === undefined || demand.units <= 0) return false;
    // While nothing is shared, a fraction of an index opens a whole one.
    const opens = room === null && worker.indexed.has(demand.slot);
    const units = opens ? Math.ceil(demand.units / UNITS_PER_WHOLE) * UNITS_PER_WHOLE : demand.units;
    return units <= (worker.free[demand.slot] as number);
  });
  if (room !== null) return fits && room.fits(variant);
  // Which groups are free matters to nobody else so far.
  return fits && (!variant.insists || !worker.hasGroups || worker.rows.size === 0 || roomOf(core, worker, -1).fits(variant));
}

/** @returns the resource (index into the variant's needs) for which there is no room though its sum would do; undefined when it fits */
export function lacksRoomFor(core: Core, worker: CoreWorker, variant: ClassVariant): number | undefined {
  return hasRoom(core, worker, variant) ? undefined : (worker.room ?? roomOf(core, worker, -1)).obstacle(variant);
}

/** A row has its resources reserved. From the first that shares an index (or is as intricate) on, indices are counted one by one. */
export function takeRoom(core: Core, worker: CoreWorker, row: number, variant: ClassVariant): void {
  if (isIntricate(core.names, worker, variant)) {
    worker.intricate += 1;
    worker.room ??= roomOf(core, worker, row);
  }
  worker.room?.place(row, variant, core.tasks.state[row] !== SENT);
}

/** A row no longer has its resources reserved. */
export function giveRoom(core: Core, worker: CoreWorker, row: number, variant: ClassVariant): void {
  worker.room?.remove(row);
  if (!isIntricate(core.names, worker, variant)) return;
  worker.intricate -= 1;
  if (worker.intricate === 0) worker.room = null;
}

/**
 * What is free as the worker has told it, less what is on its way there. Where it has told nothing, which of the indices are free matters only to
 * who insists on groups: then everything reserved is placed as the worker would have done, had it come in this order.
 */
function roomOf(core: Core, worker: CoreWorker, but: number): RoomMirror {
  const { tasks } = core;
  const room = new RoomMirror(worker.resources);
  for (const row of worker.rows) {
    if (row === but || tasks.hold[row] !== HOLD_RESERVED) continue;
    const variant = core.classes.get(tasks.requestClass[row] as number).variants[tasks.variant[row] as number];
    if (variant !== undefined) room.place(row, variant, tasks.state[row] !== SENT);
  }
  if (worker.told !== null) room.load(worker.told);
  return room;
}
