/** What can be changed after the fact: priority and limits of tasks, parameters of an allocation queue; and tasks that only one queue may run. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
let server: HqProcess;
beforeAll(async () => {
  cluster = new Cluster({ HQ_AUTOALLOC_SCHEDULE_TICK_INTERVAL_MS: '100', HQ_AUTOALLOC_REFRESH_INTERVAL_MS: '200' });
  server = await cluster.startServer();
  client = await clientOf(cluster);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

const quiet = async (...args: string[]): Promise<string> => (await cluster.ok(['--output-mode', 'quiet', ...args])).trim();
const submit = (script: string, ...options: string[]): Promise<string> =>
  quiet('submit', '--stdout', 'none', '--stderr', 'none', ...options, '--', 'sh', '-c', script);

test('job modify: what waits starts in the new order and under the new limits, also after a restart; bad input changes nothing', async () => {
  const low = await submit('echo low >> order.txt', '--array', '1-2');
  const slow = await submit('echo slow >> order.txt; sleep 60', '--priority', '-1');
  const high = await submit('echo high >> order.txt');
  const done = await cluster.hq(['job', 'modify', low, '--tasks', '2', '--priority', '-5']);
  expect(done).toMatchObject({ code: 0, stdout: '' });
  expect(done.stderr).toContain(`Job ${low} modified (1 task)`);
  await cluster.ok(['job', 'modify', high, '--priority', '7', '--max-fails', '3', '--crash-limit', 'unlimited', '--max-retries', '2']);
  await cluster.ok(['job', 'modify', slow, '--time-limit', '1s']);
  await server.kill('SIGKILL');
  server = await cluster.startServer();
  client.close();
  client = await clientOf(cluster);
  const { spec } = await client.taskDetail(Number(high), 0);
  expect(spec).toMatchObject({ priority: 7, crashLimit: 'unlimited', maxRetries: 2 });
  expect((await client.jobDetail(Number(high))).maxFails).toBe(3);
  expect((await client.taskDetail(Number(low), 1)).spec.priority).toBe(0);
  expect(await cluster.ok(['task', 'info', low, '2'])).toMatch(/Priority +\| -5/);
  const worker = await cluster.startWorker(['--cpus', '1']);
  await ended(client, Number(low));
  expect(cluster.read('order.txt').trim().split('\n')).toEqual(['high', 'low', 'slow', 'low']);
  expect((await client.taskDetail(Number(slow), 0)).error).toContain('Time limit reached');
  const before = await client.listJobs();
  const refused: [string[], number, RegExp][] = [
    [['job', 'modify', low, '--priority', '1'], 1, new RegExp(`job ${low} has ended`)],
    [['job', 'modify', '999', '--priority', '1'], 1, /job 999 not found/],
    [['job', 'modify', low], 2, /there is nothing to change/],
    [['job', 'modify', low, '--tasks', '1', '--max-fails', '1'], 2, /of the whole job/],
    [['job', 'modify', low, '--crash-limit', '0'], 2, /--crash-limit/],
    [['job', 'modify', low, '--time-limit', 'x'], 2, /--time-limit/],
  ];
  for (const [args, code, text] of refused) {
    const result = await cluster.hq(args);
    expect([args, result.code]).toEqual([args, code]);
    expect(result.stderr).toMatch(text);
  }
  expect(await client.listJobs()).toEqual(before);
  await worker.kill('SIGTERM');
});

test('a bad variable of the server is refused before anything is made', async () => {
  const env = { HQ_SERVER_DIR: join(cluster.work, 'nowhere'), HQ_AUTOALLOC_CANCEL_DELAY_MS: '10s' };
  const result = await cluster.hq(['server', 'start'], { env });
  expect(result).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr).toContain("invalid value '10s' for HQ_AUTOALLOC_CANCEL_DELAY_MS: a whole number above zero is expected");
  expect(existsSync(join(cluster.work, 'nowhere'))).toBe(false);
});

test('alloc modify changes what is submitted from now on; --queue lets only workers of one queue run a task, and a dry run says so', async () => {
  const add = (name: string): Promise<string> =>
    cluster.ok(['alloc', 'add', 'local', '--no-dry-run', '--name', name, '--time-limit', '5m', '--idle-timeout', '1s', '--cpus', '1']);
  await add('left');
  await add('right');
  await cluster.ok(['alloc', 'pause', '1']);
  await cluster.ok(['alloc', 'pause', '2']);
  const dry = await cluster.ok(['submit', '--dry-run', '--queue', 'right', '--', 'true']);
  expect(dry).toMatch(/Tasks 0: [^\n]*left[^\n]*/);
  expect(dry).toMatch(/Tasks 0: [^\n]*right[^\n]*/);
  const job = await submit('echo $HQ_ALLOCATION_ID > where.txt; until test -e go; do sleep 0.02; done', '--queue', 'right');
  const modified = await cluster.hq([
    'alloc',
    'modify',
    '2',
    '--time-limit',
    '3m',
    '--backlog',
    '2',
    '--max-worker-count',
    '1',
    '--workers-per-alloc',
    '1',
  ]);
  expect(modified.stderr).toContain('Allocation queue 2 successfully modified');
  await cluster.ok(['alloc', 'resume', '1']);
  await cluster.ok(['alloc', 'resume', '2']);
  await waitFor('the task to run', () => existsSync(join(cluster.work, 'where.txt')));
  const [own] = await client.queueAllocations(2);
  expect(await client.queueAllocations(1)).toEqual([]);
  const [worker] = (await client.taskDetail(Number(job), 0)).workers;
  expect((await client.workerInfo(worker as number)).configuration.timeLimitMs).toBeLessThanOrEqual(180_000);
  expect((await client.workerInfo(worker as number)).configuration.allocation?.id).toBe(own?.id);
  expect((await client.listQueues())[1]?.params).toMatchObject({ timeLimitMs: 180_000, backlog: 2, maxWorkerCount: 1, name: 'right' });
  await cluster.ok(['alloc', 'modify', '2', '--max-worker-count', 'none', '--', '--partition=x']);
  const { params } = (await client.listQueues())[1] as { params: object };
  expect(params).toMatchObject({ additionalArgs: ['--partition=x'] });
  expect(params).not.toHaveProperty('maxWorkerCount');
  const refused: [string[], number, RegExp][] = [
    [['alloc', 'modify', '2'], 2, /there is nothing to change/],
    [['alloc', 'modify', '9', '--backlog', '1'], 1, /allocation queue 9 not found/],
    [['alloc', 'modify', '2', '--worker-time-limit', '1h'], 1, /longer than that of the allocation/],
    [['submit', '--queue', 'a b', '--', 'true'], 2, /--queue/],
    [['submit', '--queue', 'right', '--nodes', '2', '--', 'true'], 2, /--nodes/],
  ];
  for (const [args, code, text] of refused) {
    const result = await cluster.hq(args);
    expect([args, result.code]).toEqual([args, code]);
    expect(result.stderr).toMatch(text);
  }
  expect((await client.listQueues())[1]?.params).toEqual(params);
  writeFileSync(join(cluster.work, 'go'), '');
  await ended(client, Number(job));
});
