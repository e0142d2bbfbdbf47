/**
 * The plan against a naive model that goes through every task, variant and worker in the order of docs/scheduler.md: on whatever cluster and
 * whatever waits, both give the same tasks to the same workers.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RequestVariant } from '../../src/protocol/schema/resources.ts';
import { CoreSim, type SimWorker, traits } from '../helpers/coreSim.ts';
import { type Amounts, positive } from './packingOracle.ts';
import { type ModelTask, naivePlan } from './planOracle.ts';

const UNITS = 10_000;

/** Remembers what was reserved at once, which is all that one plan on idle workers decides. */
class FirstPlan extends CoreSim {
  readonly placed: string[] = [];

  override assign(workerId: number, row: number): void {
    const { tasks } = this.core;
    if (tasks.hold[row] === 1) this.placed.push(`${tasks.jobId[row]}@${tasks.taskId[row]} on ${workerId} as ${tasks.variant[row]}`);
    super.assign(workerId, row);
  }
}

const amounts = fc.record({ cpus: fc.integer({ min: 1, max: 8 }), gpus: fc.integer({ min: 0, max: 2 }) });
const needs = fc.record({ cpus: fc.integer({ min: 1, max: 6 }), gpus: fc.constantFrom(0, 0, 0, 1) });
const group = fc.record({
  job: fc.constantFrom(1, 1, 2),
  count: fc.integer({ min: 1, max: 5 }),
  priority: fc.constantFrom(0, 0, 0, 1, -1),
  variants: fc.oneof(
    { weight: 2, arbitrary: fc.tuple(fc.record({ weight: fc.constantFrom(1, 1, 1, 1, 2), needs })) },
    { weight: 1, arbitrary: fc.array(fc.record({ weight: fc.constantFrom(1, 1, 2), needs }), { minLength: 1, maxLength: 3 }) },
  ),
});

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
      sim.openJob(2);
      const tasks: ModelTask[] = [];
      for (const { count, job, priority, variants } of groups) {
        const needed = variants.map((one) => ({ ...one, needs: positive(one.needs) }));
        const key = JSON.stringify(needed);
        const first = tasks.length;
        const group = tasks.find((task) => JSON.stringify(task.variants) === key)?.group ?? first;
        for (let id = first; id < first + count; id += 1) tasks.push({ name: `${job}@${id}`, job, id, priority, group, variants: needed });
        sim.submit(job, `${first}-${first + count - 1}`, { traits: traits({ request: requestOf(variants), priority }) });
      }
      // All workers come in the same turn, so that there is one plan for everything.
      const workers: SimWorker[] = sim.addWorkers(cluster.map(positive));
      expect(workers).toHaveLength(cluster.length);
      expect(sim.placed).toEqual(naivePlan(tasks, cluster));
    }),
    { numRuns: Number(process.env['HQ_PROPERTY_RUNS'] ?? 500) },
  );
});
