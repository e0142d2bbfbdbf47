/** Jobs and workers as people, scripts and bridges read them: states and counts in the three output modes, priorities, exit codes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended, scriptSubmit } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
/** 1: finished array, 2: partly failed array, 3: cancelled, 4: running with one waiting. */
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  client = await clientOf(cluster);
  await cluster.startWorker(['--cpus', '1']);
  await client.createJob({ name: 'good', submit: scriptSubmit(cluster, 'true', { ids: '1-3' }) });
  await client.createJob({ name: 'bad', submit: scriptSubmit(cluster, 'test $HQ_TASK_ID != 2 || exit 7', { ids: '1-3' }) });
  await ended(client, 2);
  const canceled = await client.createJob({ name: 'gone', submit: scriptSubmit(cluster, 'until test -e never; do sleep 0.02; done') });
  await client.cancel(canceled.jobId, { reason: 'not needed' });
  await client.createJob({ name: 'live', submit: scriptSubmit(cluster, 'until test -e go; do sleep 0.02; done', { ids: '0-1' }) });
  await waitFor('job 4 to run', async () => (await client.jobDetail(4)).stats.running === 1);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

const table = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
const mode = (name: string, ...args: string[]): Promise<string> => cluster.ok(['--output-mode', name, ...args]);
const DATE = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);

describe('job list', () => {
  test('quiet, table, JSON', async () => {
    expect(await mode('quiet', 'job', 'list', '--all')).toBe('1 FINISHED\n2 FAILED\n3 CANCELED\n4 RUNNING\n');
    expect(table(await mode('cli', 'job', 'list', '--all'))).toEqual([
      ['ID', 'Name', 'State', 'Tasks'],
      ['1', 'good', 'FINISHED', '3'],
      ['2', 'bad', 'FAILED', '3'],
      ['3', 'gone', 'CANCELED', '1'],
      ['4', 'live', 'RUNNING', '2'],
    ]);
    expect(await mode('cli', 'job', 'list')).toContain('There are 4 jobs in total. Use `--all` to display all jobs.');
    const jobs = JSON.parse(await mode('json', 'job', 'list', '--all')) as object[];
    expect(jobs[1]).toEqual({
      id: 2,
      name: 'bad',
      task_count: 3,
      is_open: false,
      cancel_reason: null,
      task_stats: { running: 0, finished: 2, failed: 1, canceled: 0, aborted: 0, waiting: 0 },
    });
    expect(jobs[2]).toMatchObject({ cancel_reason: 'not needed' });
  });

  test('summary', async () => {
    expect(await mode('quiet', 'job', 'summary')).toBe('RUNNING 1\nWAITING 0\nFINISHED 1\nFAILED 1\nABORTED 0\nCANCELED 1\n');
    expect(JSON.parse(await mode('json', 'job', 'summary'))).toMatchObject({ Running: 1, Waiting: 0, Finished: 1, Failed: 1, Canceled: 1 });
  });
});

describe('job info', () => {
  test('JSON: an object for one plain id, an array for a list or selector; HQ_COMPAT=hyperqueue: always an array', async () => {
    const one = JSON.parse(await mode('json', 'job', 'info', '2')) as Record<string, unknown>;
    expect(one).toMatchObject({
      id: 2,
      name: 'bad',
      state: 'FAILED',
      finished: 2,
      failed: 1,
      running: 0,
      waiting: 0,
      started_at: DATE,
      finished_at: DATE,
    });
    for (const selector of ['1-2', 'last', 'all'])
      expect(Array.isArray(JSON.parse(await mode('json', 'job', 'info', selector)))).toBe(true);
    const original = await cluster.ok(['--output-mode', 'json', 'job', 'info', '2'], { env: { HQ_COMPAT: 'hyperqueue' } });
    const [info] = JSON.parse(original) as Record<string, unknown>[];
    expect(Object.keys(info as object).sort()).toEqual(['finished_at', 'info', 'max_fails', 'started_at', 'submits', 'tasks']);
  });

  test('table and quiet', async () => {
    const rows = new Map(table(await mode('cli', 'job', 'info', '2')).map(([key, ...values]) => [key, values.join(' ')]));
    expect(rows.get('ID')).toBe('2');
    expect(rows.get('Tasks')).toBe('3; Ids: 1-3');
    expect(await mode('cli', 'job', 'info', '2')).toContain('Program terminated with exit code 7.');
    expect(await mode('quiet', 'job', 'info', '2')).toBe('');
  });

  test('--tasks lists which tasks failed', async () => {
    const text = await mode('cli', 'job', 'info', '2', '--tasks');
    expect(
      table(text)
        .filter((row) => row.includes('FAILED'))
        .some((row) => row[0] === '2'),
    ).toBe(true);
  });
});

describe('task list', () => {
  test('JSON has the original keys, present only where they say something', async () => {
    const tasks = (JSON.parse(await mode('json', 'task', 'list', '2')) as Record<string, Record<string, unknown>[]>)['2'] ?? [];
    expect(tasks.map(({ id, state }) => [id, state])).toEqual([
      [1, 'finished'],
      [2, 'failed'],
      [3, 'finished'],
    ]);
    expect(tasks[1]).toMatchObject({
      worker: 1,
      error: 'Program terminated with exit code 7.',
      cwd: cluster.work,
      started_at: DATE,
      finished_at: DATE,
    });
    expect(tasks[0]).not.toHaveProperty('error');
    const live = (JSON.parse(await mode('json', 'task', 'list', '4')) as Record<string, Record<string, unknown>[]>)['4'] ?? [];
    expect(live[0]).toMatchObject({ state: 'running', worker: 1 });
    expect(live[0]).not.toHaveProperty('finished_at');
    expect(Object.keys(live[1] as object).sort()).toEqual(['id', 'state']);
  });

  test('table and quiet', async () => {
    const rows = table(await mode('cli', 'task', 'list', '2', '-v'));
    expect(rows[0]?.map((cell) => cell.toLowerCase())).toEqual(['task id', 'state', 'worker', 'makespan', 'error', 'peak memory']);
    expect(rows[2]).toMatchObject([
      '2',
      'FAILED',
      expect.stringContaining('1'),
      expect.any(String),
      'Program terminated with exit code 7.',
      expect.any(String),
    ]);
    expect(await mode('quiet', 'task', 'list', '2')).toBe('');
  });

  test('task info', async () => {
    const [info] = JSON.parse(await mode('json', 'task', 'info', '2', '2')) as object[];
    expect(info).toMatchObject({ id: 2, state: 'failed' });
    expect((await cluster.hq(['task', 'info', '2', '9'])).code).toBe(1);
  });
});

test('worker list and info in three modes', async () => {
  expect(await mode('quiet', 'worker', 'list')).toBe('1 RUNNING\n');
  expect(table(await mode('cli', 'worker', 'list'))[1]?.slice(0, 2)).toEqual(['1', 'RUNNING']);
  const [worker] = JSON.parse(await mode('json', 'worker', 'list')) as Record<string, Record<string, unknown>>[];
  expect(worker).toMatchObject({ id: 1, ended: null, started: DATE, allocation: null });
  const text = await mode('json', 'worker', 'info', '1');
  expect(text).toContain('"min_utilization": 0.0');
  expect(text).toContain('"heartbeat_interval": 8.0');
  expect((await mode('cli', 'worker', 'address', '1')).trim()).not.toBe('');
});

test('every error is one line on stderr; in JSON mode an object on stdout', async () => {
  const plain = await cluster.hq(['job', 'info', '99']);
  expect(plain).toMatchObject({ code: 1, stdout: '' });
  expect(plain.stderr).toContain('99');
  const json = await cluster.hq(['--output-mode', 'json', 'task', 'info', '99', '0']);
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toMatchObject({ error: expect.stringContaining('99') });
  const tolerant = await cluster.hq(['job', 'cancel', '99'], { env: { HQ_COMPAT: 'hyperqueue' } });
  expect(tolerant.code).toBe(0);
});

test('higher priorities run first, equal ones in the order of jobs and tasks, also when the high one comes last', async () => {
  const script = (word: string) => `echo "${word} $HQ_TASK_ID" >> order.txt`;
  // Job 4 holds the only CPU, so that everything is waiting when the first of these starts.
  await client.createJob({ name: 'low', submit: scriptSubmit(cluster, script('low'), { ids: '1-2', priority: -5 }) });
  await client.createJob({ name: 'mid', submit: scriptSubmit(cluster, script('mid'), { ids: '1-3' }) });
  await client.createJob({ name: 'mid2', submit: scriptSubmit(cluster, script('mid2')) });
  const { jobId } = await client.createJob({
    name: 'high',
    submit: scriptSubmit(cluster, script('high'), { ids: '1-2', priority: 2_147_483_647 }),
  });
  // The second task of job 4 waits as well, and is older than all others of its priority.
  writeFileSync(join(cluster.work, 'go'), '');
  for (let job = 4; job <= jobId; job += 1) await ended(client, job);
  expect(cluster.read('order.txt').trim().split('\n')).toEqual(['high 1', 'high 2', 'mid 1', 'mid 2', 'mid 3', 'mid2 0', 'low 1', 'low 2']);
});
