/** Priority and limits of tasks that change after their submit. */
import { expect, test } from 'vitest';
import { IntArray } from '../../../src/common/intArray.ts';
import { selectTasks, type TaskChange } from '../../../src/core/jobTable.ts';
import { onMaxFails, onModify } from '../../../src/core/reactor/onModify.ts';
import { CoreSim, FAILURE, traits } from '../../helpers/coreSim.ts';

function modify(sim: CoreSim, jobId: number, ids: string | null, change: TaskChange) {
  const job = sim.core.jobs.get(jobId);
  if (job === undefined) throw new Error(`no job ${jobId}`);
  const selection = selectTasks(job, ids === null ? null : (IntArray.parse(ids) as IntArray));
  if (typeof selection === 'number') throw new Error(`no task ${selection}`);
  const { changed, count, withWorker } = onModify(sim.core, sim, { job, selection, change });
  for (const { ids: own } of changed) job.changes.push({ ids: own, change });
  return { ids: changed.map(({ ids: own }) => own.toString()), count, withWorker };
}

test('a question about classes leaves none behind', () => {
  const sim = simWithJobs();
  sim.submit(1, '0');
  const { classes, names } = sim.core;
  const ask = (): number => classes.forget(() => classes.intern(traits({ needs: { rare: 1 } }).request, 5_000).id);
  const size = names.size;
  expect(ask()).toBe(ask());
  expect(names.size).toBe(size);
  expect(() =>
    classes.forget(() => {
      classes.intern(traits({ needs: { other: 1 } }).request);
      throw new Error('refused');
    }),
  ).toThrow('refused');
  expect(classes.intern(traits({ needs: { cpus: 1 } }).request).id).toBe(0);
  expect(classes.intern(traits({ needs: { cpus: 2 } }).request).id).toBe(1);
});

function simWithJobs(): CoreSim {
  const sim = new CoreSim();
  sim.openJob(1);
  sim.openJob(2);
  return sim;
}

test('a higher priority lets waiting tasks start first, blocked ones when their time comes', () => {
  const sim = simWithJobs();
  sim.submit(1, '0-3', { traits: [1, 2, 3, 4].map(() => traits()), deps: [[], [], [0], []] });
  sim.submit(2, '0');
  expect(modify(sim, 1, '1-2', { priority: 5 })).toEqual({ ids: ['1-2'], count: 2, withWorker: 0 });
  const worker = sim.addWorker({ cpus: 1 });
  sim.drain();
  expect(worker.tasks).toEqual([]);
  expect(sim.starts[0]).toBe('1.1.0');
  // It was blocked when its priority was changed.
  expect(sim.starts.indexOf('1.2.0')).toBeLessThan(sim.starts.indexOf('2.0.0'));
});

test('what a worker has goes on as it is, and gets the change with its next attempt', () => {
  const sim = simWithJobs();
  sim.submit(1, '0', { traits: traits({ maxRetries: 3 }) });
  sim.submit(1, '1');
  const worker = sim.addWorker({ cpus: 1 });
  sim.receive(worker);
  sim.report(worker);
  const row = (id: number): number => [...(sim.core.jobs.get(1)?.segments ?? [])].find(({ minId }) => minId === id)?.base ?? -1;
  expect(modify(sim, 1, '0', { priority: -3, timeLimitMs: 5_000, maxRetries: 1, crashLimit: 'never-restart' })).toEqual({
    ids: ['0'],
    count: 1,
    withWorker: 1,
  });
  const { tasks, classes } = sim.core;
  expect([tasks.priority[row(0)], classes.get(tasks.requestClass[row(0)] as number).timeLimitMs]).toEqual([0, Number.POSITIVE_INFINITY]);
  sim.end(worker, worker.tasks[0] as never, FAILURE);
  sim.report(worker);
  expect([tasks.priority[row(0)], classes.get(tasks.requestClass[row(0)] as number).timeLimitMs, tasks.crashLimit[row(0)]]).toEqual([
    -3, 5_000, 0,
  ]);
  sim.receive(worker);
  expect(sim.starts).toEqual(['1.0.0', '1.1.0']);
  // The one retry that is left over from its three is used up.
  sim.report(worker);
  sim.end(worker, worker.tasks.find(({ running }) => running) as never);
  sim.report(worker);
  sim.receive(worker);
  sim.end(worker, worker.tasks[0] as never, FAILURE);
  sim.report(worker);
  expect(sim.core.jobs.get(1)?.stats).toMatchObject({ failed: 1, finished: 1 });
});

test('a limit of failed tasks counts those that have failed; without one, more tasks are taken again', () => {
  const sim = simWithJobs();
  sim.submit(1, '0-9');
  const worker = sim.addWorker({ cpus: 1 });
  sim.receive(worker);
  sim.report(worker);
  sim.end(worker, worker.tasks.find(({ running }) => running) as never, FAILURE);
  sim.report(worker);
  const job = sim.core.jobs.get(1);
  if (job === undefined) throw new Error('no job');
  onMaxFails(sim.core, sim, { job, maxFails: 1, nowMs: sim.nowMs });
  expect(job.stats.aborted).toBe(0);
  onMaxFails(sim.core, sim, { job, maxFails: 0, nowMs: sim.nowMs });
  expect(job.stats).toMatchObject({ failed: 1, aborted: 9 });
  onMaxFails(sim.core, sim, { job, maxFails: null, nowMs: sim.nowMs });
  sim.submit(1, '20');
  expect(job.stats.waiting).toBe(1);
});

test('a change of very many tasks is a few ranges, whatever their ids and whoever has ended', () => {
  const sim = simWithJobs();
  sim.submit(1, '0-1998:2');
  sim.submit(1, '1-9:2,3000-3999');
  const worker = sim.addWorker({ cpus: 1 });
  sim.receive(worker);
  sim.report(worker);
  sim.end(worker, worker.tasks.find(({ running }) => running) as never);
  sim.report(worker);
  expect(modify(sim, 1, null, { priority: 1 })).toMatchObject({ ids: ['2-1998:2', '1-9:2,3000-3999'], count: 2004 });
  expect(modify(sim, 1, '9,7,4-8:4,3999,3998', { priority: 2 }).ids).toEqual(['9,7,3999,3998', '4,8']);
  expect(() => modify(sim, 1, '0-2', { priority: 3 })).toThrow('no task 1');
});
