/** `hq compare` on a real Slurm: what it reports is what happened, and nothing of it is left. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ComparedRun, type CompareReport, compareReport } from '../../src/protocol/schema/compare.ts';
import { HQ, HqProcess, processesBelow, waitFor } from '../helpers/cluster.ts';
import { SlurmCluster } from '../helpers/slurm.ts';

const PLACE = ['--partition', 'general', '--account', 'pfeiferlab', '--host', '127.0.0.1'];
/** Allocations, array and single jobs, with their starts and ends, on a busy machine. Milliseconds. */
const TEST_MS = 300_000;

/** Snakemake comes first on PATH. */
const ENVIRONMENT = { ...process.env, PATH: `${resolve('.venv/bin')}:${process.env['PATH']}` };
/** Until a job of a workflow runs: an allocation, a worker, and two starts of Snakemake. */
const STATE_MS = 90_000;

/** Three jobs for the executor and one that Snakemake does itself. */
const SNAKEFILE = `rule all:
    input: expand("{n}.txt", n=[1, 2, 3])

rule part:
    output: "{n}.txt"
    shell: "sleep 0.2; echo {wildcards.n} > {output}"
`;

let slurm: SlurmCluster;
let folder: string;
beforeAll(async () => {
  slurm = await SlurmCluster.start({ accounting: true });
});
afterAll(() => slurm.clean());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hq-compare-'));
});
afterEach(async () => {
  await waitFor('nothing to be left in squeue', async () => (await queue()) === '');
  await waitFor('all processes to end', () => processesBelow(folder).length === 0);
  rmSync(folder, { recursive: true });
});

const queue = (): Promise<string> => slurm.ok('squeue', '-h', '-o', '%i %j');

function compare(...args: string[]) {
  return execa(process.execPath, [HQ, 'compare', ...args], {
    cwd: folder,
    env: ENVIRONMENT,
    reject: false,
    stdin: 'ignore',
  });
}

describe('compare array', () => {
  test(
    '20 tasks on allocations, in an array and as single jobs: the report has what each side did',
    async () => {
      const command = ['sh', '-c', 'sleep 0.1; test $HQ_COMPARE_TASK -ne 7'];
      const args = ['array', '--tasks', '20', '--each', '--repeats', '1', '--nodes', '4', ...PLACE, '--out', 'report', '--', ...command];
      const { exitCode, stdout, stderr } = await compare(...args);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('1 failed') });
      expect(stdout).toMatch(/wall time\s*\|\s*[\d.]+ s\s*\|\s*[\d.]+ s\s*\|\s*[\d.]+ s/);
      expect(readdirSync(join(folder, 'report')).sort()).toEqual(['report.html', 'report.json']);
      const report = readReport('report');
      expect(report.setting).toMatchObject({ partition: 'general', nodes: 4, nodeCpus: 4, tasks: 20, command });
      const [ours, array, single] = ['hyperqueue', 'sbatch-array', 'sbatch'].map((side) => runOf(report, side));
      for (const run of [ours, array, single]) {
        expect(run?.tasks.map(({ failed }) => failed)).toEqual(Array.from({ length: 20 }, (_, index) => index === 7));
        for (const { runMs, noticedMs, startedMs, endedMs, submittedMs } of run?.tasks ?? []) {
          expect(runMs).toBeGreaterThanOrEqual(100);
          expect(startedMs).toBeGreaterThan(submittedMs);
          expect(noticedMs).toBeGreaterThan(endedMs ?? Number.POSITIVE_INFINITY);
        }
        expect(run?.cpuMs).toBeGreaterThan(0);
        expect(run?.rpcs?.user).toBeGreaterThan(0);
      }
      expect(ours?.calls.sbatch).toBe(ours?.slurmJobs.length);
      expect(ours?.slurmJobs.length).toBeLessThanOrEqual(4);
      expect(ours?.slurmJobs.every(({ cpus }) => cpus === 4)).toBe(true);
      expect(array?.slurmJobs).toHaveLength(20);
      expect(array?.calls).toMatchObject({ sbatch: 1, sacct: 0 });
      expect(array?.rpcs?.byType['REQUEST_SUBMIT_BATCH_JOB']).toBe(1);
      expect(single?.slurmJobs).toHaveLength(20);
      expect(single?.calls.sbatch).toBe(20);
      expect(single?.slurmJobs.filter(({ state }) => state === 'FAILED')).toHaveLength(1);
      // A file per job of Slurm, and one log for all tasks of a worker.
      for (const run of [array, single]) expect(run?.files.logFiles).toBe(20);
      expect(ours?.files.logFiles).toBeLessThan(20);
    },
    TEST_MS,
  );

  test(
    'interrupted in mid-run it cancels its jobs, stops its server and leaves no directory',
    async () => {
      const run = new HqProcess(['compare', 'array', '--tasks', '4', '--sleep', '10min', '--nodes', '1', ...PLACE, '--out', 'report'], {
        env: process.env,
        cwd: folder,
      });
      await waitFor('an allocation', async () => (await queue()).includes('compare'));
      expect(await run.kill('SIGINT')).toBe(130);
      expect(await queue()).toBe('');
      expect(existsSync(join(folder, 'report'))).toBe(false);
    },
    TEST_MS,
  );

  test(
    'a repeat that fails takes the earlier ones not along: they are reported, and the command fails',
    async () => {
      const real = (await execa('sh', ['-c', 'command -v sbatch'])).stdout;
      const bin = join(folder, 'bin');
      mkdirSync(bin);
      const script = `#!/bin/sh\nls -d ${folder}/report/2-* > /dev/null 2>&1 || exec ${real} "$@"\necho 'sbatch: error: closed for today' >&2\nexit 1\n`;
      writeFileSync(join(bin, 'sbatch'), script, { mode: 0o755 });
      const args = ['compare', 'array', '--tasks', '2', '--sleep', '10ms', '--nodes', '4', '--repeats', '2', ...PLACE, '--out', 'report'];
      const env = { ...ENVIRONMENT, PATH: `${bin}:${ENVIRONMENT.PATH}` };
      const { exitCode, stdout, stderr } = await execa(process.execPath, [HQ, ...args], {
        cwd: folder,
        env,
        reject: false,
        stdin: 'ignore',
      });
      expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(/^ERROR .*closed for today/m) });
      expect(stdout).toContain('wall time');
      expect(readReport('report').runs.map(({ repeat, side }) => [repeat, side])).toEqual([
        [1, 'hyperqueue'],
        [1, 'sbatch-array'],
      ]);
    },
    TEST_MS,
  );

  test('what Slurm refuses ends the comparison with its words', async () => {
    const { exitCode, stderr } = await compare('array', '--tasks', '1', '--sleep', '1s', ...PLACE, '--alloc-arg=--constraint=nothing');
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(/^ERROR Slurm refused: .*[Ii]nvalid feature/m) });
  });

  test.each([
    [['--partition', 'nowhere'], "there is no partition 'nowhere'. Choose one with --partition: general, short"],
    [['--nodes', '5'], "partition 'general' has 4 nodes in service, not 5"],
    [['--cpus', '5'], "nodes of partition 'general' have 4 CPUs, a task needs 5"],
    [['--out', '.'], 'exists already'],
  ])('%j is told in one line, and nothing is submitted or made', async (args, message) => {
    const { exitCode, stdout, stderr } = await compare('array', '--tasks', '2', '--sleep', '1s', ...args);
    expect({ exitCode, stdout, lines: stderr.split('\n').length }).toEqual({ exitCode: 1, stdout: '', lines: 1 });
    expect(stderr).toContain(message);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('compare snakemake', () => {
  test(
    "one workflow on Snakemake's executor for Slurm and on allocations: every job with its times, and as many jobs of Slurm as that took",
    async () => {
      const workflow = join(folder, 'workflow');
      mkdirSync(workflow);
      writeFileSync(join(workflow, 'Snakefile'), SNAKEFILE);
      const limits = ['--default-resources', 'mem_mb=100', 'runtime=5', '--slurm-init-seconds-before-status-checks', '2'];
      const args = ['--repeats', '1', '--nodes', '2', ...PLACE, '--out', 'report', '--keep', '--workflow', 'workflow', '--', '--jobs', '4'];
      const { exitCode, stdout, stderr } = await compare('snakemake', ...args, ...limits);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
      expect(stdout).toMatch(/hq on allocations\s*\|\s*Slurm executor/);
      const report = readReport('report');
      expect(report.setting).toMatchObject({ kind: 'snakemake', tasks: 3 });
      const [ours, theirs] = ['hyperqueue', 'slurm-executor'].map((side) => runOf(report, side));
      for (const run of [ours, theirs]) {
        expect(run?.tasks.map(({ name, failed, cpus }) => [name.split(' ')[0], failed, cpus])).toEqual(Array(3).fill(['part', false, 1]));
        for (const { runMs, noticedMs, endedMs } of run?.tasks ?? []) {
          expect(runMs).toBeGreaterThanOrEqual(200);
          expect(noticedMs).toBeGreaterThan(endedMs ?? Number.POSITIVE_INFINITY);
        }
      }
      expect(theirs?.slurmJobs).toHaveLength(3);
      expect(theirs?.calls.sbatch).toBe(3);
      expect(theirs?.calls.sacct).toBeGreaterThan(0);
      expect(ours?.slurmJobs.length).toBeLessThanOrEqual(2);
      expect(ours?.calls).toMatchObject({ sbatch: ours?.slurmJobs.length, sacct: 0 });
      // All of it on allocations: the plugin starts no worker here.
      expect(existsSync(join(folder, 'report', '1-hyperqueue', 'work', 'hq-server', 'embedded-worker.log'))).toBe(false);
      for (const side of ['hyperqueue', 'slurm-executor'])
        expect(readdirSync(join(folder, 'report', `1-${side}`, 'work'))).toContain('3.txt');
    },
    TEST_MS,
  );

  test(
    'interrupted while a job runs, Snakemake, server and allocation end',
    async () => {
      writeFileSync(join(folder, 'Snakefile'), SNAKEFILE.replace('sleep 0.2', 'touch running; sleep 600'));
      const args = ['compare', 'snakemake', '--nodes', '1', ...PLACE, '--out', 'report', '--', '--jobs', '1'];
      const run = new HqProcess(args, { env: ENVIRONMENT, cwd: folder });
      await waitFor('a job to run', () => existsSync(join(folder, 'report/1-hyperqueue/work/running')), STATE_MS);
      expect(await run.kill('SIGINT')).toBe(130);
      expect(await queue()).toBe('');
      expect(existsSync(join(folder, 'report'))).toBe(false);
    },
    TEST_MS,
  );

  test('what Snakemake says when it runs nothing ends the comparison', async () => {
    const { exitCode, stderr } = await compare('snakemake', '--repeats', '1', ...PLACE, '--', '--jobs', '1', '--snakefile', 'missing.smk');
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(/snakemake --executor hyperqueue ran no job: .*missing\.smk/),
    });
  });
});

function readReport(directory: string): CompareReport {
  return compareReport.parse(JSON.parse(readFileSync(join(folder, directory, 'report.json'), 'utf8')));
}

function runOf({ runs }: CompareReport, side: string): ComparedRun | undefined {
  return runs.find((run) => run.side === side);
}
