import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocationPolicy, type ResourceDescriptor, type ResourceEntry } from '../../src/protocol/schema/resources.ts';
import { type Allocation, ResourcePool } from '../../src/worker/resources/pool.ts';

const WHOLE = 10_000;
const label = (group: number, i: number): string => `${group}.${i}`;

const groupSizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
const policy = fc.constantFrom(...allocationPolicy.options);
const units = fc.oneof(
  fc.integer({ min: 1, max: 8 }).map((n) => n * WHOLE),
  fc.integer({ min: 1, max: 30_000 }),
  fc.constantFrom(2_500, 5_000, 15_000),
);
const entry = fc.record({ policy, units, range: fc.option(fc.integer({ min: 0, max: 5 })) });
const command = fc.oneof(
  fc.record({ op: fc.constant('take' as const), cpus: fc.option(entry), gpus: fc.option(entry), mem: fc.option(entry) }),
  fc.record({ op: fc.constant('release' as const), which: fc.nat() }),
);
const world = fc.record({
  cpus: groupSizes,
  gpus: groupSizes,
  mem: fc.integer({ min: 1, max: 10 * WHOLE }),
  weights: fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 3 }), fc.integer({ min: 1, max: 500 })), { maxLength: 4 }),
});

/** Keeps the books in the plainest way: units per index label, and every allocation as it was shown. */
class Ledger {
  readonly used = new Map<string, number>();
  readonly held: { allocation: Allocation; shares: [string, number][] }[] = [];
  private readonly pool: ResourcePool;
  private readonly capacity: ReadonlyMap<string, number>;

  constructor(pool: ResourcePool, capacity: ReadonlyMap<string, number>) {
    this.pool = pool;
    this.capacity = capacity;
  }

  take(allocation: Allocation): void {
    const shares: [string, number][] = [];
    for (const one of allocation.entries) {
      const name = this.pool.nameOf(one.entry.resource);
      expect(one.units).toBeGreaterThanOrEqual(one.entry.units);
      expect(one.units).toBeLessThanOrEqual(one.entry.maxUnits);
      if (one.indices === undefined) shares.push([name, one.units]);
      else {
        const labels = this.pool.labels(one);
        expect(new Set(labels).size).toBe(labels.length);
        labels.forEach((text, i) => {
          shares.push([`${name} ${text}`, i < (one.indices?.whole.length ?? 0) ? WHOLE : (one.indices?.sharedUnits ?? 0)]);
        });
      }
      const given = shares.filter(([key]) => key.split(' ')[0] === name).reduce((sum, [, amount]) => sum + amount, 0);
      expect(given).toBe(one.units);
    }
    for (const [key, amount] of shares) {
      const after = (this.used.get(key) ?? 0) + amount;
      expect(after, `${key} is given out beyond its capacity`).toBeLessThanOrEqual(this.capacity.get(key) ?? -1);
      this.used.set(key, after);
    }
    this.held.push({ allocation, shares });
  }

  release(which: number): void {
    const [one] = this.held.splice(which % this.held.length, 1);
    if (one === undefined) return;
    this.pool.release(one.allocation);
    for (const [key, amount] of one.shares) this.used.set(key, (this.used.get(key) ?? 0) - amount);
  }

  /** True when plain counting says that an ordinary (not forced, not `all`) request fits. */
  fits(name: string, wanted: number): boolean {
    if (name === 'mem') return (this.capacity.get('mem') as number) - (this.used.get('mem') ?? 0) >= wanted;
    const free = [...this.capacity]
      .filter(([key]) => key.startsWith(`${name} `))
      .map(([key, capacity]) => capacity - (this.used.get(key) ?? 0));
    const wholes = free.filter((amount) => amount === WHOLE).length;
    const fraction = wanted % WHOLE;
    const needed = Math.floor(wanted / WHOLE);
    if (fraction === 0) return wholes >= needed;
    return wholes > needed || (wholes === needed && free.some((amount) => amount < WHOLE && amount >= fraction));
  }
}

test('the pool never gives out more than there is, gives exactly what is asked, refuses only what does not fit, and gets everything back', () => {
  fc.assert(
    fc.property(world, fc.array(command, { maxLength: 40 }), (made, commands) => {
      const groups = (name: string, sizes: number[]): ResourceDescriptor => ({
        name,
        kind: 'groups',
        groups: sizes.map((size, group) => Array.from({ length: size }, (_, i) => label(group, i))),
      });
      const resources = [groups('cpus', made.cpus), groups('gpus', made.gpus), { name: 'mem', kind: 'sum' as const, size: made.mem }];
      const weights = made.weights
        .filter(([a, b]) => a < made.cpus.length && b < made.gpus.length)
        .map(([a, b, weight]) => ({ resource1_idx: 0, group1_idx: a, resource2_idx: 1, group2_idx: b, weight }));
      const pool = new ResourcePool({ resources, coupling: { weights } });
      const capacity = new Map<string, number>([['mem', made.mem]]);
      for (const name of ['cpus', 'gpus'] as const)
        made[name].forEach((size, group) => {
          for (let i = 0; i < size; i += 1) capacity.set(`${name} ${label(group, i)}`, WHOLE);
        });
      const ledger = new Ledger(pool, capacity);

      for (const one of commands) {
        if (one.op === 'release') {
          ledger.release(one.which);
          continue;
        }
        const entries: ResourceEntry[] = [];
        for (const name of ['cpus', 'gpus', 'mem'] as const) {
          const wanted = one[name];
          if (wanted === null) continue;
          const most = wanted.range === null || wanted.policy === 'all' ? {} : { maxUnits: wanted.units + wanted.range * WHOLE };
          entries.push({ name, policy: wanted.policy, units: wanted.policy === 'all' ? 0 : wanted.units, ...most });
        }
        const request = pool.resolve({ nodes: 0, minTimeMs: 0, weight: WHOLE, entries });
        if (typeof request === 'string') continue;
        const allocation = pool.tryAllocate(request);
        if (allocation !== undefined) ledger.take(allocation);
        else {
          const plain = request.entries.every(
            ({ policy: how, units: amount, name }) => how !== 'all' && !how.endsWith('!') && ledger.fits(name, amount),
          );
          expect(plain, 'a request that fits was refused').toBe(false);
        }
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
    { numRuns: 500 },
  );
});
