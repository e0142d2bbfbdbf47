/** `hq task explain` against a real server: a wait for others, for a place, for a worker that does not exist, the end, wrong ids. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectClient, type HqClient } from '../../src/client/client.ts';
import { taskExplanation } from '../../src/protocol/schema/explain.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '2']);
  client = await connectClient({ serverDir: cluster.serverDir, env: cluster.env });
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

const quiet = async (...args: string[]): Promise<string> => (await cluster.ok(['--output-mode', 'quiet', 'submit', ...args])).trim();

/** What the server says, checked against its published schema. */
const explain = async (job: string | number, task: number) => taskExplanation.parse(await client.explainTask(Number(job), task));

test('a task that waits for a place, and for others; then it runs, and has ended', async () => {
  const holder = await quiet('--cpus', '2', '--', 'sh', '-c', 'touch runs; until test -e go; do sleep 0.05; done');
  await waitFor('it to run', async () => (await explain(holder, 0)).reason.kind === 'running');
  const wide = await quiet('--cpus', '1.5', '--priority', '5', '--', 'true');
  const small = await quiet('--array', '0-9', '--', 'true');
  const text = await cluster.ok(['task', 'explain', small, '9']);
  expect(text).toContain(
    `Task 9 of job ${small} waits for a worker that is free for it; before it come 1 task of higher priority and 9 tasks of the same request.`,
  );
  expect(text).toContain(`has 0 of 'cpus' free, 1 needed (held by ${holder}@0: 2)`);
  const graph = {
    kind: 'graph' as const,
    tasks: [
      { id: 0, command: ['true'] },
      { id: 1, command: ['true'], deps: [0] },
    ],
  };
  const { jobId } = await client.createJob({ name: 'graph', submit: { submitDir: cluster.work, tasks: graph } });
  expect((await explain(jobId, 1)).reason).toEqual({
    kind: 'dependencies',
    unfinished: 1,
    tasks: [{ jobId, taskId: 0, state: 'waiting' }],
  });
  writeFileSync(join(cluster.work, 'go'), '');
  await cluster.ok(['job', 'wait', `${wide},${small},${jobId}`]);
  expect(await cluster.ok(['task', 'explain', small, '9'])).toBe(`Task 9 of job ${small} is FINISHED\n`);
  expect(await explain(jobId, 1)).toMatchObject({ state: 'finished', dependencies: 1, reason: { kind: 'ended', error: null } });
});

test('a task that no worker could ever run: the same sentence as at its submit', async () => {
  const { stdout, stderr } = await cluster.hq(['--output-mode', 'quiet', 'submit', '--nodes', '3', '--', 'true']);
  const sentence = "no group has 3 workers; the largest, 'default', has 1";
  expect(stderr).toContain(sentence);
  const job = stdout.trim();
  expect(await cluster.ok(['task', 'explain', 'last', '0'])).toContain(sentence);
  expect((await explain(job, 0)).variants[0]?.workers).toEqual([
    { workerIds: '1', count: 1, obstacles: [{ kind: 'nodes', group: 'default', needed: 3, size: 1, idle: 1 }] },
  ]);
  await cluster.ok(['job', 'cancel', job]);
  expect((await explain(job, 0)).reason).toMatchObject({ kind: 'ended' });
});

test('unknown jobs and tasks are one line and exit code 1', async () => {
  await quiet('--', 'true');
  for (const [args, text] of [
    [['999', '0'], 'job 999 not found'],
    [['last', '999'], 'task 999 of job'],
  ] as const) {
    const { code, stdout, stderr } = await cluster.hq(['task', 'explain', ...args]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(text);
  }
});
