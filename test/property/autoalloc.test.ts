/**
 * Random workloads on random queues and a hostile batch system: limits are never exceeded, nothing is asked for without need, every task
 * that some queue can run ends, and no worker is without work for longer than its idle timeout.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AutoallocSim, type Fate, type SimQueueOptions } from '../helpers/autoallocSim.ts';
import { traits } from '../helpers/coreSim.ts';

const STEP_MS = 20_000;
/** Far more steps than the longest history takes. */
const MOST_STEPS = 5_000;
/** After this the batch system behaves. */
const HOSTILE_STEPS = 200;
const LAST_SUBMIT = 40;

const queueOptions: fc.Arbitrary<SimQueueOptions> = fc.record({
  has: fc.constantFrom({ cpus: 4 }, { cpus: 4 }, { cpus: 2 }, { cpus: 4, gpus: 1 }),
  backlog: fc.integer({ min: 1, max: 3 }),
  maxWorkersPerAllocation: fc.integer({ min: 1, max: 3 }),
  maxWorkers: fc.constantFrom(1, 2, 5, Number.POSITIVE_INFINITY),
  timeLimitMs: fc.constantFrom(600_000, 3_600_000),
  idleTimeoutMs: fc.constantFrom(60_000, 300_000),
});

const fate: fc.Arbitrary<Fate> = fc.record({
  kind: fc.constantFrom('refused', 'breaks', 'preempted', 'node failed', 'forgotten', 'runs', 'runs', 'runs', 'runs', 'runs'),
  waitsMs: fc.constantFrom(0, 20_000, 100_000, 900_000),
  endsAfterMs: fc.integer({ min: 0, max: 600_000 }),
});

const submit = fc.record({
  at: fc.integer({ min: 0, max: LAST_SUBMIT }),
  count: fc.integer({ min: 1, max: 12 }),
  needs: fc.constantFrom({ cpus: 1 }, { cpus: 2 }, { cpus: 4 }, { cpus: 1, gpus: 1 }),
  nodes: fc.constantFrom(0, 0, 0, 2),
  priority: fc.integer({ min: 0, max: 1 }),
  deps: fc.boolean(),
});
type Submit = typeof submit extends fc.Arbitrary<infer T> ? T : never;

function canRun({ needs, nodes }: Submit, queue: SimQueueOptions): boolean {
  const has: Readonly<Record<string, number>> = queue.has;
  if (nodes > 0) return nodes <= Math.min(queue.maxWorkersPerAllocation, queue.maxWorkers);
  return Object.entries(needs).every(([name, amount]) => amount <= (has[name] ?? 0));
}

test('limits hold, nothing is asked for in vain, and everything that can run does', () => {
  const history = fc.record({
    queues: fc.array(queueOptions, { minLength: 1, maxLength: 3 }),
    submits: fc.array(submit, { minLength: 1, maxLength: 6 }),
    fates: fc.array(fate, { minLength: 1, maxLength: 40 }),
    durations: fc.array(fc.constantFrom(1_000, 20_000, 60_000, 200_000), { minLength: 1, maxLength: 10 }),
  });
  fc.assert(
    fc.property(history, ({ queues, submits, fates, durations }) => {
      let [drawn, steps, lastId] = [0, 0, 0];
      const good: Fate = { kind: 'runs', waitsMs: 20_000, endsAfterMs: 0 };
      const sim = new AutoallocSim({
        queues,
        fates: () => (steps < HOSTILE_STEPS ? (fates[drawn++ % fates.length] as Fate) : good),
        durationMs: (key) => durations[[...key].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % durations.length] as number,
      });
      sim.openJob(1);
      const possible = submits.filter((one) => queues.some((queue) => canRun(one, queue)));
      const isOver = (): boolean =>
        steps > LAST_SUBMIT && [...sim.core.jobs.values()].every((job) => job.stats.waiting + job.stats.running === 0);
      for (; !isOver(); steps += 1) {
        if (steps > MOST_STEPS) throw new Error(`tasks wait for ever: ${JSON.stringify(sim.facts())}`);
        for (const one of possible.filter(({ at }) => at === steps)) lastId = enter(sim, one, lastId);
        // Nothing but a rest after failures: it is slept through.
        sim.step(sim.isAsleep() ? 10 * STEP_MS : STEP_MS);
        expect(sim.inVain).toBe(0);
        checkLimits(sim);
        if (steps % 50 === 0) sim.resumeAll();
      }
      // Nothing is left when nothing waits: what is queued is canceled, what runs idles out.
      for (const end = steps + 1_000; sim.facts().some(({ allocations }) => allocations.length > 0); steps += 1) {
        if (steps > end) throw new Error(`allocations stay: ${JSON.stringify(sim.facts())}`);
        const before = sim.submissions;
        sim.step(STEP_MS);
        expect(sim.submissions).toBe(before);
      }
      expect(sim.core.jobs.get(1)?.stats.finished).toBe(possible.reduce((sum, { count }) => sum + count, 0));
    }),
    { numRuns: Number(process.env['HQ_PROPERTY_RUNS'] ?? 500) },
  );
}, 240_000);

function enter(sim: AutoallocSim, { count, needs, nodes, priority, deps }: Submit, lastId: number): number {
  const request = { variants: [{ nodes, minTimeMs: 0, weight: 10_000, entries: [] }] };
  const one = nodes > 0 ? traits({ request, priority, crashLimit: 'unlimited' }) : traits({ needs, priority, crashLimit: 'unlimited' });
  const ids = Array.from({ length: count }, (_, i) => lastId + 1 + i);
  const waitsFor = ids.map((id, i) => (deps && i > 0 ? [id - 1] : []));
  sim.submit(1, `${ids[0]}-${ids.at(-1)}`, deps ? { traits: ids.map(() => one), deps: waitsFor } : { traits: one });
  return lastId + count;
}

function checkLimits(sim: AutoallocSim): void {
  for (const { backlog, maxWorkers, maxWorkersPerAllocation, allocations } of sim.facts()) {
    expect(allocations.filter(({ phase }) => phase === 'queued').length).toBeLessThanOrEqual(backlog);
    expect(allocations.reduce((sum, { workers }) => sum + workers, 0)).toBeLessThanOrEqual(maxWorkers);
    for (const { workers } of allocations) expect(workers).toBeLessThanOrEqual(maxWorkersPerAllocation);
  }
  expect(sim.longestIdle).toBeLessThanOrEqual(1 + STEP_MS / 60_000);
}
