/** What a plan looks at: workers on which something has changed, whatever waits that no worker could ever run; and that this forgets nothing. */
import { expect, test } from 'vitest';
import { plan } from '../../../src/core/schedule/plan.ts';
import { RESERVE_AFTER_MS } from '../../../src/core/schedule/reserve.ts';
import { CoreSim, type SimWorker, traits } from '../../helpers/coreSim.ts';

const SMALL = traits({ needs: { cpus: 1 }, timeLimitMs: 30_000 });

/** The checks of each turn look at every worker. */
class Unchecked extends CoreSim {
  override turn(step: () => void): void {
    step();
    plan(this.core, this, this.nowMs);
  }
}

function endFirst(sim: CoreSim, worker: SimWorker): void {
  sim.receive(worker);
  const task = worker.tasks.find((candidate) => candidate.running);
  if (task !== undefined) sim.end(worker, task);
  sim.report(worker);
  sim.receive(worker);
}

test('many requests that no worker could run cost no look at workers that have not changed', () => {
  const sim = new Unchecked();
  sim.openJob(1);
  const workers = sim.addWorkers(Array.from({ length: 20 }, () => ({ cpus: 1 })));
  sim.submit(1, '0-99', { traits: SMALL });
  for (let i = 0; i < 30; i += 1) sim.submit(1, String(1000 + i), { traits: traits({ needs: { gpus: i + 1 }, priority: 5 }) });
  const [changing] = workers as [SimWorker];
  for (const worker of workers) endFirst(sim, worker);
  sim.wait(2 * RESERVE_AFTER_MS);
  endFirst(sim, changing);
  const looks: string[] = [];
  for (const worker of sim.core.workers.values()) {
    if (worker.id === changing.id) continue;
    for (const name of ['free', 'endsAtMs'] as const) {
      const value = worker[name];
      const get = (): unknown => {
        looks.push(`${name} of worker ${worker.id}`);
        return value;
      };
      Object.defineProperty(worker, name, { get });
    }
  }
  const started = sim.starts.length;
  endFirst(sim, changing);
  expect(sim.starts).toHaveLength(started + 1);
  expect(looks).toEqual([]);
});

test('what no worker could run starts on one that comes, and is one for which workers are kept from then on', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const first = sim.addWorker({ cpus: 2 });
  sim.submit(1, '0-99', { traits: SMALL });
  sim.submit(1, '100-102', { traits: traits({ needs: { cpus: 4 } }) });
  endFirst(sim, first);
  sim.wait(RESERVE_AFTER_MS + 1);
  endFirst(sim, first);
  expect(sim.core.planned.hopeless.size).toBe(1);
  expect(sim.core.planned.reservation).toBeNull();
  const second = sim.addWorker({ cpus: 4 });
  sim.receive(second);
  expect(second.tasks.filter((task) => task.running).map((task) => task.task)).toEqual([100]);
  expect(sim.core.planned.hopeless.size).toBe(0);
});

test('a task of a higher priority starts where the same request of a lower one was kept out', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const worker = sim.addWorker({ cpus: 4 });
  sim.submit(1, '0-3', { traits: SMALL });
  sim.submit(1, '100', { traits: traits({ needs: { cpus: 4 } }) });
  sim.submit(1, '200-220', { traits: traits({ needs: { cpus: 1 } }) });
  for (let i = 0; i < 3; i += 1) endFirst(sim, worker);
  sim.wait(RESERVE_AFTER_MS + 1);
  expect(sim.core.planned.reservation?.workers).toEqual([worker.id]);
  for (let i = 0; i < 2; i += 1) endFirst(sim, worker);
  // The check after each turn finds what is missed.
  sim.submit(1, '300', { traits: traits({ needs: { cpus: 1 }, priority: 1 }) });
  sim.receive(worker);
  expect(worker.tasks.some((task) => task.task === 300 && task.running)).toBe(true);
});

// Where the newest ends first, its end is never asked for; where it stays, it counts from its start, not from the next look.
test.each([
  { ended: 'newest', which: -1 },
  { ended: 'oldest', which: 0 },
])('tasks with time limits do not follow each other for ever on a worker that is kept: the $ended ends first', ({ which }) => {
  const sim = new CoreSim();
  sim.openJob(1);
  const worker = sim.addWorker({ cpus: 4 });
  sim.submit(1, '0-3', { traits: SMALL });
  sim.submit(1, '100', { traits: traits({ needs: { cpus: 4 } }) });
  sim.submit(1, '200-400', { traits: { ...SMALL, timeLimitMs: 10_000 } });
  for (let i = 0; i < 3; i += 1) endFirst(sim, worker);
  sim.wait(RESERVE_AFTER_MS + 1);
  // The oldest task runs to its limit; what comes after it is short.
  for (let second = 1; second < 80 && !sim.starts.includes('1.100.0'); second += 1) {
    sim.nowMs += 1_000;
    sim.receive(worker);
    const running = worker.tasks.filter((task) => task.running);
    const oldest = second >= 30 ? running.find(({ task }) => task === 3) : undefined;
    const task = oldest ?? running.filter((candidate) => candidate.task !== 3).at(which);
    if (task !== undefined) sim.end(worker, task);
    sim.report(worker);
    sim.receive(worker);
  }
  expect(sim.starts).toContain('1.100.0');
});
