/** What a server that starts again knows beside the states of tasks: which variant runs, which secrets are still needed, many submits. */
import { expect, test } from 'vitest';
import { createJob } from '../../../src/protocol/schema/job.ts';
import { submit } from '../../../src/protocol/schema/task.ts';
import { FAILURE, type SimWorker } from '../../helpers/coreSim.ts';
import { ServerSim } from '../../helpers/serverSim.ts';

function create(sim: ServerSim, ids: string, spec: object): void {
  const tasks = { kind: 'array', ids, spec: { command: ['true'], ...spec } };
  void sim.jobs.createJob(createJob.parse({ name: 'job', submit: { submitDir: '/w', tasks } }));
}

function endOne(sim: ServerSim, worker: SimWorker): void {
  const task = worker.tasks.find((candidate) => candidate.running);
  if (task !== undefined) sim.end(worker, task);
  sim.report(worker);
  sim.receive(worker);
}

test('a task whose frame was lost with the server is sent again with a variant that its worker can run', () => {
  const sim = new ServerSim();
  const worker = sim.addWorker({ cpus: 4 });
  create(sim, '0', { request: [{ resources: { cpus: 1, gpus: 1 } }, { resources: { cpus: 4 } }] });
  sim.crash(() => {});
  sim.reconnect(worker);
  sim.receive(worker);
  expect(sim.starts).toEqual(['1.0.0']);
  sim.report(worker);
  const { free = [] } = sim.core.workers.get(worker.id) ?? {};
  expect(free[sim.core.names.idOf('cpus')]).toBe(0);
});

test('a delay that ended while no server ran is over: the task runs with the memory of its next attempt', () => {
  const sim = new ServerSim();
  const worker = sim.addWorker({ cpus: 1, mem: 1_000 });
  const request = [{ resources: { cpus: 1, mem: 100 } }];
  create(sim, '0', { request, maxRetries: 2, retryDelayMs: 5_000, retryMemFactor: 3 });
  sim.receive(worker);
  const [task] = worker.tasks;
  if (task !== undefined) sim.end(worker, task, FAILURE);
  sim.report(worker);
  sim.crash(() => {});
  expect(sim.core.delayed.nextMs(sim.core.tasks)).toBe(sim.nowMs + 5_000);
  sim.nowMs += 6_000;
  sim.reconnect(worker);
  sim.receive(worker);
  expect(worker.tasks.map(({ key, needs }) => [key, needs.get('mem')])).toEqual([['1.0.1', 3_000_000]]);
});

test('secrets are deleted with the last task of their submit, also when a part of it ended before a restart', () => {
  const sim = new ServerSim();
  const worker = sim.addWorker({ cpus: 1 });
  create(sim, '0-3', { env: { KEY: 'secret' }, secretEnv: ['KEY'] });
  void sim.jobs.cancel(1, { taskIds: '3' });
  sim.receive(worker);
  endOne(sim, worker);
  sim.crash(() => {});
  expect(sim.store.record(1, 0)?.secretTasksLeft).toBe(2);
  sim.reconnect(worker);
  sim.drain();
  expect(sim.model.redacted).toEqual(['1 0']);
});

test('a job of hundreds of submits is restored as it was', () => {
  const sim = new ServerSim();
  void sim.jobs.createJob(createJob.parse({ name: 'job', open: true }));
  for (let i = 0; i < 300; i += 1) {
    const ids = i === 0 ? '5-100:5' : undefined;
    void sim.jobs.submitTasks(
      1,
      submit.parse({ submitDir: '/w', tasks: { kind: 'array', spec: { command: ['true'] }, ...(ids === undefined ? {} : { ids }) } }),
    );
  }
  void sim.jobs.cancel(1, { taskIds: '10-100:10,150-250' });
  const worker = sim.addWorker({ cpus: 8 });
  sim.receive(worker);
  for (let i = 0; i < 12; i += 1) endOne(sim, worker);
  const before = sim.picture();
  sim.crash(() => {});
  expect(sim.picture()).toEqual(before);
});
