/** Submits that wait for tasks of other submits: of the same job and of other jobs. */
import { describe, expect, test } from 'vitest';
import { CoreSim, FAILURE, type SimWorker, traits } from '../../helpers/coreSim.ts';

function simWithJobs(count: number): CoreSim {
  const sim = new CoreSim();
  for (let id = 1; id <= count; id += 1) sim.openJob(id);
  return sim;
}

/** Ends the running task with this name and tells the server. */
function end(sim: CoreSim, worker: SimWorker, key: string, fails = false): void {
  const task = worker.tasks.find((candidate) => candidate.key === key && candidate.running);
  if (task === undefined) throw new Error(`${key} does not run`);
  sim.end(worker, task, fails ? FAILURE : null);
  sim.report(worker);
  sim.receive(worker);
  sim.report(worker);
}

function begin(sim: CoreSim, cpus: number): SimWorker {
  const worker = sim.addWorker({ cpus });
  sim.receive(worker);
  sim.report(worker);
  return worker;
}

describe('a submit that waits', () => {
  test('starts when the last awaited task has finished, of its own job and of others', () => {
    const sim = simWithJobs(3);
    sim.submit(1, '0-1');
    sim.submit(2, '0-9');
    sim.submit(3, '0', {});
    sim.submit(3, '1-2', {
      after: [
        [1, '0-1'],
        [2, '4'],
        [3, '0'],
      ],
    });
    const worker = begin(sim, 20);
    for (const key of ['1.0.0', '2.4.0', '3.0.0']) end(sim, worker, key);
    expect(sim.starts).not.toContain('3.1.0');
    end(sim, worker, '1.1.0');
    expect(sim.starts).toEqual(expect.arrayContaining(['3.1.0', '3.2.0']));
    expect(sim.core.gates.size).toBe(0);
  });

  test('still waits for dependencies inside of it when the awaited tasks have finished', () => {
    const sim = simWithJobs(2);
    sim.submit(1, '0');
    sim.submit(2, '0-1', { traits: [traits(), traits()], deps: [[], [0]], after: [[1, '0']] });
    const worker = begin(sim, 4);
    end(sim, worker, '1.0.0');
    expect(sim.starts).toEqual(['1.0.0', '2.0.0']);
    end(sim, worker, '2.0.0');
    expect(sim.starts.at(-1)).toBe('2.1.0');
  });

  test('is queued at once when everything has finished, and aborted at once when something has not', () => {
    const sim = simWithJobs(3);
    sim.submit(1, '0-1');
    const worker = begin(sim, 4);
    end(sim, worker, '1.0.0');
    end(sim, worker, '1.1.0', true);
    sim.submit(2, '0', { after: [[1, '0']] });
    expect(sim.core.jobs.get(2)?.stats).toMatchObject({ waiting: 1, aborted: 0 });
    expect(sim.core.ready.size + worker.inbox.length).toBeGreaterThan(0);
    sim.submit(3, '0-4', { after: [[1, '0-1']] });
    expect(sim.core.jobs.get(3)?.stats).toMatchObject({ waiting: 0, aborted: 5 });
    expect(sim.changes.at(-2)).toMatchObject({ kind: 'dropped', reason: 'task 1 of job 1, which it waits for, did not finish' });
  });

  test('is aborted with the failure of an awaited task, and so is what waits for it in a third job, whose end is told', () => {
    const sim = simWithJobs(3);
    sim.submit(1, '0-1');
    sim.submit(2, '0-2', { after: [[1, '0']] });
    sim.submit(3, '0', { after: [[2, '1']] });
    sim.close(2);
    sim.close(3);
    const worker = begin(sim, 4);
    end(sim, worker, '1.0.0', true);
    const dropped = sim.changes.filter((change) => change.kind === 'dropped');
    expect(dropped.map(({ jobId, taskIds, state }) => [jobId, taskIds, state])).toEqual([
      [2, [0, 1, 2], 'aborted'],
      [3, [0], 'aborted'],
    ]);
    expect(dropped[0]?.reason).toBe('task 0 of job 1, which it depends on, failed');
    expect(sim.changes.flatMap((change) => (change.kind === 'job-completed' ? [change.jobId] : []))).toEqual([2, 3]);
    expect([...sim.core.jobs.keys()]).toEqual([1]);
    expect(sim.core.gates.size).toBe(0);
    // Edges of the other task lead to a gate that is gone.
    end(sim, worker, '1.1.0');
  });

  test('waits on while an awaited task is run again', () => {
    const sim = simWithJobs(2);
    sim.submit(1, '0', { traits: traits({ maxRetries: 1 }) });
    sim.submit(2, '0', { after: [[1, '0']] });
    const worker = begin(sim, 1);
    end(sim, worker, '1.0.0', true);
    expect(sim.core.jobs.get(2)?.stats).toMatchObject({ waiting: 1, aborted: 0 });
    end(sim, worker, '1.0.1');
    expect(sim.starts.at(-1)).toBe('2.0.0');
  });

  test.each([null, '0'])('is aborted when the awaited job, or task, is canceled (%s)', (ids) => {
    const sim = simWithJobs(2);
    sim.submit(1, '0-1');
    sim.submit(2, '0', { after: [[1, '0']] });
    sim.cancel(1, ids);
    expect(sim.core.jobs.get(2)?.stats.aborted).toBe(1);
  });

  test('is aborted when the awaited job goes over its max-fails', () => {
    const sim = new CoreSim();
    sim.openJob(1, 0);
    sim.openJob(2);
    sim.submit(1, '0-9');
    sim.submit(2, '0', { after: [[1, '9']] });
    const worker = begin(sim, 1);
    end(sim, worker, '1.0.0', true);
    expect(sim.core.jobs.get(2)?.stats.aborted).toBe(1);
  });

  test('may be canceled: rows that others get afterwards are not woken by what it waited for', () => {
    const sim = simWithJobs(3);
    sim.submit(1, '0');
    sim.submit(2, '0-3', { after: [[1, '0']] });
    sim.close(2);
    sim.cancel(2);
    sim.submit(3, '0-3', { traits: [traits(), traits(), traits(), traits()], deps: [[], [0], [1], [2]] });
    const worker = begin(sim, 8);
    end(sim, worker, '1.0.0');
    expect(sim.starts).toEqual(['1.0.0', '3.0.0']);
  });
});
