/** Taking back tasks that were sent ahead and have not started: for a higher priority, for others on the same worker, and for workers that would sit idle. */
import type { Core } from '../core.ts';
import type { Outbox } from '../outbox.ts';
import { markRetracting } from '../reactor/holds.ts';
import { HOLD_PREFILLED } from '../taskTable.ts';
import { fitsNow } from '../workerRoom.ts';
import { type CoreWorker, demandOf } from '../workerTable.ts';
import type { PlanView } from './planView.ts';
import { isReserved } from './reserve.ts';

/** What was sent ahead with a lower priority than the one that is next to start is taken back, so that it cannot start first. */
export function retractForHigherPriority(core: Core, out: Outbox, o: { workers: readonly CoreWorker[]; priority: number }): void {
  for (const worker of o.workers) if (worker.lowestQueued < o.priority) retractBelow(core, out, { worker, priority: o.priority });
}

function retractBelow(core: Core, out: Outbox, o: { worker: CoreWorker; priority: number }): void {
  let lowest = Number.POSITIVE_INFINITY;
  // Latest first: they come back in this order, each to the front of its queue.
  for (const row of [...o.worker.queued].reverse()) {
    if (core.tasks.hold[row] !== HOLD_PREFILLED) continue;
    const priority = core.tasks.priority[row] as number;
    if (priority < o.priority) retract(core, out, row);
    else lowest = Math.min(lowest, priority);
  }
  o.worker.lowestQueued = lowest;
}

/** Everything that was sent ahead to a worker is taken back: it is kept for another task. */
export function retractAll(core: Core, out: Outbox, worker: CoreWorker): void {
  retractBelow(core, out, { worker, priority: Number.POSITIVE_INFINITY });
}

/**
 * What was sent ahead waits for the end of its like. Where nothing of it is left, because something else has got its place, the worker would keep
 * what is free for it, and what is given to the worker to start there would wait: take it back.
 */
export function retractStranded(core: Core, out: Outbox, workers: Iterable<CoreWorker>): void {
  for (const worker of workers) {
    if (worker.queued.size === worker.retracting) continue;
    if (!hasStranded(worker)) continue;
    for (const row of [...worker.queued].reverse()) {
      if (core.tasks.hold[row] === HOLD_PREFILLED && !worker.reservedOf.has(core.tasks.requestClass[row] as number))
        retract(core, out, row);
    }
  }
}

function hasStranded({ queuedOf, reservedOf }: CoreWorker): boolean {
  for (const requestClass of queuedOf.keys()) if (!reservedOf.has(requestClass)) return true;
  return false;
}

/** A worker has room for a task that another one only holds for later, and nothing that waits fits there: take that one back. */
export function retractForIdleWorkers(core: Core, out: Outbox, view: PlanView): void {
  const { planned } = core;
  const { nowMs } = view;
  const workers = planned.reviewIdle ? view.workers : view.changed;
  planned.reviewIdle = false;
  if (planned.queued.size === 0) return;
  let underWay = planned.retracting;
  for (const worker of workers) {
    if (worker.queued.size > 0 || isReserved(core, worker)) continue;
    const room = roomFor(core, { worker, nowMs });
    // What is under way already is for the first that have room.
    const covered = Math.min(room, underWay);
    underWay -= covered;
    if (room > covered) takeBack(core, out, { holders: view.workers, worker, count: room - covered, nowMs });
  }
}

interface Room {
  readonly worker: CoreWorker;
  readonly nowMs: number;
}

/** How many of the tasks held elsewhere the worker could start now; an estimate by the first class that fits. */
function roomFor(core: Core, o: Room): number {
  for (const id of core.planned.queued.keys()) {
    const variant = core.classes.get(id).variants.find((candidate) => fitsNow(core, o.worker, candidate, o.nowMs));
    if (variant === undefined) continue;
    const ratios = variant.needs.map((need) => {
      const demand = demandOf(core.names, o.worker, need);
      return demand === undefined || need.all ? 1 : Math.floor((o.worker.free[demand.slot] as number) / demand.units);
    });
    return Math.max(1, Math.min(...ratios, Number.MAX_SAFE_INTEGER));
  }
  return 0;
}

/** From the end of the longest queue: what would start last there. */
function takeBack(core: Core, out: Outbox, o: Room & { holders: readonly CoreWorker[]; count: number }): void {
  let taken = 0;
  for (const holder of o.holders.filter(({ queued }) => queued.size > 0).sort((a, b) => b.queued.size - a.queued.size)) {
    for (const row of [...holder.queued].reverse()) {
      if (taken >= o.count) return;
      if (core.tasks.hold[row] !== HOLD_PREFILLED) continue;
      const { variants } = core.classes.get(core.tasks.requestClass[row] as number);
      if (!variants.some((variant) => fitsNow(core, o.worker, variant, o.nowMs))) continue;
      retract(core, out, row);
      taken += 1;
    }
  }
}

function retract(core: Core, out: Outbox, row: number): void {
  const workerId = core.tasks.worker[row] as number;
  markRetracting(core, row);
  out.control(workerId, 'retract', row);
}
