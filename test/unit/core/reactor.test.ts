/** What the core promises about single events: dependencies, failures, limits, cancels, jobs that end. */
import { describe, expect, test } from 'vitest';
import { UPDATE_FINISHED } from '../../../src/protocol/messages/worker.ts';
import { CoreSim, FAILURE, type SimWorker, traits } from '../../helpers/coreSim.ts';

function running(worker: SimWorker): string[] {
  return worker.tasks.filter((task) => task.running).map((task) => task.key);
}

/** Ends one running task by key and lets the server know. */
function end(sim: CoreSim, worker: SimWorker, o: { key: string; fail?: boolean }): void {
  const task = worker.tasks.find((candidate) => candidate.key === o.key);
  if (task === undefined) throw new Error(`${o.key} is not on worker ${worker.id}`);
  sim.end(worker, task, o.fail === true ? FAILURE : null);
  sim.report(worker);
  sim.receive(worker);
}

function kinds(sim: CoreSim): string[] {
  return sim.changes.map((change) => change.kind);
}

describe('dependencies', () => {
  test('a task starts when the last of its dependencies has finished', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 4 });
    sim.openJob(1);
    sim.submit(1, '0-2', { deps: [[], [], [0, 1]] });
    sim.receive(worker);
    sim.report(worker);
    expect(running(worker)).toEqual(['1.0.0', '1.1.0']);
    end(sim, worker, { key: '1.0.0' });
    expect(running(worker)).toEqual(['1.1.0']);
    end(sim, worker, { key: '1.1.0' });
    expect(running(worker)).toEqual(['1.2.0']);
  });

  test('what depends on a failed task is aborted, transitively and also when it is submitted later', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 4 });
    sim.openJob(1);
    sim.submit(1, '0-3', { deps: [[], [0], [1], []] });
    sim.receive(worker);
    end(sim, worker, { key: '1.0.0', fail: true });
    sim.submit(1, '4-5', { deps: [[2], [3]] });
    expect(sim.core.jobs.get(1)?.stats).toMatchObject({ failed: 1, aborted: 3, running: 1, waiting: 1 });
  });

  test('what depends on a canceled task is aborted', () => {
    const sim = new CoreSim();
    sim.openJob(1);
    sim.submit(1, '0-2', { deps: [[], [0], []] });
    expect(sim.cancel(1, '0')).toEqual({ canceled: 1, alreadyDone: 0 });
    expect(sim.core.jobs.get(1)?.stats).toMatchObject({ canceled: 1, aborted: 1, waiting: 1 });
  });
});

describe('failures', () => {
  test('a failed task is run again as the next instance until its retries are used up', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker();
    sim.openJob(1);
    sim.submit(1, '0', { traits: traits({ maxRetries: 2 }) });
    sim.receive(worker);
    for (const key of ['1.0.0', '1.0.1', '1.0.2']) end(sim, worker, { key, fail: true });
    expect(sim.starts).toEqual(['1.0.0', '1.0.1', '1.0.2']);
    expect(sim.core.jobs.get(1)?.stats.failed).toBe(1);
  });

  test('more failed tasks than max-fails abort the rest, and kill what runs', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 3 });
    sim.openJob(1, 1);
    sim.submit(1, '0-9');
    sim.close(1);
    sim.receive(worker);
    end(sim, worker, { key: '1.0.0', fail: true });
    expect(sim.core.jobs.get(1)?.stats.aborted).toBe(0);
    end(sim, worker, { key: '1.1.0', fail: true });
    sim.receive(worker);
    expect(running(worker)).toEqual([]);
    sim.report(worker);
    expect(kinds(sim).at(-1)).toBe('job-completed');
    expect(sim.core.jobs.size).toBe(0);
  });

  test('the crash limit counts running tasks of vanished workers only', () => {
    const sim = new CoreSim();
    sim.openJob(1);
    sim.submit(1, '0', { traits: traits({ crashLimit: 2 }) });
    const loseOne = (reason: 'CONNECTION LOST' | 'STOPPED', started: boolean): void => {
      const worker = sim.addWorker({ cpus: 1 });
      if (started) sim.receive(worker);
      sim.report(worker);
      sim.lose(worker, reason);
    };
    loseOne('CONNECTION LOST', true);
    loseOne('STOPPED', true);
    loseOne('CONNECTION LOST', false);
    expect(sim.core.jobs.get(1)?.stats.waiting).toBe(1);
    loseOne('CONNECTION LOST', true);
    expect(sim.core.jobs.get(1)?.stats.failed).toBe(1);
    const failed = sim.changes.find((change) => change.kind === 'failed');
    expect(failed).toMatchObject({ instance: 3, failure: { kind: 'worker-lost', error: expect.stringContaining('occurred 2 times') } });
  });

  test('never-restart fails a running task on any loss of its worker, but not one that has not started', () => {
    const sim = new CoreSim();
    sim.openJob(1);
    sim.submit(1, '0', { traits: traits({ crashLimit: 'never-restart' }) });
    const first = sim.addWorker({ cpus: 1 });
    sim.lose(first, 'STOPPED');
    expect(sim.core.jobs.get(1)?.stats.waiting).toBe(1);
    const second = sim.addWorker({ cpus: 1 });
    sim.receive(second);
    sim.report(second);
    sim.lose(second, 'STOPPED');
    expect(sim.core.jobs.get(1)?.stats.failed).toBe(1);
  });
});

describe('jobs', () => {
  test('a closed job leaves memory when the last task has ended and no worker holds one', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker();
    sim.openJob(1);
    sim.submit(1, '1-3');
    sim.close(1);
    sim.receive(worker);
    sim.cancel(1);
    expect(kinds(sim)).toContain('job-completed');
    expect(sim.core.jobs.size).toBe(1);
    sim.receive(worker);
    sim.report(worker);
    expect(sim.core.jobs.size).toBe(0);
    expect(sim.core.tasks.freeRows).toBe(sim.core.tasks.rowCount);
  });

  test('rows of ended jobs are used again', () => {
    const sim = new CoreSim();
    sim.addWorker();
    let most = 0;
    for (let jobId = 1; jobId <= 20; jobId += 1) {
      sim.openJob(jobId);
      sim.submit(jobId, '1-50');
      sim.close(jobId);
      most = Math.max(most, sim.core.tasks.rowCount);
      sim.drain();
    }
    expect(most).toBe(50);
  });

  test('an open job without unfinished tasks is idle, a closed one complete', () => {
    const sim = new CoreSim();
    sim.addWorker();
    sim.openJob(1);
    sim.submit(1, '0');
    sim.drain();
    expect(kinds(sim).at(-1)).toBe('job-idle');
    sim.submit(1, '1');
    sim.drain();
    sim.close(1);
    expect(kinds(sim).filter((kind) => kind.startsWith('job'))).toEqual(['job-idle', 'job-idle', 'job-completed']);
  });

  test('results of attempts that are no longer wanted change nothing', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker();
    sim.openJob(1);
    sim.submit(1, '0');
    sim.receive(worker);
    sim.report(worker);
    sim.cancel(1);
    worker.outgoing.push(
      [UPDATE_FINISHED, 1, 0, 0, sim.nowMs, null],
      [UPDATE_FINISHED, 1, 0, 7, sim.nowMs, null],
      [UPDATE_FINISHED, 99, 0, 0, sim.nowMs, null],
    );
    sim.report(worker);
    expect(kinds(sim)).not.toContain('finished');
    expect(sim.core.jobs.get(1)?.stats.canceled).toBe(1);
  });
});

describe('reconnection', () => {
  test('a worker that returns keeps its running tasks and gets lost assignments again as the same instance', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 2 });
    sim.openJob(1);
    sim.submit(1, '0');
    sim.receive(worker);
    sim.submit(1, '1');
    sim.disconnect(worker);
    sim.submit(1, '2');
    expect(running(worker)).toEqual(['1.0.0']);
    sim.reconnect(worker);
    sim.drain();
    expect(sim.starts.slice().sort()).toEqual(['1.0.0', '1.1.0', '1.2.0']);
  });

  test('it kills what was canceled while it was away', () => {
    const sim = new CoreSim();
    const worker = sim.addWorker({ cpus: 1 });
    sim.openJob(1);
    sim.submit(1, '0-1');
    sim.receive(worker);
    sim.disconnect(worker);
    sim.cancel(1, '0');
    sim.reconnect(worker);
    sim.receive(worker);
    expect(running(worker)).toEqual(['1.1.0']);
  });
});
