/**
 * A wide task must not wait for ever behind small ones that always fit: after a minute one set of workers is kept for it, and drains. One
 * reservation at a time, for the class that comes first in the order of the plan. Used by `plan`.
 */
import type { Core } from '../core.ts';
import { HOLD_PREFILLED } from '../taskTable.ts';
import { type CoreWorker, couldEverFit, demandOf, livesFor } from '../workerTable.ts';
import { chooseGang } from './gangs.ts';
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
  /** When each row that they held ends at the latest: its time limit after it was first seen here; Infinity without a limit. */
  readonly endsAtMs: Map<number, number>;
}

/** One bucket of the ready queues as a key. */
export function bucketKey(priority: number, requestClass: number): string {
  return `${priority} ${requestClass}`;
}

/** May a task of this class and priority be put on the worker, or is it kept for another? Higher priorities take what they need. */
export function isOpenTo(core: Core, worker: CoreWorker, o: { priority: number; requestClass: number; nowMs: number }): boolean {
  const { reservation } = core.planned;
  if (reservation === null || !reservation.workers.includes(worker.id)) return true;
  if (o.priority > reservation.priority) return true;
  if (o.priority === reservation.priority && o.requestClass === reservation.requestClass) return true;
  const { timeLimitMs } = core.classes.get(o.requestClass);
  return o.nowMs + timeLimitMs <= startsAtMs(core, reservation, o.nowMs);
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
    return worker?.connected === true && !worker.stopping;
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
  o: { placed: ReadonlySet<string> },
): { kept: CoreWorker[]; wakeAtMs: number } {
  const { planned } = core;
  const blocked = new Map<string, Blocked>();
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let kept: CoreWorker[] = [];
  const moved = new Set([...o.placed, ...planned.fed]);
  planned.fed.clear();
  for (const priority of core.ready.activePriorities()) {
    for (const requestClass of core.ready.activeClasses(core.tasks, priority)) {
      const key = bucketKey(priority, requestClass);
      const hasMoved = moved.has(key);
      const entry = (hasMoved ? undefined : planned.blocked.get(key)) ?? { sinceMs: view.nowMs, passed: false };
      entry.passed ||= moved.size > (hasMoved ? 1 : 0);
      blocked.set(key, entry);
      if (planned.reservation !== null) continue;
      if (view.nowMs - entry.sinceMs < RESERVE_AFTER_MS) wakeAtMs = Math.min(wakeAtMs, entry.sinceMs + RESERVE_AFTER_MS);
      else if (entry.passed || isGang(core, requestClass)) kept = reserve(core, view, { priority, requestClass });
    }
  }
  planned.blocked = blocked;
  return { kept, wakeAtMs };
}

function isGang(core: Core, requestClass: number): boolean {
  return (core.classes.get(requestClass).variants[0]?.nodes ?? 0) > 0;
}

function reserve(core: Core, view: PlanView, o: { priority: number; requestClass: number }): CoreWorker[] {
  const workers = chooseWorkers(core, view, o.requestClass);
  if (workers.length === 0) return [];
  core.planned.reservation = { ...o, workers: workers.map(({ id }) => id), endsAtMs: new Map() };
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
  let latest = nowMs;
  for (const id of reservation.workers) {
    for (const row of core.workers.get(id)?.rows ?? []) {
      // What only waits there is asked back.
      if (core.tasks.hold[row] === HOLD_PREFILLED) continue;
      let endsAtMs = reservation.endsAtMs.get(row);
      if (endsAtMs === undefined) {
        endsAtMs = nowMs + core.classes.get(core.tasks.requestClass[row] as number).timeLimitMs;
        reservation.endsAtMs.set(row, endsAtMs);
      }
      latest = Math.max(latest, endsAtMs);
    }
  }
  // Without limits nobody knows; then it may start at any moment, and nothing may come before it.
  return Number.isFinite(latest) ? latest : nowMs;
}
