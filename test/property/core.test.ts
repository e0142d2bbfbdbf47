/** Random histories of the scheduler against its promises: no over-allocation, no task lost, no result counted twice. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TaskTraits } from '../../src/core/reactor/onSubmit.ts';
import { CoreSim, FAILURE, traits } from '../helpers/coreSim.ts';

const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      count: fc.integer({ min: 1, max: 6 }),
      cpus: fc.integer({ min: 1, max: 3 }),
      gpus: fc.constantFrom(0, 0, 0.5, 1),
      priority: fc.integer({ min: -1, max: 1 }),
      retries: fc.integer({ min: 0, max: 2 }),
      delayMs: fc.constantFrom(0, 0, 150),
      memFactor: fc.constantFrom(1, 1, 1.5),
      nodes: fc.constantFrom(0, 0, 0, 0, 2),
      deps: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('join' as const), cpus: fc.integer({ min: 1, max: 4 }), gpus: fc.integer({ min: 0, max: 2 }) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('receive' as const), pick: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('report' as const), pick: fc.nat() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('end' as const), pick: fc.nat(), which: fc.nat(), fail: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('lose' as const, 'leave' as const, 'disconnect' as const, 'reconnect' as const),
      pick: fc.nat(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 400 }) }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function pick<T>(list: readonly T[], index: number): T | undefined {
  return list[index % Math.max(1, list.length)];
}

/** The request of a multi-node task; nothing for others. */
function whole(nodes: number): Partial<TaskTraits> {
  return nodes === 0 ? {} : { request: { variants: [{ nodes, minTimeMs: 0, weight: 10_000, entries: [] }] } };
}

function apply(sim: CoreSim, next: Step, submitted: { count: number }): void {
  const workers = [...sim.workers.values()];
  const connected = workers.filter((worker) => worker.connected);
  switch (next.do) {
    case 'submit': {
      const ids = `${submitted.count}-${submitted.count + next.count - 1}`;
      const needs = { cpus: next.cpus, ...(next.gpus === 0 ? {} : { gpus: next.gpus }), ...(next.memFactor === 1 ? {} : { mem: 100 }) };
      const retry = { maxRetries: next.retries, delayMs: next.delayMs, on: null, memFactor: next.memFactor };
      const deps =
        next.deps && submitted.count > 0 ? Array.from({ length: next.count }, (_, i) => [(submitted.count * 7 + i) % submitted.count]) : [];
      sim.submit(1, ids, { traits: traits({ needs, ...whole(next.nodes), priority: next.priority, retry }), deps });
      submitted.count += next.count;
      return;
    }
    case 'join':
      if (workers.length < 5) sim.addWorker({ cpus: next.cpus, mem: 300, ...(next.gpus === 0 ? {} : { gpus: next.gpus }) });
      return;
    case 'receive': {
      const worker = pick(connected, next.pick);
      if (worker !== undefined) sim.receive(worker);
      return;
    }
    case 'report': {
      const worker = pick(connected, next.pick);
      if (worker !== undefined) sim.report(worker);
      return;
    }
    case 'end': {
      const worker = pick(workers, next.pick);
      const task =
        worker === undefined
          ? undefined
          : pick(
              worker.tasks.filter((candidate) => candidate.running),
              next.which,
            );
      if (worker !== undefined && task !== undefined) sim.end(worker, task, next.fail ? FAILURE : null);
      return;
    }
    case 'cancel':
      if (submitted.count > 0) sim.cancel(1, String(next.which % submitted.count));
      return;
    case 'wait':
      sim.nowMs += next.ms;
      return;
    default: {
      const worker = pick(next.do === 'reconnect' ? workers.filter((candidate) => !candidate.connected) : connected, next.pick);
      if (worker === undefined) return;
      if (next.do === 'lose') sim.lose(worker);
      else if (next.do === 'leave') sim.lose(worker, 'STOPPED');
      else if (next.do === 'disconnect') sim.disconnect(worker);
      else sim.reconnect(worker);
    }
  }
}

const RUNS = Number(process.env['HQ_PROPERTY_RUNS'] ?? 500);

test('the same events give the same plan', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const [first, second] = [new CoreSim(), new CoreSim()];
      for (const sim of [first, second]) {
        const submitted = { count: 0 };
        sim.openJob(1);
        for (const next of steps) apply(sim, next, submitted);
      }
      expect(second.starts).toEqual(first.starts);
      expect(second.changes).toEqual(first.changes);
    }),
    { numRuns: RUNS },
  );
});

test('under random joins, losses, breaks, failures, cancels and retracts every task ends exactly once', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 80 }), (steps) => {
      const sim = new CoreSim();
      const submitted = { count: 0 };
      sim.openJob(1);
      for (const next of steps) apply(sim, next, submitted);
      for (let i = 0; i < 2; i += 1) sim.addWorker({ cpus: 4, gpus: 2, mem: 300 });
      sim.drain();
      const job = sim.core.jobs.get(1);
      expect(job?.stats.waiting).toBe(0);
      expect(job?.stats.running).toBe(0);
      expect(job?.held).toBe(0);
      const ended = sim.changes.flatMap((change) => {
        if (change.kind === 'finished' || change.kind === 'failed') return [change.taskId];
        return change.kind === 'dropped' ? [...change.taskIds, ...change.held.map((task) => task.taskId)] : [];
      });
      expect(ended.sort((a, b) => a - b)).toEqual(Array.from({ length: submitted.count }, (_, id) => id));
      // An instance id is started at most once, wherever.
      expect(new Set(sim.starts).size).toBe(sim.starts.length);
    }),
    { numRuns: RUNS },
  );
});
