/**
 * The last few tasks of a priority: with so few left a bad fit is not made up for by what comes later, so all ways to place them are looked at. Asked by
 * `place.ts` before it follows the order of the rules, and by `prefill.ts`. Pure.
 */
import type { Core } from '../core.ts';
import type { ClassVariant } from '../requestClasses.ts';
import { fitsNow } from '../workerRoom.ts';
import { type CoreWorker, couldEverFit, demandOf, livesFor } from '../workerTable.ts';
import { isPossible } from './homes.ts';
import type { PlanView } from './planView.ts';
import { isOpenTo } from './reserve.ts';
import { type Demand, type Fitting, fewestRounds, firstFit, fittingSets, partsIn, spreadOver } from './sets.ts';

/** So many tasks at most: 2^8 sets of them, 3^8 pairs of a set and a part of it, some ten microseconds per worker. */
export const LAST_FEW = 8;
/** So many workers at most, of alike ones no more than there are tasks. With more the order of the rules is followed: few tasks find a place among many. */
const MAX_WORKERS = 16;

/** One task to start. */
export interface Choice {
  readonly worker: CoreWorker;
  readonly requestClass: number;
}

/**
 * Do so few tasks wait with this priority that they are looked at together? Not when all ask for the same, which fits in any order. Not with unlike weights, which are an order. Not with variants or
 * nodes either: a preferred variant may be worth waiting for, which no number of rounds can tell. Cost: `LAST_FEW` classes.
 */
export function isLastFew(core: Core, priority: number): boolean {
  const classes = core.ready.classCount(priority);
  if (classes < 2 || classes > LAST_FEW) return false;
  let waiting = 0;
  const weights = new Set<number>();
  for (const id of core.ready.classesOf(priority)) {
    const { variants, weight } = core.classes.get(id);
    weights.add(weight);
    if (variants.length !== 1 || (variants[0] as ClassVariant).nodes > 0) return false;
    waiting += core.ready.count(priority, id);
  }
  return waiting <= LAST_FEW && weights.size === 1;
}

/**
 * Were all tasks equally long, they would run in rounds. If the last few can run in fewer rounds than first fit in the order of the rules needs, then
 * this says what starts now; of all ways that need as few rounds the one that starts what is first in the order.
 * @returns in the order of the rules; empty when these are as good
 */
export function chooseLast(core: Core, view: PlanView, priority: number): Choice[] {
  if (!isLastFew(core, priority)) return [];
  const waiting = view
    .classes(priority)
    .filter((id) => isPossible(core, view, id))
    .flatMap((id) => new Array<number>(core.ready.count(priority, id)).fill(id));
  const now = roomsNow(core, view, { priority, waiting });
  if (now === undefined || now.length === 0) return [];
  const later = roomsLater(core, view, waiting);
  if (later === undefined) return [];
  const fitting = now.map((room) => room.fitting);
  const rounds = fewestRounds(spreadOver(later.map((room) => room.fitting)));
  const spread = spreadOver(fitting);
  const all = rounds.length - 1;
  let best = firstFit(fitting, waiting.length);
  const inOrder = rounds[all ^ best] as number;
  // From the greatest set down, which starts the most of what comes first.
  for (let set = all; set > 0; set -= 1) {
    if ((spread[0]?.[set] as number) >= 0 && (rounds[all ^ set] as number) < (rounds[all ^ best] as number)) best = set;
  }
  if ((rounds[all ^ best] as number) === inOrder) return [];
  return partsIn(spread, best).flatMap((part, index) => {
    const { worker } = now[index] as Room;
    return waiting.filter((_, at) => (part & (1 << (waiting.length - 1 - at))) !== 0).map((requestClass) => ({ worker, requestClass }));
  });
}

interface Room {
  readonly worker: CoreWorker;
  readonly fitting: Fitting;
}

interface Rooms {
  readonly waiting: readonly number[];
  /** What the worker has for tasks, by resource. */
  readonly amounts: (worker: CoreWorker) => CoreWorker['free'];
  readonly hasRoom: (worker: CoreWorker, requestClass: number) => boolean;
}

/** Where something can start in this plan. */
function roomsNow(core: Core, view: PlanView, o: { priority: number; waiting: readonly number[] }): Room[] | undefined {
  const { priority, waiting } = o;
  const { nowMs } = view;
  const isNew = waiting.some((id) => view.candidates(id) !== view.changed);
  return collect(core, isNew ? view.workers : view.changed, {
    waiting,
    amounts: ({ free }) => free,
    hasRoom: (worker, requestClass) =>
      worker.gang === null &&
      fitsNow(core, worker, variantOf(core, requestClass), nowMs) &&
      isOpenTo(core, worker, { priority, requestClass, nowMs }) &&
      view.isWorthUsing(worker),
  });
}

/** Where something can start once everything that runs has ended. */
function roomsLater(core: Core, view: PlanView, waiting: readonly number[]): Room[] | undefined {
  return collect(core, view.workers, {
    waiting,
    amounts: ({ total }) => total,
    hasRoom: (worker, requestClass) => {
      const variant = variantOf(core, requestClass);
      return livesFor(worker, variant, view.nowMs) && couldEverFit(core.names, worker, variant);
    },
  });
}

/** @returns workers with room for something, of those with the same room no more than there are tasks; undefined when that is too many */
function collect(core: Core, workers: readonly CoreWorker[], o: Rooms): Room[] | undefined {
  const { waiting } = o;
  const alike = new Map<string, number>();
  const rooms: Room[] = [];
  let forAll = 0;
  for (const worker of workers) {
    // As many workers as tasks, each with room for any of them: more of them cannot help.
    if (forAll === waiting.length) break;
    const isOpen = waiting.map((id) => o.hasRoom(worker, id));
    if (!isOpen.includes(true)) continue;
    const amounts = o.amounts(worker);
    const demands = waiting.map((id, at) => (isOpen[at] === true ? demandsOn(core, worker, id) : undefined));
    const key = JSON.stringify(demands.map((demand) => demand?.map(({ slot, units }) => [slot, units, amounts[slot]]) ?? null));
    const known = alike.get(key) ?? 0;
    if (known === waiting.length) continue;
    if (rooms.length === MAX_WORKERS) return undefined;
    alike.set(key, known + 1);
    rooms.push({ worker, fitting: fittingSets(demands, amounts) });
    if (!isOpen.includes(false)) forAll += 1;
  }
  return rooms;
}

/** What a task of the class takes of a worker that has all of it. */
function demandsOn(core: Core, worker: CoreWorker, requestClass: number): Demand {
  return variantOf(core, requestClass).needs.flatMap((need) => demandOf(core.names, worker, need) ?? []);
}

/** The only one: see `isLastFew`. */
function variantOf(core: Core, requestClass: number): ClassVariant {
  return core.classes.get(requestClass).variants[0] as ClassVariant;
}
