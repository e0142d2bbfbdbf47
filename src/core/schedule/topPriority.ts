/** Which priority is next to start. Used by the planner's parts that send tasks ahead and take them back. Pure. */
import type { Core } from '../core.ts';
import { asksForNodes } from './gangs.ts';
import { isPossible } from './homes.ts';
import type { PlanView } from './planView.ts';

/**
 * The highest priority of which a waiting task could run on a worker that is there. What waits for a worker that does not exist yet must
 * not keep the others from being fed, or take from them what they have queued; nor multi-node tasks, which are never sent ahead.
 */
export function topPriority(core: Core, view: PlanView): number | undefined {
  for (const priority of core.ready.activePriorities()) {
    for (const id of core.ready.classesOf(priority)) if (canBeSentAhead(core, view, id)) return priority;
  }
  return undefined;
}

/** Is there a worker that could run a task of the class, were it unused? Multi-node tasks are never sent ahead. */
export function canBeSentAhead(core: Core, view: PlanView, requestClass: number): boolean {
  return !asksForNodes(core.classes.get(requestClass)) && isPossible(core, view, requestClass);
}
