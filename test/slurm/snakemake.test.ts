/** `snakemake --executor hyperqueue --hyperqueue-slurm …` on a real Slurm: one command brings everything, and leaves nothing. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { HQ, processesBelow, waitFor } from '../helpers/cluster.ts';
import { processesWith, SlurmCluster } from '../helpers/slurm.ts';

/** An allocation, a worker and several starts of Snakemake, on a busy machine. Milliseconds. */
const TEST_MS = 240_000;
const STATE_MS = 120_000;

const SNAKEFILE = `rule all:
    input: expand("{n}.txt", n=[1, 2, 3])

rule part:
    output: "{n}.txt"
    resources: mem_mb=200, slurm_partition="other"
    shell: "echo $SLURM_JOB_ID $SLURM_JOB_ACCOUNT > {output}"

rule gated:
    output: "gated.txt"
    shell: "touch started; until [ -e go ]; do sleep 0.1; done; touch {output}"
`;

let slurm: SlurmCluster;
let folder: string;
beforeAll(async () => {
  slurm = await SlurmCluster.start({ accounting: true });
});
afterAll(() => slurm.clean());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hq-smk-'));
  mkdirSync(join(folder, 'flow'));
  writeFileSync(join(folder, 'flow', 'Snakefile'), SNAKEFILE);
});
afterEach(() => rmSync(folder, { recursive: true }));

function snakemake(partition: string, ...args: string[]) {
  const queue = ['--hyperqueue-slurm', `--partition ${partition} --account pfeiferlab`, '--hyperqueue-time-limit', '10m'];
  const limits = ['--hyperqueue-max-workers', '2', '--hyperqueue-cpus', '2', '-j', '500', '--latency-wait', '30'];
  return execa('snakemake', ['--executor', 'hyperqueue', ...queue, ...limits, ...args], {
    cwd: join(folder, 'flow'),
    env: {
      ...process.env,
      PATH: `${resolve('.venv/bin')}:${process.env['PATH']}`,
      HQ_BRIDGE_HQ: HQ,
      HQ_SERVER_DIR: join(folder, 'server'),
    },
    all: true,
    reject: false,
    stdin: 'ignore',
  });
}

/** Server and workers are gone, and nothing of the queue is left in Slurm. */
async function nothingIsLeft(): Promise<void> {
  await waitFor('squeue to be empty', async () => (await slurm.ok('squeue', '-h')) === '', STATE_MS);
  // Tasks by their directory; server and workers by their command lines.
  await waitFor('all processes to end', () => processesBelow(folder).length + processesWith(join(folder, 'server')).length === 0, STATE_MS);
}

test(
  'a workflow runs in allocations of its own queue, which go with it, like the server',
  async () => {
    const { exitCode, all } = await snakemake('general');
    expect({ exitCode, all }).toMatchObject({ exitCode: 0, all: expect.stringContaining('allocations come from queue 1 (slurm)') });
    expect(all?.match(/resources for batch jobs are ignored \(slurm_partition\)/g)).toHaveLength(1);
    for (const n of [1, 2, 3]) expect(readFileSync(join(folder, 'flow', `${n}.txt`), 'utf8')).toMatch(/^\d+ pfeiferlab\n$/);
    await nothingIsLeft();
  },
  TEST_MS,
);

test(
  'an interrupt takes running and waiting allocations away; a partition that is not there ends the workflow with the reason',
  async () => {
    const running = snakemake('general', 'gated.txt');
    await waitFor('a running job', () => existsSync(join(folder, 'flow', 'started')), STATE_MS);
    running.kill('SIGINT');
    expect((await running).exitCode).not.toBe(0);
    await nothingIsLeft();
    const { exitCode, all } = await snakemake('nowhere');
    expect({ exitCode, all }).toMatchObject({ exitCode: 1, all: expect.stringContaining('nowhere') });
    await nothingIsLeft();
  },
  TEST_MS,
);
