/**
 * How workers keep tasks to their memory, with real servers and workers: what both ways promise, and that no control group stays behind. Where
 * the tests may make no control groups, the title of what is skipped says why.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import { describeWays, madeGroups } from '../helpers/memoryWays.ts';

/** Holds 120 MiB and then stays. */
const HOLD = 'head -c 120M /dev/zero | tail | sleep 60';

let cluster: Cluster;
beforeEach(async () => {
  cluster = new Cluster();
  await cluster.startServer();
});
afterEach(() => cluster.stop());

async function taskOf(id: number): Promise<{ state: string; error?: string }> {
  const [task] = await cluster.json<{ state: string; error?: string }[]>(['task', 'info', '1', String(id)]);
  if (task === undefined) throw new Error('no task');
  return task;
}

describeWays('native', ({ guard, told }) => {
  const args = ['--cpus', '4', '--resource', 'mem=sum(1000)'];
  const env = { HQ_MEM_GUARD: guard };

  test('a task is killed alone, and gets more with its next attempt; nothing is left when the worker has stopped', async () => {
    const worker = await cluster.startWorker(args, env);
    const [info] = await cluster.json<{ configuration: { memory_guard: string } }[]>(['worker', 'info', '1']);
    expect(info?.configuration.memory_guard).toBe(told);
    const names = { proc: '/proc sampling', 'cgroup-v1': 'cgroup v1', 'cgroup-v2': 'cgroup v2', off: 'off' } as const;
    expect(await cluster.ok(['worker', 'info', '1'])).toMatch(new RegExp(`Memory guard +\\| ${names[told]} `));
    const options = ['--array', '1-2', '--resource', 'mem=40MiB', '--max-retries', '3', '--retry-mem-factor', '10'];
    const script = `test $HQ_TASK_ID = 1 && { until test -e go; do sleep 0.05; done; exit 0; }
      echo $HQ_RESOURCE_REQUEST_mem >> mem.txt; test $HQ_INSTANCE_ID = 1 || ${HOLD}`;
    await cluster.ok(['submit', ...options, '--', 'sh', '-c', script]);
    await waitFor('the second attempt', async () => (await taskOf(2)).state === 'finished');
    expect(cluster.read('mem.txt')).toBe('40 compact\n400 compact\n');
    expect((await taskOf(1)).state).toBe('running');
    if (guard === 'cgroup') expect(madeGroups(worker.pid).map((group) => group.slice(group.lastIndexOf('/') + 1))).toContain('1@1.0');
    await cluster.ok(['worker', 'stop', 'all']);
    await worker.exit();
    expect(madeGroups(worker.pid)).toEqual([]);
  });

  if (guard !== 'cgroup') return;

  test('what a killed worker has left is removed by the next one', async () => {
    const killed = await cluster.startWorker([...args, '--heartbeat', '500ms'], env);
    await cluster.ok(['submit', '--resource', 'mem=40MiB', '--', 'sh', '-c', 'echo x >> runs.txt; sleep 1000']);
    await waitFor('the task to run', () => cluster.read('runs.txt') === 'x\n');
    await killed.kill('SIGKILL');
    expect(madeGroups(killed.pid)).not.toEqual([]);
    const next = await cluster.startWorker(args, env);
    await waitFor('the groups to go', () => madeGroups(killed.pid).length === 0);
    await waitFor('the next instance', () => cluster.read('runs.txt') === 'x\nx\n');
    expect(madeGroups(next.pid)).not.toEqual([]);
    await cluster.ok(['worker', 'stop', 'all']);
    await next.exit();
    expect(madeGroups(next.pid)).toEqual([]);
  });
});

test('a wrong HQ_MEM_GUARD, and control groups where tasks are started by Node', async () => {
  const start = (env: NodeJS.ProcessEnv) => cluster.hq(['worker', 'start', '--cpus', '1', '--resource', 'mem=1GiB'], { env });
  expect(await start({ HQ_MEM_GUARD: 'always' })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("HQ_MEM_GUARD must be auto, cgroup or proc, not 'always'"),
  });
  expect(await start({ HQ_MEM_GUARD: 'cgroup', HQ_LAUNCHER: 'node' })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('HQ_MEM_GUARD is cgroup, but tasks are started by Node'),
  });
  expect(await cluster.ok(['--output-mode', 'quiet', 'worker', 'list', '--all'])).toBe('');
});
