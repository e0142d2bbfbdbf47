/** Set-up of the `nextflow` project: Nextflow is there before its tests begin. vitest calls `setup`. */
import { installNextflow } from '../../../fixtures/nextflow/install.mjs';
import { lacks } from '../../../fixtures/nextflow/machine.mjs';
import { buildNextflowPlugin } from '../../../scripts/lib/nextflowPlugin.mjs';

/** @throws Error with one line on what the machine lacks, Trouble when the download fails */
export async function setup(): Promise<void> {
  const lack = lacks();
  if (lack !== undefined) throw new Error(lack);
  await installNextflow();
  await buildNextflowPlugin();
}
