/** Every reason why a task does not run, out of cores in which it does not. */
import { describe, expect, test } from 'vitest';
import { type CoreExplanation, explainRow } from '../../../src/core/explain/explain.ts';
import { rowOf } from '../../../src/core/jobTable.ts';
import type { TaskTraits } from '../../../src/core/reactor/onSubmit.ts';
import { NO_RETRIES } from '../../../src/core/retryPolicy.ts';
import type { Obstacle } from '../../../src/protocol/schema/explain.ts';
import type { AllocationPolicy } from '../../../src/protocol/schema/resources.ts';
import { CoreSim, FAILURE, traits } from '../../helpers/coreSim.ts';
import { PoolSim } from '../../helpers/poolSim.ts';

function explain(sim: CoreSim, taskId: number): CoreExplanation {
  const job = sim.core.jobs.get(1);
  if (job === undefined) throw new Error('no job');
  return explainRow(sim.core, rowOf(job, taskId), sim.nowMs);
}

/** What is in the way, per group of alike workers: `ids: kinds`. */
function ways(sim: CoreSim, taskId: number): string[] {
  return explain(sim, taskId).variants.flatMap(({ workers }) =>
    workers.map(({ workerIds, obstacles }) => `${workerIds}: ${obstacles.map(({ kind }) => kind).join(', ')}`),
  );
}

/** All that is in the way of the first variant on the first group of workers. */
function obstaclesOf(sim: CoreSim, taskId: number): readonly Obstacle[] {
  return explain(sim, taskId).variants[0]?.workers[0]?.obstacles ?? [];
}

function simWithJob(): CoreSim {
  const sim = new CoreSim();
  sim.openJob(1);
  return sim;
}

const request = (variant: { nodes?: number; minTimeMs?: number; cpus?: number }) => {
  const { nodes = 0, minTimeMs = 0, cpus = 1 } = variant;
  const entries = nodes > 0 ? [] : [{ name: 'cpus', policy: 'compact' as const, units: cpus * 10_000 }];
  return { variants: [{ nodes, minTimeMs, weight: 10_000, entries }] };
};

describe('a task that waits for no place', () => {
  test('waits for other tasks: which, and in which state', () => {
    const sim = simWithJob();
    const worker = sim.addWorker({ cpus: 1 });
    sim.submit(1, '0-3', { deps: [[], [], [], [0, 1]] });
    sim.receive(worker);
    sim.report(worker);
    const states = [
      { jobId: 1, taskId: 0, state: 'running' },
      { jobId: 1, taskId: 1, state: 'waiting' },
    ];
    expect(explain(sim, 3)).toMatchObject({
      state: 'waiting',
      reason: { kind: 'dependencies', unfinished: 2, tasks: states },
      variants: [],
    });
  });

  test('has been given to a worker, runs there, has ended', () => {
    const sim = simWithJob();
    const worker = sim.addWorker({ cpus: 1 });
    sim.submit(1, '0-5');
    expect(explain(sim, 0).reason).toEqual({ kind: 'sent', workerId: worker.id, queued: false });
    expect(explain(sim, 1).reason).toEqual({ kind: 'sent', workerId: worker.id, queued: true });
    sim.receive(worker);
    sim.report(worker);
    expect(explain(sim, 0)).toMatchObject({ state: 'running', reason: { kind: 'running', workerIds: [worker.id] } });
    sim.cancel(1, '0');
    expect(explain(sim, 0)).toMatchObject({ state: 'canceled', reason: { kind: 'ended' } });
  });

  test('waits for the time of its next attempt', () => {
    const sim = simWithJob();
    const worker = sim.addWorker({ cpus: 1 });
    sim.submit(1, '0', { traits: traits({ retry: { ...NO_RETRIES, maxRetries: 3, delayMs: 5_000 } }) });
    sim.receive(worker);
    const [task] = worker.tasks;
    if (task !== undefined) sim.end(worker, task, FAILURE);
    sim.report(worker);
    expect(explain(sim, 0)).toMatchObject({
      instance: 1,
      reason: { kind: 'delayed', untilMs: sim.nowMs + 5_000, retry: 1, maxRetries: 3 },
    });
  });
});

describe('a task for which there is no worker', () => {
  test('no worker at all', () => {
    const sim = simWithJob();
    sim.submit(1, '0');
    expect(explain(sim, 0)).toMatchObject({ reason: { kind: 'no-worker' }, queue: { priority: 0, higher: 0, others: 0, same: 0 } });
  });

  test('none has the resource: those that exist are named', () => {
    const sim = simWithJob();
    sim.addWorker({ cpus: 2, mem: 100 });
    sim.submit(1, '0', { traits: traits({ needs: { cpus: 1, gpus: 1 } }) });
    expect(explain(sim, 0).reason).toEqual({ kind: 'impossible', details: ["no worker provides 'gpus'; present are: cpus, mem"] });
    expect(obstaclesOf(sim, 0)).toEqual([{ kind: 'missing', resource: 'gpus', requested: 1 }]);
  });

  test('none has enough of it', () => {
    const sim = simWithJob();
    sim.addWorker({ cpus: 2 });
    sim.addWorker({ cpus: 3 });
    sim.submit(1, '0', { traits: traits({ needs: { cpus: 8 } }) });
    expect(explain(sim, 0).reason).toEqual({ kind: 'impossible', details: ["no worker has 8 of 'cpus'; the largest has 3"] });
    expect(obstaclesOf(sim, 0)).toEqual([{ kind: 'too-little', resource: 'cpus', requested: 8, total: 2 }]);
  });

  test('each has something, none has all', () => {
    const sim = simWithJob();
    sim.addWorker({ cpus: 2, gpus: 1 });
    sim.addWorker({ cpus: 8 });
    sim.submit(1, '0', { traits: traits({ needs: { cpus: 8, gpus: 1 } }) });
    expect(explain(sim, 0).reason).toEqual({ kind: 'impossible', details: ['no worker has all of the requested resources at once'] });
    expect(ways(sim, 0)).toEqual(['1: too-little', '2: missing']);
  });

  test('no group is large enough for a multi-node task', () => {
    const sim = simWithJob();
    sim.addWorker({ cpus: 1 });
    sim.addWorker({ cpus: 1 }, Number.POSITIVE_INFINITY, { group: 'b' });
    sim.addWorker({ cpus: 1 }, Number.POSITIVE_INFINITY, { group: 'b' });
    sim.submit(1, '0', { traits: traits({ request: request({ nodes: 3 }) }) });
    expect(explain(sim, 0).reason).toEqual({ kind: 'impossible', details: ["no group has 3 workers; the largest, 'b', has 2"] });
    expect(ways(sim, 0)).toEqual(['1: nodes', '2-3: nodes']);
  });
});

describe('a task whose workers are not free for it', () => {
  test('too little is free: what holds it, the largest first', () => {
    const sim = simWithJob();
    const worker = sim.addWorker({ cpus: 10 });
    sim.submit(1, '0-4', { traits: [1, 2, 3, 1, 2].map((cpus) => traits({ needs: { cpus } })) });
    sim.submit(1, '5', { traits: traits({ needs: { cpus: 4 } }) });
    sim.receive(worker);
    sim.report(worker);
    expect(explain(sim, 5).reason).toEqual({ kind: 'occupied' });
    const largest = [
      { jobId: 1, taskId: 2, amount: 3 },
      { jobId: 1, taskId: 1, amount: 2 },
      { jobId: 1, taskId: 4, amount: 2 },
    ];
    expect(obstaclesOf(sim, 5)).toEqual([{ kind: 'busy', resource: 'cpus', requested: 4, free: 1, holders: 5, largest }]);
  });

  test('enough is free in sum, but in parts of shared indices', () => {
    const sim = new PoolSim();
    sim.openJob(1);
    sim.join({ resources: [{ name: 'gpus', kind: 'list', values: ['0', '1'] }], coupling: { weights: [] } });
    const asks = (gpus: number): TaskTraits => traits({ needs: { gpus } });
    sim.submit(1, '0-1', { traits: asks(0.7) });
    sim.submit(1, '4-5', { traits: [asks(0.6), asks(0.25)] });
    sim.settle({ promised: true });
    expect(explain(sim, 5).state).toBe('running');
    expect(obstaclesOf(sim, 4)).toEqual([
      { kind: 'busy', resource: 'gpus', requested: 0.6, free: 0.35, holders: 3, largest: expect.anything() },
    ]);
    sim.cancel(1, '5');
    sim.settle({ promised: true });
    expect(explain(sim, 4).reason).toEqual({ kind: 'occupied' });
    expect(obstaclesOf(sim, 4)).toEqual([{ kind: 'scattered', resource: 'gpus', requested: 0.6, free: 0.6 }]);
  });

  test('the policy waits for better groups than are free', () => {
    const sim = new PoolSim();
    sim.openJob(1);
    const cpus = {
      name: 'cpus',
      kind: 'groups' as const,
      groups: [
        ['0', '1'],
        ['2', '3'],
      ],
    };
    sim.join({ resources: [cpus], coupling: { weights: [] } });
    const entry = (policy: AllocationPolicy) => ({ name: 'cpus', policy, units: 20_000 });
    const asks = (policy: AllocationPolicy): TaskTraits =>
      traits({ request: { variants: [{ nodes: 0, minTimeMs: 0, weight: 10_000, entries: [entry(policy)] }] } });
    sim.submit(1, '0', { traits: asks('scatter') });
    sim.settle({ promised: true });
    sim.submit(1, '1', { traits: asks('compact!') });
    expect(obstaclesOf(sim, 1)).toEqual([{ kind: 'scattered', resource: 'cpus', requested: 2, free: 2 }]);
    sim.submit(1, '2', { traits: asks('compact') });
    expect(explain(sim, 2).state).toBe('waiting');
    sim.settle({ promised: true });
    expect(explain(sim, 2).state).toBe('running');
  });

  test('the worker ends too soon', () => {
    const sim = simWithJob();
    sim.addWorker({ cpus: 1 }, 60_000);
    sim.submit(1, '0', { traits: traits({ request: request({ minTimeMs: 90_000 }) }) });
    expect(explain(sim, 0).reason).toEqual({ kind: 'occupied' });
    expect(obstaclesOf(sim, 0)).toEqual([{ kind: 'lifetime', neededMs: 90_000, leftMs: 60_000 }]);
  });

  test('the worker is stopping, or away', () => {
    const sim = simWithJob();
    const [stopping, away] = [sim.addWorker({ cpus: 1 }), sim.addWorker({ cpus: 1 })];
    const known = sim.core.workers.get(stopping.id);
    if (known !== undefined) known.stopping = true;
    sim.disconnect(away);
    sim.submit(1, '0');
    expect(explain(sim, 0).reason).toEqual({ kind: 'occupied' });
    expect(ways(sim, 0)).toEqual(['1: stopping', '2: reconnecting']);
  });

  test('too few workers of a group are idle; a member of a gang says whose it is', () => {
    const sim = simWithJob();
    for (let i = 0; i < 3; i += 1) sim.addWorker({ cpus: 1 });
    sim.submit(1, '0', { traits: traits({ request: request({ nodes: 2 }) }) });
    sim.submit(1, '1', { traits: traits({ request: request({ nodes: 2 }) }) });
    expect(explain(sim, 1).reason).toEqual({ kind: 'occupied' });
    expect(obstaclesOf(sim, 1)).toEqual([{ kind: 'nodes', group: 'default', needed: 2, size: 3, idle: 1 }]);
    sim.submit(1, '2-20');
    expect(ways(sim, 20)).toContain('1-2: gang');
    expect(obstaclesOf(sim, 20)).toEqual([{ kind: 'gang', task: { jobId: 1, taskId: 0 } }]);
  });

  test('the worker is kept for a task that has waited for long', () => {
    const sim = simWithJob();
    const worker = sim.addWorker({ cpus: 4 });
    sim.submit(1, '0-1', { traits: traits({ needs: { cpus: 2 } }) });
    sim.submit(1, '2', { traits: traits({ needs: { cpus: 4 } }) });
    sim.submit(1, '3-40');
    sim.receive(worker);
    // One after the other ends, and small ones take what is free, until the wide one has waited for a minute.
    for (let i = 0; i < 8; i += 1) {
      const task = worker.tasks.find((one) => one.running);
      if (task !== undefined) sim.end(worker, task);
      sim.report(worker);
      sim.receive(worker);
      sim.wait(10_000);
    }
    expect(sim.core.planned.reservation).not.toBeNull();
    const last = obstaclesOf(sim, 40);
    expect(last).toContainEqual({ kind: 'reserved', forTask: { jobId: 1, taskId: 2 } });
  });

  test('what waits would not use the worker enough', () => {
    const sim = simWithJob();
    sim.addWorker({ cpus: 8 }, Number.POSITIVE_INFINITY, { minUtilization: 0.5 });
    sim.submit(1, '0');
    expect(obstaclesOf(sim, 0)).toEqual([{ kind: 'utilization', least: 0.5 }]);
  });
});

describe('the position', () => {
  test('counts ready tasks of higher priority, and those of the same request before it', () => {
    const sim = simWithJob();
    sim.submit(1, '0-9');
    sim.submit(1, '10-12', { traits: traits({ priority: 5 }) });
    sim.submit(1, '13-14', { traits: traits({ needs: { cpus: 2 }, priority: 7 }) });
    sim.submit(1, '15', { traits: traits({ needs: { cpus: 2 } }) });
    sim.cancel(1, '2,4');
    expect(explain(sim, 6).queue).toEqual({ priority: 0, higher: 5, others: 0, same: 4 });
    expect(explain(sim, 11).queue).toEqual({ priority: 5, higher: 2, others: 0, same: 1 });
    // Nothing is known of workers, so ids alone decide.
    expect(explain(sim, 15).queue).toEqual({ priority: 0, higher: 5, others: 8, same: 0 });
  });
});

test('of the same priority earlier jobs come before, in a job what is larger', () => {
  const sim = simWithJob();
  sim.openJob(2);
  sim.addWorker({ cpus: 4 });
  sim.submit(2, '0', { traits: traits({ needs: { cpus: 4 } }) });
  sim.submit(1, '0-2', { traits: traits({ needs: { cpus: 1 } }) });
  sim.submit(1, '3-4', { traits: traits({ needs: { cpus: 3 } }) });
  sim.submit(2, '1', { traits: traits({ needs: { cpus: 2 } }) });
  const job = sim.core.jobs.get(2);
  if (job === undefined) throw new Error('no job');
  expect(explain(sim, 4).queue).toEqual({ priority: 0, higher: 0, others: 0, same: 1 });
  expect(explain(sim, 0).queue).toEqual({ priority: 0, higher: 0, others: 2, same: 0 });
  expect(explainRow(sim.core, rowOf(job, 1), sim.nowMs).queue).toEqual({ priority: 0, higher: 0, others: 5, same: 0 });
});

test('alike workers stand together, in every variant on its own', () => {
  const sim = simWithJob();
  for (let i = 0; i < 5; i += 1) sim.addWorker({ cpus: 2 });
  sim.addWorker({ cpus: 2, gpus: 1 });
  const entries = (needs: Record<string, number>) =>
    Object.entries(needs).map(([name, amount]) => ({ name, policy: 'compact' as const, units: amount * 10_000 }));
  const variants = [{ gpus: 2 }, { cpus: 4 }].map((needs) => ({ nodes: 0, minTimeMs: 0, weight: 10_000, entries: entries(needs) }));
  sim.submit(1, '0', { traits: traits({ request: { variants } }) });
  expect(
    explain(sim, 0).variants.map(({ request: text, workers }) => [text, ...workers.map(({ workerIds, count }) => `${workerIds} ${count}`)]),
  ).toEqual([
    ['gpus=2 compact', '1-5 5', '6 1'],
    ['cpus=4 compact', '1-6 6'],
  ]);
});
