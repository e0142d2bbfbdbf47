/** Consolidated output: what tasks print with --stream is in few files, complete, and readable in every form while it grows and afterwards. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import type { TaskSpecInput } from '../../src/protocol/schema/task.ts';
import { clientOf, ended, scriptSubmit } from '../helpers/api.ts';
import { Cluster, HQ, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  client = await clientOf(cluster);
  await cluster.startWorker(['--cpus', '2']);
  await cluster.startWorker(['--cpus', '2']);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

async function start(stream: string, script: string, o: { ids?: string } & Partial<TaskSpecInput> = {}): Promise<number> {
  return (await client.createJob({ name: 'job', submit: scriptSubmit(cluster, script, { stream, ...o }) })).jobId;
}

async function run(stream: string, script: string, o: { ids?: string } & Partial<TaskSpecInput> = {}): Promise<number> {
  const job = await start(stream, script, o);
  await ended(client, job);
  return job;
}

const log = (path: string, ...words: string[]): Promise<string> => cluster.ok(['output-log', path, ...words]);

describe('an array of 1,000 tasks on two workers', () => {
  let job: number;
  beforeAll(async () => {
    job = await run('logs', 'echo "result for $HQ_TASK_ID"; echo "warning of $HQ_TASK_ID" >&2', { ids: '1-1000' });
  });

  test('one file per writing worker, nothing else', async () => {
    const files = readdirSync(join(cluster.work, 'logs')).sort();
    expect(files.length).toBeLessThanOrEqual(2);
    expect(files).toContain(`job-${job}.log`);
    for (const file of files) expect(file).toMatch(new RegExp(`^job-${job}\\.log(\\.w[12])?$`));
    expect(existsSync(join(cluster.work, `job-${job}`))).toBe(false);
    // Both workers took part: the tasks say so, and the files must agree.
    const workers = new Set((await client.listTasks(job)).flatMap((task) => task.workers));
    expect(files).toHaveLength(workers.size);
  });

  test('every task has its own output on both channels, in the order of the ids', async () => {
    const expected = (word: string) => Array.from({ length: 1000 }, (_, i) => `${word} ${i + 1}\n`).join('');
    expect(await log(`logs/job-${job}.log`, 'stdout')).toBe(expected('result for'));
    expect(await log('logs', 'cat', String(job), 'stderr')).toBe(expected('warning of'));
  });

  test('one task, and several in the order as typed', async () => {
    expect(await log(`logs/job-${job}.log`, 'stdout', '--task=42')).toBe('result for 42\n');
    expect(await log('logs', 'cat', String(job), 'stderr', '--task', '7,3')).toBe('warning of 7\nwarning of 3\n');
    const missing = await cluster.hq(['output-log', 'logs', 'cat', String(job), 'stdout', '--task', '1001']);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(/1001/);
  });

  test('summary, jobs, show and export of the directory', async () => {
    const { summary } = await cluster.json<{ summary: Record<string, number> }>(['output-log', 'logs', 'summary']);
    expect(summary).toMatchObject({ n_jobs: 1, n_tasks: 1000, n_streams: 1000, n_opened: 0, n_superseded: 0 });
    const stdout = Array.from({ length: 1000 }, (_, i) => `result for ${i + 1}\n`).join('');
    expect(summary).toMatchObject({ stdout_size: stdout.length, stderr_size: stdout.length });
    expect(await log('logs', 'jobs')).toBe(`${job}\n`);
    const shown = (await log('logs', 'show', '--channel', 'stdout')).trim().split('\n');
    const expected = Array.from({ length: 1000 }, (_, i) => `${job}.${String(i + 1).padStart(4, '0')}:0> result for ${i + 1}`);
    expect(shown.sort()).toEqual(expected.sort());
    const exported = JSON.parse(await log('logs', 'export', String(job), '--task', '9,8')) as unknown;
    expect(exported).toEqual([
      { finished: true, id: 9, stdout: 'result for 9\n' },
      { finished: true, id: 8, stdout: 'result for 8\n' },
    ]);
  });

  test('words that make no sense are refused in one line', async () => {
    for (const [words, text] of [
      [['logs', 'frobnicate'], /frobnicate/],
      [['logs', 'cat', 'x', 'stdout'], /x/],
      [['logs', 'cat', String(job), 'stdin'], /stdin/],
      [['logs', 'cat', '4711', 'stdout'], /4711/],
      [['logs', 'stdout', '--task', '5-'], /5-/],
    ] as [string[], RegExp][]) {
      const result = await cluster.hq(['output-log', ...words]);
      expect(result.code).toBeGreaterThan(0);
      expect(result.stderr).toMatch(text);
      expect(result.stdout).toBe('');
    }
  });
});

describe('what a task printed', () => {
  test('only the last instance is shown, the others are superseded', async () => {
    const job = await run('retried', 'echo "try $HQ_INSTANCE_ID"; test $HQ_INSTANCE_ID = 2', { maxRetries: 5 });
    expect(await log('retried', 'stdout')).toBe('try 2\n');
    expect(await log('retried', 'show')).toBe(`${job}.0:0> try 2\n`);
    const { summary } = await cluster.json<{ summary: Record<string, number> }>(['output-log', 'retried', 'summary']);
    expect(summary).toMatchObject({ n_tasks: 1, n_superseded: 2, superseded_stdout_size: 12, stdout_size: 6 });
  });

  test('bytes that are no text, and 10 MB on each channel, come back unchanged', async () => {
    const source = join(cluster.work, 'binary');
    const bytes = Buffer.alloc(10_000_000);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 2_654_435_761) >>> 13;
    writeFileSync(source, bytes);
    await run('binary-logs', 'cat binary & cat binary >&2; wait');
    for (const channel of ['stdout', 'stderr']) {
      await execa('sh', ['-c', `"$0" "$1" output-log binary-logs ${channel} > ${channel}.out`, process.execPath, HQ], {
        cwd: cluster.work,
      });
      expect(hash(readFileSync(join(cluster.work, `${channel}.out`)))).toBe(hash(bytes));
    }
  });

  test('a task that is killed by its time limit keeps what it had printed', async () => {
    const job = await run('limited', 'echo before; echo problem >&2; while :; do sleep 0.05; done', { timeLimitMs: 300 });
    expect(await log('limited', 'stdout')).toBe('before\n');
    expect(await log('limited', 'stderr')).toBe('problem\n');
    expect((await client.taskDetail(job, 0)).failure).toBe('time-limit');
  });

  test('no output at all is an empty stream, and a command that does not exist leaves none that is open', async () => {
    const job = await run('empty', 'true');
    expect(await log('empty', 'stdout')).toBe('');
    expect(JSON.parse(await log('empty', 'export', String(job)))).toEqual([{ finished: true, id: 0, stdout: '' }]);
    const missing = await run('empty-2', '', { command: ['/no/such/program'] });
    expect((await client.taskDetail(missing, 0)).failure).toBe('spawn');
  });

  test('one channel to a file, the other into the log', async () => {
    await run('half', 'echo out; echo err >&2', { stdout: { path: 'own.txt', onClose: 'keep' } });
    expect(cluster.read('own.txt')).toBe('out\n');
    expect(await log('half', 'stderr')).toBe('err\n');
    expect(await log('half', 'stdout')).toBe('');
  });
});

describe('while a task runs', () => {
  test('its output can be read before it ends, cat wants --allow-unfinished, and --follow prints the rest as it comes', async () => {
    const job = await start('growing', 'echo first; until test -e go; do sleep 0.02; done; echo last');
    await waitFor('the first line in the log', async () => (await cluster.hq(['output-log', 'growing', 'show'])).stdout.includes('first'));
    const refused = await cluster.hq(['output-log', 'growing', 'cat', String(job), 'stdout']);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/task 0 is not finished/i);
    expect(await log('growing', 'cat', String(job), 'stdout', '--allow-unfinished')).toBe('first\n');
    const follower = cluster.start(['output-log', `growing/job-${job}.log`, 'stdout', '--follow']);
    await waitFor('the follower to print', () => follower.stdout === 'first\n');
    writeFileSync(join(cluster.work, 'go'), '');
    await waitFor('the follower to print the rest', () => follower.stdout === 'first\nlast\n');
    await ended(client, job);
    expect(await follower.kill('SIGINT')).not.toBe('SIGKILL');
    expect(follower.stderr).toBe('');
    expect(await log('growing', 'stdout')).toBe('first\nlast\n');
  });

  test('a canceled task keeps its output and is no longer open', async () => {
    const job = await start('canceled', 'echo here; while :; do sleep 0.05; done');
    await waitFor('the line', async () => (await cluster.hq(['output-log', 'canceled', 'show'])).stdout.includes('here'));
    await client.cancel(job);
    await waitFor('the end record', async () => (await cluster.hq(['output-log', 'canceled', 'stdout'])).stdout === 'here\n');
  });
});

test('placeholders of the directory, and two servers that write into one', async () => {
  const job = await run('%{SUBMIT_DIR}/by-job/%{JOB_ID}', 'echo placed');
  expect(await log(`by-job/${job}`, 'stdout')).toBe('placed\n');
  const other = new Cluster();
  try {
    await other.startServer();
    await other.startWorker(['--cpus', '1']);
    const shared = join(cluster.work, 'shared');
    const theirs = await clientOf(other);
    const first = await theirs.createJob({ name: 'job', submit: scriptSubmit(other, 'echo theirs', { stream: shared }) });
    await ended(theirs, first.jobId);
    const uid = (await theirs.serverInfo()).serverUid;
    theirs.close();
    // The same job id in both servers: ours runs until it has the id of theirs.
    const ours = await client.serverInfo();
    const mine = await run(shared, 'echo ours');
    expect(readdirSync(shared).sort()).toEqual([...new Set([`job-${first.jobId}.log`, `job-${mine}.log`])].sort());
    const ambiguous = await cluster.hq(['output-log', shared, 'summary']);
    expect(ambiguous.code).toBe(1);
    expect(ambiguous.stderr).toContain(uid);
    expect(ambiguous.stderr).toContain(ours.serverUid);
    expect(await log(shared, 'cat', String(first.jobId), 'stdout', '--server-uid', uid)).toBe('theirs\n');
    expect(await log(shared, 'cat', String(mine), 'stdout', '--server-uid', ours.serverUid)).toBe('ours\n');
  } finally {
    await other.stop();
  }
});

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
