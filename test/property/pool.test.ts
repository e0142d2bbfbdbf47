import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocationPolicy, type ResourceDescriptor, type ResourceEntry } from '../../src/protocol/schema/resources.ts';
import { type AllocatedEntry, type Allocation, type ResolvedEntry, ResourcePool, type Rivals } from '../../src/resources/pool.ts';
import {
  bestWeight,
  brokenPromise,
  canGive,
  type FreeGroups,
  groupsOf,
  isForced,
  type PairWeights,
  smallest,
  type Taken,
  takesFewGroups,
  WHOLE,
  weightBetween,
} from './poolOracle.ts';

const NUM_RUNS = Number(process.env.HQ_PROPERTY_RUNS ?? 500);
const INDEXED = ['cpus', 'gpus'] as const;

const groupSizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
const policy = fc.constantFrom(...allocationPolicy.options);
const units = fc.oneof(
  fc.integer({ min: 1, max: 8 }).map((n) => n * WHOLE),
  fc.integer({ min: 1, max: 30_000 }),
  fc.constantFrom(2_500, 5_000, 15_000),
);
const entry = fc.record({ policy, units, range: fc.option(fc.integer({ min: 0, max: 5 })) });
/** Only ranges look at them, and get less for them. */
const rivals = fc.record({ same: fc.integer({ min: 1, max: 4 }), others: fc.array(fc.nat({ max: 50_000 }), { maxLength: 3 }) });
const command = fc.oneof(
  fc.record({ op: fc.constant('take' as const), cpus: fc.option(entry), gpus: fc.option(entry), mem: fc.option(entry), rivals }),
  fc.record({ op: fc.constant('release' as const), which: fc.nat() }),
);
const world = fc.record({
  cpus: groupSizes,
  gpus: groupSizes,
  mem: fc.integer({ min: 1, max: 10 * WHOLE }),
  weights: fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.integer({ min: 1, max: 500 })), { maxLength: 6 }),
});

/** A worker whose indices are called GROUP.NUMBER. */
interface World {
  readonly pool: ResourcePool;
  readonly weights: PairWeights;
  /** Units of every index by resource and group, and of the sum. */
  readonly empty: Readonly<Record<'cpus' | 'gpus', FreeGroups>>;
  readonly mem: number;
}

function makeWorld(made: { cpus: number[]; gpus: number[]; mem: number; weights: [number, number, number][] }): World {
  const groups = (name: 'cpus' | 'gpus'): ResourceDescriptor => ({
    name,
    kind: 'groups',
    groups: made[name].map((size, group) => Array.from({ length: size }, (_, i) => `${group}.${i}`)),
  });
  const resources = [groups('cpus'), groups('gpus'), { name: 'mem', kind: 'sum' as const, size: made.mem }];
  const possible = made.weights.filter(([cpu, gpu]) => cpu < made.cpus.length && gpu < made.gpus.length);
  const weights = new Map(possible.map(([cpu, gpu, weight]) => [`${cpu}.${gpu}`, weight]));
  const coupling = [...weights].map(([pair, weight]) => {
    const [group1_idx, group2_idx] = pair.split('.').map(Number) as [number, number];
    return { resource1_idx: 0, group1_idx, resource2_idx: 1, group2_idx, weight };
  });
  const unused = (sizes: number[]): number[][] => sizes.map((size) => new Array<number>(size).fill(WHOLE));
  return {
    pool: new ResourcePool({ resources, coupling: { weights: coupling } }),
    weights,
    empty: { cpus: unused(made.cpus), gpus: unused(made.gpus) },
    mem: made.mem,
  };
}

/** Keeps the books in the plainest way: what is free of every index, and every allocation as it was shown. */
class Ledger {
  readonly free: Record<'cpus' | 'gpus', number[][]>;
  readonly held: { allocation: Allocation; giveBack: () => unknown }[] = [];
  freeMem: number;
  private readonly world: World;

  constructor(made: World) {
    this.world = made;
    this.free = { cpus: made.empty.cpus.map((group) => [...group]), gpus: made.empty.gpus.map((group) => [...group]) };
    this.freeMem = made.mem;
  }

  /** Books an allocation and checks that it is exactly what was asked for, and there. */
  take(allocation: Allocation): Map<string, Taken> {
    const taken = new Map<string, Taken>();
    const undo: (() => void)[] = [];
    for (const one of allocation.entries) {
      expect(one.units).toBeGreaterThanOrEqual(one.entry.units);
      expect(one.units).toBeLessThanOrEqual(one.entry.maxUnits);
      const { name } = one.entry;
      if (name === 'cpus' || name === 'gpus') taken.set(name, this.takeIndices(name, one, undo));
      else {
        this.freeMem -= one.units;
        expect(this.freeMem).toBeGreaterThanOrEqual(0);
        undo.push(() => {
          this.freeMem += one.units;
        });
      }
    }
    this.held.push({ allocation, giveBack: () => undo.map((step) => step()) });
    return taken;
  }

  release(which: number): void {
    const [one] = this.held.splice(which % this.held.length, 1);
    if (one === undefined) return;
    this.world.pool.release(one.allocation);
    one.giveBack();
  }

  private takeIndices(name: 'cpus' | 'gpus', one: AllocatedEntry, undo: (() => void)[]): Taken {
    const labels = this.world.pool.labels(one);
    expect(new Set(labels).size).toBe(labels.length);
    const wholes = this.free[name].map(() => 0);
    let [sharedGroup, opened, given] = [-1, false, 0];
    labels.forEach((label, i) => {
      const [group, index] = label.split('.').map(Number) as [number, number];
      const indices = this.free[name][group] as number[];
      const isWhole = i < (one.indices?.whole.length ?? 0);
      const amount = isWhole ? WHOLE : (one.indices?.sharedUnits ?? 0);
      if (isWhole) wholes[group] = (wholes[group] as number) + 1;
      else [sharedGroup, opened] = [group, indices[index] === WHOLE];
      indices[index] = (indices[index] as number) - amount;
      expect(indices[index], `${name} ${label} is given out beyond its capacity`).toBeGreaterThanOrEqual(0);
      undo.push(() => {
        indices[index] = (indices[index] as number) + amount;
      });
      given += amount;
    });
    expect(given).toBe(one.units);
    return { wholes, sharedGroup, opened };
  }
}

const copy = (groups: FreeGroups): number[][] => groups.map((group) => [...group]);

/** The most that couplings could give, when both resources are asked for and take few groups. */
function possibleWeight({ weights }: World, free: Record<'cpus' | 'gpus', FreeGroups>, wanted: ReadonlyMap<string, ResolvedEntry>): number {
  const [cpus, gpus] = [wanted.get('cpus'), wanted.get('gpus')];
  if (cpus === undefined || gpus === undefined) return 0;
  return bestWeight(weights, smallest(free.cpus, cpus.units), smallest(free.gpus, gpus.units));
}

/** False only where plain counting says that the least amounts fit, as far as it can tell. */
function mayBeRefused(made: World, ledger: Ledger, entries: readonly ResolvedEntry[]): boolean {
  const wanted = new Map(entries.map((one) => [one.name, one]));
  const memory = wanted.get('mem');
  if (memory !== undefined && ledger.freeMem < memory.units) return true;
  const indexed = INDEXED.flatMap((name) => wanted.get(name) ?? []);
  for (const one of indexed) {
    const free = ledger.free[one.name as 'cpus'];
    if (one.policy === 'all' && free.flat().some((amount) => amount < WHOLE)) return true;
    if (!canGive(free, [...free.keys()], one.units)) return true;
    if (isForced(one) && smallest(free, one.units)[0]?.length !== smallest(made.empty[one.name as 'cpus'], one.units)[0]?.length)
      return true;
  }
  if (!indexed.some(isForced)) return false;
  return !indexed.every(takesFewGroups) || possibleWeight(made, ledger.free, wanted) < possibleWeight(made, made.empty, wanted);
}

type Take = { readonly rivals: Rivals } & {
  readonly [name in 'cpus' | 'gpus' | 'mem']: { policy: ResourceEntry['policy']; units: number; range: number | null } | null;
};

function takeOne(made: World, ledger: Ledger, one: Take): void {
  const entries: ResourceEntry[] = [];
  for (const name of [...INDEXED, 'mem'] as const) {
    const wanted = one[name];
    if (wanted === null) continue;
    const most = wanted.range === null || wanted.policy === 'all' ? {} : { maxUnits: wanted.units + wanted.range * WHOLE };
    entries.push({ name, policy: wanted.policy, units: wanted.policy === 'all' ? 0 : wanted.units, ...most });
  }
  const request = made.pool.resolve({ nodes: 0, minTimeMs: 0, weight: WHOLE, entries });
  if (typeof request === 'string') return;
  const before = { cpus: copy(ledger.free.cpus), gpus: copy(ledger.free.gpus) };
  const allocation = made.pool.tryAllocate(request, [], one.rivals);
  if (allocation === undefined) {
    expect(mayBeRefused(made, ledger, request.entries), 'a request that fits was refused').toBe(true);
    return;
  }
  const taken = ledger.take(allocation);
  const given = new Map(allocation.entries.map(({ entry: asked, units: amount }) => [asked.name, { ...asked, units: amount }]));
  for (const [name, what] of taken) {
    const o = { before: before[name as 'cpus'], empty: made.empty[name as 'cpus'], taken: what };
    expect(brokenPromise(given.get(name) as ResolvedEntry, o)).toBeUndefined();
  }
  const [cpus, gpus] = [taken.get('cpus'), taken.get('gpus')];
  if (cpus === undefined || gpus === undefined || !INDEXED.every((name) => takesFewGroups(given.get(name) as ResolvedEntry))) return;
  expect(weightBetween(made.weights, groupsOf(cpus), groupsOf(gpus)), 'groups lie further apart than necessary').toBe(
    possibleWeight(made, before, given),
  );
}

test('the pool gives out what there is, as its policies and couplings promise, refuses only what does not fit, and gets everything back', () => {
  fc.assert(
    fc.property(world, fc.array(command, { maxLength: 40 }), (given, commands) => {
      const made = makeWorld(given);
      const { pool } = made;
      const ledger = new Ledger(made);
      for (const one of commands) {
        if (one.op === 'release') ledger.release(one.which);
        else takeOne(made, ledger, one);
      }
      while (ledger.held.length > 0) ledger.release(0);
      for (let resource = 0; resource < pool.resourceCount; resource += 1) expect(pool.freeUnits(resource)).toBe(pool.totalUnits(resource));
      const everything = pool.resolve({
        nodes: 0,
        minTimeMs: 0,
        weight: 1,
        entries: ['cpus', 'gpus', 'mem'].map((name) => ({ name, policy: 'all', units: 0 })),
      });
      expect(typeof everything === 'string' ? everything : pool.tryAllocate(everything)).toBeDefined();
    }),
    { numRuns: NUM_RUNS },
  );
});
