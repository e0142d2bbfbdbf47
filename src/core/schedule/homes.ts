/**
 * Could a class run on a worker that is there, were that one idle? Asked in each plan of what waits for long (`reserve.ts`) and of what is next
 * (`topPriority.ts`), so the answer is remembered: only workers that come (back) or leave a gang can make possible what was impossible.
 */
import type { Core } from '../core.ts';
import type { RequestClass } from '../requestClasses.ts';
import { type CoreWorker, couldEverFit, livesFor } from '../workerTable.ts';
import { asksForNodes, chooseGang } from './gangs.ts';
import { isUsable, type PlanView } from './planView.ts';

/** Looks at those that have arrived since the last plan. At the start of a plan; cost: they x impossible classes. */
export function reviewHopeless(core: Core, view: PlanView): void {
  const { arrived, hopeless } = core.planned;
  if (arrived.size === 0) return;
  const workers = [...arrived].map((id) => core.workers.get(id)).filter((worker) => worker !== undefined && isUsable(worker));
  arrived.clear();
  for (const id of hopeless) {
    const requestClass = core.classes.get(id);
    const isOpen =
      asksForNodes(requestClass) || workers.some((worker) => isHome(core, worker as CoreWorker, { requestClass, nowMs: view.nowMs }));
    if (isOpen) hopeless.delete(id);
  }
}

/** @returns whether a worker that may get tasks could run the class, or for a multi-node class a group of them, were it idle */
export function isPossible(core: Core, view: PlanView, id: number): boolean {
  const { hopeless, homes } = core.planned;
  if (hopeless.has(id)) return false;
  const o = { requestClass: core.classes.get(id), nowMs: view.nowMs };
  const known = core.workers.get(homes.get(id) ?? -1);
  if (known !== undefined && isUsable(known) && isHome(core, known, o)) return true;
  const isFound = asksForNodes(o.requestClass) ? canGather(view, o.requestClass) : findHome(core, view, o);
  if (!isFound) hopeless.add(id);
  return isFound;
}

interface Question {
  readonly requestClass: RequestClass;
  readonly nowMs: number;
}

function isHome(core: Core, worker: CoreWorker, { requestClass, nowMs }: Question): boolean {
  return requestClass.variants.some((variant) => livesFor(worker, variant, nowMs) && couldEverFit(core.names, worker, variant));
}

function findHome(core: Core, view: PlanView, o: Question): boolean {
  const home = view.find((worker) => isHome(core, worker, o));
  if (home === undefined) core.planned.homes.delete(o.requestClass.id);
  else core.planned.homes.set(o.requestClass.id, home.id);
  return home !== undefined;
}

function canGather(view: PlanView, { variants }: RequestClass): boolean {
  return variants.some((variant) => chooseGang(view.workers, variant, { nowMs: view.nowMs, idleOnly: false }) !== undefined);
}
