/** A task on several real workers: the first of them runs it, finds the names of all, and the others stay free of work until it ends. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let server: HqProcess;
beforeAll(async () => {
  cluster = new Cluster();
  server = await cluster.startServer();
  for (const name of ['node1.example', 'node2.example']) await cluster.startWorker(['--cpus', '1', '--hostname', name]);
});
afterAll(() => cluster.stop());

test('--nodes 2: one command, the names of both nodes, nothing else beside it', async () => {
  const script =
    'echo "$HQ_NUM_NODES $(cat $HQ_NODE_FILE | tr "\\n" " ")$(cat $HQ_HOST_FILE | tr "\\n" " ")" > nodes.txt; until test -e go; do sleep 0.05; done';
  await cluster.ok(['submit', '--nodes', '2', '--', 'sh', '-c', script]);
  await waitFor('the task to run', () => cluster.read('nodes.txt') !== '');
  expect(cluster.read('nodes.txt')).toBe('2 node1 node2 node1.example node2.example \n');
  await cluster.ok(['submit', '--array', '0-9', '--', 'true']);
  expect(await cluster.ok(['task', 'explain', '2', '9'])).toContain('belongs to the multi-node task 1@0');
  expect((await cluster.json<{ task_stats: { waiting: number } }[]>(['job', 'list', '--filter', 'waiting']))[0]?.task_stats.waiting).toBe(
    10,
  );
  writeFileSync(join(cluster.work, 'go'), '');
  await cluster.ok(['job', 'wait', '1-2']);
});

test('several of them run one after the other, also when the server is killed meanwhile, and each keeps all of its nodes', async () => {
  const script =
    'echo "$HQ_TASK_ID $HQ_INSTANCE_ID $HQ_NUM_NODES" >> runs.txt; test $HQ_TASK_ID != 1 || until test -e on; do sleep 0.05; done';
  const job = (await cluster.ok(['--output-mode', 'quiet', 'submit', '--array', '0-3', '--nodes', '2', '--', 'sh', '-c', script])).trim();
  await waitFor('the second task to run', () => cluster.read('runs.txt').includes('1 0 2\n'));
  await server.kill('SIGKILL');
  await cluster.startServer();
  const other = (await cluster.ok(['--output-mode', 'quiet', 'submit', '--', 'true'])).trim();
  await waitFor('both workers to return, and to belong to the task', async () => {
    const text = await cluster.ok(['task', 'explain', other, '0']);
    return /1-2 \(2 workers\).*belongs to the multi-node task/.test(text) && !text.includes('connection');
  });
  writeFileSync(join(cluster.work, 'on'), '');
  await cluster.ok(['job', 'wait', `${job},${other}`]);
  expect(cluster.read('runs.txt').trim().split('\n').sort()).toEqual(['0 0 2', '1 0 2', '2 0 2', '3 0 2']);
});

test('a node that only belongs to a task does not idle out while it runs, also over a restart of the server, and does afterwards', async () => {
  const own = new Cluster();
  try {
    const first = await own.startServer();
    await own.startWorker(['--cpus', '1']);
    await own.ok(['submit', '--nodes', '2', '--', 'sh', '-c', 'until test -e go; do sleep 0.05; done']);
    const idle = ['--cpus', '1', '--idle-timeout', '2s'];
    const member = await own.startWorker(idle);
    // Of another group, and idle for a shorter time than the member: when it has gone, the member would have, too.
    expect(await (await own.startWorker([...idle, '--group', 'other'])).exit()).toBe(0);
    expect(member.isRunning).toBe(true);
    await first.kill('SIGKILL');
    await own.startServer();
    await waitFor('the workers to return', async () => (await own.ok(['worker', 'list'])).split('RUNNING').length === 3);
    expect(await (await own.startWorker([...idle, '--group', 'other'])).exit()).toBe(0);
    expect(member.isRunning).toBe(true);
    expect(await own.ok(['task', 'explain', '1', '0'])).toContain('runs on worker 1, 2.');
    writeFileSync(join(own.work, 'go'), '');
    await own.ok(['job', 'wait', '1']);
    expect(await member.exit()).toBe(0);
  } finally {
    await own.stop();
  }
});
