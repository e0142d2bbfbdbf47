/** What the policies and couplings of the pool promise, worked out by trying every set of groups. For the property tests of the pool. */
import type { AllocationPolicy } from '../../src/protocol/schema/resources.ts';

export const WHOLE = 10_000;

/** Free units of every index, group by group. */
export type FreeGroups = readonly (readonly number[])[];

/** What is asked of one resource with groups. */
export interface Asked {
  readonly policy: AllocationPolicy;
  readonly units: number;
}

/** Weights of pairs of groups of two resources, by `${group of the first}.${group of the second}`. */
export type PairWeights = ReadonlyMap<string, number>;

/** Policies that take as few groups as possible. */
export const takesFewGroups = ({ policy }: Asked): boolean => policy !== 'scatter' && policy !== 'all';

export const isForced = ({ policy }: Asked): boolean => policy.endsWith('!');

/** True when the groups of the set can give the amount, with at most one index that is shared. */
export function canGive(free: FreeGroups, set: readonly number[], units: number): boolean {
  const indices = set.flatMap((group) => free[group] as number[]);
  const wholes = indices.filter((amount) => amount === WHOLE).length;
  const [needed, fraction] = [Math.floor(units / WHOLE), units % WHOLE];
  if (fraction === 0) return wholes >= needed;
  return wholes > needed || (wholes === needed && indices.some((amount) => amount < WHOLE && amount >= fraction));
}

/** All sets of the smallest number of groups that can give the amount; none when it does not fit. */
export function smallest(free: FreeGroups, units: number): number[][] {
  const possible = subsets(free.length).filter((set) => canGive(free, set, units));
  const size = Math.min(...possible.map((set) => set.length));
  return possible.filter((set) => set.length === size);
}

/** Sum of the weights between the groups of two sets. */
export function weightBetween(weights: PairWeights, first: Iterable<number>, second: Iterable<number>): number {
  const others = [...second];
  let sum = 0;
  for (const a of first) for (const b of others) sum += weights.get(`${a}.${b}`) ?? 0;
  return sum;
}

/** The most that couplings can give when both resources take as few groups as possible. */
export function bestWeight(weights: PairWeights, first: readonly number[][], second: readonly number[][]): number {
  return Math.max(...first.flatMap((a) => second.map((b) => weightBetween(weights, a, b))));
}

/** What was taken of a resource: whole indices per group, and the group of the shared one (-1 without). */
export interface Taken {
  readonly wholes: readonly number[];
  readonly sharedGroup: number;
  /** The shared index was entirely free before. */
  readonly opened: boolean;
}

/** Groups that gave something. */
export function groupsOf({ wholes, sharedGroup }: Taken): number[] {
  return wholes.flatMap((count, group) => (count > 0 || group === sharedGroup ? [group] : []));
}

/** @returns a sentence about the promise of the policy that was not kept, undefined when all were */
export function brokenPromise(asked: Asked, o: { before: FreeGroups; empty: FreeGroups; taken: Taken }): string | undefined {
  const { before, empty, taken } = o;
  const free = before.map((group) => group.filter((amount) => amount === WHOLE).length);
  // An index that is opened for a fraction counts like a whole one.
  const gave = taken.wholes.map((count, group) => count + (taken.opened && group === taken.sharedGroup ? 1 : 0));
  const used = groupsOf(taken);
  const left = used.filter((group) => (gave[group] as number) < (free[group] as number));
  switch (asked.policy) {
    case 'all':
      return before.flat().every((amount) => amount === WHOLE) && used.length === before.length ? undefined : 'all was not all';
    case 'scatter': {
      const most = Math.min(Math.floor(asked.units / WHOLE), free.filter((count) => count > 0).length);
      return taken.wholes.filter((count) => count > 0).length >= most ? undefined : 'scatter left a free group out';
    }
    case 'tight':
    case 'tight!':
      if (left.length > 1) return 'tight left something in two groups';
      break;
    case 'compact':
    case 'compact!': {
      const uneven = left.find((group) => used.some((other) => (gave[other] as number) > (gave[group] as number) + 1));
      if (uneven !== undefined && taken.sharedGroup < 0) return 'compact was not even';
      break;
    }
  }
  if (used.length > (smallest(before, asked.units)[0]?.length ?? 0)) return 'more groups than needed';
  if (isForced(asked) && used.length > (smallest(empty, asked.units)[0]?.length ?? 0))
    return 'forced, but an unused worker could do better';
  return undefined;
}

function subsets(count: number): number[][] {
  return Array.from({ length: 2 ** count - 1 }, (_, i) =>
    Array.from({ length: count }, (_, group) => group).filter((group) => ((i + 1) >> group) & 1),
  );
}
