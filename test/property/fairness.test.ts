/** Nothing that could run waits for ever: whole runs on a simulated clock, with whatever keeps tasks waiting. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TaskTraits } from '../../src/core/reactor/onSubmit.ts';
import { RESERVE_AFTER_MS } from '../../src/core/schedule/reserve.ts';
import type { RequestVariant } from '../../src/protocol/schema/resources.ts';
import { ClockSim } from '../helpers/clockSim.ts';
import { type SimTask, traits } from '../helpers/coreSim.ts';

const RUNS = Number(process.env['HQ_PROPERTY_RUNS'] ?? 500);
const SECOND_MS = 1_000;
const LONGEST_MS = 30 * SECOND_MS;
/** Whoever asks for this much time has enough of it for every task here. */
const TIME_REQUEST_MS = LONGEST_MS;
const UNITS = 10_000;

function variant(needs: Record<string, number>, o: { nodes?: number; minTimeMs?: number } = {}): RequestVariant {
  const entries = Object.entries(needs).map(([name, amount]) => ({ name, policy: 'compact' as const, units: amount * UNITS }));
  return { nodes: o.nodes ?? 0, minTimeMs: o.minTimeMs ?? 0, weight: UNITS, entries };
}

/** Each can run on the cluster below: wide ones and gangs on all of one kind of worker, variants on either kind. */
const KINDS = {
  small: [variant({ cpus: 1 })],
  half: [variant({ cpus: 2 })],
  wide: [variant({ cpus: 4 })],
  gpu: [variant({ cpus: 1, gpus: 0.5 })],
  variants: [variant({ gpus: 2 }), variant({ cpus: 3 })],
  gang: [variant({}, { nodes: 2 })],
  timed: [variant({ cpus: 3 }, { minTimeMs: TIME_REQUEST_MS })],
} as const;
type Kind = keyof typeof KINDS;

const kind = fc.constantFrom(...(Object.keys(KINDS) as Kind[]));
const durationMs = fc.integer({ min: SECOND_MS, max: LONGEST_MS });

const submit = fc.record({
  atMs: fc.integer({ min: 0, max: 300 * SECOND_MS }),
  kind,
  count: fc.integer({ min: 1, max: 8 }),
  durationMs,
  priority: fc.constantFrom(0, 0, 0, 1, -1),
  hasLimit: fc.boolean(),
  failures: fc.constantFrom(0, 0, 0, 1, 2),
  delayMs: fc.constantFrom(0, 20 * SECOND_MS),
});

/** Workers of both kinds; one that ends is replaced some time later by another like it. */
const lives = fc.record({
  lifetimesMs: fc.array(fc.constantFrom(Number.POSITIVE_INFINITY, 70 * SECOND_MS, 200 * SECOND_MS), { minLength: 3, maxLength: 3 }),
  pauseMs: fc.integer({ min: SECOND_MS, max: 60 * SECOND_MS }),
});

const WORKERS: readonly Record<string, number>[] = [{ cpus: 4 }, { cpus: 4 }, { cpus: 2, gpus: 2 }];

function join(sim: ClockSim, index: number, o: { lifetimeMs: number; pauseMs: number }): void {
  const worker = sim.addWorker(WORKERS[index], o.lifetimeMs);
  if (o.lifetimeMs === Number.POSITIVE_INFINITY) return;
  sim.at(sim.nowMs + o.lifetimeMs, () => sim.lose(worker, 'TIME LIMIT REACHED'));
  sim.at(sim.nowMs + o.lifetimeMs + o.pauseMs, () => join(sim, index, o));
}

test('with finitely many arrivals every task runs: wide ones, gangs, variants, retries, workers that end and come anew', () => {
  fc.assert(
    fc.property(fc.array(submit, { minLength: 1, maxLength: 8 }), lives, (submits, { lifetimesMs, pauseMs }) => {
      const firstIds: number[] = [];
      let count = 0;
      for (const one of submits) {
        firstIds.push(count);
        count += one.count;
      }
      const submitOf = ({ task }: SimTask) => submits[firstIds.findLastIndex((first) => first <= task)] as (typeof submits)[number];
      const failed = new Map<number, number>();
      const sim = new ClockSim((task) => {
        const { durationMs: ms, failures } = submitOf(task);
        const before = failed.get(task.task) ?? 0;
        failed.set(task.task, before + 1);
        return { ms, fails: before < failures };
      });
      sim.openJob(1);
      for (const [index, one] of submits.entries()) {
        const first = firstIds[index] as number;
        sim.at(sim.nowMs + one.atMs, () => sim.submit(1, `${first}-${first + one.count - 1}`, { traits: traitsOf(one) }));
      }
      for (const [index, lifetimeMs] of lifetimesMs.entries()) join(sim, index, { lifetimeMs, pauseMs });
      const isOver = (): boolean => {
        const { stats } = sim.core.jobs.get(1) ?? { stats: { finished: 0, failed: 0 } };
        return stats.finished + stats.failed === count;
      };
      sim.runToEnd({ until: isOver });
      expect(isOver()).toBe(true);
      expect(new Set([...sim.startedAtMs.keys()].map((key) => Number(key.split('.')[1]))).size).toBe(count);
    }),
    { numRuns: RUNS },
  );
});

function traitsOf(one: { kind: Kind; priority: number; hasLimit: boolean; failures: number; delayMs: number }): TaskTraits {
  return traits({
    request: { variants: [...KINDS[one.kind]] },
    priority: one.priority,
    timeLimitMs: one.hasLimit ? LONGEST_MS : null,
    retry: { maxRetries: one.failures, delayMs: one.delayMs, on: null, memFactor: 1 },
  });
}

/** Long enough that the crowd is there to the end. */
const crowdMs = fc.integer({ min: 10 * SECOND_MS, max: LONGEST_MS });

/** What could take every place that becomes free for far longer than a minute, and what it would keep from starting. */
const CROWDS = [
  { crowd: KINDS.small, victims: ['wide', 'gang', 'timed', 'half'] },
  { crowd: KINDS.wide, victims: ['small', 'gang', 'half', 'timed'] },
  { crowd: KINDS.half, victims: ['wide', 'gang', 'small', 'timed'] },
] as const;

test('whoever is passed over starts after a minute and a drain of the workers, and a drain and a run for each other that is, while the crowd goes on', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CROWDS),
      fc.shuffledSubarray([0, 1, 2, 3], { minLength: 1 }),
      fc.array(crowdMs, { minLength: 5, maxLength: 20 }),
      fc.boolean(),
      ({ crowd, victims }, order, durationsMs, hasLimit) => {
        const sim = new ClockSim(({ task }) => ({ ms: durationsMs[task % durationsMs.length] as number, fails: false }));
        sim.openJob(1);
        for (let i = 0; i < 2; i += 1) sim.addWorker({ cpus: 4 });
        sim.submit(1, '1000-1299', { traits: traits({ request: { variants: [...crowd] }, timeLimitMs: hasLimit ? LONGEST_MS : null }) });
        const sinceMs = sim.nowMs;
        for (const [id, at] of order.entries())
          sim.submit(1, String(id), { traits: traits({ request: { variants: [...KINDS[victims[at] as Kind]] } }) });
        const startOf = (id: number): number | undefined => sim.startedAtMs.get(`1.${id}.0`);
        sim.runToEnd({ until: () => order.every((_, id) => startOf(id) !== undefined) });
        for (const id of order.keys()) {
          expect((startOf(id) as number) - sinceMs).toBeLessThanOrEqual(RESERVE_AFTER_MS + (2 * order.length - 1) * LONGEST_MS);
        }
        // The crowd was there all the time.
        expect(sim.core.ready.size).toBeGreaterThan(0);
      },
    ),
    { numRuns: RUNS },
  );
});
