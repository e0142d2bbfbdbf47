/** `hq compare` where Slurm takes nothing: it ends with Slurm's words instead of waiting. Slurm and Snakemake are scripts; test/slurm has real ones. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HQ, processesBelow, waitFor } from '../helpers/cluster.ts';

/** Starts of a server and of commands on a busy machine, milliseconds. */
const TEST_MS = 60_000;

const COMMANDS = {
  sinfo: 'echo "general*|2|4|idle"',
  scontrol: 'echo "SLURM_VERSION = 22.05.8"',
  squeue: '',
  scancel: '',
  sbatch: 'echo "sbatch: error: Batch job submission failed: Invalid account" >&2\nexit 1',
  // Gives its server a job, as the executor does, and waits for its end.
  snakemake: `"$NODE" "$HQ" submit -- true > submitted\ntrap 'echo interrupted > ../ended; exit 1' INT\nwhile :; do sleep 0.05; done`,
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hq-compare-'));
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'workflow'));
  for (const [name, script] of Object.entries(COMMANDS)) {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
});
afterEach(async () => {
  await waitFor('all processes to end', () => processesBelow(folder).length === 0);
  rmSync(folder, { recursive: true });
});

test.each([
  ['array', ['array', '--tasks', '2', '--sleep', '1s']],
  ['snakemake', ['snakemake', '--workflow', 'workflow']],
])(
  'compare %s ends when no allocation is taken, and leaves no process',
  async (kind, words) => {
    const env = { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, NODE: process.execPath, HQ, HQ_FRONT: 'off' };
    const args = ['compare', ...words, '--host', '127.0.0.1', '--out', 'report', ...(kind === 'snakemake' ? ['--', '--jobs', '1'] : [])];
    const { exitCode, stderr } = await execa(process.execPath, [HQ, ...args], { cwd: folder, env, reject: false, stdin: 'ignore' });
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(/^ERROR Slurm refused: .*Invalid account/m) });
    const run = join(folder, 'report', '1-hyperqueue');
    expect(readdirSync(run)).toContain('server.txt');
    if (kind === 'snakemake') expect(readFileSync(join(run, 'ended'), 'utf8')).toBe('interrupted\n');
  },
  TEST_MS,
);

test('a report inside of a folder that is copied for each run is refused, and nothing is made', async () => {
  mkdirSync(join(folder, 'workflow', 'rules'));
  const args = ['compare', 'snakemake', '--workflow', 'workflow', '--out', 'workflow/rules/report', '--', '--jobs', '1'];
  const { exitCode, stderr } = await execa(process.execPath, [HQ, ...args], { cwd: folder, env: { HQ_FRONT: 'off' }, reject: false });
  expect({ exitCode, lines: stderr.split('\n').length }).toEqual({ exitCode: 1, lines: 1 });
  expect(stderr).toContain(`the report would be made in ${join(folder, 'workflow/rules')}, a folder of the workflow`);
  expect(readdirSync(join(folder, 'workflow/rules'))).toEqual([]);
});
