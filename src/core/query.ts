/**
 * "What if there were more workers?": how many workers of which kind would get tasks that wait and fit on no worker that is there. Feeds
 * the policy of autoallocation, and `task explain`. Pure; costs request classes times allocations, never tasks.
 */
import type { Core } from './core.ts';
import type { ClassVariant, RequestClass } from './requestClasses.ts';
import { type Headroom, takeHeadroom } from './schedule/headroom.ts';
import { classesInOrder } from './schedule/order.ts';

/** A kind of worker that might come. */
export interface WorkerShape {
  /** Units of 1/10,000 by resource name. */
  readonly resources: ReadonlyMap<string, number>;
  /** True: nobody knows yet what else it has, so it is expected to have everything that is not listed. */
  readonly isOpen: boolean;
  /** Time that it has for tasks from its start, milliseconds. */
  readonly lifetimeMs: number;
  /** Least share of its CPUs that must be busy for it to get tasks. */
  readonly minUtilization: number;
}

/** Workers that are on their way and will share a group: what is left to come of one allocation. */
export interface ExpectedWorkers {
  readonly shape: WorkerShape;
  readonly workers: number;
}

/** What one allocation queue may ask for now. */
export interface Offer {
  readonly shape: WorkerShape;
  /** On their way in this queue, but for so long already that no other queue counts on them. */
  readonly late: readonly ExpectedWorkers[];
  readonly maxAllocations: number;
  readonly maxWorkersPerAllocation: number;
  readonly maxWorkers: number;
}

/** What would be of use. */
export interface WhatIf {
  /** Of each of the expected, in their order: workers that would get something. */
  readonly expected: readonly number[];
  /** Of each offer, in their order. */
  readonly offers: readonly OfferTaken[];
}

export interface OfferTaken {
  /** Of each of the late ones: workers that would get something. */
  readonly late: readonly number[];
  /** Workers of the allocations to ask for, those of multi-node tasks first. */
  readonly allocations: readonly number[];
}

/** Tasks of one class that wait, the next to start first. */
interface Waiting {
  readonly requestClass: RequestClass;
  count: number;
}

/**
 * Must be asked between two turns of the server, when everything that waits fits on no worker that is there. What waits is given to the
 * expected workers first, then to the offers, in their order: nothing is asked for twice, except for what a queue has late ones for.
 */
export function whatIf(core: Core, o: { readonly expected: readonly ExpectedWorkers[]; readonly offers: readonly Offer[] }): WhatIf {
  const waiting = waitingTasks(core);
  return {
    expected: o.expected.map((one) => fillExpected(core, waiting, one)),
    offers: o.offers.map((offer) => {
      const rest = waiting.map((entry) => ({ ...entry }));
      const late = offer.late.map((one) => fillExpected(core, rest, one));
      const before = rest.map(({ count }) => count);
      const allocations = accept(core, rest, offer);
      waiting.forEach((entry, index) => {
        entry.count -= (before[index] as number) - (rest[index] as Waiting).count;
      });
      return { late, allocations };
    }),
  };
}

/** @returns workers of one allocation that would get something */
function fillExpected(core: Core, waiting: readonly Waiting[], { shape, workers }: ExpectedWorkers): number {
  let used = 0;
  for (let gang = takeGang(waiting, shape, workers); gang > 0; gang = takeGang(waiting, shape, workers - used)) used += gang;
  return used + fillWorkers(core, waiting, { shape, most: workers - used });
}

/** Multi-node tasks first: each gets an allocation of its own, of just its size. */
function accept(core: Core, waiting: readonly Waiting[], { shape, ...limits }: Offer): number[] {
  const allocations: number[] = [];
  let workersLeft = limits.maxWorkers;
  const most = (): number => Math.min(workersLeft, limits.maxWorkersPerAllocation);
  while (allocations.length < limits.maxAllocations) {
    const nodes = takeGang(waiting, shape, most());
    if (nodes === 0) break;
    allocations.push(nodes);
    workersLeft -= nodes;
  }
  const room = Math.min(workersLeft, (limits.maxAllocations - allocations.length) * limits.maxWorkersPerAllocation);
  let singles = fillWorkers(core, waiting, { shape, most: room });
  while (singles > 0) {
    const workers = Math.min(singles, limits.maxWorkersPerAllocation);
    allocations.push(workers);
    singles -= workers;
  }
  return allocations;
}

/** Takes one multi-node task off what waits. @param most workers that its group could have @returns the workers that it needs, 0 for none */
function takeGang(waiting: readonly Waiting[], shape: WorkerShape, most: number): number {
  for (const entry of waiting) {
    if (entry.count === 0) continue;
    const { variants, order } = entry.requestClass;
    for (const index of order) {
      const variant = variants[index] as ClassVariant;
      if (variant.nodes === 0 || variant.nodes > most || variant.minTimeMs > shape.lifetimeMs) continue;
      entry.count -= 1;
      return variant.nodes;
    }
  }
  return 0;
}

/** Takes off what waits all that fits on workers of this shape. @returns how many of them would get something, at most `most` */
function fillWorkers(core: Core, waiting: readonly Waiting[], o: { readonly shape: WorkerShape; readonly most: number }): number {
  let workers = 0;
  while (workers < o.most) {
    const taken = fillOne(core, waiting, o.shape);
    if (taken.size === 0) return workers;
    workers += 1;
    // The next ones take the same, as long as all of it is left.
    let alike = o.most - workers;
    for (const [entry, count] of taken) alike = Math.min(alike, Math.floor(entry.count / count));
    for (const [entry, count] of taken) entry.count -= alike * count;
    workers += alike;
  }
  return workers;
}

/** Fills one worker, and takes that off what waits. @returns what it got; nothing when it would not be used enough */
function fillOne(core: Core, waiting: readonly Waiting[], shape: WorkerShape): Map<Waiting, number> {
  const room = roomOf(core, shape);
  const taken = new Map<Waiting, number>();
  for (const entry of waiting) {
    for (const index of entry.requestClass.order) {
      const variant = entry.requestClass.variants[index] as ClassVariant;
      if (entry.count === 0 || variant.minTimeMs > shape.lifetimeMs) continue;
      const count = takeHeadroom(core, room, { variant, waiting: entry.count });
      if (count === 0) continue;
      entry.count -= count;
      taken.set(entry, (taken.get(entry) ?? 0) + count);
    }
  }
  if (isUsedEnough(core, room, shape)) return taken;
  for (const [entry, count] of taken) entry.count += count;
  return new Map();
}

function roomOf(core: Core, { resources, isOpen }: WorkerShape): Headroom {
  const total: (number | undefined)[] = [];
  for (const [name, units] of resources) total[core.names.idOf(name)] = units;
  return { total, free: [...total], isOpen };
}

function isUsedEnough(core: Core, room: Headroom, { minUtilization }: WorkerShape): boolean {
  const cpus = core.names.idOf('cpus');
  const total = room.total[cpus];
  return total === undefined || total - (room.free[cpus] as number) >= minUtilization * total;
}

/**
 * What is ready, in the order in which it would start, behind what slow workers have queued: it was sent there ahead of need and is taken back
 * when another worker has room. Quick workers start theirs within a moment. Tasks that wait for others, or for a retry, ask for nothing.
 */
function waitingTasks(core: Core): Waiting[] {
  const waiting = new Map<number, Waiting>();
  const add = (id: number, count: number): void => {
    const entry = waiting.get(id);
    if (entry === undefined) waiting.set(id, { requestClass: core.classes.get(id), count });
    else entry.count += count;
  };
  for (const worker of core.workers.values()) {
    if (worker.queued.size === 0 || isQuick(worker.ratePerSecond)) continue;
    for (const [id, count] of worker.queuedOf) add(id, count);
  }
  for (const priority of core.ready.activePriorities()) {
    for (const id of classesInOrder(core, priority)) add(id, core.ready.count(priority, id));
  }
  return [...waiting.values()];
}

/** Does a worker end enough tasks per second for what it has queued to start soon? */
function isQuick(ratePerSecond: number | null): boolean {
  return ratePerSecond !== null && ratePerSecond >= 1;
}

/** Could a worker of this shape, or an allocation of so many of them, ever run a task of the class? */
export function couldRun(core: Core, requestClass: RequestClass, o: Pick<Offer, 'shape' | 'maxWorkersPerAllocation'>): boolean {
  return requestClass.variants.some((variant) => {
    if (variant.minTimeMs > o.shape.lifetimeMs) return false;
    if (variant.nodes > 0) return variant.nodes <= o.maxWorkersPerAllocation;
    return takeHeadroom(core, roomOf(core, o.shape), { variant, waiting: 1 }) > 0;
  });
}
