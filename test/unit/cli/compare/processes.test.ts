/** The scripts that `hq compare` puts around commands of Slurm and around tasks, run by a real shell; and what it counts on its host. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { countFiles, cpuSoFarMs, isLogFile } from '../../../../src/cli/compare/hostCost.ts';
import { Shims } from '../../../../src/cli/compare/shims.ts';
import { findOnPath } from '../../../../src/cli/compare/slurm.ts';
import { readRecords, taskScript } from '../../../../src/cli/compare/taskScript.ts';

let folder: string;
beforeEach(() => {
  // A name that no shell takes as it is.
  folder = mkdtempSync(join(tmpdir(), "hq $compare'"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program in a directory that comes first on PATH. */
function program(name: string, script: string): NodeJS.ProcessEnv {
  const bin = join(folder, 'real');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { ...process.env, PATH: `${bin}:/usr/bin:/bin` };
}

test('a shim hands over arguments, input, output and exit code, and counts', () => {
  const env = program('squeue', 'cat; printf "<%s>" "$@"; echo wrong >&2; exit 3');
  const shims = new Shims(join(folder, 'shims'), env);
  const options = { env: shims.env as NodeJS.ProcessEnv, input: 'in', encoding: 'utf8' } as const;
  const result = spawnSync('squeue', ['a b', "c'd", ''], options);
  expect(result).toMatchObject({ status: 3, stdout: "in<a b><c'd><>", stderr: 'wrong\n' });
  spawnSync('squeue', [], options);
  expect(shims.counted()).toMatchObject({ squeue: 2, sbatch: 0 });
  expect(shims.jobIds()).toEqual([]);
});

test('the shim of sbatch keeps the ids that were printed, also when it fails', () => {
  const env = program('sbatch', 'if [ "$1" = bad ]; then echo no >&2; exit 1; fi; echo "Submitted batch job $1"');
  const shims = new Shims(join(folder, 'shims'), env);
  const options = { env: shims.env as NodeJS.ProcessEnv, encoding: 'utf8' } as const;
  expect(spawnSync('sbatch', ['12'], options)).toMatchObject({ status: 0, stdout: 'Submitted batch job 12\n' });
  expect(spawnSync('sbatch', ['bad'], options)).toMatchObject({ status: 1, stdout: '', stderr: 'no\n' });
  expect(spawnSync('sbatch', ['13'], options).status).toBe(0);
  expect(shims.jobIds()).toEqual(['12', '13']);
  expect(shims.counted().sbatch).toBe(3);
});

test('a program is found where PATH has it first, never a directory or a file that is not executable', () => {
  const env = program('sbatch', '');
  mkdirSync(join(folder, 'other', 'sbatch'), { recursive: true });
  expect(findOnPath('sbatch', { PATH: `${folder}/other:${env['PATH']}` })).toBe(join(folder, 'real', 'sbatch'));
  writeFileSync(join(folder, 'plain'), '');
  expect(findOnPath('plain', { PATH: folder })).toBeUndefined();
  expect(findOnPath('sbatch', {})).toBeUndefined();
});

test('a task notes its time and exit code under its index, whichever way it was told, and ends as its command did', () => {
  const records = join(folder, 'records');
  mkdirSync(records);
  const path = join(folder, 'task.sh');
  writeFileSync(path, taskScript(['sh', '-c', 'echo "$1 $HQ_COMPARE_TASK"; exit "$HQ_COMPARE_TASK"', '-', "it's $HOME"], records));
  const started = Date.now();
  const ran = (argument: string, env: NodeJS.ProcessEnv) =>
    spawnSync('sh', [path, argument], { env: { ...process.env, ...env }, encoding: 'utf8' });
  expect(ran('array', { SLURM_ARRAY_TASK_ID: '0' })).toMatchObject({ status: 0, stdout: "it's $HOME 0\n" });
  expect(ran('hq', { HQ_TASK_ID: '5', SLURM_ARRAY_TASK_ID: '9' })).toMatchObject({ status: 5 });
  expect(ran('7', {})).toMatchObject({ status: 7 });
  const found = readRecords(records);
  expect([...found].map(([index, { exitCode }]) => [index, exitCode])).toEqual([
    [0, 0],
    [5, 5],
    [7, 7],
  ]);
  for (const { startMs, endMs } of found.values()) {
    expect(startMs).toBeGreaterThanOrEqual(started);
    expect(endMs).toBeGreaterThan(startMs);
  }
});

test('a task that ran twice counts as it ended last', () => {
  writeFileSync(join(folder, 'n1'), '3 20.5 21.5 0\n4 1 2 1\nnonsense\n');
  writeFileSync(join(folder, 'n2'), '3 10 11 1\n');
  expect(readRecords(folder)).toEqual(
    new Map([
      [3, { startMs: 20_500, endMs: 21_500, exitCode: 0 }],
      [4, { startMs: 1_000, endMs: 2_000, exitCode: 1 }],
    ]),
  );
});

test('files are counted at all depths, and those with output by their names', () => {
  mkdirSync(join(folder, 'a', 'logs'), { recursive: true });
  for (const file of ['a/slurm-1_0.out', 'a/logs/job-1-x.log', 'a/logs/job-1-x.log.w2', 'a/stdout', 'a/journal.db'])
    writeFileSync(join(folder, file), '');
  symlinkSync('nowhere', join(folder, 'a', 'link'));
  expect(countFiles(folder)).toEqual({ inodes: 8, logFiles: 4 });
  expect(['x.err', 'stderr', '0.stdout'].every(isLogFile)).toBe(true);
  expect(['outfile', 'x.logs', 'log'].some(isLogFile)).toBe(false);
});

test('CPU time of children counts once they have ended, theirs included', () => {
  const before = cpuSoFarMs();
  // A hundredth of a second is the unit.
  execFileSync('sh', ['-c', 'sh -c "i=0; while [ \\$i -lt 60000 ]; do i=\\$((i+1)); done"; true']);
  expect(cpuSoFarMs() - before).toBeGreaterThan(20);
});
