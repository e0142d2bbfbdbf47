/** What the server takes for room against the real pools of its workers: shared indices, groups that are insisted on, couplings, ranges. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  allocationPolicy,
  type ResourceDescriptor,
  type ResourceEntry,
  type WorkerResources,
} from '../../src/protocol/schema/resources.ts';
import { type SimWorker, traits } from '../helpers/coreSim.ts';
import { PoolSim } from '../helpers/poolSim.ts';

const NUM_RUNS = Number(process.env['HQ_PROPERTY_RUNS'] ?? 500);
const WHOLE = 10_000;

const amount = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map((n) => n * WHOLE),
  fc.constantFrom(2_500, 3_000, 4_000, 5_000, 6_000, 7_000, 15_000, 12_500),
);
const asked = fc.option(
  fc.record({ units: amount, policy: fc.constantFrom(...allocationPolicy.options), range: fc.constantFrom(0, 0, 0, 2) }),
);
const request = fc.record({ cpus: asked, gpus: asked, mem: fc.option(amount) });
const groups = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
const machine = fc.record({ cpus: groups, gpus: groups, mem: fc.integer({ min: 1, max: 8 }), weight: fc.constantFrom(0, 100) });
type Asked = typeof request extends fc.Arbitrary<infer T> ? T : never;

function describe(made: { cpus: number[]; gpus: number[]; mem: number; weight: number }): WorkerResources {
  const grouped = (name: 'cpus' | 'gpus'): ResourceDescriptor => ({
    name,
    kind: 'groups',
    groups: made[name].map((size, group) => Array.from({ length: size }, (_, i) => `${group}.${i}`)),
  });
  const coupled = made.weight > 0 && made.cpus.length > 1 && made.gpus.length > 1;
  const pairs = Array.from({ length: coupled ? Math.min(made.cpus.length, made.gpus.length) : 0 }, (_, group) => group);
  return {
    resources: [grouped('cpus'), grouped('gpus'), { name: 'mem', kind: 'sum', size: made.mem * WHOLE }],
    coupling: {
      weights: pairs.map((group) => ({ resource1_idx: 0, group1_idx: group, resource2_idx: 1, group2_idx: group, weight: made.weight })),
    },
  };
}

function entriesOf({ cpus, gpus, mem }: Asked): ResourceEntry[] {
  const indexed = [...Object.entries({ cpus, gpus })].flatMap(([name, one]): ResourceEntry[] => {
    if (one === null) return [];
    if (one.policy === 'all') return [{ name, policy: 'all', units: 0 }];
    return [{ name, policy: one.policy, units: one.units, ...(one.range === 0 ? {} : { maxUnits: one.units + one.range * WHOLE }) }];
  });
  return mem === null ? indexed : [...indexed, { name: 'mem', policy: 'compact', units: mem }];
}

type Indexed = NonNullable<Asked['cpus']>;
/** How much a range gets its worker decides by what waits beside it, which it does not weigh index by index. */
const withoutRange = (one: Indexed | null): Indexed | null => (one === null ? null : { ...one, range: 0 });
const wholeRange = (one: Indexed | null): Indexed | null =>
  one === null ? null : { ...one, units: Math.ceil(one.units / WHOLE) * WHOLE, policy: one.policy === 'all' ? 'all' : 'tight' };

class World {
  readonly sim = new PoolSim();
  private readonly narrow: (one: Indexed | null) => Indexed | null;
  submitted = 0;

  /** @param narrow what becomes of the amounts of a request */
  constructor(narrow: (one: Indexed | null) => Indexed | null) {
    this.narrow = narrow;
    this.sim.openJob(1);
  }

  submit(o: { request: Asked; count: number; priority: number }): void {
    const entries = entriesOf({ ...o.request, cpus: this.narrow(o.request.cpus), gpus: this.narrow(o.request.gpus) });
    const variants = [{ nodes: 0, minTimeMs: 0, weight: WHOLE, entries }];
    this.sim.submit(1, `${this.submitted}-${this.submitted + o.count - 1}`, {
      traits: traits({ request: { variants }, priority: o.priority }),
    });
    this.submitted += o.count;
  }

  worker(pick: number): SimWorker | undefined {
    return [...this.sim.workers.values()][pick % this.sim.workers.size];
  }

  end(pick: number, which: number): void {
    const worker = this.worker(pick);
    const running = worker?.tasks.filter((task) => task.running) ?? [];
    const task = running[which % Math.max(1, running.length)];
    if (worker !== undefined && task !== undefined) this.sim.end(worker, task);
  }

  /** Something gets on its way, or breaks. */
  move(pick: number, what: 'receive' | 'report' | 'break' | 'return'): void {
    const worker = this.worker(pick);
    if (worker === undefined || worker.connected === (what === 'return')) return;
    if (what === 'return') this.sim.reconnect(worker);
    else if (what === 'receive') this.sim.receive(worker);
    else if (what === 'report') this.sim.report(worker);
    else this.sim.disconnect(worker);
  }

  cancel(which: number): void {
    if (this.submitted > 0) this.sim.cancel(1, String(which % this.submitted));
  }

  /** Tasks that some worker can run all end in the end. */
  finish(): void {
    this.sim.drain();
    const stats = this.sim.core.jobs.get(1)?.stats;
    expect(stats?.running).toBe(0);
    expect(this.sim.core.jobs.get(1)?.held).toBe(0);
    expect(new Set(this.sim.starts).size).toBe(this.sim.starts.length);
    this.sim.checkAgreement();
  }
}

const submit = fc.record({
  do: fc.constant('submit' as const),
  request,
  count: fc.integer({ min: 1, max: 3 }),
  priority: fc.constantFrom(0, 0, 0, 1),
});
const end = fc.record({ do: fc.constant('end' as const), pick: fc.nat(), which: fc.nat() });
const cancel = fc.record({ do: fc.constant('cancel' as const), which: fc.nat() });

test('what the server promises to start starts, and what it thinks would fit is what would: shared, insisted on, coupled, or a range', () => {
  const step = fc.oneof({ weight: 3, arbitrary: submit }, { weight: 4, arbitrary: end }, { weight: 1, arbitrary: cancel });
  const machines = fc.array(machine, { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(machines, fc.boolean(), fc.array(step, { maxLength: 25 }), (given, ranges, steps) => {
      const world = new World(ranges ? wholeRange : withoutRange);
      for (const one of given) world.sim.join(describe(one));
      for (const next of steps) {
        if (next.do === 'submit') world.submit(next);
        else if (next.do === 'end') world.end(next.pick, next.which);
        else world.cancel(next.which);
        world.sim.settle({ promised: true });
        world.sim.checkAgreement();
      }
      world.finish();
    }),
    { numRuns: NUM_RUNS },
  );
});

test('whatever is under way, and with workers that tell nothing, no task is lost, and what waits where it was to start is known to wait', () => {
  const way = fc.record({
    do: fc.constantFrom('receive' as const, 'report' as const, 'break' as const, 'return' as const),
    pick: fc.nat(),
  });
  const step = fc.oneof(
    { weight: 3, arbitrary: submit },
    { weight: 4, arbitrary: end },
    { weight: 1, arbitrary: cancel },
    { weight: 6, arbitrary: way },
  );
  const machines = fc.array(fc.tuple(machine, fc.boolean()), { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(machines, fc.array(step, { maxLength: 40 }), (given, steps) => {
      const world = new World((one) => one);
      for (const [one, tells] of given) world.sim.join(describe(one), { tells });
      for (const next of steps) {
        if (next.do === 'submit') world.submit(next);
        else if (next.do === 'cancel') world.cancel(next.which);
        else if (next.do === 'end') world.end(next.pick, next.which);
        else world.move(next.pick, next.do);
      }
      for (const worker of world.sim.workers.values()) if (!worker.connected) world.sim.reconnect(worker);
      world.sim.settle({ promised: false });
      world.finish();
    }),
    { numRuns: NUM_RUNS },
  );
});
