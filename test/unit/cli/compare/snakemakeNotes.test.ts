/** What is noted of a workflow while it is compared: read, and written by the shells of its jobs. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCommandTimes, readSnakemakeTasks, withDefaultResources } from '../../../../src/cli/compare/snakemakeNotes.ts';

const info = (job: number, o: { local?: boolean; target?: string } = {}) => ({
  ...{ event: 'job_info', atMs: 1_001, job, rule: 'part', local: false, threads: 2, target: `part:n=${job}` },
  ...o,
});
const lines = (...notes: object[]): string => notes.map((note) => `${JSON.stringify(note)}\n`).join('');

describe('tasks of a workflow', () => {
  test('have the times of the logger and of their commands; jobs that Snakemake runs itself are left out', () => {
    const text = lines(
      { event: 'job_started', atMs: 1_000, jobs: [2, 1, 0] },
      ...[info(2), info(1), info(0, { local: true })],
      ...[2, 1, 0].map((job) => ({ event: 'job_finished', atMs: 3_000 + job, job })),
    );
    const times = readCommandTimes('1.5 2.25 part:n=2\n');
    expect(readSnakemakeTasks(text, times, 500)).toEqual([
      { name: 'part 2', submittedMs: 500, startedMs: 1_000, endedMs: 1_750, noticedMs: 2_502, runMs: 750, cpus: 2, failed: false },
      { name: 'part 1', submittedMs: 500, startedMs: null, endedMs: null, noticedMs: 2_501, runMs: null, cpus: 2, failed: false },
    ]);
  });

  test('have failed when the logger says so last, or never saw their end; a second attempt counts from the first submission', () => {
    const started = (atMs: number, ...jobs: number[]) => ({ event: 'job_started', atMs, jobs });
    const [error, finished] = ['job_error', 'job_finished'].map((event) => (atMs: number, job: number) => ({ event, atMs, job }));
    const text = lines(
      info(1),
      info(2),
      info(3),
      started(0, 1, 2, 3),
      error?.(5, 1) ?? {},
      error?.(6, 2) ?? {},
      started(7, 1),
      finished?.(9, 1) ?? {},
    );
    expect(readSnakemakeTasks(text, new Map(), 0)).toMatchObject([
      { name: 'part 1', submittedMs: 0, noticedMs: 9, failed: false },
      { name: 'part 2', noticedMs: 6, failed: true },
      { name: 'part 3', noticedMs: null, failed: true },
    ]);
  });

  test('of several commands add up, without the time between', () => {
    expect(readCommandTimes('5.0 6.5 a:x=1 2,y=3\n1.0 2.0 a:x=1 2,y=3\nnonsense\n')).toEqual(
      new Map([['a:x=1 2,y=3', { startMs: 1_000, endMs: 6_500, runMs: 2_500 }]]),
    );
  });
});

test('default resources are added to those that were typed, in both spellings', () => {
  const more = ['slurm_partition=p'];
  expect(withDefaultResources(['-j', '4'], more)).toEqual(['-j', '4', '--default-resources', 'slurm_partition=p']);
  expect(withDefaultResources(['--default-resources', 'a=1', '-n'], more)).toEqual([
    '--default-resources',
    'slurm_partition=p',
    'a=1',
    '-n',
  ]);
  expect(withDefaultResources(['--default-resources=a=1', '-n'], more)).toEqual(['--default-resources', 'a=1', 'slurm_partition=p', '-n']);
  expect(withDefaultResources(['-j', '4'], [])).toEqual(['-j', '4']);
});

describe('a shell', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hq-notes-'));
    mkdirSync(join(folder, 'records'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Below a process with these arguments, as Snakemake starts it: `bash -c` with the command. */
  function below(words: readonly string[], command: string, variables: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, BASH_ENV: resolve('plugins/compare/runTime.bash'), HQ_COMPARE_RECORDS: join(folder, 'records') };
    return spawnSync('sh', ['-c', 'bash -c "$COMMAND"; exit $?', 'snakemake', ...words], {
      env: { ...env, ...variables, COMMAND: command },
      encoding: 'utf8',
    });
  }
  const records = (): string =>
    readdirSync(join(folder, 'records'))
      .map((file) => readFileSync(join(folder, 'records', file), 'utf8'))
      .join('');

  test('of a job notes its time once, and changes neither output nor exit code of the job, nor what the job starts', () => {
    const command = 'set -euo pipefail; printenv BASH_ENV || echo none; exit 3';
    expect(below(['--target-jobs', 'part:n=a b', '--cores', '1'], command)).toMatchObject({ status: 3, stdout: 'none\n', stderr: '' });
    const found = readCommandTimes(records());
    expect([...found.keys()]).toEqual(['part:n=a b']);
    expect(found.get('part:n=a b')?.runMs).toBeGreaterThan(0);
  });

  test('below a warm runner knows its job by a variable, which what the job starts does not get', () => {
    const command = 'set -euo pipefail; printenv BASH_ENV HQ_COMPARE_TARGETS || echo none; bash -c "exit 3"';
    const variables = { HQ_COMPARE_TARGETS: 'part:n=a b' };
    expect(below(['--cores', '1'], command, variables)).toMatchObject({ status: 3, stdout: 'none\n', stderr: '' });
    expect([...readCommandTimes(records()).keys()]).toEqual(['part:n=a b']);
    // Other targets of a group of jobs; and a variable that is there and empty says nothing.
    for (const targets of ['part:n=1\npart:n=2', '']) below(['--cores', '1'], 'echo yes', { HQ_COMPARE_TARGETS: targets });
    expect(readCommandTimes(records()).size).toBe(1);
  });

  test('of a job whose note cannot be written ends as the job did', () => {
    rmSync(join(folder, 'records'), { recursive: true });
    const command = 'set -euo pipefail; echo yes';
    expect(below(['--target-jobs', 'part:n=1', '--cores', '1'], command)).toMatchObject({ status: 0, stdout: 'yes\n', stderr: '' });
    mkdirSync(join(folder, 'records'));
  });

  test('of anything else, and of a group of jobs, notes nothing', () => {
    expect(below(['--cores', '1'], 'echo yes')).toMatchObject({ status: 0, stdout: 'yes\n', stderr: '' });
    expect(below(['--target-jobs', 'part:n=1', 'part:n=2', '--cores', '1'], 'echo yes')).toMatchObject({ status: 0, stdout: 'yes\n' });
    expect(records()).toBe('');
  });
});
