/** Connected workers as the scheduler sees them: capacity, what is reserved, which rows they hold. Changed by reactor and planner. */
import { resolveResourceName } from '../common/resourceAlias.ts';
import type { Room, WorkerResources } from '../protocol/schema/resources.ts';
import { unitsOf } from '../resources/pool.ts';
import type { ClassVariant, Need, ResourceNames } from './requestClasses.ts';
import type { RoomMirror } from './roomMirror.ts';

/** What the core must know of a worker at registration. */
export interface WorkerSpec {
  readonly id: number;
  readonly resources: WorkerResources;
  readonly group: string;
  /** When its lifetime ends (Unix ms); Infinity for no limit. */
  readonly endsAtMs: number;
  /** Least share of its CPUs that must be busy for it to get tasks; 0 for any. */
  readonly minUtilization: number;
}

/** Rows of one class with reserved resources. */
export interface Reserved {
  count: number;
  /** Of the row that was reserved last. */
  variant: number;
}

/** One worker that is connected or may come back. */
export interface CoreWorker {
  readonly id: number;
  readonly group: string;
  endsAtMs: number;
  /** False between the loss of its connection and its return; it gets nothing new. */
  connected: boolean;
  /** True once it was told to stop. */
  stopping: boolean;
  /** True once it gets nothing new, because its allocation ends soon or is no longer wanted; what it has may end. */
  draining: boolean;
  readonly minUtilization: number;
  /** Row of the multi-node task that has this worker; null for none. */
  gang: number | null;
  /** By resource id, units. */
  readonly total: (number | undefined)[];
  /** total - everything reserved. */
  readonly free: (number | undefined)[];
  /** Resource ids of what has indices. */
  readonly indexed: ReadonlySet<number>;
  readonly resources: WorkerResources;
  /** Something that it has comes in several groups. */
  readonly hasGroups: boolean;
  /** What the worker has told with its last updates of what is free; null when it told nothing. */
  told: Room | null;
  /** What is free of every index, while a reserved row makes it matter; null: `free` tells everything. */
  room: RoomMirror | null;
  /** Number of reserved rows of which sums do not tell where they fit. */
  intricate: number;
  /** Rows held, in the order in which they were given (any hold but HOLD_NONE; ended rows until the worker confirms). */
  readonly rows: Set<number>;
  /** The part of `rows` with HOLD_PREFILLED or HOLD_RETRACTING, in the order in which the worker would start them. */
  readonly queued: Set<number>;
  /** Number of `queued` rows per request class. */
  readonly queuedOf: Map<number, number>;
  /** Reserved rows per request class, so that nothing has to look at each row in every turn. */
  readonly reservedOf: Map<number, Reserved>;
  /** Number of rows with HOLD_RETRACTING. */
  retracting: number;
  /** No row of `queued` with HOLD_PREFILLED has a lower priority than this; Infinity when there is none. */
  lowestQueued: number;
  /** Tasks ended per second, exponentially averaged; null until the first measurement. */
  ratePerSecond: number | null;
  rateWindowStartMs: number;
  rateWindowEnded: number;
  /** Since when it holds nothing, Unix ms; null while it holds something. */
  idleSinceMs: number | null;
}

export function createWorker(names: ResourceNames, spec: WorkerSpec, nowMs: number): CoreWorker {
  const total: (number | undefined)[] = [];
  for (const resource of spec.resources.resources) total[names.idOf(resource.name)] = unitsOf(resource);
  const indexed = spec.resources.resources.filter(({ kind }) => kind !== 'sum');
  return {
    id: spec.id,
    group: spec.group,
    endsAtMs: spec.endsAtMs,
    connected: true,
    stopping: false,
    draining: false,
    minUtilization: spec.minUtilization,
    gang: null,
    total,
    free: [...total],
    indexed: new Set(indexed.map(({ name }) => names.idOf(name))),
    resources: spec.resources,
    hasGroups: indexed.some((resource) => resource.kind === 'groups' && resource.groups.length > 1),
    told: null,
    room: null,
    intricate: 0,
    rows: new Set(),
    queued: new Set(),
    queuedOf: new Map(),
    reservedOf: new Map(),
    retracting: 0,
    lowestQueued: Number.POSITIVE_INFINITY,
    ratePerSecond: null,
    rateWindowStartMs: nowMs,
    rateWindowEnded: 0,
    idleSinceMs: nowMs,
  };
}

/** What a worker has, or would have. */
type Provider = { readonly total: readonly (number | undefined)[] };

/** The worker's resource that meets a need, or undefined when it has none. */
function slotOf(names: ResourceNames, worker: Provider, need: Need): number | undefined {
  if (worker.total[need.resource] !== undefined) return need.resource;
  const name = resolveResourceName(names.nameOf(need.resource), (other) => worker.total[names.idOf(other)] !== undefined);
  return name === undefined ? undefined : names.idOf(name);
}

/** What a need takes from a worker: resource id and units; undefined when the worker lacks the resource. */
export function demandOf(names: ResourceNames, worker: Provider, need: Need): { slot: number; units: number } | undefined {
  const slot = slotOf(names, worker, need);
  if (slot === undefined) return undefined;
  return { slot, units: need.all ? (worker.total[slot] as number) : need.units };
}

/** Could the worker run this variant if it were empty and lived long enough? */
export function couldEverFit(names: ResourceNames, worker: CoreWorker, variant: ClassVariant): boolean {
  if (variant.nodes > 0) return false;
  return variant.needs.every((need) => {
    const demand = demandOf(names, worker, need);
    return demand !== undefined && demand.units > 0 && demand.units <= (worker.total[demand.slot] as number);
  });
}

/** Does the worker live long enough to start the variant now? */
export function livesFor(worker: CoreWorker, variant: ClassVariant, nowMs: number): boolean {
  return worker.endsAtMs - nowMs >= variant.minTimeMs;
}

/** Is the variant a range there, does it share an index, or insist on its groups? Sums of amounts do not tell whether such a task fits. */
export function isIntricate(names: ResourceNames, worker: CoreWorker, variant: ClassVariant): boolean {
  if (!variant.mayBeIntricate) return false;
  return variant.needs.some((need) => {
    if (need.isRange || !(need.isShared || need.insists)) return need.isRange;
    const slot = slotOf(names, worker, need);
    return slot !== undefined && worker.indexed.has(slot);
  });
}

/** Takes (`sign` 1) or gives back (`sign` -1) what a variant needs. */
export function reserve(names: ResourceNames, worker: CoreWorker, variant: ClassVariant, sign: 1 | -1): void {
  for (const need of variant.needs) {
    const demand = demandOf(names, worker, need);
    if (demand !== undefined) worker.free[demand.slot] = (worker.free[demand.slot] as number) - sign * demand.units;
  }
}
