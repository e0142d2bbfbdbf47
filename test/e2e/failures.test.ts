/** Tasks that fail, are killed, retried or canceled, as docs/failures.md says. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, processesBelow, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '4', '--resource', 'mem=sum(1000)']);
});
afterAll(() => cluster.stop());

interface Task {
  id: number;
  state: string;
  error?: string;
}

/** Submits, waits for the end, and returns the job's id and tasks. */
async function run(options: string[], script: string): Promise<{ job: string; tasks: Task[] }> {
  const job = (await cluster.ok(['--output-mode', 'quiet', 'submit', ...options, '--', 'sh', '-c', script])).trim();
  await cluster.hq(['job', 'wait', job]);
  const tasks = await cluster.json<Record<string, Task[]>>(['task', 'list', job]);
  return { job, tasks: tasks[job] ?? [] };
}

describe('the reason of a failure is told as the original tells it', () => {
  test.each([
    ['exit 3', 'Program terminated with exit code 3.'],
    ['kill -9 $$', 'Program terminated with exit code -1. Received signal 9 (SIGKILL).'],
  ])('%s', async (script, error) => {
    expect((await run([], script)).tasks[0]).toMatchObject({ state: 'failed', error });
  });

  test('a program that does not exist', async () => {
    const job = (await cluster.ok(['--output-mode', 'quiet', 'submit', '--', 'nosuchprog'])).trim();
    await cluster.hq(['job', 'wait', job]);
    const tasks = await cluster.json<Record<string, Task[]>>(['task', 'list', job]);
    expect(tasks[job]?.[0]?.error).toContain('Cannot execute "nosuchprog": No such file or directory (os error 2)');
  });

  test('a time limit kills the whole group, after a chance to clean up', async () => {
    const { tasks } = await run(
      ['--time-limit', '300ms'],
      'trap "echo cleaned > trap.txt; exit 1" INT; sleep 500 & echo $! > child.pid; wait',
    );
    expect(tasks[0]).toMatchObject({ state: 'failed', error: 'Time limit reached' });
    expect(cluster.read('trap.txt')).toBe('cleaned\n');
    const child = cluster.read('child.pid').trim();
    expect(processesBelow(cluster.work).map(({ pid }) => String(pid))).not.toContain(child);
  });
});

test('a task that holds more memory than it requested is killed, its neighbour finishes, and both tell their peak', async () => {
  // The second one ends when the pipe of the first has: its writer is gone then.
  const { tasks, job } = await run(
    ['--array', '1-2', '--resource', 'mem=50MiB'],
    'mkfifo pipe; if test $HQ_TASK_ID = 1; then exec 3>pipe; head -c 120M /dev/zero | tail | sleep 60; else cat pipe; fi',
  );
  expect(tasks[0]).toMatchObject({
    state: 'failed',
    error: expect.stringMatching(/^Memory limit exceeded: [\d.]+ MiB used( when it wanted more)?, 50 MiB requested\.$/),
  });
  expect(tasks[1]?.state).toBe('finished');
  const info = await cluster.ok(['task', 'info', job, '1']);
  expect(info).toMatch(/CPU time +\| .* user, .* system/);
  expect(info).toMatch(/Peak memory +\| [\d.]+ MiB/);
  const table = await cluster.ok(['task', 'list', job, '-v']);
  expect(table).toMatch(/\| Peak memory \|/);
});

test('retries: a failed task is run again as the next instance, up to the given number', async () => {
  const { tasks, job } = await run(
    ['--max-retries', '2', '--array', '1-2'],
    'echo $HQ_INSTANCE_ID >> retry-$HQ_TASK_ID.txt; test $HQ_TASK_ID = 1 && test $HQ_INSTANCE_ID = 1',
  );
  expect(tasks.map(({ state }) => state)).toEqual(['finished', 'failed']);
  expect(cluster.read('retry-1.txt')).toBe('0\n1\n');
  expect(cluster.read('retry-2.txt')).toBe('0\n1\n2\n');
  expect((await cluster.ok(['--output-mode', 'quiet', 'job', 'list', '--all'])).split('\n')).toContain(`${job} FAILED`);
});

test('retry-delay: the next attempt starts when it is over, and others run meanwhile', async () => {
  const script = 'test $HQ_TASK_ID = 2 || { date +%s%3N >> delay.txt; test $HQ_INSTANCE_ID = 1; }';
  const { tasks } = await run(['--array', '1-2', '--cpus', '4', '--max-retries', '1', '--retry-delay', '700ms'], script);
  expect(tasks.map(({ state }) => state)).toEqual(['finished', 'finished']);
  const [first, second] = cluster.read('delay.txt').trim().split('\n').map(Number) as [number, number];
  expect(second - first).toBeGreaterThanOrEqual(700);
});

test('retry-on: other failures are final, and a code above 128 stands for its signal', async () => {
  const script =
    'echo $HQ_INSTANCE_ID >> on-$HQ_TASK_ID.txt; case $HQ_TASK_ID in 1) exit 3;; 2) exit 4;; 3) kill -9 $$;; 4) kill -15 $$;; esac';
  const { tasks } = await run(['--array', '1-4', '--max-retries', '1', '--retry-on', '3,137'], script);
  expect(tasks.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed', 'failed']);
  expect([1, 2, 3, 4].map((id) => cluster.read(`on-${id}.txt`))).toEqual(['0\n1\n', '0\n', '0\n1\n', '0\n']);
});

test('retry-mem-factor: a task that needs more memory than it was given gets it with its second attempt', async () => {
  const options = ['--resource', 'mem=40MiB', '--max-retries', '3', '--retry-on', 'memory-limit', '--retry-mem-factor', '10'];
  const { tasks } = await run(
    options,
    'echo $HQ_RESOURCE_REQUEST_mem >> mem.txt; test $HQ_INSTANCE_ID = 1 || head -c 120M /dev/zero | tail | sleep 60',
  );
  expect(tasks[0]?.state).toBe('finished');
  expect(cluster.read('mem.txt')).toBe('40 compact\n400 compact\n');
});

test('max-fails aborts the rest of the job', async () => {
  const { tasks } = await run(['--array', '1-200', '--max-fails', '3'], 'test $HQ_TASK_ID -gt 100');
  const count = (state: string) => tasks.filter((task) => task.state === state).length;
  expect(count('failed')).toBe(4);
  expect(count('aborted')).toBeGreaterThan(150);
  expect(count('waiting') + count('running')).toBe(0);
});

test('cancel kills running tasks and everything they started', async () => {
  const job = (
    await cluster.ok(['--output-mode', 'quiet', 'submit', '--array', '1-10', '--', 'sh', '-c', 'sleep 987 & echo x >> started.txt; wait'])
  ).trim();
  await waitFor('four tasks to run', () => cluster.read('started.txt').length === 8);
  const { stderr } = await cluster.hq(['job', 'cancel', job, '--reason', 'enough']);
  expect(stderr).toContain(`Job ${job} canceled (10 tasks canceled, 0 tasks already finished)`);
  await waitFor('the processes to end', () => !processesBelow(cluster.work).some(({ command }) => command.includes('987')));
  expect(await cluster.ok(['--output-mode', 'quiet', 'job', 'list', '--all'])).toContain(`${job} CANCELED\n`);
  expect((await cluster.hq(['job', 'cancel', job])).stderr).toContain('0 tasks canceled, 10 tasks already finished');
});

test('what a finished task left in the background is gone', async () => {
  await run([], 'sleep 986 & disown 2>/dev/null; true');
  await waitFor('the background process to end', () => !processesBelow(cluster.work).some(({ command }) => command.includes('986')));
});

test('a full disk under the log fails the task with its reason, and the worker goes on', async () => {
  // A directory that cannot be made stands for every unwritable log.
  writeFileSync(join(cluster.work, 'not-a-directory'), '');
  const { tasks } = await run(['--stream', 'not-a-directory/logs'], 'echo x');
  expect(tasks[0]).toMatchObject({ state: 'failed', error: expect.stringContaining('not-a-directory') });
  expect((await run([], 'true')).tasks[0]?.state).toBe('finished');
});

test('a delay outlives the server', async () => {
  const own = new Cluster();
  try {
    const server = await own.startServer();
    await own.startWorker(['--cpus', '1']);
    await own.ok(['submit', '--max-retries', '1', '--retry-delay', '1h', '--', 'false']);
    interface Explained {
      reason: { kind: string; untilMs: number };
    }
    const reason = async (): Promise<Explained['reason']> => (await own.json<Explained>(['task', 'explain', '1', '0'])).reason;
    const delayed = await waitFor('the delay', async () => {
      const now = await reason();
      return now.kind === 'delayed' && now;
    });
    await server.kill('SIGKILL');
    await own.startServer();
    expect(await reason()).toEqual(delayed);
    await own.ok(['job', 'cancel', '1']);
    expect(await own.ok(['--output-mode', 'quiet', 'job', 'list', '--all'])).toBe('1 CANCELED\n');
  } finally {
    await own.stop();
  }
});
