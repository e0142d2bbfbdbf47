/** What a submit gives its tasks: environment, directories, standard streams, ids and resources. */
import { existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, type HqResult, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  client = await clientOf(cluster);
  const resources = ['--resource', 'gpus/nvidia=range(3-3)', '--resource', 'licenses=2', '--resource', 'mem=sum(1000)'];
  await cluster.startWorker(['--cpus', '8', ...resources], { FROM_WORKER: 'yes' });
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

/** Submits a script and waits for its end; the job's id. */
async function run(options: string[], script: string, o: { cwd?: string; input?: string; env?: NodeJS.ProcessEnv } = {}): Promise<number> {
  const text = await cluster.ok(['--output-mode', 'quiet', 'submit', ...options, '--', 'sh', '-c', script], o);
  const job = Number(text.trim().split('\n').at(-1));
  await ended(client, job);
  return job;
}

const failed = (job: number): Promise<string | null> => client.taskDetail(job, 0).then((task) => task.error);

describe('environment', () => {
  test('the worker gives its own, --env adds, HQ_* cannot be overridden, the submitter gives none', async () => {
    const job = await run(
      ['--env', 'A=1=2', '--env', 'EMPTY', '--env', 'HQ_JOB_ID=77', '--env', 'SPACE=a  b'],
      'env > env.txt; printf %s "$SPACE" > space.txt; echo "$HQ" > hq.txt',
      { env: { FROM_SUBMITTER: 'yes' } },
    );
    const env = new Map(
      cluster
        .read('env.txt')
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(Object.fromEntries([...env].filter(([name]) => ['A', 'EMPTY', 'FROM_WORKER', 'FROM_SUBMITTER'].includes(name)))).toEqual({
      A: '1=2',
      EMPTY: '',
      FROM_WORKER: 'yes',
    });
    expect(cluster.read('space.txt')).toBe('a  b');
    expect(env.get('HQ_JOB_ID')).toBe(String(job));
    expect(env.get('HQ_TASK_ID')).toBe('0');
    expect(env.get('HQ_INSTANCE_ID')).toBe('0');
    expect(env.get('HQ_SUBMIT_DIR')).toBe(cluster.work);
    expect(env.get('HQ_CPUS')).toMatch(/^[0-7]$/);
    expect(env.get('HQ_RESOURCE_VALUES_cpus')).toBe(env.get('HQ_CPUS'));
    expect(env.get('HQ_RESOURCE_REQUEST_cpus')).toBe('1 compact');
    expect(env.get('OMP_NUM_THREADS')).toBe('1');
    expect(env.has('CUDA_VISIBLE_DEVICES')).toBe(false);
    expect(env.has('HQ_RESOURCE_VARIANT')).toBe(false);
    expect(cluster.read('hq.txt').trim()).toMatch(/hq/);
  });

  test('CPUs: a number, a policy, a part, all of them, and what the user says about OpenMP', async () => {
    const show = 'echo "$HQ_CPUS;$HQ_RESOURCE_REQUEST_cpus;$OMP_NUM_THREADS"';
    await run(['--cpus', '3 scatter', '--stdout', 'c1.txt'], show);
    const [values, request, threads] = cluster.read('c1.txt').trim().split(';');
    expect(new Set(values?.split(',')).size).toBe(3);
    expect([request, threads]).toEqual(['3 scatter', '3']);
    await run(['--cpus', '0.5', '--stdout', 'c2.txt'], show);
    expect(cluster.read('c2.txt')).toMatch(/^\d;0\.5 compact;\n$/);
    await run(['--cpus', 'all', '--stdout', 'c3.txt'], show);
    expect(cluster.read('c3.txt')).toBe('0,1,2,3,4,5,6,7;all;8\n');
    await run(['--cpus', '2', '--env', 'OMP_NUM_THREADS=9', '--stdout', 'c4.txt'], show);
    expect(cluster.read('c4.txt')).toMatch(/;9\n$/);
  });

  test('a range takes what is free, at least its minimum', async () => {
    await run(['--cpus', '2-6', '--stdout', 'range.txt'], 'echo "$HQ_CPUS"');
    expect(cluster.read('range.txt').trim().split(',')).toHaveLength(6);
  });
});

describe('directories and placeholders', () => {
  test('the submit directory is the working directory; a relative --cwd lies below it and is made', async () => {
    const dir = join(cluster.work, 'from here');
    mkdirSync(dir);
    await run(['--stdout', 'pwd.txt'], 'pwd -P', { cwd: dir });
    expect(cluster.read(join(dir, 'pwd.txt')).trim()).toBe(realpathSync(dir));
    const job = await run(
      ['--cwd', 'new dir/%{JOB_ID}/%{TASK_ID}-%{INSTANCE_ID}', '--stdout', 'out %{TASK_ID}.txt', '--array', '4-5'],
      'pwd -P',
    );
    for (const task of [4, 5]) {
      const place = join(cluster.work, 'new dir', String(job), `${task}-0`);
      expect(cluster.read(join(place, `out ${task}.txt`)).trim()).toBe(realpathSync(place));
    }
  });

  test('every placeholder of a path, and default files below the working directory', async () => {
    const { serverUid } = await client.serverInfo();
    const job = await run(['--cwd', 'p', '--stdout', '%{SUBMIT_DIR}/q/%{SERVER_UID}/%{CWD}/x'], 'echo hello');
    expect(cluster.read(join('q', serverUid, join(cluster.work, 'p'), 'x'))).toBe('hello\n');
    expect(cluster.read(`p/job-${job}/0.stderr`)).toBe('');
    expect(existsSync(join(cluster.work, `p/job-${job}/0.stderr`))).toBe(true);
    expect((await cluster.hq(['submit', '--cwd', '%{CWD}/x', '--', 'true'])).code).toBe(2);
  });

  test('placeholders stand for nothing in arguments and variables; an unknown one stays, with a warning', async () => {
    await run(['--env', 'P=%{JOB_ID}', '--stdout', 'literal.txt'], 'echo "%{TASK_ID} $P"');
    expect(cluster.read('literal.txt')).toBe('%{TASK_ID} %{JOB_ID}\n');
    const result = await cluster.hq(['submit', '--wait', '--stdout', 'odd-%{NOPE}.txt', '--', 'echo', 'x']);
    expect(result.stderr).toMatch(/NOPE/);
    expect(cluster.read('odd-%{NOPE}.txt')).toBe('x\n');
  });

  test('a working directory that cannot be made fails the task with its name', async () => {
    writeFileSync(join(cluster.work, 'a-file'), '');
    expect(await failed(await run(['--cwd', 'a-file/x'], 'true'))).toContain('a-file/x');
    expect(await failed(await run(['--stdout', 'a-file/out'], 'true'))).toContain('a-file');
  });
});

describe('standard streams', () => {
  test('none, a path, and the forms with rm-if-finished', async () => {
    const before = readdirSync(cluster.work).length;
    const none = await run(['--stdout', 'none', '--stderr', 'none'], 'echo x; echo y >&2');
    expect(existsSync(join(cluster.work, `job-${none}`))).toBe(false);
    expect(readdirSync(cluster.work)).toHaveLength(before);
    const good = await run(['--stdout', 'rm.out:rm-if-finished', '--stderr', ':rm-if-finished'], 'echo x; echo y >&2');
    expect(existsSync(join(cluster.work, 'rm.out'))).toBe(false);
    expect(existsSync(join(cluster.work, `job-${good}`, '0.stderr'))).toBe(false);
    const bad = await run(['--stdout', 'rm.out:rm-if-finished', '--stderr', ':rm-if-finished'], 'echo x; echo y >&2; exit 1');
    expect(cluster.read('rm.out')).toBe('x\n');
    expect(cluster.read(`job-${bad}/0.stderr`)).toBe('y\n');
    const info = await client.taskDetail(bad, 0);
    expect(info.stderr).toBe(join(cluster.work, `job-${bad}/0.stderr`));
  });

  test('--stdin goes to every task; without it stdin is empty', async () => {
    const text = `${'line\n'.repeat(50_000)}ä\u0000end`;
    await run(['--stdin', '--array', '1-2', '--stdout', 'in-%{TASK_ID}.txt'], 'cat', { input: text });
    for (const task of [1, 2]) expect(cluster.read(`in-${task}.txt`)).toBe(text);
    await run(['--stdout', 'no-in.txt'], 'cat; echo end');
    expect(cluster.read('no-in.txt')).toBe('end\n');
    // A task that does not read it must not hang or fail.
    const job = await run(['--stdin', '--stdout', 'none'], 'exec true', { input: text });
    expect((await client.jobDetail(job)).stats.finished).toBe(1);
  });

  test('job cat prints what tasks wrote, one after another', async () => {
    const job = await run(['--array', '1-3'], 'echo "out $HQ_TASK_ID"; echo "err $HQ_TASK_ID" >&2');
    expect(await cluster.ok(['job', 'cat', String(job), 'stdout'])).toBe('out 1\nout 2\nout 3\n');
    expect(await cluster.ok(['job', 'cat', String(job), '--tasks', '3,1', 'stderr'])).toMatch(/^err [13]\nerr [13]\n$/);
    expect(await cluster.ok(['job', 'cat', 'last', '--tasks', '2', '--print-task-header', 'stdout'])).toBe(`# Job ${job}, task 2\nout 2\n`);
  });
});

describe('ids', () => {
  test.each([
    ['1-3', [1, 2, 3]],
    ['0', [0]],
    ['5,1-2', [5, 1, 2]],
    ['1_0-2_0:5', [10, 15, 20]],
    ['4_294_967_295', [4_294_967_295]],
  ])('--array %s', async (array, ids) => {
    const job = await run(['--array', array, '--stdout', 'none', '--stderr', 'none'], 'echo $HQ_TASK_ID >> ids-$HQ_JOB_ID.txt');
    expect(new Set(cluster.read(`ids-${job}.txt`).trim().split('\n').map(Number))).toEqual(new Set(ids));
  });

  test('more tasks than anybody can hold are refused in one line, and the server goes on', async () => {
    const result: HqResult = await cluster.hq(['submit', '--array', '0-4294967295', '--', 'true']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain("'0-4294967295': 4294967296 tasks are more than 10000000");
    await run([], 'true');
  });
});

describe('resources', () => {
  test('four tasks of a quarter GPU run at once on the one GPU, and all see it', async () => {
    const script =
      'touch gpu-$HQ_TASK_ID; echo "$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER" > seen-$HQ_TASK_ID; until test -e go-gpu; do sleep 0.02; done';
    const text = await cluster.ok([
      '--output-mode',
      'quiet',
      'submit',
      '--array',
      '1-5',
      '--resource',
      'gpus=0.25',
      '--',
      'sh',
      '-c',
      script,
    ]);
    const job = Number(text);
    await waitFor('four to run', () => readdirSync(cluster.work).filter((name) => name.startsWith('gpu-')).length >= 4);
    // A worker gathers its news for some milliseconds: the files are there before the server has heard.
    await waitFor('the server to know', async () => (await client.jobDetail(job)).stats.running === 4);
    expect((await client.jobDetail(job)).stats).toMatchObject({ running: 4, waiting: 1 });
    writeFileSync(join(cluster.work, 'go-gpu'), '');
    await ended(client, job);
    for (const task of [1, 2, 3, 4, 5]) expect(cluster.read(`seen-${task}`)).toBe('3 PCI_BUS_ID\n');
  });

  test('licenses=1 of 2: never more than two at once', async () => {
    const script =
      'mkdir held-$HQ_TASK_ID; ls -d held-* | wc -l >> held.txt; until test -e go-held; do sleep 0.02; done; rmdir held-$HQ_TASK_ID';
    const job = Number(
      await cluster.ok(['--output-mode', 'quiet', 'submit', '--array', '1-6', '--resource', 'licenses=1', '--', 'sh', '-c', script]),
    );
    await waitFor('two to run', () => cluster.read('held.txt').split('\n').length === 3);
    // A worker gathers its news for some milliseconds: the files are there before the server has heard.
    await waitFor('the server to know', async () => (await client.jobDetail(job)).stats.running === 2);
    expect((await client.jobDetail(job)).stats).toMatchObject({ running: 2, waiting: 4 });
    writeFileSync(join(cluster.work, 'go-held'), '');
    await ended(client, job);
    const counts = cluster.read('held.txt').trim().split('\n').map(Number);
    expect(counts).toHaveLength(6);
    expect(Math.max(...counts)).toBeLessThanOrEqual(2);
  });

  test('variants: the first that can start is taken, and the task is told which', async () => {
    await run(
      ['--resource', 'gpus=1', '--cpus', '4', '--resource', 'cpus=8', '--stdout', 'variant.txt'],
      'echo "$HQ_RESOURCE_VARIANT $HQ_CPUS"',
    );
    expect(cluster.read('variant.txt')).toMatch(/^0 \d(,\d){3}\n$/);
    await run(['--variant', 'gpus=2 cpus=1', '--variant', 'cpus=2', '--stdout', 'variant-2.txt'], 'echo "$HQ_RESOURCE_VARIANT $HQ_CPUS"');
    expect(cluster.read('variant-2.txt')).toMatch(/^1 \d,\d\n$/);
  });

  test('a sum has no labels', async () => {
    await run(['--resource', 'mem=1MiB', '--stdout', 'sum.txt'], 'env | grep ^HQ_RESOURCE_.*_mem');
    expect(cluster.read('sum.txt')).toBe('HQ_RESOURCE_REQUEST_mem=1 compact\n');
  });
});

test('the answer of a submit in three modes, and exit codes with --wait', async () => {
  expect(await cluster.ok(['submit', '--', 'true'])).toMatch(/^Job submitted successfully, job ID: \d+\n$/);
  expect(await cluster.ok(['--output-mode', 'quiet', 'submit', '--wait', '--', 'true'])).toMatch(/^\d+\n$/);
  expect(await cluster.json(['submit', '--', 'true'])).toEqual({ id: expect.any(Number) });
  expect((await cluster.hq(['submit', '--wait', '--', 'false'])).code).toBe(0);
});
