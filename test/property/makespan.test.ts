/** How long the scheduler needs for everything, beside the best that can be found and beside what is proved of such schedulers. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ClockSim } from '../helpers/clockSim.ts';
import { traits } from '../helpers/coreSim.ts';
import { type Amounts, fewestRounds, fits, positive } from './packingOracle.ts';

const RUNS = Number(process.env['HQ_PROPERTY_RUNS'] ?? 500);
const MS = 1_000;

const worker = fc.record({
  cpus: fc.integer({ min: 1, max: 12 }),
  gpus: fc.integer({ min: 0, max: 2 }),
  mem: fc.integer({ min: 0, max: 9 }),
});
const needs = fc.record({
  cpus: fc.integer({ min: 1, max: 6 }),
  gpus: fc.constantFrom(0, 0, 0, 0.25, 0.5, 1, 1.5),
  mem: fc.constantFrom(0, 0, 1, 2, 4),
});

function runOn(workers: readonly Amounts[], tasks: readonly { needs: Amounts; ms: number }[]): ClockSim {
  const sim = new ClockSim(({ task }) => ({ ms: tasks[task]?.ms ?? 0, fails: false }));
  sim.openJob(1);
  // Many submits, one plan: it happens when the workers come.
  for (const [id, task] of tasks.entries()) sim.submit(1, String(id), { traits: traits({ needs: positive(task.needs) }) });
  sim.addWorkers(workers.map(positive));
  sim.runToEnd();
  expect(sim.startedAtMs.size).toBe(tasks.length);
  return sim;
}

/** From the first start to the last end. */
function makespanMs(sim: ClockSim): number {
  const starts = [...sim.startedAtMs.values()];
  return sim.nowMs - Math.min(...starts);
}

test('up to 8 equally long tasks are done as soon as any order of them could be', () => {
  fc.assert(
    fc.property(
      fc.array(worker, { minLength: 1, maxLength: 3 }),
      fc.array(needs, { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
      (workers, kinds, picks) => {
        const tasks = picks
          .map((pick) => kinds[pick % kinds.length] as Amounts)
          .filter((task) => workers.some((one) => fits(positive(task), one)));
        fc.pre(tasks.length > 0);
        const sim = runOn(
          workers,
          tasks.map((task) => ({ needs: task, ms: MS })),
        );
        expect(makespanMs(sim) / MS).toBe(fewestRounds(tasks.map(positive), workers));
      },
    ),
    { numRuns: RUNS },
  );
});

interface Instance {
  readonly workers: readonly Amounts[];
  readonly tasks: readonly { readonly needs: Amounts; readonly ms: number }[];
}

const RESOURCES = ['cpus', 'gpus', 'mem'] as const;
/** Short enough that nothing waits for the minute after which workers are kept for it. */
const durationMs = fc.integer({ min: 1, max: 900 });

/** So long a worker is busy at least with all of the tasks, by the resource that they use most; all workers together are one. */
function loadMs(tasks: Instance['tasks'], workers: readonly Amounts[]): number[] {
  return RESOURCES.map((name) => {
    const total = workers.reduce((sum, one) => sum + (one[name] ?? 0), 0);
    return total === 0 ? 0 : tasks.reduce((sum, task) => sum + (task.needs[name] ?? 0) * task.ms, 0) / total;
  });
}

const longestMs = (tasks: Instance['tasks']): number => Math.max(...tasks.map(({ ms }) => ms));

const instance: fc.Arbitrary<Instance> = fc
  .record({
    workers: fc.array(worker, { minLength: 1, maxLength: 3 }),
    drawn: fc.array(fc.record({ needs, ms: durationMs }), { minLength: 1, maxLength: 60 }),
  })
  .map(({ workers, drawn }) => ({ workers, tasks: drawn.filter((task) => workers.some((one) => fits(positive(task.needs), one))) }))
  .filter(({ tasks }) => tasks.length > 0);

/**
 * Garey and Graham, "Bounds for Multiprocessor Scheduling with Resource Constraints", SIAM J. Comput. 4 (1975): who starts whatever fits needs at most
 * s + 1 times the best with s resources, and the proof compares with no more than the longest task and the work of each resource. It holds for one
 * pool, so here for the worker that ends last with what ran there: whatever started there later had not fitted there before.
 */
test('the worker that ends last takes at most s + 1 times its longest task or its load', () => {
  const ratios: number[] = [];
  fc.assert(
    fc.property(instance, ({ workers, tasks }) => {
      const sim = runOn(workers, tasks);
      const spanMs = makespanMs(sim);
      const endOf = (task: number): number =>
        (sim.startedAtMs.get(`1.${task}.0`) as number) + (tasks[task] as Instance['tasks'][number]).ms;
      const last = [...tasks.keys()].reduce((a, b) => (endOf(b) > endOf(a) ? b : a));
      const at = sim.workerOf.get(`1.${last}.0`) as number;
      const own = tasks.filter((_, task) => sim.workerOf.get(`1.${task}.0`) === at);
      const loads = loadMs(own, [workers[at - 1] as Amounts]);
      const used = loads.filter((ms) => ms > 0).length;
      expect(spanMs).toBeLessThanOrEqual((used + 1) * Math.max(longestMs(own), ...loads) + 1e-6);
      ratios.push(spanMs / Math.max(longestMs(tasks), ...loadMs(tasks, workers)));
    }),
    { numRuns: RUNS },
  );
  const sorted = ratios.sort((a, b) => a - b);
  console.info(
    `makespan over the longest task or the load of the cluster: median ${sorted[sorted.length >> 1]?.toFixed(3)}, worst ${sorted.at(-1)?.toFixed(3)}`,
  );
});

/**
 * While a task waits that takes at most half of a worker, something of every worker is more than half used. So on equal workers it waits less than
 * twice the sum of the loads of all resources.
 */
test('on equal workers tasks of at most half a worker are done after twice the loads and the longest task', () => {
  const whole = { cpus: 12, gpus: 3, mem: 8 };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ needs, ms: durationMs }), { minLength: 1, maxLength: 60 }),
      (count, tasks) => {
        const workers = new Array<Amounts>(count).fill(whole);
        const spanMs = makespanMs(runOn(workers, tasks));
        const loads = loadMs(tasks, workers).reduce((sum, ms) => sum + ms, 0);
        expect(spanMs).toBeLessThanOrEqual(2 * loads + longestMs(tasks));
      },
    ),
    { numRuns: RUNS },
  );
});
