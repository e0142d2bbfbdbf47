/** A server of the comparison's own, with one allocation queue on Slurm: nothing of the user's server is touched. Used by the sides on hq. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HqClient } from '../../client/client.ts';
import { waitForServer } from '../../client/wait.ts';
import { builtFile } from '../../common/builtFile.ts';
import { HqError } from '../../protocol/errors.ts';
import type { RunPlace } from './runPlace.ts';

/** A start takes well under a second; a busy login node may need longer. Milliseconds. */
const START_MAX_MS = 60_000;
/** Cancelling allocations takes as long as Slurm's commands. Milliseconds. */
const STOP_MAX_MS = 60_000;
/** When this process is killed, the server ends by itself, and its workers and allocations with it. */
const IDLE_EXIT = '2min';

/** Allocations of a comparison. */
export interface QueueLimits {
  readonly timeLimitMs: number;
  /** Most nodes, all of them asked for at once. */
  readonly nodes: number;
  /** For sbatch, word for word. */
  readonly sbatchArgs: readonly string[];
  /** Address of the server for workers; default: this host. */
  readonly host: string | undefined;
}

export class OwnServer {
  readonly client: HqClient;
  /** For clients. */
  readonly directory: string;
  private readonly child: ChildProcess;

  private constructor(o: { client: HqClient; directory: string; child: ChildProcess }) {
    this.client = o.client;
    this.directory = o.directory;
    this.child = o.child;
  }

  /** @throws HqError when it does not start or refuses the queue; then nothing is left of it */
  static async start(place: RunPlace, limits: QueueLimits): Promise<OwnServer> {
    const directory = join(place.work, 'hq-server');
    const { child, log } = spawnServer(place, { directory, host: limits.host });
    const ended = new AbortController();
    child.once('exit', () => ended.abort());
    const signal = AbortSignal.any([place.signal, ended.signal]);
    try {
      const io = { cwd: place.work, signal };
      // The client outlives an interruption: it stops the server then.
      (await waitForServer({ serverDir: directory, env: place.shims.env, io, timeoutMs: START_MAX_MS })).close();
      const client = await waitForServer({ serverDir: directory, env: place.shims.env, timeoutMs: START_MAX_MS });
      const server = new OwnServer({ client, directory, child });
      await client.createQueue({ params: queueParams(limits), trial: false });
      return server;
    } catch (error) {
      await endChild(child);
      if (ended.signal.aborted && !place.signal.aborted) {
        throw new HqError('HQ_E_COMPARE', { detail: 'its server could not be started', fix: `See ${log}` }, { cause: error });
      }
      throw error;
    }
  }

  /** Stops workers and server and cancels the allocations; returns when the server has ended. Never throws. */
  async stop(): Promise<void> {
    // Where it does not answer, a signal does the same.
    await this.client.stopServer({ keepWorkers: false }).catch(() => this.child.kill('SIGINT'));
    await endedWithin(this.child, STOP_MAX_MS);
    this.client.close();
    await endChild(this.child);
  }
}

/** In a process group of its own, so that Ctrl-C reaches it in order. */
function spawnServer(place: RunPlace, o: { directory: string; host: string | undefined }): { child: ChildProcess; log: string } {
  const args = ['--server-dir', o.directory, 'server', 'start', '--exit-when-idle', IDLE_EXIT];
  const log = place.own('server.txt');
  const file = openSync(log, 'w');
  try {
    const child = spawn(
      process.execPath,
      [fileURLToPath(builtFile('bin/hq.js')), ...args, ...(o.host === undefined ? [] : ['--host', o.host])],
      {
        cwd: place.work,
        env: place.shims.env as NodeJS.ProcessEnv,
        stdio: ['ignore', file, file],
        detached: true,
      },
    );
    child.on('error', () => {}); // it shows as an end
    return { child, log };
  } finally {
    closeSync(file);
  }
}

function queueParams({ timeLimitMs, nodes, sbatchArgs }: QueueLimits) {
  return {
    system: 'slurm',
    name: 'compare',
    timeLimitMs,
    backlog: nodes,
    maxWorkerCount: nodes,
    additionalArgs: [...sbatchArgs],
    // Their end is the end of the run, not a pause in it.
    idleTimeoutMs: timeLimitMs,
    // Short limits are what is compared; nothing has to be kept free at their end.
    drainBeforeMs: 0,
  };
}

/** Kills it when nothing else has ended it. */
async function endChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.kill('SIGINT');
  await endedWithin(child, STOP_MAX_MS);
  if (!hasEnded(child)) child.kill('SIGKILL');
}

async function endedWithin(child: ChildProcess, limitMs: number): Promise<void> {
  if (hasEnded(child)) return;
  await new Promise<void>((done) => {
    const timer = setTimeout(done, limitMs);
    child.once('exit', () => {
      clearTimeout(timer);
      done();
    });
  });
}

function hasEnded({ exitCode, signalCode, pid }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}
