/** Open jobs, waiting, cancelling, forgetting and counting from the command line, as the tutorial and existing scripts use them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  client = await clientOf(cluster);
  await cluster.startWorker(['--cpus', '2']);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

const quiet = async (...args: string[]): Promise<string> => (await cluster.ok(['--output-mode', 'quiet', ...args])).trim();
const stateOf = async (job: string): Promise<string | undefined> =>
  (await quiet('job', 'list', '--all'))
    .split('\n')
    .find((line) => line.startsWith(`${job} `))
    ?.slice(job.length + 1);
const until = (file: string): string[] => ['--', 'sh', '-c', `until test -e ${file}; do sleep 0.02; done`];

test('the tutorial: open, two submit-task, close; ids go on where they ended', async () => {
  const opened = await cluster.hq(['job', 'open']);
  const id = opened.stdout.trim();
  expect(id).toMatch(/^\d+$/);
  expect(opened.stderr).toContain(`Job ${id} is open.`);
  expect(await stateOf(id)).toBe('OPENED');
  await cluster.ok(['job', 'submit-task', id, '--', 'sh', '-c', 'echo file1 >> tutorial.txt']);
  await cluster.ok(['job', 'submit-task', id, '--', 'sh', '-c', 'echo file2 >> tutorial.txt']);
  await cluster.ok(['submit', '--job', id, '--array', '10-12', '--', 'true']);
  await cluster.ok(['submit', '--job', id, '--', 'true']);
  await cluster.ok(['job', 'wait', '--without-close', id]);
  expect(cluster.read('tutorial.txt').split('\n').sort()).toEqual(['', 'file1', 'file2']);
  expect(await cluster.ok(['job', 'task-ids', id])).toBe('0-1,10-13\n');
  expect(await stateOf(id)).toBe('OPENED');
  expect(await cluster.ok(['job', 'list'])).toContain(`*${id}`);
  const { stderr } = await cluster.hq(['job', 'close', id]);
  expect(stderr).toContain(`Job ${id} closed`);
  await cluster.ok(['job', 'wait', id]);
  expect(await stateOf(id)).toBe('FINISHED');
  const late = await cluster.hq(['submit', '--job', id, '--', 'true']);
  expect(late.code).toBe(1);
  expect(late.stderr).toMatch(new RegExp(`${id}.*not open|not open.*${id}`));
});

test('wait waits for the close, --without-close for the tasks', async () => {
  const id = await quiet('job', 'open', '--name', 'waited');
  const waiting = cluster.start(['job', 'wait', id]);
  await cluster.ok(['submit', '--job', id, ...until('go-wait')]);
  const idle = cluster.start(['job', 'wait', '--without-close', id]);
  await waitFor('the task to run', async () => (await client.jobDetail(Number(id))).stats.running === 1);
  expect(idle.isRunning).toBe(true);
  writeFileSync(join(cluster.work, 'go-wait'), '');
  expect(await idle.exit()).toBe(0);
  expect(waiting.isRunning).toBe(true);
  await cluster.ok(['job', 'close', id]);
  expect(await waiting.exit()).toBe(0);
});

test('an explicit id that exists is refused and nothing is added', async () => {
  const id = await quiet('job', 'open');
  await cluster.ok(['submit', '--job', id, '--array', '1-3', '--', 'true']);
  const clash = await cluster.hq(['submit', '--job', id, '--array', '3-5', '--', 'true']);
  expect(clash.code).toBe(1);
  expect(clash.stderr).toMatch(new RegExp(`task 3 already exists in job ${id}`, 'i'));
  expect(await cluster.ok(['job', 'task-ids', id])).toBe('1-3\n');
  await cluster.ok(['job', 'close', id]);
});

test('options of a job are refused for tasks that join one', async () => {
  const id = await quiet('job', 'open');
  for (const option of [
    ['--name', 'x'],
    ['--max-fails', '1'],
  ]) {
    const result = await cluster.hq(['submit', '--job', id, ...option, '--', 'true']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(option[0]);
  }
  expect((await client.jobDetail(Number(id))).taskCount).toBe(0);
  await cluster.ok(['job', 'close', id]);
  expect(await stateOf(id)).toBe('FINISHED');
});

test('a cancelled open job stays open, takes more tasks, and ends by its close', async () => {
  const id = await quiet('job', 'open');
  await cluster.ok(['submit', '--job', id, '--array', '1-4', ...until('never')]);
  await waitFor('two to run', async () => (await client.jobDetail(Number(id))).stats.running === 2);
  const { stderr } = await cluster.hq(['job', 'cancel', id, '--reason', 'changed my mind']);
  expect(stderr).toContain(`Job ${id} canceled (4 tasks canceled, 0 tasks already finished)`);
  expect(await stateOf(id)).toBe('CANCELED');
  await cluster.ok(['submit', '--job', id, '--', 'true']);
  await ended(client, Number(id));
  expect((await client.jobDetail(Number(id))).stats).toMatchObject({ canceled: 4, finished: 1 });
  await cluster.ok(['job', 'close', id]);
  expect(await stateOf(id)).toBe('CANCELED');
  expect(await cluster.ok(['job', 'list', '--all', '--verbose'])).toContain('changed my mind');
});

test('max-fails of an open job counts over all its submits', async () => {
  const id = await quiet('job', 'open', '--max-fails', '1');
  await cluster.ok(['submit', '--job', id, '--', 'false']);
  await ended(client, Number(id));
  await cluster.ok(['submit', '--job', id, '--array', '10-30', '--', 'sh', '-c', 'test $HQ_TASK_ID != 10 || exit 1; sleep 0.05']);
  await ended(client, Number(id));
  const { stats } = await client.jobDetail(Number(id));
  expect(stats.failed).toBe(2);
  expect(stats.aborted).toBeGreaterThan(0);
  await cluster.ok(['job', 'close', id]);
  expect(await stateOf(id)).toBe('FAILED');
});

describe('ids and filters', () => {
  test('task-ids of one job, of several, and by state', async () => {
    const first = await quiet('submit', '--array', '1-3,7,20-30:5', '--', 'sh', '-c', 'test $HQ_TASK_ID -lt 20');
    const second = await quiet('submit', '--', 'true');
    await cluster.ok(['job', 'wait', `${first},${second}`]);
    expect(await cluster.ok(['job', 'task-ids', first])).toBe('1-3,7,20,25,30\n');
    expect(await cluster.ok(['job', 'task-ids', first, '--filter', 'failed'])).toBe('20,25,30\n');
    expect(await cluster.ok(['job', 'task-ids', `${first}-${second}`])).toBe(`${first}: 1-3,7,20,25,30\n${second}: 0\n`);
    expect(await cluster.json(['job', 'task-ids', first, '--filter', 'finished'])).toEqual({ [first]: [1, 2, 3, 7] });
    const listed = await cluster.json<Record<string, { id: number }[]>>([
      'task',
      'list',
      first,
      '--tasks',
      '7,20',
      '--task-status',
      'failed',
    ]);
    expect(listed[first]?.map(({ id }) => id)).toEqual([20]);
  });

  test('job list shows live jobs, --all all, --filter exactly those', async () => {
    const running = await quiet('submit', ...until('go-list'));
    const failed = await quiet('submit', '--', 'false');
    await cluster.ok(['job', 'wait', failed]);
    await waitFor('it to run', async () => (await client.jobDetail(Number(running))).stats.running === 1);
    expect(await quiet('job', 'list')).toContain(`${running} RUNNING`);
    expect(await quiet('job', 'list')).not.toContain(`${failed} FAILED`);
    expect((await quiet('job', 'list', '--filter', 'failed')).split('\n')).toContain(`${failed} FAILED`);
    expect(await quiet('job', 'list', '--filter', 'failed')).not.toMatch(/RUNNING|FINISHED|OPENED/);
    const summary = (await quiet('job', 'summary')).split('\n').map((line) => line.split(' '));
    expect(summary.map(([state]) => state)).toEqual(['RUNNING', 'WAITING', 'FINISHED', 'FAILED', 'ABORTED', 'CANCELED']);
    expect(Number(summary[0]?.[1])).toBe(1);
    expect(Number(summary[3]?.[1])).toBeGreaterThan(0);
    writeFileSync(join(cluster.work, 'go-list'), '');
    await cluster.ok(['job', 'wait', running]);
  });

  test('forget drops ended jobs alone, and their ids are never given out again', async () => {
    const done = await quiet('submit', '--', 'true');
    const live = await quiet('submit', ...until('go-forget'));
    await cluster.ok(['job', 'wait', done]);
    const result = await cluster.hq(['job', 'forget', `${done},${live}`]);
    expect(result.stderr).toContain('1 jobs were forgotten, 1 were ignored due to wrong state or invalid ID');
    expect(await stateOf(done)).toBeUndefined();
    expect((await cluster.hq(['job', 'info', done])).code).toBe(1);
    expect(Number(await quiet('submit', '--', 'true'))).toBe(Number(live) + 1);
    writeFileSync(join(cluster.work, 'go-forget'), '');
    await cluster.ok(['job', 'wait', live]);
  });

  test("the selector 'last' is the newest job, 'all' every one that allows it", async () => {
    const id = await quiet('submit', ...until('never'));
    expect((await cluster.hq(['job', 'cancel', 'last'])).stderr).toContain(`Job ${id} canceled (1 tasks canceled`);
    const again = await cluster.hq(['job', 'cancel', 'all']);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stderr).not.toContain('canceled (');
  });
});

test('progress off a terminal: plain lines that end with everything done, and exit code 0 although tasks failed', async () => {
  const id = await quiet('submit', '--array', '1-50', '--', 'sh', '-c', 'test $HQ_TASK_ID -gt 5');
  const { code, stderr, stdout } = await cluster.hq(['job', 'progress', id]);
  expect(code).toBe(0);
  expect(stdout).toBe('');
  const lines = stderr.trim().split('\n');
  expect(lines.at(-1)).toBe('1/1 jobs, 50/50 tasks 45 FINISHED 5 FAILED');
  for (const control of ['\r', '\u001b']) expect(stderr).not.toContain(control);
  const waited = await cluster.hq(['submit', '--progress', '--array', '1-3', '--', 'true']);
  expect(waited.code).toBe(0);
  expect(waited.stderr).toContain('3/3 tasks 3 FINISHED');
});
