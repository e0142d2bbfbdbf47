/**
 * The Grid Engine for tests: started with the tests of the `gridengine` project and taken away after them, through the command line of
 * fixtures/gridengine. The default exports of vitest's set-up are `setup` and `teardown`.
 */
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { lacks } from '../../fixtures/gridengine/packages.mjs';

const FIXTURE = resolve('fixtures/gridengine/cluster.mjs');
/** Has the commands of users in `bin`. */
const CLUSTER = resolve('build/gridengine/cluster');

/** Environment whose PATH has the commands of Grid Engine first. */
export const GRID_ENGINE_ENV: Readonly<Record<string, string | undefined>> = {
  ...process.env,
  PATH: `${join(CLUSTER, 'bin')}:${process.env['PATH']}`,
};

/** @throws Error with one line on what the machine lacks, ExecaError when the cluster does not come up */
export async function setup(): Promise<void> {
  const lack = lacks();
  if (lack !== undefined) throw new Error(lack);
  await execa(process.execPath, [FIXTURE, 'start'], { stdin: 'ignore' });
}

export async function teardown(): Promise<void> {
  if (process.env['HQ_GRIDENGINE_KEEP'] !== '1') await execa(process.execPath, [FIXTURE, 'stop'], { stdin: 'ignore' });
}

/** Runs a command of Grid Engine that must succeed; its stdout. @throws ExecaError */
export async function gridEngine(program: string, ...args: readonly string[]): Promise<string> {
  return (await execa(join(CLUSTER, 'bin', program), [...args], { stdin: 'ignore', timeout: 30_000 })).stdout;
}
