/**
 * A wide task must not wait for ever behind small ones that always fit: after a minute one set of workers is kept for it, and drains. One
 * reservation at a time, for the class that comes first in the order of the plan. Used by `plan`.
 */
import type { Core } from '../core.ts';
import { HOLD_PREFILLED } from '../taskTable.ts';
import { type CoreWorker, couldEverFit, demandOf, livesFor } from '../workerTable.ts';
import { asksForNodes, chooseGang } from './gangs.ts';
import { isPossible } from './homes.ts';
import type { PlanView } from './planView.ts';

/** So long a class waits without any of its tasks starting before workers are kept for it, milliseconds. */
export const RESERVE_AFTER_MS = 60_000;

/** A class of which tasks wait that could run on workers that are there. */
export interface Blocked {
  /** Since when none of it has started. */
  readonly sinceMs: number;
  /** Meanwhile tasks of other classes have: it is passed over, not only late. */
  passed: boolean;
}

export interface Reservation {
  readonly priority: number;
  readonly requestClass: number;
  readonly workers: readonly number[];
  /** When each row that they hold ends at the latest, as far as was seen: its time limit after that; Infinity without a limit. */
  readonly endsAtMs: Map<number, number>;
  /** The latest of these of the rows that the workers hold now; null after a change. */
  latestMs: number | null;
}

/** More request classes than a server ever sees; times a priority of 32 bits still an exact number. */
const MAX_CLASSES = 2 ** 21;

/** One bucket of the ready queues as a key: a number, because every plan makes one for each class that waits. */
export function bucketKey(priority: number, requestClass: number): number {
  return priority * MAX_CLASSES + requestClass;
}

/** May a task of this class and priority be put on the worker, or is it kept for another? Higher priorities take what they need. */
export function isOpenTo(core: Core, worker: CoreWorker, o: { priority: number; requestClass: number; nowMs: number }): boolean {
  const { reservation } = core.planned;
  if (reservation === null || !reservation.workers.includes(worker.id)) return true;
  if (o.priority > reservation.priority) return true;
  if (o.priority === reservation.priority && o.requestClass === reservation.requestClass) return true;
  const { timeLimitMs } = core.classes.get(o.requestClass);
  if (timeLimitMs === Number.POSITIVE_INFINITY) return false;
  return o.nowMs + timeLimitMs <= startsAtMs(core, reservation, o.nowMs);
}

/**
 * A row has, or gets, resources of the worker: if that one is kept, the row's time limit counts from now. At once: were it counted from the next look
 * on, tasks with limits could follow each other for ever, each ending a moment later than the one before it.
 */
export function noteLimit(core: Core, o: { worker: CoreWorker; row: number; nowMs: number }): void {
  const { reservation } = core.planned;
  if (reservation === null || !reservation.workers.includes(o.worker.id)) return;
  reservation.latestMs = null;
  reservation.endsAtMs.set(o.row, o.nowMs + core.classes.get(core.tasks.requestClass[o.row] as number).timeLimitMs);
}

/** Nothing is sent ahead to workers that are kept for a task. */
export function isReserved(core: Core, worker: CoreWorker): boolean {
  return core.planned.reservation?.workers.includes(worker.id) === true;
}

/** Gives a reservation up whose class has nothing left to start, or whose workers are gone. Before the view of a plan is made. */
export function reviewReservation(core: Core): void {
  const { reservation } = core.planned;
  if (reservation === null) return;
  const isWanted = core.ready.count(reservation.priority, reservation.requestClass) > 0;
  const areThere = reservation.workers.every((id) => {
    const worker = core.workers.get(id);
    return worker?.connected === true && !worker.stopping && !worker.draining;
  });
  if (!isWanted || !areThere) endReservation(core);
}

/** What was kept may be used by others again: its workers count as changed. */
export function endReservation(core: Core): void {
  for (const id of core.planned.reservation?.workers ?? []) core.planned.changed.add(id);
  core.planned.reservation = null;
}

/**
 * Notes what waits without progress, and keeps workers for the first that has waited long enough.
 * @param o.placed classes of which something was placed in this plan, as bucket keys
 * @returns workers that are kept from now on; and when the next look is due, Unix milliseconds, Infinity for never
 */
export function reserveForWaiting(
  core: Core,
  view: PlanView,
  o: { placed: ReadonlySet<number> },
): { kept: CoreWorker[]; wakeAtMs: number } {
  const { planned } = core;
  const blocked = new Map<number, Blocked>();
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let kept: CoreWorker[] = [];
  const moved = new Set([...o.placed, ...planned.fed]);
  planned.fed.clear();
  for (const priority of core.ready.activePriorities()) {
    for (const requestClass of view.classes(priority)) {
      if (core.ready.count(priority, requestClass) === 0) continue;
      const key = bucketKey(priority, requestClass);
      const hasMoved = moved.has(key);
      const entry = (hasMoved ? undefined : planned.blocked.get(key)) ?? { sinceMs: view.nowMs, passed: false };
      entry.passed ||= moved.size > (hasMoved ? 1 : 0);
      blocked.set(key, entry);
      if (planned.reservation !== null) continue;
      if (view.nowMs - entry.sinceMs < RESERVE_AFTER_MS) wakeAtMs = Math.min(wakeAtMs, entry.sinceMs + RESERVE_AFTER_MS);
      else if (entry.passed || asksForNodes(core.classes.get(requestClass))) kept = reserve(core, view, { priority, requestClass });
    }
  }
  planned.blocked = blocked;
  return { kept, wakeAtMs };
}

function reserve(core: Core, view: PlanView, o: { priority: number; requestClass: number }): CoreWorker[] {
  const workers = isPossible(core, view, o.requestClass) ? chooseWorkers(core, view, o.requestClass) : [];
  if (workers.length === 0) return [];
  core.planned.reservation = { ...o, workers: workers.map(({ id }) => id), endsAtMs: new Map(), latestMs: null };
  for (const worker of workers) for (const row of worker.rows) noteLimit(core, { worker, row, nowMs: view.nowMs });
  return workers;
}

/** Where the preferred variant that is possible needs the least that is not free yet. */
function chooseWorkers(core: Core, view: PlanView, requestClass: number): CoreWorker[] {
  const { variants, order } = core.classes.get(requestClass);
  for (const index of order) {
    const variant = variants[index];
    if (variant === undefined) continue;
    if (variant.nodes > 0) return chooseGang(view.workers, variant, { nowMs: view.nowMs, idleOnly: false }) ?? [];
    const possible = view.workers.filter((worker) => livesFor(worker, variant, view.nowMs) && couldEverFit(core.names, worker, variant));
    const missing = (worker: CoreWorker): number =>
      variant.needs.reduce((sum, need) => {
        const demand = demandOf(core.names, worker, need);
        if (demand === undefined) return sum;
        return sum + Math.max(0, demand.units - (worker.free[demand.slot] as number)) / (worker.total[demand.slot] as number);
      }, 0);
    const [best] = possible.map((worker) => ({ worker, missing: missing(worker) })).sort((a, b) => a.missing - b.missing);
    if (best !== undefined) return [best.worker];
  }
  return [];
}

/** When the reserved workers are free at the latest, as far as time limits tell. */
function startsAtMs(core: Core, reservation: Reservation, nowMs: number): number {
  reservation.latestMs ??= latestEndMs(core, reservation, nowMs);
  // Without limits nobody knows; then it may start at any moment, and nothing may come before it.
  return Number.isFinite(reservation.latestMs) ? Math.max(nowMs, reservation.latestMs) : nowMs;
}

function latestEndMs(core: Core, reservation: Reservation, nowMs: number): number {
  let latest = 0;
  for (const worker of reservation.workers.flatMap((id) => core.workers.get(id) ?? [])) {
    for (const row of worker.rows) {
      // What only waits there is asked back.
      if (core.tasks.hold[row] === HOLD_PREFILLED) continue;
      // Started there before it could be asked back.
      if (!reservation.endsAtMs.has(row)) noteLimit(core, { worker, row, nowMs });
      latest = Math.max(latest, reservation.endsAtMs.get(row) as number);
    }
  }
  return latest;
}
