/** Runs around the tests of the `slurm` project: fails early where no cluster can run, takes the last one away, and keeps its logs in build/. */
import { resolve } from 'node:path';
import { isOurs } from '../../fixtures/slurm-cluster/lib/lifecycle.mjs';
import { lacks } from '../../fixtures/slurm-cluster/lib/machine.mjs';
import { slurmFixture } from './slurm.ts';

/** @throws Error with one line on what the machine lacks */
export function setup(): void {
  const lack = lacks();
  if (lack !== undefined) throw new Error(lack);
}

export async function teardown(): Promise<void> {
  if (isOurs() && process.env['HQ_SLURM_KEEP'] !== '1') await slurmFixture(['stop', '--logs', resolve('build/reports/slurm')]);
}
