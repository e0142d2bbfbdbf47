/**
 * Decides which ready tasks start where. Called by the server once per turn in which something changed; works per request class and
 * worker, never per waiting task. The rules, in the order in which they are applied here: docs/scheduler.md.
 */
import type { Core } from '../core.ts';
import type { Outbox } from '../outbox.ts';
import { wakeDelayed } from '../reactor/requeues.ts';
import { reviewHopeless } from './homes.ts';
import { place } from './place.ts';
import { PlanView } from './planView.ts';
import { prefill } from './prefill.ts';
import { reserveForWaiting, reviewReservation } from './reserve.ts';
import { retractAll, retractForHigherPriority, retractForIdleWorkers, retractStranded } from './retract.ts';
import { topPriority } from './topPriority.ts';

/**
 * Places as many tasks as fit, then feeds workers ahead of need and takes back what should run elsewhere. Sets `core.wakeAtMs`.
 * @param nowMs Unix milliseconds, for workers with a limited lifetime and for waiting times
 */
export function plan(core: Core, out: Outbox, nowMs: number): void {
  const { planned } = core;
  wakeDelayed(core, nowMs);
  reviewReservation(core);
  let view = new PlanView(core, nowMs);
  reviewHopeless(core, view);
  let placed = place(core, out, view);
  planned.full = placed.left;
  const buckets = placed.buckets;
  // What was kept for the task that has its place now is open to those that came before it in this plan.
  while (placed.reservationMet) {
    view = new PlanView(core, nowMs, view.changed);
    placed = place(core, out, view);
    planned.full = placed.left;
    for (const key of placed.buckets) buckets.add(key);
  }
  const { kept, wakeAtMs } = reserveForWaiting(core, view, { placed: buckets });
  core.wakeAtMs = Math.min(wakeAtMs, core.delayed.nextMs(core.tasks));
  for (const worker of kept) retractAll(core, out, worker);
  retractStranded(core, out, view.changed);
  const priority = topPriority(core, view);
  if (priority !== undefined) {
    const workers = priority > planned.priority ? view.workers : view.changed;
    retractForHigherPriority(core, out, { workers, priority });
    prefill(core, out, { view, priority });
  }
  planned.priority = priority ?? Number.NEGATIVE_INFINITY;
  retractForIdleWorkers(core, out, view);
}
