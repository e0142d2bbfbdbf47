/** The order in which ready tasks are taken, also when rows of canceled jobs are used again and tasks come back. */
import { expect, test } from 'vitest';
import { CoreSim, traits } from '../../helpers/coreSim.ts';

test('tasks of a new job in rows of a canceled one wait behind older jobs', () => {
  const sim = new CoreSim();
  for (const jobId of [1, 2, 3]) {
    sim.openJob(jobId);
    sim.submit(jobId, '0-4');
    sim.close(jobId);
  }
  sim.cancel(2);
  sim.openJob(4);
  sim.submit(4, '0-4');
  expect(sim.core.tasks.rowCount).toBe(15);
  sim.addWorker({ cpus: 1 });
  sim.drain();
  expect(sim.starts.map((key) => Number(key.split('.')[0]))).toEqual([1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4]);
});

test('tasks that were taken back for a higher priority keep their order', () => {
  const sim = new CoreSim();
  const worker = sim.addWorker({ cpus: 2 });
  sim.openJob(1);
  sim.submit(1, '0-9');
  sim.receive(worker);
  sim.report(worker);
  expect(sim.core.workers.get(worker.id)?.queued.size).toBeGreaterThan(1);
  sim.submit(1, '10', { traits: traits({ priority: 1 }) });
  sim.drain();
  expect(sim.starts).toEqual([0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => `1.${id}.0`));
});

test('many tasks that come back one by one are each put in front', () => {
  const sim = new CoreSim();
  sim.openJob(1);
  sim.submit(1, '0-199');
  const worker = sim.addWorker({ cpus: 100 });
  sim.receive(worker);
  sim.lose(worker, 'STOPPED');
  sim.addWorker({ cpus: 1 });
  sim.drain();
  const order = sim.starts.slice(100).map((key) => Number(key.split('.')[1]));
  expect(order).toEqual(Array.from({ length: 200 }, (_, id) => id));
});
