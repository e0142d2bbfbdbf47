/**
 * The command lines of the tutorial, run as it prints them, in its order. Those about allocations are in test/slurm, those in Python among the examples
 * of docs/python.md, the dashboard in dashboard.test.ts.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import { finished, furnish, submitted, type, typed } from '../helpers/tutorial.ts';

let cluster: Cluster;
let client: HqClient;
beforeAll(async () => {
  // Arrays of 100,000 tasks: to check everything after each turn would take minutes.
  cluster = new Cluster({ HQ_PARANOID: '' });
  furnish(cluster);
  await cluster.startServer();
  client = await clientOf(cluster);
});
afterAll(async () => {
  client?.close();
  await cluster.stop();
});

const printed = (job: number, task = 0): string => cluster.read(`job-${job}/${task}.stdout`);

describe('4.4 output streaming', () => {
  // First, so that its job is the one of the next line.
  test('one log of 100,000 tasks, read back whole and by task', async () => {
    await cluster.startWorker(['--cpus', '16', '--resource', 'gpus=2', '--resource', 'licenses=1']);
    for (let i = 0; i < 2; i += 1) await finished(cluster, client, 'hq submit -- true');
    const job = await submitted(cluster, `hq submit --stream=logs/ --array=1-100000 -- bash -c 'echo "result for $HQ_TASK_ID"'`);
    expect(job).toBe(3);
    await waitFor('task 42', async () => (await client.listTasks(3, { ids: '42' }))[0]?.state === 'finished');
    await typed(cluster, 'hq job cancel 3');
    await ended(client, 3);
    expect(await typed(cluster, 'hq output-log logs/job-3.log stdout --task=42')).toBe('result for 42\n');
    expect(await typed(cluster, 'hq output-log logs/job-3.log stdout')).toMatch(/^result for 1\nresult for 2\n/);
    expect(existsSync(join(cluster.work, 'job-3'))).toBe(false);
  });
});

describe('4.2 resources', () => {
  test('CPUs: a number, and a range', async () => {
    const four = await finished(cluster, client, 'hq submit --cpus=4 -- my_program');
    expect(printed(four.id)).toMatch(/cpus=(\d+,){3}\d+ /);
    const range = await finished(cluster, client, 'hq submit --cpus="2-8" -- my_program');
    expect(printed(range.id)).toMatch(/cpus=(\d+,){7}\d+ /);
  });

  test('GPUs: a whole one, and a half', async () => {
    const whole = await finished(cluster, client, 'hq submit --resource "gpus=1" -- python train.py');
    expect(printed(whole.id)).toMatch(/^train [01]\n$/);
    const half = await finished(cluster, client, 'hq submit --resource "gpus=0.5" -- python inference.py');
    expect(printed(half.id)).toMatch(/^inference [01]\n$/);
  });

  test('variants: the program is told which one it has got', async () => {
    const lines = `hq submit \\
--resource "gpus=1" --cpus=4 \\
--resource "cpus=16" \\
-- my_program`;
    expect(printed((await finished(cluster, client, lines)).id)).toMatch(/^variant=0 cpus=(\d+,){3}\d+ gpus=[01]\n$/);
    const [first] = await client.listWorkers();
    const [second] = await withWorker('hq worker start --cpus 16', async () => {
      await typed(cluster, `hq worker stop ${first?.id}`);
      return [await finished(cluster, client, lines)];
    });
    expect(printed(second?.id ?? 0)).toMatch(/^variant=1 cpus=(\d+,){15}\d+ gpus=\n$/);
  });

  test('licences', async () => {
    await withWorker('hq worker start --resource "licenses=4"', async () => {
      const { id } = await finished(cluster, client, 'hq submit --resource "licenses=1" -- licensed_tool --input data.txt');
      expect(printed(id)).toBe('licensed --input data.txt\n');
    });
  });

  test('CPUs and a GPU of one NUMA node', async () => {
    await withWorker('hq worker start --cpus="[[0-3], [4-7]]" --resource "gpus=related[[0], [1]]"', async () => {
      const { id } = await finished(cluster, client, 'hq submit --array 1-4 --cpus=4 --resource "gpus=1" -- my_program');
      for (const task of [1, 2, 3, 4]) expect(printed(id, task)).toMatch(/cpus=([0-3],){3}[0-3] gpus=0\n|cpus=([4-7],){3}[4-7] gpus=1\n/);
    });
  });
});

describe('4.3 arrays and graphs', () => {
  beforeAll(() => cluster.startWorker(['--cpus', '16', '--resource', 'gpus=2']));

  test('an array', async () => {
    const { id, taskCount } = await finished(cluster, client, "hq submit --array=1-1000 -- bash -c 'process_sample $HQ_TASK_ID'");
    expect([taskCount, printed(id, 1), printed(id, 1000)]).toEqual([1000, 'sample 1\n', 'sample 1000\n']);
  });

  test('a job file', async () => {
    const file = `# job.toml
[[task]]
id = 1
command = ["bash", "-c", "echo 'step 1: preprocess' && sleep 2"]
[[task]]
id = 2
command = ["bash", "-c", "echo 'step 2: analyze'"]
deps = [1] # waits for task 1 to finish
[[task]]
id = 3
command = ["bash", "-c", "echo 'step 3: report'"]
deps = [2]
`;
    writeFileSync(join(cluster.work, 'job.toml'), file);
    expect(await typed(cluster, 'hq job validate job.toml')).toBe('');
    const { id, taskCount } = await finished(cluster, client, 'hq job submit-file job.toml');
    const [one, two, three] = await client.listTasks(id);
    expect(taskCount).toBe(3);
    expect(two?.startedAtMs).toBeGreaterThanOrEqual(one?.finishedAtMs as number);
    expect(three?.startedAtMs).toBeGreaterThanOrEqual(two?.finishedAtMs as number);
    expect(three?.startedAtMs).toBeGreaterThanOrEqual(two?.finishedAtMs as number);
    expect([1, 2, 3].map((task) => printed(id, task)).join('')).toBe('step 1: preprocess\nstep 2: analyze\nstep 3: report\n');
  });

  test('an open job', async () => {
    const id = await typed(
      cluster,
      `# Create an open job
JOB_ID=$(hq job open)
# Add tasks as you discover them
hq job submit-task $JOB_ID -- process file1.txt
hq job submit-task $JOB_ID -- process file2.txt
# Close when done
hq job close $JOB_ID
echo id: $JOB_ID`,
    );
    const job = await ended(client, Number(/^id: (\d+)$/m.exec(id)?.[1]));
    expect(job).toMatchObject({ isOpen: false, taskCount: 2, stats: { finished: 2 } });
    expect([printed(job.id, 0), printed(job.id, 1)]).toEqual(['processed file1.txt\n', 'processed file2.txt\n']);
  });
});

describe('4.5 failures', () => {
  test('retries', async () => {
    const { id } = await finished(cluster, client, 'hq submit --max-retries=3 --array=1-1000 -- my_flaky_script.sh');
    expect((await client.listTasks(id, { ids: '99-100,110' })).map(({ instance }) => instance)).toEqual([0, 2, 1]);
  });

  test('a crash limit stops the job, and says which tasks have failed', async () => {
    const id = await submitted(cluster, 'hq submit --crash-limit=50 --array=1-10000 -- process.sh');
    const { stats } = await ended(client, id);
    expect([stats.failed, stats.aborted]).toEqual([51, 9949]);
    expect(await typed(cluster, `hq job info ${id} --tasks`)).toMatch(/\| +1 \| FAILED/);
  });

  test('retries that do not help leave failed tasks behind', async () => {
    const id = await submitted(cluster, 'hq submit --max-retries=2 --array=1-1000 -- my_script.sh');
    const { stats } = await ended(client, id);
    expect([stats.finished, stats.failed]).toEqual([995, 5]);
    expect((await client.listTasks(id, { states: ['failed'] })).map(({ instance }) => instance)).toEqual([2, 2, 2, 2, 2]);
  });
});

describe('4.6 monitoring', () => {
  test('progress, and JSON', async () => {
    const jobs = JSON.parse(await typed(cluster, 'hq --output-mode json job list')) as unknown[];
    expect(jobs).toEqual([]);
    const workers = JSON.parse(await typed(cluster, 'hq --output-mode json worker list')) as { configuration: { resources: unknown } }[];
    expect(workers).toHaveLength(1);
    expect((await type(cluster, 'hq job progress 1')).stderr).toContain('1/1 tasks');
  });
});

describe('4.8 operation', () => {
  test('a server of its own directory, in the background, goes on after the shell', async () => {
    const directory = join(cluster.root, 'scratch/.hq-server');
    const { code } = await type(cluster, `export HQ_SERVER_DIR="${directory}"\nnohup hq server start &\nhq server wait`);
    expect(code).toBe(0);
    expect(await typed(cluster, 'hq server info', { HQ_SERVER_DIR: directory })).toContain('Server UID');
    await typed(cluster, 'hq server stop', { HQ_SERVER_DIR: directory });
  });

  test('the unit of systemd starts it in the home directory; a copy of that is a backup', async () => {
    const home = join(cluster.root, 'home');
    mkdirSync(join(home, '.local/bin'), { recursive: true });
    symlinkSync(resolve('build/bin/hq'), join(home, '.local/bin/hq'));
    const env = { HOME: home, HQ_SERVER_DIR: undefined };
    const unit = 'ExecStart=%h/.local/bin/hq server start';
    await type(cluster, `${unit.replace('ExecStart=', '').replace('%h', home)} &\nhq server wait`, env);
    expect(homedir()).not.toBe(home);
    const job = await typed(cluster, 'hq --output-mode quiet submit -- true', env);
    await typed(cluster, 'cp -r ~/.hq-server/ ~/.hq-server-backup-$(date +%Y%m%d)', env);
    await typed(cluster, 'hq server stop', env);
    const backup = (await typed(cluster, 'echo ~/.hq-server-backup-*', env)).trim();
    await type(cluster, 'hq server start &\nhq server wait', { ...env, HQ_SERVER_DIR: backup });
    expect(await typed(cluster, 'hq --output-mode quiet job list', { ...env, HQ_SERVER_DIR: backup })).toBe(`${job.trim()} WAITING\n`);
    await typed(cluster, 'hq server stop', { ...env, HQ_SERVER_DIR: backup });
  });
});

describe('5 practical examples', () => {
  test('per-sample variant calling', async () => {
    const { id } = await finished(
      cluster,
      client,
      `# Assume 500 BAM files named sample_001.bam through sample_500.bam
hq submit \\
--array=1-500 \\
--cpus=4 \\
--stream=logs/ \\
-- bash -c '
SAMPLE=$(printf "sample_%03d" $HQ_TASK_ID)
gatk HaplotypeCaller \\
-R reference.fa \\
-I \${SAMPLE}.bam \\
-O \${SAMPLE}.g.vcf.gz \\
--native-pair-hmm-threads 4
'`,
    );
    expect(await typed(cluster, `hq output-log logs/job-${id}.log stdout --task=7`)).toBe(
      'gatk HaplotypeCaller -R reference.fa -I sample_007.bam -O sample_007.g.vcf.gz --native-pair-hmm-threads 4\n',
    );
  });

  test('a hyperparameter sweep with fractional GPUs', async () => {
    const id = await submitted(
      cluster,
      `# 100 training runs, each using half a GPU
hq submit \\
--array=1-100 \\
--resource "gpus=0.5" \\
--cpus=2 \\
--stream=logs/ \\
-- bash -c '
python train.py \\
--lr $(python -c "import random; random.seed($HQ_TASK_ID); print(round(random.uniform(1e-5, 1e-2), 6))") \\
--run-id $HQ_TASK_ID
'`,
    );
    // Each starts Python twice, which takes long enough for all of them.
    await waitFor('some of the runs', async () => (await client.jobDetail(id)).stats.finished >= 8);
    await typed(cluster, `hq job cancel ${id}`);
    await ended(client, id);
    const lines = (await typed(cluster, `hq output-log logs/job-${id}.log stdout`)).trim().split('\n');
    for (const line of lines.slice(0, 8)) expect(line).toMatch(/^train [01] --lr 0\.\d+ --run-id \d+$/);
    expect(new Set(lines.map((line) => line.split(' ')[1]))).toEqual(new Set(['0', '1']));
  });

  test('50,000 files, and a look at failures with Python', async () => {
    for (const folder of ['data', 'results']) mkdirSync(join(cluster.work, folder));
    for (let task = 1; task <= 20; task += 1) writeFileSync(join(cluster.work, `data/chunk_${task}.json`), '{"a": 1}\n');
    const id = await submitted(
      cluster,
      `# Process 50,000 JSON files, stream all output to a single log
hq submit \\
--array=1-50000 \\
--cpus=1 \\
--stream=output_logs/ \\
-- bash -c '
INPUT="data/chunk_\${HQ_TASK_ID}.json"
OUTPUT="results/result_\${HQ_TASK_ID}.json"
python process.py "$INPUT" > "$OUTPUT"
'`,
    );
    await waitFor('tasks that fail for want of a file', async () => (await client.jobDetail(id)).stats.failed > 0);
    await typed(cluster, `hq job cancel ${id}`);
    const { stats } = await ended(client, id);
    expect(readFileSync(join(cluster.work, 'results/result_1.json'), 'utf8')).toBe('{"A": 1}\n');
    const look = `# Later, check for failures
hq --output-mode json job info ${id} | python -c "
import json, sys
info = json.load(sys.stdin)
print(f'Completed: {info[\\"finished\\"]}, Failed: {info[\\"failed\\"]}')
"`;
    expect(await typed(cluster, look)).toBe(`Completed: ${stats.finished}, Failed: ${stats.failed}\n`);
  });
});

/** A worker as a line of the tutorial starts it, for as long as `use` takes; it is stopped again. */
async function withWorker<T>(line: string, use: () => Promise<T>): Promise<T> {
  const before = new Set((await client.listWorkers()).map(({ id }) => id));
  const running = type(cluster, line);
  const id = await waitFor('the worker', async () => (await client.listWorkers()).find((worker) => !before.has(worker.id))?.id);
  try {
    return await use();
  } finally {
    await typed(cluster, `hq worker stop ${id}`);
    await running;
  }
}
