/**
 * Decides which ready tasks start where. Called by the server once per turn in which something changed; works per request class and
 * worker, never per waiting task. Strict priorities: a lower one gets what no higher one can use now.
 */
import type { Core } from '../core.ts';
import type { Outbox } from '../outbox.ts';
import { takeHold } from '../reactor/holds.ts';
import { setState } from '../reactor/transitions.ts';
import type { RequestClass } from '../requestClasses.ts';
import { HOLD_RESERVED, SENT } from '../taskTable.ts';
import { type CoreWorker, fitsNow } from '../workerTable.ts';
import { PlanView } from './planView.ts';
import { prefill } from './prefill.ts';
import { retractForHigherPriority, retractForIdleWorkers } from './retract.ts';
import { topPriority } from './topPriority.ts';

/**
 * Places as many tasks as fit, then feeds workers ahead of need and takes back what should run elsewhere.
 * @param nowMs Unix milliseconds, for workers with a limited lifetime
 */
export function plan(core: Core, out: Outbox, nowMs: number): void {
  const { planned } = core;
  const view = new PlanView(core, nowMs);
  planned.full = place(core, out, view);
  const priority = topPriority(core, view);
  if (priority !== undefined) {
    const workers = priority > planned.priority ? view.workers : view.changed;
    retractForHigherPriority(core, out, { workers, priority });
    prefill(core, out, { view, priority });
  }
  planned.priority = priority ?? Number.NEGATIVE_INFINITY;
  retractForIdleWorkers(core, out, view);
}

/** @returns the classes of which tasks still wait */
function place(core: Core, out: Outbox, view: PlanView): Set<number> {
  const left = new Set<number>();
  for (const priority of [...core.ready.activePriorities()]) {
    for (const id of core.ready.activeClasses(core.tasks, priority)) {
      // What did not fit with a higher priority does not fit now: workers only fill up during a plan.
      if (left.has(id)) continue;
      const workers = view.candidates(id);
      if (workers.length > 0) placeClass(core, out, { workers, priority, requestClass: core.classes.get(id), nowMs: view.nowMs });
      if (core.ready.count(priority, id) > 0) left.add(id);
    }
  }
  return left;
}

interface Placement {
  readonly workers: readonly CoreWorker[];
  readonly priority: number;
  readonly requestClass: RequestClass;
  readonly nowMs: number;
}

/** Fills workers in the order of their registration, so that later ones can become idle and give their nodes back. */
function placeClass(core: Core, out: Outbox, o: Placement): void {
  for (const worker of o.workers) {
    for (let variant = firstFit(core, worker, o); variant >= 0; variant = firstFit(core, worker, o)) {
      const row = core.ready.take(core.tasks, o.priority, o.requestClass.id);
      if (row < 0) return;
      setState(core, row, SENT);
      takeHold(core, { row, workerId: worker.id, hold: HOLD_RESERVED, variant });
      out.assign(worker.id, row);
    }
  }
}

/** The first variant that fits now; -1 when none does. */
function firstFit(core: Core, worker: CoreWorker, o: Placement): number {
  return o.requestClass.variants.findIndex((variant) => fitsNow(core.names, worker, variant, o.nowMs));
}
