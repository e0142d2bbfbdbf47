/** Messages of tasks, and their output as it comes: what a running job tells whoever waits for it. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ended } from '../helpers/api.ts';
import { waitFor } from '../helpers/cluster.ts';
import { runningCluster } from '../helpers/running.ts';

const running = runningCluster(['--cpus', '4']);
beforeAll(() => {
  const script = '#!/bin/sh\necho "$HQ_JOB_ID.$HQ_TASK_ID@$HQ_WORKER_ID $*" >> notes; echo "told $#"\n';
  writeFileSync(join(running.cluster.work, 'on-note'), script, { mode: 0o755 });
});

const send = (text: string): string => `$HQ_NOTIFY ${text}`;
/** `HQ` is a script of Node where hq is not installed. */
const VIA = ['--env', `HQ_NOTIFY=${process.execPath} ${join(process.cwd(), 'dist/bin/hq.js')} task notify`];

describe('hq task notify', () => {
  test('runs the program of --on-notify for each message, in order, before the wait ends', async () => {
    const script = `${send('"first message"')}; ${send('second')}`;
    const { code, stdout, stderr } = await running.cluster.hq([
      ...['--output-mode', 'quiet', 'submit', '--wait', '--on-notify', './on-note "a b"', ...VIA],
      ...['--', 'sh', '-c', script],
    ]);
    const job = Number(stdout.split('\n')[0]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`${job}\ntold 2\ntold 2\n`);
    expect(running.cluster.read('notes')).toBe(`${job}.0@1 a b first message\n${job}.0@1 a b second\n`);
    expect((await running.client.jobDetail(job)).stats.finished).toBe(1);
  });

  test('is an event of the server, with the task and its worker', async () => {
    const job = Number(
      await running.cluster.ok(['--output-mode', 'quiet', 'submit', ...VIA, '--array', '7', '--', 'sh', '-c', send('"žluť \\$x"')]),
    );
    await ended(running.client, job);
    const seen = [];
    for await (const batch of running.client.events({ after: 0, follow: false, types: ['task-notify'], jobIds: [job] }))
      seen.push(...batch);
    expect(seen).toMatchObject([{ jobId: job, taskId: 7, instance: 0, workerId: 1, message: 'žluť $x' }]);
  });

  test('outside a task, too long, or to a worker that is gone: one line, and nothing is sent', async () => {
    const outside = await running.cluster.hq(['task', 'notify', 'x'], { env: { HQ_ACCESS_KEY: '' } });
    expect(outside).toMatchObject({ code: 1, stderr: expect.stringContaining('ERROR this is not a task: HQ_ACCESS_KEY is not set') });
    const long = await running.cluster.hq(['task', 'notify', 'č'.repeat(513)]);
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining('the message has 1026 bytes, at most 1024 are possible') });
    const env = { HQ_ACCESS_KEY: `${running.cluster.work}/none:0123`, HQ_JOB_ID: '1', HQ_TASK_ID: '0', HQ_INSTANCE_ID: '0' };
    const gone = await running.cluster.hq(['task', 'notify', 'x'], { env });
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining('ERROR the worker did not take the message: connect ENOENT') });
  });

  test('a program that cannot be run, or fails, is told and the wait goes on', async () => {
    const failing = ['sh -c "exit 3"', './none'];
    for (const program of failing) {
      const result = await running.cluster.hq(['submit', '--wait', '--on-notify', program, ...VIA, '--', 'sh', '-c', send('x')]);
      expect(result.code).toBe(0);
      expect(result.stderr).toMatch(/^WARN --on-notify: (sh ended with exit code 3|\.\/none cannot be run: .*ENOENT)\n$/);
    }
  });

  test('a program that nobody would wait for, or none, is refused', async () => {
    const before = (await running.client.listJobs()).length;
    for (const [words, detail] of [
      [['--on-notify', './on-note'], "the argument '--on-notify' needs '--wait' or '--progress'"],
      [['--wait', '--on-notify', '"x'], 'a quotation mark (") is not closed'],
      [['--wait', '--on-notify', ' '], 'a program is expected'],
    ] as const)
      expect(await running.cluster.hq(['submit', ...words, '--', 'true'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(detail),
      });
    expect(await running.client.listJobs()).toHaveLength(before);
  });
});

describe('output of tasks', () => {
  test('hq job logs -f prints what a task writes as it comes, out of files and of consolidated logs', async () => {
    for (const options of [[], ['--stream', 'logs']]) {
      const script = 'echo one; until test -e go; do sleep 0.02; done; echo two >&2; printf three';
      const job = (await running.cluster.ok(['--output-mode', 'quiet', 'submit', ...options, '--', 'sh', '-c', script])).trim();
      const logs = running.cluster.start(['job', 'logs', '-f', `${job}.0`]);
      await waitFor('the first line', () => logs.stdout === 'one\n');
      writeFileSync(join(running.cluster.work, 'go'), '');
      expect(await logs.exit()).toBe(0);
      expect(logs.stdout.split('\n').sort()).toEqual(['', 'one', 'three', 'two']);
      await ended(running.client, Number(job));
      expect(await running.cluster.ok(['job', 'logs', job])).toBe('one\nthreetwo\n');
      expect(await running.cluster.ok(['job', 'logs', '--channel', 'stderr', `${job}.0`])).toBe('two\n');
      await running.cluster.ok(['submit', '--wait', '--', 'rm', 'go']);
    }
    expect(existsSync(join(running.cluster.work, 'logs'))).toBe(true);
  });

  test('that is lost with its log is told; a task that keeps none, or could not begin, is not', async () => {
    const run = async (...words: string[]): Promise<string> =>
      (await running.cluster.hq(['--output-mode', 'quiet', 'submit', '--wait', '--stream', 'lost', ...words])).stdout.trim();
    for (const words of [
      ['--stdout', 'none', '--', 'echo', 'hi'],
      ['--', '/nowhere/program'],
    ]) {
      const job = await run(...words);
      expect(await running.cluster.hq(['job', 'logs', job])).toEqual({ code: 0, stdout: '', stderr: '' });
    }
    const job = await run('--', 'echo', 'hi');
    expect(await running.cluster.ok(['job', 'logs', job])).toBe('hi\n');
    const folder = join(running.cluster.work, 'lost');
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    const lost = await running.cluster.hq(['job', 'logs', '--channel', 'stdout', job]);
    expect(lost).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^ERROR .*holds nothing of task 0/) });
  });

  test('of several tasks each line, or each part, says whose it is', async () => {
    const script = 'echo "out $HQ_TASK_ID"; test $HQ_TASK_ID = 3 || echo err >&2; test $HQ_TASK_ID != 2';
    const job = (
      await running.cluster.ok(['--output-mode', 'quiet', 'submit', '--wait', '--array', '1-3', '--', 'sh', '-c', script])
    ).trim();
    const parts = [1, 2].map((task) => `# Job ${job}, task ${task}\nout ${task}\n# Job ${job}, task ${task}, stderr\nerr\n`);
    expect(await running.cluster.ok(['job', 'logs', `${job}.1-2`])).toBe(parts.join(''));
    const followed = await running.cluster.ok(['job', 'logs', '-f', '--channel', 'stdout', job]);
    expect(followed.split('\n').sort()).toEqual(['', `${job}.1> out 1`, `${job}.2> out 2`, `${job}.3> out 3`]);
    const failed = await running.cluster.ok(['task', 'list', job, '--filter', 'failed', '--print-logs']);
    expect(failed).toMatch(/\| +2 \| FAILED/);
    expect(failed).not.toMatch(/^\| +[13] /m);
    expect(failed.endsWith(parts[1] as string)).toBe(true);
    const missing = await running.cluster.hq(['job', 'logs', `${job}.9`]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining(`task 9 of job ${job} not found`)]);
    for (const words of [
      ['job', 'logs', job],
      ['task', 'list', job, '--print-logs'],
    ])
      expect(await running.cluster.hq(['--output-mode', 'json', ...words])).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('JSON output mode'),
      });
    expect((await running.cluster.hq(['job', 'wait', job])).code).toBe(0);
    expect((await running.cluster.hq(['job', 'wait', '--fail-on-error', job])).code).toBe(1);
  });
});
