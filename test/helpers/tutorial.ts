/**
 * What the lines of the tutorial need around them: a shell in which `hq` is the built command and the programs of its examples are there. For the
 * tests that run those lines as they are printed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { expect } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import type { JobInfo } from '../../src/protocol/schema/job.ts';
import { ended } from './api.ts';
import type { Cluster, HqResult } from './cluster.ts';

/** Where the build links `hq`. */
export const HQ_FOLDER: string = resolve('build/bin');

/** The programs that the examples start, by name: each says what it was given. */
const PROGRAMS: Readonly<Record<string, string>> = {
  my_program: 'echo "variant=$HQ_RESOURCE_VARIANT cpus=$HQ_CPUS gpus=$CUDA_VISIBLE_DEVICES"',
  licensed_tool: 'echo "licensed $*"',
  process: 'echo "processed $*"',
  process_sample: 'echo "sample $*"',
  gatk: 'echo "gatk $*"',
  // Every tenth task needs a second attempt, every hundredth a third.
  'my_flaky_script.sh': 'test $((HQ_TASK_ID % 10)) != 0 || test $HQ_INSTANCE_ID -ge $((1 + (HQ_TASK_ID % 100 == 0)))',
  'my_script.sh': 'test $HQ_TASK_ID -gt 5',
  'process.sh': 'exit 1',
};

/** Of the working directory, by path: what the examples give to `python`, and read. */
const FILES: Readonly<Record<string, string>> = {
  'train.py': 'import os, sys\nprint("train", os.environ.get("CUDA_VISIBLE_DEVICES"), *sys.argv[1:])\n',
  'inference.py': 'import os\nprint("inference", os.environ["CUDA_VISIBLE_DEVICES"])\n',
  'process.py': 'import sys\nprint(open(sys.argv[1]).read().upper(), end="")\n',
  'data.txt': 'data\n',
};

/** Puts the programs and files of the examples in their places; before anything of the cluster is started, because workers look for them, too. */
export function furnish(cluster: Cluster): void {
  const folder = join(cluster.root, 'bin');
  mkdirSync(folder);
  for (const [name, script] of Object.entries(PROGRAMS)) {
    writeFileSync(join(folder, name), `#!/bin/bash\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  // It may be called python3 alone.
  writeFileSync(join(folder, 'python'), '#!/bin/sh\nexec python3 "$@"\n', { mode: 0o755 });
  cluster.env['PATH'] = [HQ_FOLDER, folder, process.env['PATH']].join(delimiter);
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(cluster.work, path)), { recursive: true });
    writeFileSync(join(cluster.work, path), text);
  }
}

/**
 * Runs lines as a person would type them; never throws for an exit code. Output goes through files, because what the lines leave in the background
 * would hold a pipe open.
 */
export async function type(cluster: Cluster, lines: string, env: NodeJS.ProcessEnv = {}): Promise<HqResult> {
  const folder = mkdtempSync(join(cluster.root, 'typed-'));
  const paths = ['stdout', 'stderr'].map((name) => join(folder, name)) as [string, string];
  const fds = paths.map((path) => openSync(path, 'w')) as [number, number];
  const shell = spawn('bash', ['-c', lines], { cwd: cluster.work, env: { ...cluster.env, ...env }, stdio: ['ignore', ...fds] });
  const [code] = (await once(shell, 'exit')) as [number | null];
  for (const fd of fds) closeSync(fd);
  const [stdout, stderr] = paths.map((path) => readFileSync(path, 'utf8')) as [string, string];
  return { code: code ?? -1, stdout, stderr };
}

/** The same for lines that must succeed; what they print. */
export async function typed(cluster: Cluster, lines: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await type(cluster, lines, env);
  expect([code, stderr], lines).toEqual([0, expect.not.stringContaining('ERROR')]);
  return stdout;
}

/** Types a submit. @returns the id of its job */
export async function submitted(cluster: Cluster, line: string): Promise<number> {
  const [, id] = /^Job submitted successfully, job ID: (\d+)$/m.exec(await typed(cluster, line)) ?? [];
  return Number(id);
}

/** Types a submit and waits for the end of its job, of which every task must have finished. */
export async function finished(cluster: Cluster, client: HqClient, line: string): Promise<JobInfo> {
  const job = await ended(client, await submitted(cluster, line));
  expect(job.stats.finished, line).toBe(job.taskCount);
  return job;
}
