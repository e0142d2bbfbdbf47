/** Autoallocation on a real Slurm: the tutorial as printed, and what can happen to allocations there. Real servers, workers and jobs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { clientOf } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import { SlurmCluster } from '../helpers/slurm.ts';

/** Limits and dead nodes are looked at every 30 s, pending jobs once a minute at worst; on a busy machine all of that takes its time. */
const STATE_MS = 150_000;
/** Of a test: two such waits and what comes with them. */
const TEST_MS = 400_000;
const TIMES = {
  HQ_AUTOALLOC_SCHEDULE_TICK_INTERVAL_MS: '500',
  HQ_AUTOALLOC_REFRESH_INTERVAL_MS: '1000',
  HQ_AUTOALLOC_MAX_ALLOCATION_FAILS: '1',
};
/** Goes on until the file `go` is there; every attempt leaves its instance. */
const WAITS = 'echo $HQ_INSTANCE_ID >> t.txt; until test -e go; do sleep 0.1; done';

vi.setConfig({ testTimeout: TEST_MS });

let slurm: SlurmCluster;
let hq: Cluster;
beforeAll(async () => {
  slurm = await SlurmCluster.start({ accounting: true });
});
afterAll(() => slurm.clean());
beforeEach(async () => {
  hq = new Cluster(TIMES);
  await hq.startServer();
});
afterEach(async () => {
  await hq.stop();
  await waitFor('an empty queue', async () => (await slurm.ok('squeue', '-h')) === '');
});

const VIEWS = [
  ['alloc', 'list'],
  ['alloc', 'info', '1'],
  ['alloc', 'explain', '1'],
  ['worker', 'list', '--all'],
  ['task', 'explain', '1', '0'],
];

/** As `waitFor`; what Slurm and the server think of it is in the error. */
async function until(what: string, probe: () => Promise<boolean> | boolean): Promise<void> {
  try {
    await waitFor(what, probe, STATE_MS);
  } catch (error) {
    const views = [slurm.ok('squeue', '-l'), slurm.ok('sinfo', '-N', '-l'), ...VIEWS.map(async (args) => (await hq.hq(args)).stdout)];
    throw new Error([(error as Error).message, ...(await Promise.all(views.map((view) => view.catch(String))))].join('\n'));
  }
}

interface AllocationJson {
  readonly id: string;
  readonly status: string;
  readonly ended_at: string | null;
  readonly detail: string | null;
}
const allocations = (): Promise<AllocationJson[]> => hq.json(['alloc', 'info', '1']);

function addQueue(...options: string[]): Promise<string> {
  return hq.ok(['alloc', 'add', 'slurm', '--no-dry-run', '--time-limit', '10m', '--idle-timeout', '2s', ...options]);
}

/** A task of instance 0 runs on an allocation, whose id is returned. One crash more than `crashes` would fail it. */
async function runningTask({ options = [], crashes = 0 }: { options?: string[]; crashes?: number } = {}): Promise<string> {
  await addQueue('--max-worker-count', '1', ...options);
  await hq.ok(['submit', '--crash-limit', String(crashes + 1), '--', 'sh', '-c', WAITS]);
  await until('the task to run', () => hq.read('t.txt') === '0\n');
  return (await allocations())[0]?.id ?? '';
}

/**
 * The task runs again as its next instance, and ends well: a crash too many would have failed it. The journal says the same: a server that is started
 * on it after a kill knows one task that has finished in that instance.
 */
async function runsAgain(): Promise<void> {
  await until('the next instance', () => hq.read('t.txt') === '0\n1\n');
  writeFileSync(join(hq.work, 'go'), '');
  await hq.ok(['job', 'wait', 'all']);
  const { pid } = await hq.json<{ pid: number }>(['server', 'info']);
  process.kill(pid, 'SIGKILL');
  await until('the server to be gone', async () => (await hq.hq(['server', 'info'])).code !== 0);
  await hq.startServer();
  const client = await clientOf(hq);
  const tasks = await client.listTasks(1);
  client.close();
  expect(tasks.map(({ id, instance, state }) => [id, instance, state])).toEqual([[0, 1, 'finished']]);
}

test("the tutorial's queue as printed: allocations appear, workers register, 20 tasks run, nothing is left in squeue", async () => {
  const options = '--time-limit 4h --workers-per-alloc 1 --backlog 2 --max-worker-count 10';
  const sbatch = '--partition=general --account=pfeiferlab --mem=32G';
  const added = await hq.hq(['alloc', 'add', 'slurm', ...options.split(' '), '--', ...sbatch.split(' ')]);
  expect([added.code, added.stderr]).toEqual([0, expect.stringContaining('A trial allocation was submitted successfully')]);
  await hq.ok(['submit', '--array', '1-20', '--', 'sh', '-c', 'echo $HQ_TASK_ID >> done.txt']);
  await hq.ok(['job', 'wait', 'last']);
  expect(new Set(hq.read('done.txt').trim().split('\n')).size).toBe(20);
  const all = await allocations();
  expect(all.length).toBeGreaterThan(0);
  expect(all.length).toBeLessThanOrEqual(12);
  expect(await hq.ok(['worker', 'list', '--all'])).toContain('Slurm');
  await hq.ok(['alloc', 'remove', '1']);
  await until('squeue to be empty', async () => (await slurm.ok('squeue', '-h')) === '');
  await until('the queue to be gone', async () => ((await hq.json(['alloc', 'list'])) as unknown[]).length === 0);
});

test('a dry run submits to Slurm and takes it back; what Slurm refuses is said in its words, and no queue is made', async () => {
  const dryRun = (partition: string) => hq.hq(['alloc', 'dry-run', 'slurm', '--time-limit', '10m', '--', `--partition=${partition}`]);
  const accepted = await dryRun('general');
  expect([accepted.code, accepted.stderr]).toEqual([0, expect.stringContaining('It was immediately canceled')]);
  await until('squeue to be empty', async () => (await slurm.ok('squeue', '-h')) === '');
  const refused = await dryRun('nowhere');
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/invalid partition/i)]);
  expect(await hq.json(['alloc', 'list'])).toEqual([]);
});

test('exercise 1: two workers at most, allocations disappear when their workers have been idle', async () => {
  await addQueue('--max-worker-count', '2', '--backlog', '1');
  await hq.ok(['submit', '--array', '1-20', '--', 'sleep', '0.2']);
  let most = 0;
  const jobs = async (): Promise<number> => (await slurm.ok('squeue', '-h', '-o', '%i')).split('\n').filter(Boolean).length;
  await until('the job to end', async () => {
    most = Math.max(most, await jobs());
    return (await hq.ok(['job', 'list'])).includes('sleep') === false;
  });
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(2);
  await until('squeue to be empty', async () => (await jobs()) === 0);
  await until('the ends to be known', async () => (await allocations()).every(({ status }) => status === 'finished'));
});

test('a partition that does not exist is told at once, and no queue is made', async () => {
  const added = await hq.hq(['alloc', 'add', 'slurm', '-t', '1h', '--', '--partition=nowhere']);
  expect(added.code).toBe(1);
  expect(added.stderr).toMatch(/Dry-run \(test allocation submission\) has failed: .*invalid partition specified: nowhere/);
  expect(await hq.json(['alloc', 'list'])).toEqual([]);
});

test('a time limit that is reached in mid-task: the task runs again without a crash', async () => {
  const id = await runningTask();
  await slurm.ok('scontrol', 'update', `JobId=${id}`, 'EndTime=now+2');
  await runsAgain();
  expect((await allocations())[0]).toMatchObject({ id, status: 'finished' });
});

test('an allocation that somebody cancels: the task waits, the queue is paused and says why, until it is resumed', async () => {
  const id = await runningTask();
  await slurm.ok('scancel', id);
  await until('the pause', async () => (await hq.ok(['alloc', 'list'])).includes('PAUSED'));
  expect(await hq.ok(['alloc', 'list'])).toMatch(/one allocation failed; the last one: allocation \d+: it was canceled/);
  await hq.ok(['alloc', 'resume', '1']);
  await runsAgain();
});

test('a controller that is down loses nothing: the task goes on, and the queue with it when the controller is back', async () => {
  await runningTask();
  await slurm.controller('stop');
  try {
    await hq.ok(['alloc', 'add', 'slurm', '--no-dry-run', '-t', '10m', '--idle-timeout', '2s', '--cpus', '1']);
    await hq.ok(['submit', '--name', 'second', '--', 'true']);
    await until('the trouble to be told', async () => (await hq.ok(['alloc', 'list'])).includes('cannot be reached'));
    expect(await hq.ok(['alloc', 'list'])).not.toContain('PAUSED');
  } finally {
    await slurm.controller('start');
  }
  await until('the second task', async () => (await hq.ok(['--output-mode', 'quiet', 'job', 'list', '--all'])).includes('2 FINISHED'));
  writeFileSync(join(hq.work, 'go'), '');
  await hq.ok(['job', 'wait', 'all']);
  expect(hq.read('t.txt')).toBe('0\n');
});

test('a server that is killed finds its allocation again', async () => {
  const id = await runningTask();
  const { pid } = await hq.json<{ pid: number }>(['server', 'info']);
  process.kill(pid, 'SIGKILL');
  await until('the server to be gone', async () => (await hq.hq(['server', 'info'])).code !== 0);
  await hq.startServer();
  await until('the worker to come back', async () => (await hq.ok(['worker', 'list'])).includes('RUNNING'));
  expect((await allocations()).map((one) => [one.id, one.status])).toEqual([[id, 'running']]);
  writeFileSync(join(hq.work, 'go'), '');
  await hq.ok(['job', 'wait', 'all']);
  expect(hq.read('t.txt')).toBe('0\n');
});

test('a preempted allocation: the task runs again without a crash, and the queue has not failed', async () => {
  await runningTask({ options: ['--', '--partition=scavenge', '--exclusive'] });
  const winner = (await slurm.submit('sleep 300', '--nodes=4', '--exclusive')).trim();
  try {
    await until('the preemption', async () => (await allocations())[0]?.detail?.includes('preempted') === true);
  } finally {
    await slurm.ok('scancel', winner);
  }
  await runsAgain();
  expect(await hq.json(['alloc', 'list'])).toMatchObject([{ state: 'Active', last_error: null }]);
});

test('a node that loses its power in mid-task: the task runs again on another one, and the queue has not failed', async () => {
  const id = await runningTask({ crashes: 1 });
  const node = (await slurm.job(id))?.['NodeList'] ?? '';
  await slurm.node('crash', node);
  try {
    await until('the failure', async () => (await allocations())[0]?.detail?.includes('a node of it has failed') === true);
    await runsAgain();
    expect(await hq.json(['alloc', 'list'])).toMatchObject([{ state: 'Active', last_error: null }]);
    expect(await hq.ok(['worker', 'list', '--all'])).toMatch(new RegExp(`(?:CONNECTION|HEARTBEAT) LOST.* ${node} `));
  } finally {
    await slurm.node('start', node);
  }
  await slurm.untilNode(node, 'idle');
});
