/** Autoallocation on local processes as allocations: they come while tasks wait, end when nothing does, and outlive their server. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectClient } from '../../src/client/client.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';

const TIMES = {
  HQ_AUTOALLOC_SCHEDULE_TICK_INTERVAL_MS: '100',
  HQ_AUTOALLOC_REFRESH_INTERVAL_MS: '200',
  HQ_AUTOALLOC_CANCEL_DELAY_MS: '300',
};

let cluster: Cluster;
beforeEach(async () => {
  cluster = new Cluster({ ...TIMES, HQ_AUTOALLOC_MAX_ALLOCATION_FAILS: '1' });
  await cluster.startServer();
});
afterEach(() => cluster.stop());

interface AllocationJson {
  readonly id: string;
  readonly status: string;
  readonly workdir: string;
  readonly ended_at: string | null;
  readonly detail: string | null;
}
const allocations = (queue = 1): Promise<AllocationJson[]> => cluster.json(['alloc', 'info', String(queue)]);

async function queueState(): Promise<{ state: string; paused_reason: string | null } | undefined> {
  const [queue] = await cluster.json<{ state: string; paused_reason: string | null }[]>(['alloc', 'list']);
  return queue;
}

/** A queue of one-CPU workers on this host; without a trial, which other tests are about. */
function addQueue(...options: string[]): Promise<string> {
  return cluster.ok(['alloc', 'add', 'local', '--no-dry-run', '--cpus', '1', '--time-limit', '5m', '--idle-timeout', '1s', ...options]);
}

test('the server tells bridges how many queues bring workers, so that none starts a worker of its own: paused ones do not', async () => {
  const client = await connectClient({ env: cluster.env });
  try {
    expect((await client.serverInfo()).allocationQueues).toBe(0);
    for (const _ of [1, 2]) await addQueue();
    expect((await client.serverInfo()).allocationQueues).toBe(2);
    await cluster.ok(['alloc', 'pause', '1']);
    expect((await client.serverInfo()).allocationQueues).toBe(1);
  } finally {
    client.close();
  }
});

test('allocations come for tasks, never more than allowed, and disappear when nothing waits', async () => {
  const added = await cluster.hq([
    'alloc',
    'add',
    'local',
    '--time-limit',
    '5m',
    '--workers-per-alloc',
    '1',
    '--backlog',
    '1',
    '--max-worker-count',
    '2',
    '--cpus',
    '1',
    '--idle-timeout',
    '1s',
    '--name',
    'night',
  ]);
  expect(added).toMatchObject({ code: 0, stdout: '' });
  expect(added.stderr).toContain('A trial allocation was submitted successfully. It was immediately canceled');
  expect(added.stderr).toContain('Allocation queue 1 successfully created');
  await cluster.ok(['submit', '--array', '1-20', '--', 'sh', '-c', 'echo $HQ_TASK_ID >> done.txt']);
  await cluster.ok(['job', 'wait', 'last']);
  expect(cluster.read('done.txt').trim().split('\n').length).toBe(20);
  await waitFor('all allocations to end', async () => (await allocations()).every((one) => one.ended_at !== null));
  const all = await allocations();
  expect(all.length).toBeGreaterThan(0);
  expect(all.length).toBeLessThanOrEqual(3);
  for (const { status, workdir } of all) {
    expect(status).toBe('finished');
    expect(workdir).toMatch(/\/001\/autoalloc\/1-night\/00\d$/);
    expect(readdirSync(workdir)).toEqual(expect.arrayContaining(['hq-submit.sh', 'jobid', 'stdout', 'stderr']));
    expect(statSync(workdir).mode & 0o077).toBe(0);
    expect(readFileSync(join(workdir, 'hq-submit.sh'), 'utf8')).toContain(`--server-dir "${join(cluster.serverDir, '001')}"`);
  }
  expect(await cluster.ok(['worker', 'list', '--all'])).toContain('IDLE TIMEOUT');
  const log = await cluster.hq(['alloc', 'log', all[0]?.id ?? '', 'stdout']);
  expect(log.stdout).toContain('Manager Job ID');
  expect(await cluster.hq(['alloc', 'log', '999', 'stdout'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Allocation 999 not found'),
  });
});

async function killServerDuringTask(...options: string[]): Promise<AllocationJson | undefined> {
  await addQueue(...options);
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo $HQ_INSTANCE_ID >> t.txt; until test -e go; do sleep 0.05; done']);
  await waitFor('the task to run', () => cluster.read('t.txt') === '0\n');
  const [before] = await allocations();
  const info = await cluster.json<{ pid: number }>(['server', 'info']);
  process.kill(info.pid, 'SIGKILL');
  await waitFor('the server to be gone', async () => (await cluster.hq(['server', 'info'])).code !== 0);
  return before;
}

test('a killed server finds its allocations again: their tasks go on, and nothing is asked for twice', async () => {
  const before = await killServerDuringTask();
  await cluster.startServer();
  await waitFor('the worker to come back', async () => (await cluster.ok(['worker', 'list'])).includes('RUNNING'));
  expect(await allocations()).toMatchObject([{ id: before?.id, status: 'running' }]);
  writeFileSync(join(cluster.work, 'go'), '');
  await cluster.ok(['job', 'wait', 'all']);
  expect(cluster.read('t.txt')).toBe('0\n');
  await waitFor('all allocations to end', async () => (await allocations()).every((one) => one.status === 'finished'));
});

test('a worker that only finishes its task while there is no server leaves the result to the next one', async () => {
  await killServerDuringTask('--on-server-lost', 'finish-running');
  writeFileSync(join(cluster.work, 'go'), '');
  const spool = join(cluster.serverDir, '001/spool');
  await waitFor('the result', () => readdirSync(spool).length > 0);
  await cluster.startServer();
  await cluster.ok(['job', 'wait', 'all']);
  await waitFor('the end of the allocation', async () => (await allocations()).every((one) => one.ended_at !== null));
  expect(cluster.read('t.txt')).toBe('0\n');
});

test('tasks that run when an allocation ends get a signal first, and run again without a crash', async () => {
  await cluster.ok([
    'alloc',
    'add',
    'local',
    '--no-dry-run',
    '--cpus',
    '1',
    '--time-limit',
    '5s',
    '--drain-before',
    '0s',
    '--signal-before-end',
    'USR1@2s',
  ]);
  const script =
    'echo $HQ_INSTANCE_ID >> t.txt; trap "echo saved >> t.txt" USR1; test $HQ_INSTANCE_ID -gt 0 || while :; do sleep 0.1; done';
  await cluster.ok(['submit', '--crash-limit', '1', '--', 'bash', '-c', script]);
  await cluster.ok(['job', 'wait', 'last']);
  expect(cluster.read('t.txt')).toBe('0\nsaved\n1\n');
  expect(await cluster.ok(['--output-mode', 'quiet', 'job', 'list', '--all'])).toContain('1 FINISHED');
  expect(await cluster.ok(['worker', 'list', '--all'])).toContain('TIME LIMIT REACHED');
});

test('a worker near the end of its allocation gets nothing new; what waits runs on the next one', async () => {
  // From its sixth second on: by then its worker is there and has begun the first task. One worker at a time, so that the other task waits for it.
  const times = ['--time-limit', '1h', '--drain-before', '3594s'];
  await cluster.ok(['alloc', 'add', 'local', '--no-dry-run', '--cpus', '1', '--max-worker-count', '1', ...times]);
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo a >> t.txt; until test -e go; do sleep 0.05; done']);
  await waitFor('the first task to run', () => cluster.read('t.txt') === 'a\n');
  await cluster.ok(['submit', '--', 'true']);
  await waitFor('the worker to drain', async () => (await cluster.ok(['task', 'explain', 'last', '0'])).includes('takes nothing new'));
  writeFileSync(join(cluster.work, 'go'), '');
  await cluster.ok(['job', 'wait', 'all']);
  expect(await allocations()).toHaveLength(2);
});

test('a removed queue cancels what is queued and lets what runs end with its tasks; --force cancels that, too', async () => {
  await addQueue();
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo a >> t.txt; until test -e go; do sleep 0.05; done']);
  await waitFor('the task to run', () => cluster.read('t.txt') === 'a\n');
  const refused = await cluster.hq(['alloc', 'remove', '1'], { env: { HQ_COMPAT: 'hyperqueue' } });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('has running allocations') });
  await cluster.ok(['alloc', 'remove', '1']);
  expect(await queueState()).toMatchObject({ state: 'Draining' });
  await cluster.ok(['submit', '--', 'true']);
  expect(await cluster.ok(['task', 'explain', 'last', '0'])).toContain('takes nothing new');
  await cluster.ok(['job', 'cancel', 'last']);
  await cluster.ok(['alloc', 'remove', '1', '--force']);
  await waitFor('the queue to be gone', async () => (await queueState()) === undefined);
  expect(await cluster.ok(['worker', 'list'])).not.toContain('RUNNING');
  expect(await cluster.hq(['alloc', 'remove', '1'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('allocation queue 1 not found'),
  });
});

test('allocations whose worker never connects pause their queue, with the reason, until it is resumed', async () => {
  await addQueue('--worker-start-cmd', `test -e ${cluster.work}/repaired`);
  await cluster.ok(['submit', '--', 'true']);
  await waitFor('the queue to be paused', async () => (await queueState())?.state === 'Paused');
  expect((await queueState())?.paused_reason).toMatch(
    /one allocation failed; the last one: .*no worker of it had connected, see: hq alloc log/,
  );
  expect(await cluster.ok(['alloc', 'list'])).toContain('Go on with: hq alloc resume 1');
  expect(await cluster.ok(['alloc', 'explain', '1'])).toContain('would use 1 worker more; it is paused');
  expect(await cluster.ok(['task', 'explain', 'last', '0'])).toMatch(/Allocation queue 1 has no allocation; it is paused/);
  await cluster.ok(['submit', '--name', 'touch', '--', 'true']);
  writeFileSync(join(cluster.work, 'repaired'), '');
  await cluster.ok(['alloc', 'resume', '1']);
  await cluster.ok(['job', 'wait', 'all']);
  expect(await queueState()).toMatchObject({ state: 'Active', paused_reason: null });
});

test('a batch system that refuses the trial keeps the queue from being made; bad input changes nothing', async () => {
  // Whether there is no Slurm on this host, one that does not answer, or one that has no such partition.
  const failed = await cluster.hq(['alloc', 'add', 'slurm', '--time-limit', '1h', '--', '--partition=hq-has-no-such-partition']);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('Dry-run (test allocation submission) has failed');
  expect(await cluster.hq(['alloc', 'add', 'local'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--time-limit <DURATION>'),
  });
  expect(await cluster.hq(['alloc', 'add', 'condor', '-t', '1h'])).toMatchObject({ code: 1, stderr: expect.stringContaining("'condor'") });
  for (const [option, value, told] of [
    ['--backlog', '0', 'a whole number from 1'],
    ['--signal-before-end', 'USR9@1s', 'a signal and a duration'],
    ['--worker-time-limit', '2h', 'longer than that of the allocation'],
    ['--drain-before', '1h', 'of no use'],
    ['--cpus', 'x', "invalid resource descriptor 'cpus=x'"],
  ] as const) {
    const result = await cluster.hq(['alloc', 'add', 'local', '-t', '1h', option, value]);
    expect([result.code === 0, result.stderr]).toEqual([false, expect.stringContaining(told)]);
  }
  expect(await cluster.json(['alloc', 'list'])).toEqual([]);
});

test('stopping the server cancels its allocations, ending it by a signal leaves them', async () => {
  await addQueue();
  await cluster.ok(['submit', '--', 'sh', '-c', 'echo $HQ_INSTANCE_ID >> t.txt; until test -e go; do sleep 0.05; done']);
  await waitFor('the task to run', () => cluster.read('t.txt') === '0\n');
  const { pid } = await cluster.json<{ pid: number }>(['server', 'info']);
  process.kill(pid, 'SIGTERM');
  await waitFor('the server to be gone', async () => (await cluster.hq(['server', 'info'])).code !== 0);
  const server = await cluster.startServer();
  await waitFor('the worker to come back', async () => (await cluster.ok(['worker', 'list'])).includes('RUNNING'));
  await cluster.ok(['server', 'stop']);
  expect(await server.exit()).toBe(0);
  await cluster.startServer();
  // The queue is kept, and the task still waits: a fresh allocation runs its next instance.
  await waitFor('the next instance', () => cluster.read('t.txt') === '0\n1\n');
  const states = (await allocations()).map(({ status, detail }) => [status, detail]);
  expect(states).toEqual([
    ['finished', 'canceled by the server, which was stopped'],
    ['running', expect.anything()],
  ]);
  expect(existsSync(join(cluster.serverDir, '001/autoalloc/1/002/hq-submit.sh'))).toBe(true);
});
