/** A task on several real workers: the first of them runs it, finds the names of all, and the others stay free of work until it ends. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
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
