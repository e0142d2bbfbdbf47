/**
 * What a worker has and who holds it: whole and shared indices, sums, groups, policies and couplings. Pure; the worker's state machine
 * allocates when it starts a task and releases when the task has ended. Never gives out more than there is. The server has one like it for a
 * worker whose tasks share indices (`core/roomMirror.ts`).
 */
import { resolveResourceName } from '../common/resourceAlias.ts';
import {
  type AllocationPolicy,
  type RequestVariant,
  type ResourceDescriptor,
  type ResourceEntry,
  type Room,
  UNITS_PER_WHOLE,
  type WorkerResources,
} from '../protocol/schema/resources.ts';
import { type CouplingTable, chooseGroups, couplingTable } from './coupled.ts';
import { distribute, type IndexNeed } from './groups.ts';
import { IndexedResource, type TakenIndices } from './indexed.ts';

/** One resource of a request, found on this worker. Units are 1/10,000. */
export interface ResolvedEntry {
  /** Name in the request. */
  readonly name: string;
  /** Position among the worker's resources. */
  readonly resource: number;
  readonly policy: AllocationPolicy;
  readonly units: number;
  /** Equal to `units` unless the request is a range; never more than the worker has. */
  readonly maxUnits: number;
  /** As it was requested. */
  readonly asked: ResourceEntry;
}

/** A request that this worker could meet when it were unused. */
export interface ResolvedRequest {
  readonly entries: readonly ResolvedEntry[];
  /** An entry asks for more than its least amount if there is more. */
  readonly isRange: boolean;
  /** Sums of amounts do not tell where it fits: it is a range, shares an index, or insists on its groups. */
  readonly isIntricate: boolean;
}

/** Tasks that wait here beside the one that is to start; what a range takes above its least amount, it takes from them. */
export interface Rivals {
  /** Waiting tasks with the same request, this one included. */
  readonly same: number;
  /** Least amounts of all other waiting tasks together, units by resource position. */
  readonly others: readonly number[];
}

/** What a task holds of one resource. */
export interface AllocatedEntry {
  readonly entry: ResolvedEntry;
  readonly units: number;
  /** Undefined for sums. */
  readonly indices: TakenIndices | undefined;
}

export interface Allocation {
  readonly entries: readonly AllocatedEntry[];
}

interface PoolResource {
  readonly name: string;
  readonly totalUnits: number;
  readonly indexed: IndexedResource | undefined;
  /** Free units of a sum. */
  sumFree: number;
}

const NOTHING_KEPT: readonly number[] = [];
const NO_RIVALS: Rivals = { same: 1, others: [] };

/** Total amount of a described resource in units of 1/10,000. */
export function unitsOf(resource: ResourceDescriptor): number {
  switch (resource.kind) {
    case 'sum':
      return resource.size;
    case 'range':
      return (resource.end - resource.start + 1) * UNITS_PER_WHOLE;
    case 'list':
      return resource.values.length * UNITS_PER_WHOLE;
    case 'groups':
      return resource.groups.reduce((sum, group) => sum + group.length, 0) * UNITS_PER_WHOLE;
  }
}

export class ResourcePool {
  private readonly resources: readonly PoolResource[];
  private readonly positions = new Map<string, number>();
  private readonly couplings: CouplingTable;

  /** @param provided the worker's resources; couplings refer to their positions */
  constructor(provided: WorkerResources) {
    this.resources = provided.resources.map((descriptor) => {
      const indexed = IndexedResource.of(descriptor);
      const totalUnits = unitsOf(descriptor);
      return { name: descriptor.name, totalUnits, indexed, sumFree: indexed === undefined ? totalUnits : 0 };
    });
    for (const [position, one] of this.resources.entries()) this.positions.set(one.name, position);
    this.couplings = couplingTable(provided.coupling.weights);
  }

  /** @returns the request as positions of this worker, or a sentence that says why it can never be met here */
  resolve(variant: RequestVariant): ResolvedRequest | string {
    const entries: ResolvedEntry[] = [];
    for (const asked of variant.entries) {
      const { name, policy, units, maxUnits } = asked;
      const found = resolveResourceName(name, (one) => this.positions.has(one));
      if (found === undefined) return `this worker has no resource '${name}'`;
      const resource = this.positions.get(found) as number;
      if (entries.some((one) => one.resource === resource)) return `'${found}' is requested twice under different names`;
      const total = this.at(resource).totalUnits;
      if (policy === 'all' ? total === 0 : units <= 0 || units > total) {
        return `this worker has ${total / UNITS_PER_WHOLE} of '${found}', ${policy === 'all' ? 'all' : units / UNITS_PER_WHOLE} requested`;
      }
      const most = policy === 'all' ? total : units;
      entries.push({ name, resource, policy, units: most, maxUnits: Math.max(most, Math.min(maxUnits ?? most, total)), asked });
    }
    const isRange = entries.some((entry) => entry.maxUnits > entry.units);
    return { entries, isRange, isIntricate: isRange || entries.some((entry) => this.isIntricate(entry)) };
  }

  private isIntricate({ resource, policy, units }: ResolvedEntry): boolean {
    return this.hasIndices(resource) && (units % UNITS_PER_WHOLE > 0 || policy.endsWith('!'));
  }

  /** @returns whether `tryAllocate` would give the request something now */
  canAllocate(request: ResolvedRequest): boolean {
    const fits = (entry: ResolvedEntry): boolean => {
      const { indexed, sumFree } = this.at(entry.resource);
      if (indexed === undefined) return entry.units <= sumFree;
      return indexed.fits(Math.floor(entry.units / UNITS_PER_WHOLE), entry.units % UNITS_PER_WHOLE);
    };
    if (!request.entries.every(fits)) return false;
    if (!request.entries.some(({ policy }) => policy.endsWith('!'))) return true;
    const needs = request.entries.map((entry) => this.needOf(entry, entry.units));
    return chooseGroups(needs, this.couplings) !== undefined;
  }

  /** What is free now. */
  room(): Room {
    return this.resources.map(({ indexed, sumFree }) => indexed?.room() ?? sumFree);
  }

  /**
   * Becomes like the pool of which this is the room; allocations made here are forgotten and must not be released.
   * @returns false, and nothing changes, when it is no room of such a pool
   */
  load(room: Room): boolean {
    const isPossible = ({ indexed, totalUnits }: PoolResource, position: number): boolean => {
      const told = room[position];
      if (typeof told === 'number') return indexed === undefined && told >= 0 && told <= totalUnits;
      return told !== undefined && indexed?.accepts(told) === true;
    };
    if (room.length !== this.resources.length || !this.resources.every(isPossible)) return false;
    this.resources.forEach((one, position) => {
      const told = room[position] as Room[number];
      if (typeof told === 'number') one.sumFree = told;
      else one.indexed?.load(told);
    });
    return true;
  }

  /**
   * @param kept units by resource position that must stay free because a task further ahead waits for them
   * @param rivals of interest to ranges only
   * @returns what the task holds from now on, or undefined when it does not fit now (nothing changes)
   */
  tryAllocate(request: ResolvedRequest, kept: readonly number[] = NOTHING_KEPT, rivals: Rivals = NO_RIVALS): Allocation | undefined {
    for (const entry of request.entries) {
      if (this.freeUnits(entry.resource) - (kept[entry.resource] ?? 0) < entry.units) return undefined;
    }
    const amounts = request.entries.map((entry) => this.amountNow(entry, kept[entry.resource] ?? 0, rivals));
    const sets = this.chooseSets(request, amounts);
    if (sets === undefined) return undefined;
    return { entries: request.entries.map((entry, i) => this.takeEntry(entry, amounts[i] as number, sets[i])) };
  }

  release(allocation: Allocation): void {
    for (const { entry, units, indices } of allocation.entries) {
      const resource = this.at(entry.resource);
      if (indices !== undefined) resource.indexed?.release(indices);
      else resource.sumFree += units;
      if (resource.sumFree > resource.totalUnits) throw new Error('invariant broken: a sum is released twice');
    }
  }

  /** Adds to `kept` what a task that does not fit yet needs, as far as it is free, so that later tasks leave it alone. */
  keepFor(request: ResolvedRequest, kept: number[]): void {
    for (const { resource, units } of request.entries) kept[resource] = (kept[resource] ?? 0) + units;
  }

  freeUnits(resource: number): number {
    const one = this.at(resource);
    return one.indexed?.freeUnits ?? one.sumFree;
  }

  totalUnits(resource: number): number {
    return this.at(resource).totalUnits;
  }

  /** The worker's name of a resource. */
  nameOf(resource: number): string {
    return this.at(resource).name;
  }

  /** False for sums. */
  hasIndices(resource: number): boolean {
    return this.at(resource).indexed !== undefined;
  }

  /** The CPUs are called by the numbers that the kernel gives them, as far as one can see. */
  get hasNumberedCpus(): boolean {
    const position = this.positions.get('cpus');
    return position !== undefined && this.at(position).indexed?.isNumbered === true;
  }

  /** Something comes in several groups. */
  get hasGroups(): boolean {
    return this.resources.some(({ indexed }) => (indexed?.groupSizes.length ?? 0) > 1);
  }

  /** Labels of the indices that are held, whole ones first; empty for sums. */
  labels({ entry, indices }: AllocatedEntry): string[] {
    const indexed = this.at(entry.resource).indexed;
    if (indexed === undefined || indices === undefined) return [];
    const all = indices.shared < 0 ? indices.whole : [...indices.whole, indices.shared];
    return all.map((index) => indexed.label(index));
  }

  get resourceCount(): number {
    return this.resources.length;
  }

  private at(position: number): PoolResource {
    return this.resources[position] as PoolResource;
  }

  /** A range takes its share of what is free and nobody else waits for, in whole steps above its least amount. */
  private amountNow(entry: ResolvedEntry, keptUnits: number, rivals: Rivals): number {
    if (entry.maxUnits === entry.units) return entry.units;
    const indexed = this.at(entry.resource).indexed;
    let free = (this.freeUnits(entry.resource) - keptUnits - (rivals.others[entry.resource] ?? 0)) / rivals.same;
    if (indexed !== undefined) {
      // Shared indices cannot add up to a whole one.
      const wholes = indexed.freeFor(0).wholes.reduce((sum, count) => sum + count, 0);
      free = Math.min(free, wholes * UNITS_PER_WHOLE + (entry.units % UNITS_PER_WHOLE));
    }
    const steps = Math.floor((Math.min(free, entry.maxUnits) - entry.units) / UNITS_PER_WHOLE);
    return entry.units + Math.max(0, steps) * UNITS_PER_WHOLE;
  }

  /** Groups for every entry with indices; undefined when an entry does not fit. A range that does not fit so shrinks to what does. */
  private chooseSets(request: ResolvedRequest, amounts: number[]): (readonly number[] | undefined)[] | undefined {
    for (;;) {
      const needs = request.entries.map((entry, i) => this.needOf(entry, amounts[i] as number));
      const sets = chooseGroups(needs, this.couplings);
      if (sets !== undefined) return sets;
      const largest = request.entries.findIndex((entry, i) => (amounts[i] as number) > entry.units);
      if (largest < 0) return undefined;
      amounts[largest] = (amounts[largest] as number) - UNITS_PER_WHOLE;
    }
  }

  private needOf(
    entry: ResolvedEntry,
    units: number,
  ): { resource: number; indexed: IndexedResource; need: IndexNeed; fractionUnits: number } | undefined {
    const indexed = this.at(entry.resource).indexed;
    if (indexed === undefined) return undefined;
    const fractionUnits = units % UNITS_PER_WHOLE;
    const need = { policy: entry.policy, whole: Math.floor(units / UNITS_PER_WHOLE), fraction: fractionUnits > 0 };
    return { resource: entry.resource, indexed, need, fractionUnits };
  }

  private takeEntry(entry: ResolvedEntry, units: number, set: readonly number[] | undefined): AllocatedEntry {
    const found = this.needOf(entry, units);
    if (found === undefined || set === undefined) {
      this.at(entry.resource).sumFree -= units;
      return { entry, units, indices: undefined };
    }
    const { takes, shared } = distribute(found.need, found.indexed.freeFor(found.fractionUnits), set);
    return { entry, units, indices: found.indexed.take(takes, { group: shared, units: found.fractionUnits }) };
  }
}
