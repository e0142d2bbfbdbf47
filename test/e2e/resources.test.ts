/** Resources end to end: the tutorial's exercises about GPUs, licences, NUMA nodes and variants, on workers that say what they have. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
beforeEach(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  client = await clientOf(cluster);
});
afterEach(async () => {
  client.close();
  await cluster.stop();
});

/** Runs a line of the tutorial: what a shell would make of it after `hq`. */
async function submit(...args: string[]): Promise<number> {
  return Number(await cluster.ok(['--output-mode', 'quiet', 'submit', ...args]));
}

/** Tells what the task has got, in a file of its own, and stays until there is a file `go`. */
const tellAndStay = (variables: string): string =>
  `echo "${variables}" > tmp-$HQ_JOB_ID-$HQ_TASK_ID; mv tmp-$HQ_JOB_ID-$HQ_TASK_ID told-$HQ_JOB_ID-$HQ_TASK_ID; until [ -e go ]; do sleep 0.02; done`;

/** What tasks have told so far. */
function told(): string[] {
  const names = readdirSync(cluster.work).filter((name) => name.startsWith('told-'));
  return names.map((name) => readFileSync(join(cluster.work, name), 'utf8').trim()).sort();
}

async function allTold(count: number): Promise<string[]> {
  await waitFor(`${count} tasks to run at the same time`, () => told().length >= count);
  return told();
}

const go = (): void => writeFileSync(join(cluster.work, 'go'), '');

async function finished(job: number): Promise<void> {
  const { stats, taskCount } = await ended(client, job);
  expect(stats.finished).toBe(taskCount);
}

describe('GPUs', () => {
  test('four tasks of a quarter run on one GPU at once and see the same device', async () => {
    await cluster.startWorker(['--cpus', '4', '--resource', 'gpus=1']);
    const jobs: number[] = [];
    for (let i = 0; i < 4; i += 1)
      jobs.push(await submit('--resource', 'gpus=0.25', '--', 'sh', '-c', tellAndStay('$HQ_TASK_ID $CUDA_VISIBLE_DEVICES')));
    expect(await allTold(4)).toEqual(['0 0', '0 0', '0 0', '0 0']);
    const fifth = await submit('--resource', 'gpus=0.25', '--cpus', '0.1', '--', 'true');
    expect((await client.listTasks(fifth)).map(({ state }) => state)).toEqual(['waiting']);
    go();
    for (const job of [...jobs, fifth]) await finished(job);
  });

  test('shares that add up on no single GPU are not promised: the task says so, and starts on a worker that has one free', async () => {
    await cluster.startWorker(['--cpus', '4', '--resource', 'gpus=[a0,a1]']);
    const script = tellAndStay('$CUDA_VISIBLE_DEVICES');
    const large = await submit('--array', '1-2', '--resource', 'gpus=0.7', '--', 'sh', '-c', script);
    expect(await allTold(2)).toEqual(['a0', 'a1']);
    const small = await submit('--resource', 'gpus=0.6', '--', 'sh', '-c', script);
    expect(await cluster.ok(['task', 'explain', String(small), '0'])).toContain("has 0.6 of 'gpus' free, but not together; 0.6 needed");
    const whole = await submit('--resource', 'gpus=1', '--', 'sh', '-c', script);
    await cluster.startWorker(['--cpus', '4', '--resource', 'gpus=[b0,b1]']);
    expect(await allTold(4)).toEqual(['a0', 'a1', 'b0', 'b1']);
    go();
    for (const job of [large, small, whole]) await finished(job);
  });

  test('that are shared over a restart of the server stay known to it', async () => {
    await cluster.stop();
    cluster = new Cluster();
    const first = await cluster.startServer();
    await cluster.startWorker(['--cpus', '4', '--resource', 'gpus=[a0,a1]']);
    const script = tellAndStay('$CUDA_VISIBLE_DEVICES');
    await submit('--array', '1-2', '--resource', 'gpus=0.7', '--', 'sh', '-c', script);
    await allTold(2);
    await first.kill('SIGKILL');
    await cluster.startServer();
    client = await clientOf(cluster);
    await waitFor('the worker to return', async () => (await cluster.ok(['worker', 'list'])).includes('RUNNING'));
    const small = await submit('--resource', 'gpus=0.6', '--', 'sh', '-c', script);
    const other = await submit('--resource', 'gpus=0.3', '--', 'sh', '-c', script);
    expect((await allTold(3)).length).toBe(3);
    expect(await cluster.ok(['task', 'explain', String(small), '0'])).toContain("has 0.3 of 'gpus' free, 0.6 needed");
    go();
    for (const job of [small, other]) await finished(job);
  });

  test.each([
    ['gpus/nvidia', 'CUDA_VISIBLE_DEVICES', 'PCI_BUS_ID'],
    ['gpus/amd', 'ROCR_VISIBLE_DEVICES', ''],
  ])('gpus is met by %s, halves share a device, wholes have one each', async (name, variable, order) => {
    await cluster.startWorker(['--cpus', '4', '--resource', `${name}=[UUID-1,UUID-2]`]);
    const script = tellAndStay(`$${variable} $CUDA_DEVICE_ORDER`);
    const whole = await submit('--resource', 'gpus=1', '--', 'sh', '-c', script);
    const halves = await submit('--resource', 'gpus=0.5', '--array', '1-2', '--', 'sh', '-c', script);
    const devices = await allTold(3);
    expect(new Set(devices)).toEqual(new Set([`UUID-1 ${order}`.trim(), `UUID-2 ${order}`.trim()]));
    go();
    await finished(whole);
    await finished(halves);
  });

  test('a GPU if one is free, else many CPUs', async () => {
    await cluster.startWorker(['--cpus', '20', '--resource', 'gpus=1']);
    const args = ['--resource', 'gpus=1', '--cpus=4', '--resource', 'cpus=16', '--', 'sh', '-c'];
    const script = tellAndStay('variant $HQ_RESOURCE_VARIANT gpu=$CUDA_VISIBLE_DEVICES threads=$OMP_NUM_THREADS');
    const first = await submit(...args, script);
    expect(await allTold(1)).toEqual(['variant 0 gpu=0 threads=4']);
    const second = await submit(...args, script);
    expect(await allTold(2)).toEqual(['variant 0 gpu=0 threads=4', 'variant 1 gpu= threads=16']);
    go();
    await finished(first);
    await finished(second);
  });
});

test('of variants the one with the larger weight is preferred', async () => {
  await cluster.startWorker(['--cpus', '4', '--resource', 'gpus=1']);
  const variants = ['--variant', 'gpus=1', '--variant', 'cpus=2', '--weight', '0.5', '--weight', '1.5'];
  await finished(await submit(...variants, '--', 'sh', '-c', 'echo "$HQ_RESOURCE_VARIANT $CUDA_VISIBLE_DEVICES" > variant.txt'));
  expect(cluster.read('variant.txt')).toBe('1 \n');
  const request = [
    { resources: { cpus: 2 }, weight: 0.9 },
    { resources: { cpus: '1', gpus: 1 }, weight: 1.1 },
  ];
  const spec = { command: ['sh', '-c', 'echo "$HQ_RESOURCE_VARIANT $CUDA_VISIBLE_DEVICES" > body.txt'], request };
  await finished((await client.createJob({ name: 'x', submit: { submitDir: cluster.work, tasks: { kind: 'array', spec } } })).jobId);
  expect(cluster.read('body.txt')).toBe('1 0\n');
});

test('licences: no more tasks than there are licences', async () => {
  await cluster.startWorker(['--cpus', '8', '--resource', 'licenses=4']);
  const job = await submit('--resource', 'licenses=1', '--array', '1-6', '--', 'sh', '-c', tellAndStay('$HQ_TASK_ID'));
  await allTold(4);
  const { stats } = await client.jobDetail(job);
  expect([stats.running, stats.waiting]).toEqual([4, 2]);
  go();
  await finished(job);
});

test.each<[string, string[], [string, RegExp][]]>([
  [
    'related groups',
    ['--cpus=[[0-3], [4-7]]', '--resource', 'gpus=related[[0], [1]]'],
    [
      ['0', /^[0-3],[0-3],[0-3]$/],
      ['1', /^[4-7],[4-7],[4-7]$/],
    ],
  ],
  [
    'groups that are coupled crosswise',
    ['--cpus=2x4', '--resource', 'gpus=[[a],[b]]', '--coupling', 'cpus[1]:gpus[0]=300,cpus[0]:gpus[1]'],
    [
      ['a', /^[4-7],[4-7],[4-7]$/],
      ['b', /^[0-3],[0-3],[0-3]$/],
    ],
  ],
])('NUMA: CPUs and GPU of a task come from the same node, with %s', async (_name, worker, expected) => {
  await cluster.startWorker(worker);
  const script = tellAndStay('$CUDA_VISIBLE_DEVICES $HQ_CPUS');
  const job = await submit('--cpus', '3', '--resource', 'gpus=1', '--array', '1-2', '--', 'sh', '-c', script);
  const got = (await allTold(2)).map((line) => line.split(' '));
  for (const [index, [gpu, cpus]] of expected.entries()) expect(got[index]).toEqual([gpu, expect.stringMatching(cpus)]);
  go();
  await finished(job);
});

test('a range takes as many CPUs as are free', async () => {
  await cluster.startWorker(['--cpus', '10']);
  const script = tellAndStay('$OMP_NUM_THREADS');
  const first = await submit('--cpus=2-8', '--', 'sh', '-c', script);
  expect(await allTold(1)).toEqual(['8']);
  const second = await submit('--cpus=2-8', '--', 'sh', '-c', script);
  expect(await allTold(2)).toEqual(['2', '8']);
  go();
  await finished(first);
  await finished(second);
});

test('memory is a resource that is counted: sizes, ranges and all of it', async () => {
  await cluster.startWorker(['--cpus', '4', '--resource', 'mem=8GiB', '--mem-enforce', 'off']);
  const script = tellAndStay('$HQ_RESOURCE_REQUEST_mem = $HQ_RESOURCE_AMOUNT_mem');
  const big = await submit('--resource', 'mem=6GiB', '--', 'sh', '-c', script);
  expect(await allTold(1)).toEqual(['6144 compact =']);
  const rest = await submit('--resource', 'mem=1GiB-4GiB', '--', 'sh', '-c', script);
  expect(await allTold(2)).toEqual(['1024-4096 compact = 2048', '6144 compact =']);
  const all = await submit('--resource', 'mem=all', '--', 'sh', '-c', script);
  expect((await client.listTasks(all)).map(({ state }) => state)).toEqual(['waiting']);
  go();
  for (const job of [big, rest, all]) await finished(job);
  expect(told()).toContain('all = 8192');
});

describe('--pin', () => {
  test('taskset binds the task to the CPUs that it got, one task after the other', async () => {
    await cluster.startWorker(['--cpus', String(availableParallelism())]);
    const script = 'echo $HQ_PIN $HQ_CPUS $(sed -n "s/Cpus_allowed_list:.//p" /proc/self/status) > $HQ_TASK_ID.txt';
    const job = await submit('--pin', 'taskset', '--array', '1-20', '--', 'sh', '-c', script);
    await finished(job);
    for (let task = 1; task <= 20; task += 1) expect(cluster.read(`${task}.txt`)).toMatch(/^taskset (\d+) \1\n$/);
    expect(await cluster.ok(['job', 'info', String(job)])).toMatch(/\| Pin +\| taskset/);
    const info = await cluster.json<{ submits: { array: { pin_mode: string } }[] }>(['job', 'info', String(job)]);
    expect(info.submits[0]?.array.pin_mode).toBe('taskset');
  });

  test('it survives a restart of the server, and goes only with CPUs', async () => {
    const job = await submit('--pin', 'omp', '--', 'sh', '-c', 'echo $HQ_PIN $OMP_PROC_BIND $OMP_PLACES > pinned.txt');
    await cluster.ok(['server', 'stop']);
    await cluster.startServer();
    await cluster.startWorker(['--cpus', '[7]']);
    await waitFor('the task', () => cluster.read('pinned.txt') !== '');
    expect(cluster.read('pinned.txt')).toBe('omp close {7}\n');
    client.close();
    client = await clientOf(cluster);
    await finished(job);
    const spec = { command: ['true'], pin: 'taskset' as const, request: [{ resources: { licenses: 1 } }] };
    await expect(client.createJob({ name: 'x', submit: { submitDir: cluster.work, tasks: { kind: 'array', spec } } })).rejects.toThrow(
      "invalid request: pin 'taskset' binds a task to CPUs, but a variant of its request has none",
    );
  });
});

test('a worker with a least utilization takes tasks when enough of them are there', async () => {
  await cluster.startWorker(['--cpus', '4', '--min-utilization', '0.5']);
  const script = tellAndStay('$HQ_JOB_ID');
  const first = await submit('--', 'sh', '-c', script);
  expect((await client.listTasks(first)).map(({ state }) => state)).toEqual(['waiting']);
  const second = await submit('--', 'sh', '-c', script);
  expect(await allTold(2)).toEqual([String(first), String(second)]);
  go();
  await finished(first);
  await finished(second);
});

describe('what a worker is', () => {
  test('is detected in part, or given whole', async () => {
    await cluster.startWorker(['--detect-resources', 'mem', '--cpus', '2', '--resource', 'gpus/amd=2', '--min-utilization', '0.5']);
    await cluster.startWorker(['--cpus', '2', '--no-detect-resources'], { CUDA_VISIBLE_DEVICES: '0,1' });
    await cluster.startWorker(['--cpus', '2'], { CUDA_VISIBLE_DEVICES: '0,1', SLURM_JOB_ID: '17', SLURM_MEM_PER_NODE: '100' });
    const workers = await cluster.json<
      { configuration: { group: string; min_utilization: number; resources: { resources: { name: string; size?: number }[] } } }[]
    >(['worker', 'list']);
    const names = workers.map(({ configuration: { resources } }) => resources.resources.map(({ name }) => name));
    expect(names).toEqual([['cpus', 'gpus/amd', 'mem'], ['cpus'], ['cpus', 'gpus/nvidia', 'mem']]);
    expect(workers.map(({ configuration }) => [configuration.min_utilization, configuration.group])).toEqual([
      [0.5, 'default'],
      [0, 'default'],
      [0, '17'],
    ]);
    expect(workers[2]?.configuration.resources.resources[2]?.size).toBe(1_000_000);
  });
});
