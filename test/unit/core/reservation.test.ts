/** A wide task does not wait for ever: after a minute workers are kept for it, and only what cannot delay it runs there. */
import { expect, test } from 'vitest';
import { RESERVE_AFTER_MS } from '../../../src/core/schedule/reserve.ts';
import { CoreSim, type SimWorker, traits } from '../../helpers/coreSim.ts';

const small = traits({ needs: { cpus: 1 } });
const wide = traits({ needs: { cpus: 4 } });

/** Task ids that run, in the order of their start. */
const running = (worker: SimWorker): number[] => worker.tasks.filter((task) => task.running).map((task) => task.task);

/** Ends the first running task of a worker and lets both sides hear of it. */
function step(sim: CoreSim, worker: SimWorker): void {
  sim.receive(worker);
  const task = worker.tasks.find((candidate) => candidate.running);
  if (task !== undefined) sim.end(worker, task);
  sim.report(worker);
  sim.receive(worker);
}

/** One worker full of small tasks, more of them waiting, and one wide task that came first of those that wait. */
function crowded(o: { priority?: number } = {}): { sim: CoreSim; worker: SimWorker } {
  const sim = new CoreSim();
  sim.openJob(1);
  const worker = sim.addWorker({ cpus: 4 });
  sim.submit(1, '0-3', { traits: small });
  sim.submit(1, '100', { traits: { ...wide, priority: o.priority ?? 0 } });
  sim.submit(1, '200-300', { traits: small });
  sim.receive(worker);
  return { sim, worker };
}

test('small tasks pass a wide one for a minute, then the worker drains for it', () => {
  const { sim, worker } = crowded();
  for (let i = 0; i < 10; i += 1) step(sim, worker);
  expect(running(worker)).toHaveLength(4);
  expect(sim.core.wakeAtMs).toBeLessThanOrEqual(sim.nowMs + RESERVE_AFTER_MS);
  sim.wait(RESERVE_AFTER_MS + 1);
  expect(sim.core.planned.reservation?.workers).toEqual([worker.id]);
  for (let i = 0; i < 20 && !running(worker).includes(100); i += 1) step(sim, worker);
  expect(running(worker)).toEqual([100]);
  expect(sim.core.planned.reservation).toBeNull();
  step(sim, worker);
  expect(running(worker)).toHaveLength(4);
});

test('nothing is kept while nobody else is served: a full worker is no reason', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const worker = sim.addWorker({ cpus: 4 });
  sim.submit(1, '0-99', { traits: small });
  sim.receive(worker);
  sim.wait(10 * RESERVE_AFTER_MS);
  sim.report(worker);
  expect(sim.core.planned.reservation).toBeNull();
});

test('tasks whose time limit ends before the wide one can start may still run there', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  const worker = sim.addWorker({ cpus: 4 });
  sim.submit(1, '0-2', { traits: { ...small, timeLimitMs: 600_000 } });
  sim.submit(1, '100', { traits: wide });
  sim.submit(1, '200-210', { traits: { ...small, timeLimitMs: 1_000 } });
  sim.submit(1, '300-310', { traits: { ...small, timeLimitMs: 3_000_000 } });
  sim.receive(worker);
  for (let i = 0; i < 3; i += 1) step(sim, worker);
  sim.wait(RESERVE_AFTER_MS + 1);
  expect(sim.core.planned.reservation?.workers).toEqual([worker.id]);
  const started = sim.starts.length;
  for (let i = 0; i < 40 && !running(worker).includes(100); i += 1) step(sim, worker);
  expect(running(worker)).toEqual([100]);
  const meanwhile = sim.starts.slice(started).map((key) => Number(key.split('.')[1]));
  expect(meanwhile.filter((id) => id >= 300)).toEqual([]);
});

test('a higher priority is not kept from the reserved worker, a lower one is', () => {
  const { sim, worker } = crowded();
  for (let i = 0; i < 3; i += 1) step(sim, worker);
  sim.wait(RESERVE_AFTER_MS + 1);
  sim.submit(1, '400', { traits: { ...small, priority: 1 } });
  sim.submit(1, '500', { traits: { ...small, priority: -1 } });
  for (let i = 0; i < 30 && !running(worker).includes(100); i += 1) step(sim, worker);
  const ids = sim.starts.map((key) => Number(key.split('.')[1]));
  expect(ids.indexOf(400)).toBeLessThan(ids.indexOf(100));
  expect(ids.indexOf(400)).toBeGreaterThan(-1);
  expect(ids.includes(500)).toBe(false);
});

test('a reservation is given up when its task is canceled or its worker is lost, and goes to another worker', () => {
  const { sim, worker } = crowded();
  for (let i = 0; i < 3; i += 1) step(sim, worker);
  sim.wait(RESERVE_AFTER_MS + 1);
  const other = sim.addWorker({ cpus: 8 });
  expect(other.id).not.toBe(worker.id);
  sim.receive(other);
  // It fits there at once, which ends the reservation.
  expect(running(other)).toContain(100);
  expect(sim.core.planned.reservation).toBeNull();

  const second = crowded();
  for (let i = 0; i < 3; i += 1) step(second.sim, second.worker);
  second.sim.wait(RESERVE_AFTER_MS + 1);
  second.sim.cancel(1, '100');
  expect(second.sim.core.planned.reservation).toBeNull();
  step(second.sim, second.worker);
  expect(running(second.worker)).toHaveLength(4);
});

test('what was sent ahead to a worker that is kept is asked back', () => {
  const { sim, worker } = crowded();
  for (let i = 0; i < 400 && worker.tasks.every((task) => task.running); i += 1) {
    sim.nowMs += 1;
    step(sim, worker);
  }
  expect(worker.tasks.some((task) => !task.running)).toBe(true);
  sim.wait(RESERVE_AFTER_MS + 1);
  sim.receive(worker);
  sim.report(worker);
  expect(worker.tasks.every((task) => task.running)).toBe(true);
  expect(sim.core.planned.reservation?.workers).toEqual([worker.id]);
});
