/**
 * Chooses groups for all resources of one request together: each from as few groups as possible, and among those the sets whose groups lie
 * closest to each other by the worker's couplings. Pure; called by the pool.
 */
import type { WorkerResources } from '../protocol/schema/resources.ts';
import { type GroupsFree, type IndexNeed, scatterSet, smallestSets } from './groups.ts';
import type { IndexedResource } from './indexed.ts';

type Weight = WorkerResources['coupling']['weights'][number];

/** Weights by resource, group, resource, group; both directions. */
export interface CouplingTable {
  weight(a: { resource: number; group: number }, b: { resource: number; group: number }): number;
  readonly coupled: ReadonlySet<number>;
}

/** One resource with indices and what a task needs of it. */
export interface CoupledNeed {
  readonly resource: number;
  readonly indexed: IndexedResource;
  readonly need: IndexNeed;
  readonly fractionUnits: number;
}

/** Combinations of candidates that are compared; more would mostly repeat like groups, and this runs at every start of a task. */
const MAX_COMBINATIONS = 65_536;

/** More than the groups of any resource. */
const GROUPS_MAX = 2 ** 20;

export function couplingTable(weights: readonly Weight[]): CouplingTable {
  // Numbers as keys: this is looked up for every pair of groups of every combination.
  const table = new Map<number, Map<number, number>>();
  const place = (resource: number, group: number): number => resource * GROUPS_MAX + group;
  const set = (from: number, to: number, weight: number): void => {
    const known = table.get(from);
    if (known === undefined) table.set(from, new Map([[to, weight]]));
    else known.set(to, weight);
  };
  for (const { resource1_idx, group1_idx, resource2_idx, group2_idx, weight } of weights) {
    const [first, second] = [place(resource1_idx, group1_idx), place(resource2_idx, group2_idx)];
    set(first, second, weight);
    set(second, first, weight);
  }
  return {
    coupled: new Set(weights.flatMap((one) => [one.resource1_idx, one.resource2_idx])),
    weight: (a, b) => table.get(place(a.resource, a.group))?.get(place(b.resource, b.group)) ?? 0,
  };
}

/**
 * @param needs one per entry of the request, undefined for sums
 * @returns one set of groups per entry (undefined for sums), or undefined when something does not fit now
 */
export function chooseGroups(
  needs: readonly (CoupledNeed | undefined)[],
  couplings: CouplingTable,
): (readonly number[] | undefined)[] | undefined {
  const free = needs.map((one) => one?.indexed.freeFor(one.fractionUnits));
  const candidates = needs.map((one, i) => (one === undefined ? undefined : candidateSets(one, free[i] as GroupsFree)));
  if (candidates.some((sets) => sets !== undefined && sets.length === 0)) return undefined;
  const best = bestTogether(needs, candidates, couplings);
  const forced = needs.some((one) => one?.need.policy.endsWith('!'));
  return forced && !asGoodAsEmpty(needs, best, couplings) ? undefined : best;
}

function candidateSets({ need, indexed }: CoupledNeed, free: GroupsFree): number[][] {
  switch (need.policy) {
    case 'all':
      return free.wholes.every((count, group) => count === indexed.groupSizes[group]) ? [free.wholes.map((_, group) => group)] : [];
    case 'scatter': {
      const set = scatterSet(need, free);
      return set === undefined ? [] : [set];
    }
    default:
      return smallestSets(need, free);
  }
}

/** Each resource alone would take its first candidate; coupled ones are compared together. */
function bestTogether(
  needs: readonly (CoupledNeed | undefined)[],
  candidates: readonly (number[][] | undefined)[],
  couplings: CouplingTable,
): (readonly number[] | undefined)[] {
  const chosen: (readonly number[] | undefined)[] = candidates.map((sets) => sets?.[0]);
  const together = needs.flatMap((one, i) => (one !== undefined && couplings.coupled.has(one.resource) ? [i] : []));
  if (together.length < 2) return chosen;
  const perResource = Math.floor(MAX_COMBINATIONS ** (1 / together.length));
  let best = chosen;
  let bestWeight = -1;
  const extend = (at: number, sets: (readonly number[] | undefined)[]): void => {
    const entry = together[at];
    if (entry === undefined) {
      const weight = weightOf(needs, sets, couplings);
      // Strictly more: equal weights keep the candidate that came first, which is the better one of its resource.
      if (weight > bestWeight) [best, bestWeight] = [sets, weight];
      return;
    }
    for (const set of (candidates[entry] as number[][]).slice(0, perResource)) extend(at + 1, sets.with(entry, set));
  };
  extend(0, chosen);
  return best;
}

function weightOf(
  needs: readonly (CoupledNeed | undefined)[],
  sets: readonly (readonly number[] | undefined)[],
  couplings: CouplingTable,
): number {
  let weight = 0;
  needs.forEach((a, i) => {
    for (let j = i + 1; a !== undefined && j < needs.length; j += 1) {
      const b = needs[j];
      if (b === undefined) continue;
      for (const groupA of sets[i] ?? []) {
        for (const groupB of sets[j] ?? [])
          weight += couplings.weight({ resource: a.resource, group: groupA }, { resource: b.resource, group: groupB });
      }
    }
  });
  return weight;
}

/** `compact!` and `tight!` only run where an unused worker could not do better: no more groups, no weaker couplings. */
function asGoodAsEmpty(
  needs: readonly (CoupledNeed | undefined)[],
  sets: readonly (readonly number[] | undefined)[],
  couplings: CouplingTable,
): boolean {
  const ideal = bestTogether(
    needs,
    needs.map((one) => (one === undefined ? undefined : candidateSets(one, one.indexed.allFree()))),
    couplings,
  );
  const fewest = needs.every((one, i) => !one?.need.policy.endsWith('!') || (sets[i]?.length ?? 0) <= (ideal[i]?.length ?? 0));
  return fewest && weightOf(needs, sets, couplings) >= weightOf(needs, ideal, couplings);
}
