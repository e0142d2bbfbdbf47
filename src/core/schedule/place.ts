/**
 * Gives tasks to workers that have room for them now, in the order of the rules in docs/scheduler.md: priority, then job, then size, then preference
 * of the variant, then age of the worker. Called by `plan`.
 */
import type { Core } from '../core.ts';
import type { Outbox } from '../outbox.ts';
import { takeHold } from '../reactor/holds.ts';
import { setState } from '../reactor/transitions.ts';
import type { ClassVariant, RequestClass } from '../requestClasses.ts';
import { HOLD_RESERVED, SENT } from '../taskTable.ts';
import { fitsNow } from '../workerRoom.ts';
import type { CoreWorker } from '../workerTable.ts';
import { chooseGang, formGang } from './gangs.ts';
import { chooseLast } from './lastFew.ts';
import type { PlanView } from './planView.ts';
import { bucketKey, endReservation, isOpenTo, noteLimit } from './reserve.ts';

export interface Placed {
  /** Classes of which tasks still wait. */
  readonly left: Set<number>;
  /** Buckets of which something was placed. */
  readonly buckets: Set<number>;
  /** The task for which workers were kept has its place: others may use what is left of them. */
  reservationMet: boolean;
}

/** Places everything that fits. */
export function place(core: Core, out: Outbox, view: PlanView): Placed {
  const placed: Placed = { left: new Set(), buckets: new Set(), reservationMet: false };
  for (const priority of [...core.ready.activePriorities()]) {
    for (const { worker, requestClass: id } of chooseLast(core, view, priority)) {
      const requestClass = core.classes.get(id);
      const variant = requestClass.variants[0] as ClassVariant;
      // Sums were counted, and on shared indices a sum may promise too much.
      if (!fitsNow(core, worker, variant, view.nowMs)) continue;
      const row = core.ready.take(core.tasks, priority, id);
      send(core, out, { view, placed, priority, requestClass, variant, index: 0, row, worker });
    }
    for (const id of view.classes(priority)) {
      // What did not fit with a higher priority may fit with this one only where workers are kept for it: they only fill up during a plan.
      if (placed.left.has(id) && core.planned.reservation === null) continue;
      placeClass(core, out, { view, placed, priority, requestClass: core.classes.get(id) });
      if (core.ready.count(priority, id) > 0) placed.left.add(id);
    }
  }
  return placed;
}

interface Placement {
  readonly view: PlanView;
  readonly placed: Placed;
  readonly priority: number;
  readonly requestClass: RequestClass;
}

/** A later variant is used where no earlier one can start now. */
function placeClass(core: Core, out: Outbox, o: Placement): void {
  const workers = o.view.candidates(o.requestClass.id);
  if (workers.length === 0) return;
  for (const index of o.requestClass.order) {
    const variant = o.requestClass.variants[index] as ClassVariant;
    // Most classes of most turns fit nowhere: they end here, at the price of a look at each worker.
    if (variant.nodes === 0 && !workers.some((worker) => fitsNow(core, worker, variant, o.view.nowMs))) continue;
    if (variant.nodes > 0) placeGangs(core, out, { ...o, workers, variant, index });
    else placeVariant(core, out, { ...o, workers, variant, index });
    if (core.ready.count(o.priority, o.requestClass.id) === 0) return;
  }
}

interface VariantPlacement extends Placement {
  readonly variant: ClassVariant;
  readonly index: number;
}

/** Fills workers in the order of their registration, so that later ones can become idle and give their nodes back. */
function placeVariant(core: Core, out: Outbox, o: VariantPlacement & { workers: readonly CoreWorker[] }): void {
  const { nowMs } = o.view;
  const place = { priority: o.priority, requestClass: o.requestClass.id, nowMs };
  for (const worker of o.workers) {
    if (worker.gang !== null || !fitsNow(core, worker, o.variant, nowMs)) continue;
    if (!isOpenTo(core, worker, place) || !o.view.isWorthUsing(worker)) continue;
    do {
      const row = core.ready.take(core.tasks, o.priority, o.requestClass.id);
      if (row < 0) return;
      send(core, out, { ...o, row, worker });
    } while (fitsNow(core, worker, o.variant, nowMs));
  }
}

/** One gang after the other, as long as a group has enough idle workers. */
function placeGangs(core: Core, out: Outbox, o: VariantPlacement & { workers: readonly CoreWorker[] }): void {
  const { nowMs } = o.view;
  const place = { priority: o.priority, requestClass: o.requestClass.id, nowMs };
  // What fitted nowhere in the last plan needs a worker that has become idle since.
  if (!o.workers.some((worker) => worker.rows.size === 0)) return;
  for (;;) {
    const open = o.view.workers.filter((worker) => worker.gang === null && isOpenTo(core, worker, place));
    const members = chooseGang(open, o.variant, { nowMs, idleOnly: true });
    const row = members === undefined ? -1 : core.ready.take(core.tasks, o.priority, o.requestClass.id);
    if (members === undefined || row < 0) return;
    formGang(core, row, members);
    send(core, out, { ...o, row, worker: members[0] as CoreWorker });
  }
}

function send(core: Core, out: Outbox, o: VariantPlacement & { row: number; worker: CoreWorker }): void {
  setState(core, o.row, SENT);
  takeHold(core, { row: o.row, workerId: o.worker.id, hold: HOLD_RESERVED, variant: o.index });
  noteLimit(core, { worker: o.worker, row: o.row, nowMs: o.view.nowMs });
  out.assign(o.worker.id, o.row);
  o.placed.buckets.add(bucketKey(o.priority, o.requestClass.id));
  const { reservation } = core.planned;
  if (reservation?.priority !== o.priority || reservation.requestClass !== o.requestClass.id) return;
  endReservation(core);
  o.placed.reservationMet = true;
}
