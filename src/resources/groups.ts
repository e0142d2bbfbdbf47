/**
 * Chooses out of which groups (NUMA nodes) the indices of a resource come, and how many from each. Pure; called by the pool with what is free.
 */
import type { AllocationPolicy } from '../protocol/schema/resources.ts';

/** What one resource needs: `whole` indices and, if `fraction`, a share of one more. */
export interface IndexNeed {
  readonly policy: AllocationPolicy;
  readonly whole: number;
  readonly fraction: boolean;
}

/** What is free in each group of one resource. */
export interface GroupsFree {
  /** Entirely free indices. */
  readonly wholes: readonly number[];
  /** An index in use by others still has room for the fraction that is needed. */
  readonly partialFits: readonly boolean[];
}

/** Sets of groups are enumerated up to this many; beyond it (many groups) the fullest groups are taken without comparing. */
const MAX_SETS = 1_000;

/**
 * @returns the smallest sets of groups that can meet the need, best first; empty when no set can
 */
export function smallestSets(need: IndexNeed, free: GroupsFree): number[][] {
  const groups = free.wholes.map((_, group) => group);
  const bySize = [...groups].sort((a, b) => count(free, b) - count(free, a));
  for (let size = 1; size <= groups.length; size += 1) {
    if (!mightFit(need, free, bySize.slice(0, size))) continue;
    const sets = (combinations(groups, size) ?? [bySize.slice(0, size)]).filter((set) => fits(need, free, set));
    if (sets.length > 0) return sets.sort((a, b) => compareSets(need, free, { a, b }));
  }
  return [];
}

/** @returns the groups of `set` with the number of whole indices to take from each; `shared` is the group that gives the fraction, -1 without one */
export function distribute(need: IndexNeed, free: GroupsFree, set: readonly number[]): { takes: Map<number, number>; shared: number } {
  const room = new Map(set.map((group) => [group, count(free, group)]));
  const takes = new Map<number, number>(set.map((group) => [group, 0]));
  const partial = need.fraction ? sharedGroup(need, free, set) : -1;
  // Without a used index to share, one more whole index is opened for the fraction.
  let left = need.whole + (need.fraction && partial < 0 ? 1 : 0);
  let last = -1;
  while (left > 0) {
    const group = nextGroup(need, { set, room, takes });
    const some = need.policy.startsWith('tight') ? Math.min(left, room.get(group) as number) : 1;
    takes.set(group, (takes.get(group) as number) + some);
    room.set(group, (room.get(group) as number) - some);
    left -= some;
    last = group;
  }
  if (!need.fraction || partial >= 0) return { takes, shared: partial };
  takes.set(last, (takes.get(last) as number) - 1);
  return { takes, shared: last };
}

/** Groups that `scatter` spreads over: all that have something to give; undefined when together they cannot meet the need. */
export function scatterSet(need: IndexNeed, free: GroupsFree): number[] | undefined {
  const set = free.wholes.map((_, group) => group).filter((group) => count(free, group) > 0 || (need.fraction && free.partialFits[group]));
  return fits(need, free, set) ? set : undefined;
}

function count(free: GroupsFree, group: number): number {
  return free.wholes[group] as number;
}

function fits(need: IndexNeed, free: GroupsFree, set: readonly number[]): boolean {
  const extra = need.fraction && !set.some((group) => free.partialFits[group]) ? 1 : 0;
  return total(free, set) >= need.whole + extra;
}

/** False when not even the fullest groups of this number can meet the need, so that enumerating is pointless. */
function mightFit(need: IndexNeed, free: GroupsFree, fullest: readonly number[]): boolean {
  const extra = need.fraction && !free.partialFits.includes(true) ? 1 : 0;
  return total(free, fullest) >= need.whole + extra;
}

function total(free: GroupsFree, set: readonly number[]): number {
  let sum = 0;
  for (const group of set) sum += count(free, group);
  return sum;
}

/** Compact leaves large gaps whole (fewest free indices in the set first); tight starts with the freest group, as in the original. */
function compareSets(need: IndexNeed, free: GroupsFree, { a, b }: { a: number[]; b: number[] }): number {
  if (need.fraction) {
    const shares = (set: number[]): number => (set.some((group) => free.partialFits[group]) ? 0 : 1);
    if (shares(a) !== shares(b)) return shares(a) - shares(b);
  }
  const difference = total(free, a) - total(free, b);
  return need.policy.startsWith('tight') ? -difference : difference;
}

function sharedGroup(need: IndexNeed, free: GroupsFree, set: readonly number[]): number {
  // A set may only work because its fraction comes from a group that gives nothing else.
  const fitting = set.filter((group) => free.partialFits[group]);
  return fitting.sort((a, b) => (need.policy === 'scatter' ? count(free, b) - count(free, a) : count(free, a) - count(free, b)))[0] ?? -1;
}

/** Tight fills the freest group first; the others even out, so that each group gives about the same. */
function nextGroup(need: IndexNeed, o: { set: readonly number[]; room: Map<number, number>; takes: Map<number, number> }): number {
  let best = -1;
  for (const group of o.set) {
    const room = o.room.get(group) as number;
    if (room === 0) continue;
    if (best < 0) {
      best = group;
      continue;
    }
    const less = (o.takes.get(group) as number) - (o.takes.get(best) as number);
    const freer = room > (o.room.get(best) as number);
    if (need.policy.startsWith('tight') ? freer : less < 0 || (less === 0 && freer)) best = group;
  }
  if (best < 0) throw new Error('invariant broken: a chosen set of groups cannot meet its need');
  return best;
}

/** All sets of `size` groups, or undefined when they are too many. */
function combinations(groups: readonly number[], size: number): number[][] | undefined {
  let amount = 1;
  for (let i = 0; i < size; i += 1) amount = (amount * (groups.length - i)) / (i + 1);
  if (amount > MAX_SETS) return undefined;
  const sets: number[][] = [];
  const extend = (set: number[], from: number): void => {
    if (set.length === size) sets.push(set);
    else for (let group = from; group < groups.length; group += 1) extend([...set, group], group + 1);
  };
  extend([], 0);
  return sets;
}
