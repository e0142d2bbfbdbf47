/** Which priority is next to start. Used by the planner's parts that send tasks ahead and take them back. Pure. */
import type { Core } from '../core.ts';
import { couldEverFit, livesFor } from '../workerTable.ts';
import type { PlanView } from './planView.ts';

/**
 * The highest priority of which a waiting task could run on a worker that is there. What waits for a worker that does not exist yet must
 * not keep the others from being fed, or take from them what they have queued.
 */
export function topPriority(core: Core, view: PlanView): number | undefined {
  for (const priority of core.ready.activePriorities()) {
    for (const id of core.ready.classesOf(priority)) if (canRunSomewhere(core, id, view)) return priority;
  }
  return undefined;
}

/** Is there a worker that could run a task of the class, were it unused? */
export function canRunSomewhere(core: Core, requestClass: number, view: PlanView): boolean {
  return core.classes
    .get(requestClass)
    .variants.some(
      (variant) => view.find((worker) => livesFor(worker, variant, view.nowMs) && couldEverFit(core.names, worker, variant)) !== undefined,
    );
}
