/** The server is killed and started again on the same directory: nothing is lost, nothing runs twice. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
beforeEach(() => {
  cluster = new Cluster();
});
afterEach(() => cluster.stop());

interface JobRow {
  id: number;
  task_stats: Record<string, number>;
}
interface TaskRow {
  id: number;
  state: string;
  worker?: number;
}

async function stats(job: number): Promise<Record<string, number>> {
  const jobs = await cluster.json<JobRow[]>(['job', 'list', '--all']);
  return jobs.find((row) => row.id === job)?.task_stats ?? {};
}

test('a 1,000-task array survives kill -9 of the server in the middle: every task runs exactly once, as instance 0', async () => {
  const server = await cluster.startServer();
  await cluster.startWorker(['--cpus', '4']);
  const script = 'echo "$HQ_TASK_ID $HQ_INSTANCE_ID" >> runs.txt; sleep 0.01';
  await cluster.ok(['submit', '--array', '1-1000', '--stream', 'logs', '--', 'sh', '-c', script]);
  await waitFor('a third of the tasks', () => cluster.read('runs.txt').split('\n').length > 300);
  await server.kill('SIGKILL');
  await cluster.startServer();
  await cluster.ok(['job', 'wait', '1']);
  expect(await stats(1)).toMatchObject({ finished: 1000, failed: 0, waiting: 0 });
  const lines = cluster.read('runs.txt').trim().split('\n');
  expect(lines).toHaveLength(1000);
  expect(new Set(lines)).toEqual(new Set(Array.from({ length: 1000 }, (_, i) => `${i + 1} 0`)));
  // One worker writes one log, before and after the restart.
  expect(readdirSync(join(cluster.work, 'logs'))).toEqual(['job-1.log']);
});

test('finished jobs stay listed, waiting tasks run, a running one is kept by its worker', async () => {
  const server = await cluster.startServer();
  const worker = await cluster.startWorker(['--cpus', '1']);
  await cluster.ok(['submit', '--wait', '--', 'true']);
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo $HQ_INSTANCE_ID >> kept.txt; until test -e go; do sleep 0.05; done']);
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo ran >> later.txt']);
  await waitFor('the second task to run', () => cluster.read('kept.txt') !== '');
  await server.kill('SIGKILL');
  await cluster.startServer();
  expect((await stats(1)).finished).toBe(1);
  await waitFor('the worker to return', async () => (await cluster.json<unknown[]>(['worker', 'list'])).length === 1);
  expect((await cluster.json<TaskRow[]>(['task', 'info', '2', '0']))[0]).toMatchObject({ state: 'running', worker: 1 });
  expect(worker.isRunning).toBe(true);
  writeFileSync(join(cluster.work, 'go'), '');
  await cluster.ok(['job', 'wait', '2-3']);
  expect(cluster.read('kept.txt')).toBe('0\n');
  expect(cluster.read('later.txt')).toBe('ran\n');
});

test('a task that ends while no server runs is reported to the next one', async () => {
  const server = await cluster.startServer();
  await cluster.startWorker(['--cpus', '1']);
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo start >> t.txt; until test -e go; do sleep 0.05; done; echo end >> t.txt']);
  await waitFor('the task to run', () => cluster.read('t.txt') !== '');
  await server.kill('SIGKILL');
  writeFileSync(join(cluster.work, 'go'), '');
  await waitFor('the task to end', () => cluster.read('t.txt') === 'start\nend\n');
  await cluster.startServer();
  await cluster.ok(['job', 'wait', '1']);
  expect(await stats(1)).toMatchObject({ finished: 1 });
  expect(cluster.read('t.txt')).toBe('start\nend\n');
});

test('SIGTERM leaves the worker and its task alone, a stop ends both, and the task waits for the next server', async () => {
  const server = await cluster.startServer();
  const worker = await cluster.startWorker(['--cpus', '1']);
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo $HQ_INSTANCE_ID >> t.txt; until test -e go; do sleep 0.05; done']);
  await waitFor('the task to run', () => cluster.read('t.txt') !== '');
  expect(await server.kill('SIGTERM')).toBe(0);
  expect(worker.isRunning).toBe(true);
  const second = await cluster.startServer();
  await waitFor('the worker to return', async () => (await cluster.json<unknown[]>(['worker', 'list'])).length === 1);
  await cluster.ok(['server', 'stop']);
  expect(await second.exit()).toBe(0);
  expect(await worker.exit()).toBe(0);
  await cluster.startServer();
  expect(await stats(1)).toMatchObject({ waiting: 1, running: 0 });
  writeFileSync(join(cluster.work, 'go'), '');
  await cluster.startWorker(['--cpus', '1']);
  await cluster.ok(['job', 'wait', '1']);
  expect(cluster.read('t.txt')).toBe('0\n1\n');
});

test('a worker that does not return in time is lost, and its task runs again as the next instance', async () => {
  const server = await cluster.startServer();
  const worker = await cluster.startWorker(['--cpus', '1']);
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo $HQ_INSTANCE_ID >> t.txt; test $HQ_INSTANCE_ID = 1 || sleep 1000']);
  await waitFor('the task to run', () => cluster.read('t.txt') === '0\n');
  await server.kill('SIGKILL');
  await worker.kill('SIGTERM');
  await cluster.startServer(['--reconnect-timeout', '1s']);
  await cluster.startWorker(['--cpus', '1']);
  await cluster.ok(['job', 'wait', '1']);
  expect(cluster.read('t.txt')).toBe('0\n1\n');
});
