/** What `hq compare` says where it cannot begin: one line with the fix, and nothing is made. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CliWorld } from '../../../helpers/cli.ts';

let world: CliWorld;
beforeAll(() => {
  world = new CliWorld();
});
afterAll(() => world.stop());

const TASKS = ['array', '--tasks', '2'];

test.each([
  [TASKS, 'there is nothing to run: give a command behind --, or --sleep'],
  [[...TASKS, '--sleep', '1s', '--', 'true'], 'give either a command or --sleep'],
  [['array', '--sleep', '1s'], '--tasks <N>'],
  [['array', '--tasks', '0', '--', 'true'], 'a whole number from 1 to 100000 is expected'],
  [['snakemake', '--', '--jobs', '1', '--executor', 'local'], "'--executor' cannot be given"],
  [['snakemake', '--', '--directory=x'], "'--directory=x' cannot be given"],
  [['snakemake'], 'required arguments were not provided'],
])('%j is wrongly typed', async (args, message) => {
  const { code, stdout, stderr } = await world.hq(['compare', ...args]);
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
  expect(readdirSync(world.work)).toEqual([]);
});

test.each([
  [
    [...TASKS, '--', 'true'],
    'nothing can be compared: sbatch, squeue, scancel, sinfo, scontrol not found on PATH. Run it on a host that submits to Slurm',
  ],
  [['snakemake', '--', '-j1'], 'nothing can be compared: snakemake not found on PATH. Activate its environment'],
  [['snakemake', '--workflow', 'nowhere', '--', '-j1'], "nowhere': it does not exist"],
])('%j has not what it needs', async (args, message) => {
  const { code, stdout, stderr } = await world.hq(['compare', ...args], { env: { PATH: world.serverDir } });
  expect({ code, stdout, lines: stderr.split('\n').length }).toEqual({ code: 1, stdout: '', lines: 2 });
  expect(stderr).toContain(message);
  expect(readdirSync(world.work)).toEqual([]);
});

test('a controller that does not answer is told in its words', async () => {
  const bin = join(world.serverDir, 'bin');
  mkdirSync(bin);
  for (const name of ['sbatch', 'squeue', 'scancel', 'sinfo', 'scontrol'])
    writeFileSync(join(bin, name), '#!/bin/sh\necho "slurm_load: Unable to contact slurm controller" >&2\nexit 1\n', { mode: 0o755 });
  const { code, stderr } = await world.hq(['compare', ...TASKS, '--', 'true'], { env: { PATH: bin } });
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining('Slurm cannot be reached: sinfo: slurm_load: Unable to contact slurm controller'),
  ]);
});
