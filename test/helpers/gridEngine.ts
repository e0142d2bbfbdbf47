/**
 * The Grid Engine for tests: started with the tests of the `gridengine` project and taken away after them, through the command line of
 * fixtures/gridengine. The default exports of vitest's set-up are `setup` and `teardown`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { lacks } from '../../fixtures/gridengine/packages.mjs';
import { HQ } from './cluster.ts';

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

/**
 * A server on the first host of the cluster, whose workers can only reach it there; its commands run there, too, because the host has a name and
 * process numbers of its own.
 */
export class InsideServer {
  /** Fresh; working directory of the commands. */
  readonly root: string = mkdtempSync(join(tmpdir(), 'hq-gridengine-'));
  private readonly env: NodeJS.ProcessEnv;
  private server: Promise<unknown> | undefined;

  constructor(env: NodeJS.ProcessEnv) {
    this.env = { ...env, HQ_SERVER_DIR: join(this.root, 'server') };
  }

  async start(): Promise<void> {
    this.server = this.run(['server', 'start', '--host', 'ge1'], { reject: false });
    await this.ok('server', 'wait', '--timeout', '30s');
  }

  /** Runs one command that must succeed; its stdout. @throws ExecaError */
  async ok(...args: readonly string[]): Promise<string> {
    return String((await this.run(args, { timeout: 60_000 })).stdout);
  }

  /** Ends its workers, too. */
  async stop(): Promise<void> {
    await this.run(['server', 'stop'], { reject: false, timeout: 60_000 });
    await this.server;
    rmSync(this.root, { recursive: true, maxRetries: 5 });
  }

  private run(args: readonly string[], options: { reject?: boolean; timeout?: number }) {
    return execa(join(CLUSTER, 'bin/inside'), ['node', HQ, ...args], { ...options, cwd: this.root, env: this.env, stdin: 'ignore' });
  }
}
