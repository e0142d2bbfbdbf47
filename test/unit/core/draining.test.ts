/** Workers whose allocation ends soon: they finish what they run and get nothing new. */
import { expect, test } from 'vitest';
import { explainRow } from '../../../src/core/explain/explain.ts';
import { rowOf } from '../../../src/core/jobTable.ts';
import { CoreSim, type SimTask, traits } from '../../helpers/coreSim.ts';

function simOf(): CoreSim {
  const sim = new CoreSim();
  sim.openJob(1);
  return sim;
}

test('what was sent ahead is taken back and keeps its instance; what runs goes on', () => {
  const sim = simOf();
  const first = sim.addWorker({ cpus: 1 });
  sim.submit(1, '0-5');
  sim.receive(first);
  expect(first.tasks.length).toBeGreaterThan(1);
  sim.drainWorker(first);
  sim.receive(first);
  sim.report(first);
  expect(first.tasks.map(({ task, running }) => [task, running])).toEqual([[0, true]]);
  const second = sim.addWorker({ cpus: 1 });
  sim.receive(second);
  expect(second.tasks[0]).toMatchObject({ task: 1, instance: 0, running: true });
  sim.end(first, first.tasks[0] as SimTask);
  sim.report(first);
  sim.receive(first);
  expect(first.tasks).toEqual([]);
});

test('a multi-node task takes no draining worker, and one that waits is told so', () => {
  const sim = simOf();
  const workers = [sim.addWorker({ cpus: 1 }, 90_000), sim.addWorker({ cpus: 1 }, 90_000)];
  for (const worker of workers) sim.drainWorker(worker);
  sim.submit(1, '0', { traits: traits({ request: { variants: [{ nodes: 2, minTimeMs: 0, weight: 10_000, entries: [] }] } }) });
  sim.submit(1, '1');
  expect(sim.core.gangs.size).toBe(0);
  const job = sim.core.jobs.get(1);
  const { variants } = explainRow(sim.core, job === undefined ? -1 : rowOf(job, 1), sim.nowMs);
  expect(variants[0]?.workers).toEqual([{ workerIds: '1-2', count: 2, obstacles: [{ kind: 'draining', leftMs: 90_000 }] }]);
});

test('one that comes back while it drains still gets nothing new', () => {
  const sim = simOf();
  const worker = sim.addWorker({ cpus: 1 });
  sim.submit(1, '0-3');
  sim.receive(worker);
  sim.disconnect(worker);
  sim.drainWorker(worker);
  sim.reconnect(worker);
  sim.receive(worker);
  sim.report(worker);
  expect(worker.tasks.map(({ task }) => task)).toEqual([0]);
});
