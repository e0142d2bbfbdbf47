/** What the frames of a turn say about tasks that are more than their submit: with more memory after failures, on several nodes. */
import { expect, test } from 'vitest';
import { rowOf } from '../../../src/core/jobTable.ts';
import type { ToWorker } from '../../../src/protocol/messages/worker.ts';
import { createJob } from '../../../src/protocol/schema/job.ts';
import { Recorder } from '../../../src/server/recorder.ts';
import { FAILURE } from '../../helpers/coreSim.ts';
import { ServerSim } from '../../helpers/serverSim.ts';

function create(sim: ServerSim, ids: string, spec: object): void {
  const tasks = { kind: 'array', ids, spec: { command: ['true'], ...spec } };
  void sim.jobs.createJob(createJob.parse({ name: 'job', submit: { submitDir: '/w', tasks } }));
}

/** The frame with which these tasks of job 1 would go to worker 1. */
function frameOf(sim: ServerSim, taskIds: readonly number[]): Extract<ToWorker, readonly ['compute', ...unknown[]]> {
  const recorder = new Recorder({ core: sim.core, specs: sim.store, lastSeq: 0, hostOf: (id) => `node${id}`, now: () => sim.nowMs });
  const job = sim.core.jobs.get(1);
  if (job === undefined) throw new Error('no job');
  for (const taskId of taskIds) recorder.assign(1, rowOf(job, taskId));
  return recorder.take().frames.get(1)?.[0] as ReturnType<typeof frameOf>;
}

test('a task that is run again with more memory has a body of its own request, shared by those that ask for the same', () => {
  const sim = new ServerSim();
  const worker = sim.addWorker({ cpus: 3, mem: 1_000 });
  create(sim, '0-3', { request: [{ resources: { cpus: 1, mem: 100 } }], maxRetries: 2, retryMemFactor: 1.5 });
  sim.receive(worker);
  for (const taskId of [0, 1]) {
    const task = worker.tasks.find((candidate) => candidate.task === taskId);
    if (task !== undefined) sim.end(worker, task, FAILURE);
  }
  sim.report(worker);
  const frame = frameOf(sim, [0, 3, 1]);
  const [, bodies, tasks] = frame;
  const memory = bodies.map((body) => body.request[0]?.entries.find((entry) => entry.name === 'mem')?.units);
  expect(memory).toEqual([1_500_000, 1_000_000]);
  expect(tasks.map((task) => task[3])).toEqual([0, 1, 0]);
  // The next server knows it from the number of retries.
  sim.crash(() => {});
  expect(frameOf(sim, [0, 3, 1])).toEqual(frame);
});

test('a task on several nodes goes to the first of them with the names of all', () => {
  const sim = new ServerSim();
  for (let i = 0; i < 3; i += 1) sim.addWorker({ cpus: 1 });
  create(sim, '0', { request: [{ nodes: 2 }] });
  expect(frameOf(sim, [0])[2]).toEqual([[1, 0, 0, 0, null, 0, ['node1', 'node2']]]);
});
