/** `--after-ok`: submits that wait for tasks of earlier ones, of the same job and of others, over a restart of the server. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let client: HqClient;
let server: HqProcess;
beforeAll(async () => {
  cluster = new Cluster();
  server = await cluster.startServer();
  client = await clientOf(cluster);
  await cluster.startWorker(['--cpus', '4']);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

const NO_FILES = ['--stdout', 'none', '--stderr', 'none'];
const quiet = async (...args: string[]): Promise<string> => (await cluster.ok(['--output-mode', 'quiet', ...args])).trim();
/** Submits a shell script. @returns the id of its job */
const submit = (script: string, ...options: string[]): Promise<string> =>
  quiet('submit', ...NO_FILES, ...options, '--', 'sh', '-c', script);
const until = (file: string): string => `until test -e ${file}; do sleep 0.02; done; echo ${file} >> order.txt`;
const release = (file: string): void => writeFileSync(join(cluster.work, file), '');
const statsOf = async (job: string) => (await client.jobDetail(Number(job))).stats;

test('a chain of jobs runs in order, also over a crash of the server; explain and info say what is waited for', async () => {
  const first = await submit(until('first'), '--array', '1-2');
  const second = await submit('echo second >> order.txt', '--after-ok', `${first}.2`);
  const third = await submit('echo third >> order.txt', '--array', '0-1', '--after-ok', second, '--after-ok', `${first}.1,2`);
  const explained = await cluster.hq(['task', 'explain', third, '0']);
  expect(explained.stdout).toMatch(
    new RegExp(`waits for 3 other tasks: (?=.*${second}\\.0 \\(WAITING\\))(?=.*${first}\\.1 \\(RUNNING\\))`),
  );
  expect(await cluster.ok(['task', 'info', third, '0'])).toContain(`${second}.0, ${first}.1,2`);
  await waitFor('both to run', async () => (await statsOf(first)).running === 2);
  await server.kill('SIGKILL');
  server = await cluster.startServer();
  client.close();
  client = await clientOf(cluster);
  expect((await statsOf(third)).waiting).toBe(2);
  release('first');
  await ended(client, Number(third));
  expect(await statsOf(third)).toMatchObject({ finished: 2 });
  expect(cluster.read('order.txt').trim().split('\n')).toEqual(['first', 'first', 'second', 'third', 'third']);
});

test('what waits for a task that fails or is canceled is aborted, and what waits for that, too', async () => {
  const bad = await submit('test $HQ_TASK_ID != 1', '--array', '0-1');
  await ended(client, Number(bad));
  const late = await cluster.hq(['submit', '--after-ok', bad, '--', 'true']);
  expect(late).toMatchObject({ code: 0 });
  expect(late.stderr).toContain(`Task 1 of job ${bad} did not finish`);
  const job = /(\d+)/.exec(late.stdout)?.[1] as string;
  expect(await statsOf(job)).toMatchObject({ aborted: 1 });
  expect((await client.taskDetail(Number(job), 0)).error).toBe(`task 1 of job ${bad}, which it waits for, did not finish`);
  const lucky = await submit('true', '--after-ok', `${bad}.0`);
  await ended(client, Number(lucky));
  expect(await statsOf(lucky)).toMatchObject({ finished: 1 });
  const held = await submit(until('never'));
  const next = await submit('true', '--after-ok', 'last');
  const last = await submit('true', '--after-ok', next);
  await cluster.ok(['job', 'cancel', held]);
  await ended(client, Number(last));
  expect(await statsOf(next)).toMatchObject({ aborted: 1 });
  expect(await statsOf(last)).toMatchObject({ aborted: 1 });
});

test('in an open job its own id means the tasks that it has so far; of another open job later ones do not count', async () => {
  const open = await quiet('job', 'open');
  const empty = await cluster.hq(['submit', '--job', open, '--after-ok', open, '--', 'true']);
  expect(empty.code).toBe(1);
  expect(empty.stderr).toContain(`cannot wait for '${open}': it has no tasks yet`);
  await submit(until('own'), '--job', open);
  await submit('echo after-own >> order.txt', '--job', open, '--after-ok', open);
  const other = await cluster.hq(['submit', '--after-ok', open, '--', 'sh', '-c', 'echo other >> order.txt']);
  expect(other.stderr).toContain(`Job ${open} is open: tasks that are added to it from now on are not waited for`);
  await submit(until('never'), '--job', open);
  release('own');
  await ended(client, Number(open) + 1);
  expect(cluster.read('order.txt').trim().split('\n').slice(-3)).toEqual(['own', 'after-own', 'other']);
  expect((await client.taskDetail(Number(open), 1)).afterOk).toEqual([{ job: Number(open), tasks: '0' }]);
  await cluster.ok(['job', 'cancel', open]);
  await cluster.ok(['job', 'close', open]);
});

test('a job file and a #HQ line may wait, a dry run says what a submit would, and bad input changes nothing', async () => {
  const done = await submit('true');
  await ended(client, Number(done));
  const file = join(cluster.work, 'after.toml');
  writeFileSync(file, `after_ok = ["${done}", "last.0"]\n[[task]]\ncommand = ["true"]\nstdout = "none"\nstderr = "none"\n`);
  await cluster.ok(['job', 'submit-file', 'after.toml', '--wait']);
  writeFileSync(join(cluster.work, 'after.sh'), `#!/bin/sh\n#HQ --after-ok 999\ntrue\n`);
  const before = (await client.listJobs()).length;
  const forgotten = await submit('true');
  await ended(client, Number(forgotten));
  await cluster.ok(['job', 'forget', forgotten]);
  const refused: [string[], number, RegExp][] = [
    [['submit', './after.sh'], 1, /cannot wait for '999': there is no such job/],
    [['submit', '--dry-run', '--after-ok', '999', '--', 'true'], 1, /cannot wait for '999'/],
    [['submit', '--after-ok', forgotten, '--', 'true'], 1, /it was forgotten, so that nobody knows whether its tasks have finished/],
    [['submit', '--after-ok', `${done}.7`, '--', 'true'], 1, new RegExp(`cannot wait for '${done}\\.7': there is no such task`)],
    [['submit', '--after-ok', 'x', '--', 'true'], 2, /'x' does not begin with a job id/],
    [['submit', '--after-ok', `${done}.`, '--', 'true'], 2, /no task ids after the dot/],
  ];
  for (const [args, code, text] of refused) {
    const result = await cluster.hq(args);
    expect([args, result.code, result.stdout]).toEqual([args, code, '']);
    expect(result.stderr).toMatch(text);
  }
  writeFileSync(file, `after_ok = ["1.x"]\n[[task]]\ncommand = ["true"]\n`);
  expect((await cluster.hq(['job', 'validate', 'after.toml'])).stderr).toContain("'1.x' has no task ids after the dot");
  expect((await client.listJobs()).length).toBe(before);
});
