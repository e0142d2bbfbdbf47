/**
 * The plan against a naive model that goes through every task, variant and worker in the order of docs/scheduler.md: on whatever cluster and
 * whatever waits, both give the same tasks to the same workers.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RequestVariant } from '../../src/protocol/schema/resources.ts';
import { CoreSim, type SimWorker, traits } from '../helpers/coreSim.ts';

const UNITS = 10_000;
type Amounts = Readonly<Record<string, number>>;

interface ModelTask {
  readonly id: number;
  readonly priority: number;
  /** Tasks of one group ask for the same. */
  readonly group: number;
  readonly variants: readonly { readonly weight: number; readonly needs: Amounts }[];
}

/** Rules 1 to 4: priority, weight and age of the class, preference of the variant, age of the worker. @returns `task on worker as variant`, in order */
function naivePlan(tasks: readonly ModelTask[], workers: readonly Amounts[]): string[] {
  const free = workers.map((worker) => ({ ...worker }));
  const placed: string[] = [];
  const priorities = [...new Set(tasks.map(({ priority }) => priority))].sort((a, b) => b - a);
  for (const priority of priorities) {
    const ofPriority = tasks.filter((task) => task.priority === priority);
    const heaviest = ({ variants }: ModelTask): number => Math.max(...variants.map(({ weight }) => weight));
    ofPriority.sort((a, b) => heaviest(b) - heaviest(a) || a.id - b.id);
    for (const group of new Set(ofPriority.map((task) => task.group))) {
      const waiting = ofPriority.filter((task) => task.group === group);
      const variants = [...(waiting[0] as ModelTask).variants.entries()].sort(([i, a], [j, b]) => b.weight - a.weight || i - j);
      for (const [index, { needs }] of variants) {
        for (const [at, amounts] of free.entries()) {
          while (waiting.length > 0 && Object.entries(needs).every(([name, amount]) => amount <= (amounts[name] ?? 0))) {
            for (const [name, amount] of Object.entries(needs)) amounts[name] = (amounts[name] as number) - amount;
            placed.push(`${(waiting.shift() as ModelTask).id} on ${at + 1} as ${index}`);
          }
        }
      }
    }
  }
  return placed;
}

/** Remembers what was reserved at once, which is all that one plan on idle workers decides. */
class FirstPlan extends CoreSim {
  readonly placed: string[] = [];

  override assign(workerId: number, row: number): void {
    const { tasks } = this.core;
    if (tasks.hold[row] === 1) this.placed.push(`${tasks.taskId[row]} on ${workerId} as ${tasks.variant[row]}`);
    super.assign(workerId, row);
  }
}

const amounts = fc.record({ cpus: fc.integer({ min: 1, max: 8 }), gpus: fc.integer({ min: 0, max: 2 }) });
const needs = fc.record({ cpus: fc.integer({ min: 1, max: 6 }), gpus: fc.constantFrom(0, 0, 0, 1) });
const group = fc.record({
  count: fc.integer({ min: 1, max: 5 }),
  priority: fc.integer({ min: -1, max: 1 }),
  variants: fc.array(fc.record({ weight: fc.constantFrom(1, 1, 2), needs }), { minLength: 1, maxLength: 3 }),
});

const positive = (all: Amounts): Amounts => Object.fromEntries(Object.entries(all).filter(([, amount]) => amount > 0));

function requestOf(variants: readonly { weight: number; needs: Amounts }[]): { variants: RequestVariant[] } {
  return {
    variants: variants.map((variant) => ({
      nodes: 0,
      minTimeMs: 0,
      weight: variant.weight * UNITS,
      entries: Object.entries(positive(variant.needs))
        .map(([name, amount]) => ({ name, policy: 'compact' as const, units: amount * UNITS }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    })),
  };
}

test('one plan is what the rules say', () => {
  fc.assert(
    fc.property(fc.array(amounts, { minLength: 1, maxLength: 4 }), fc.array(group, { minLength: 1, maxLength: 6 }), (cluster, groups) => {
      const sim = new FirstPlan();
      sim.openJob(1);
      const tasks: ModelTask[] = [];
      for (const { count, priority, variants } of groups) {
        const key = JSON.stringify([priority, variants]);
        const known = tasks.find((task) => JSON.stringify([task.priority, task.variants]) === key);
        const first = tasks.length;
        for (let i = 0; i < count; i += 1) tasks.push({ id: first + i, priority, group: known?.group ?? first, variants });
        sim.submit(1, `${first}-${first + count - 1}`, { traits: traits({ request: requestOf(variants), priority }) });
      }
      // All workers come in the same turn, so that there is one plan for everything.
      const workers: SimWorker[] = sim.addWorkers(cluster.map(positive));
      expect(workers).toHaveLength(cluster.length);
      expect(sim.placed).toEqual(
        naivePlan(
          tasks.map((task) => ({ ...task, variants: task.variants.map((one) => ({ ...one, needs: positive(one.needs) })) })),
          cluster,
        ),
      );
    }),
    { numRuns: Number(process.env['HQ_PROPERTY_RUNS'] ?? 500) },
  );
});
