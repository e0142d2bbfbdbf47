/** Workers that are killed, stopped, silent or out of time: their tasks run elsewhere as the rules say. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, processesBelow, waitFor } from '../helpers/cluster.ts';

/** Built where there is a C compiler. */
const HQSPAWN = resolve('dist/worker/launcher/hqspawn');

let cluster: Cluster;
beforeEach(async () => {
  cluster = new Cluster();
  await cluster.startServer();
});
afterEach(() => cluster.stop());

const TASK = 'echo "$HQ_INSTANCE_ID" >> t.txt; until test -e go; do sleep 0.05; done';

async function submitAndSee(...options: string[]): Promise<void> {
  await cluster.ok(['submit', ...options, '--', 'sh', '-c', TASK]);
  await waitFor('the task to run', () => cluster.read('t.txt') === '0\n');
}

async function firstTask(): Promise<{ state: string; error?: string }> {
  const [task] = await cluster.json<{ state: string; error?: string }[]>(['task', 'info', '1', '0']);
  if (task === undefined) throw new Error('no task');
  return task;
}

/** Tasks die with a worker that is killed, unless Node has to start them: those the test ends. */
async function tasksEnded(): Promise<void> {
  if (!existsSync(HQSPAWN)) for (const { pid } of tasks()) process.kill(-pid, 'SIGKILL');
  await waitFor('the tasks of the killed worker to end', () => tasks().length === 0);
}

test('a killed worker is noticed, and its task runs elsewhere as the next instance', async () => {
  const worker = await cluster.startWorker(['--cpus', '1', '--heartbeat', '500ms']);
  await submitAndSee();
  await worker.kill('SIGKILL');
  await tasksEnded();
  await cluster.startWorker(['--cpus', '1']);
  await waitFor('the second instance', () => cluster.read('t.txt') === '0\n1\n');
  expect(await cluster.ok(['--output-mode', 'quiet', 'worker', 'list', '--all'])).toContain('1 CONNECTION LOST');
});

test('the crash limit fails a task that keeps losing its worker', async () => {
  const worker = await cluster.startWorker(['--cpus', '1', '--heartbeat', '500ms']);
  await submitAndSee('--crash-limit', '1');
  await worker.kill('SIGKILL');
  await tasksEnded();
  await cluster.hq(['job', 'wait', '1']);
  expect(await firstTask()).toMatchObject({
    state: 'failed',
    error: expect.stringContaining('occurred 1 times in this situation and limit was reached'),
  });
});

test('a worker that stops its tasks hands them over without a crash', async () => {
  const worker = await cluster.startWorker(['--cpus', '1']);
  await submitAndSee('--crash-limit', '1');
  await cluster.ok(['worker', 'stop', '1']);
  expect(await worker.exit()).toBe(0);
  expect(await cluster.ok(['--output-mode', 'quiet', 'worker', 'list', '--all'])).toBe('1 STOPPED\n');
  await cluster.startWorker(['--cpus', '1']);
  await waitFor('the second instance', () => cluster.read('t.txt') === '0\n1\n');
});

test('never-restart fails a running task even when its worker stops in an orderly way', async () => {
  await cluster.startWorker(['--cpus', '1']);
  await submitAndSee('--crash-limit', 'never-restart');
  await cluster.ok(['worker', 'stop', '1']);
  await cluster.hq(['job', 'wait', '1']);
  expect(await firstTask()).toMatchObject({
    state: 'failed',
    error: 'Task was running on a lost worker while never restart flag was set.',
  });
});

test('a worker that reaches its time limit stops its tasks and leaves', async () => {
  const worker = await cluster.startWorker(['--cpus', '1', '--time-limit', '2s']);
  await submitAndSee();
  expect(await worker.exit()).toBe(0);
  expect(await cluster.ok(['--output-mode', 'quiet', 'worker', 'list', '--all'])).toBe('1 TIME LIMIT REACHED\n');
});

test('an idle worker leaves after its idle timeout, its own or the one of the server', async () => {
  const worker = await cluster.startWorker(['--cpus', '1', '--idle-timeout', '300ms']);
  expect(await worker.exit()).toBe(0);
  expect(await cluster.ok(['--output-mode', 'quiet', 'worker', 'list', '--all'])).toBe('1 IDLE TIMEOUT\n');
});

test('a silent worker is lost after two heartbeats and, once back, kills the older instance', async () => {
  const worker = await cluster.startWorker(['--cpus', '1', '--heartbeat', '300ms']);
  await submitAndSee();
  process.kill(worker.pid, 'SIGSTOP');
  await waitFor('the loss', async () =>
    (await cluster.ok(['--output-mode', 'quiet', 'worker', 'list', '--all'])).includes('1 HEARTBEAT LOST'),
  );
  await cluster.startWorker(['--cpus', '1']);
  await waitFor('the second instance', () => cluster.read('t.txt') === '0\n1\n');
  expect(tasks()).toHaveLength(2);
  process.kill(worker.pid, 'SIGCONT');
  await waitFor('the older instance to be killed', () => tasks().length === 1);
});

function tasks(): { pid: number; command: string }[] {
  return processesBelow(cluster.work).filter(({ command }) => command.startsWith('sh -c'));
}
