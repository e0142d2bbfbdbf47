/** A server of the comparison's own, with one allocation queue on Slurm: nothing of the user's server is touched. Used by the sides on hq. */
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HqClient } from '../../client/client.ts';
import { waitForServer } from '../../client/wait.ts';
import { builtFile } from '../../common/builtFile.ts';
import { HqError } from '../../protocol/errors.ts';
import type { HqEvent } from '../../protocol/schema/event.ts';
import { endChild, endedWithin, startChild } from './child.ts';
import type { RunPlace } from './runPlace.ts';
import type { Environment } from './slurm.ts';

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
  /** For the server, and through it for allocations and their tasks. */
  readonly env?: Environment;
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
    const log = place.own('server.txt');
    const args = [
      '--server-dir',
      directory,
      'server',
      'start',
      '--exit-when-idle',
      IDLE_EXIT,
      ...(limits.host === undefined ? [] : ['--host', limits.host]),
    ];
    const env = { ...place.shims.env, ...limits.env };
    const child = startChild(process.execPath, [fileURLToPath(builtFile('bin/hq.js')), ...args], { cwd: place.work, env, log });
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
      await endChild(child, STOP_MAX_MS);
      if (ended.signal.aborted && !place.signal.aborted) {
        throw new HqError('HQ_E_COMPARE', { detail: 'its server could not be started', fix: `See ${log}` }, { cause: error });
      }
      throw error;
    }
  }

  /**
   * Follows the queue until `signal` is aborted.
   * @throws HqError HQ_E_BATCH_REFUSED when Slurm takes no allocation, or the queue has given up after failures; or why nothing is known of it
   */
  async followQueue(signal: AbortSignal): Promise<void> {
    for await (const batch of this.client.events({ types: ['allocation-ended', 'queue-paused'], signal })) {
      // One that has run and failed is followed by another.
      const isOver = (event: HqEvent): boolean =>
        event.type === 'queue-paused' || (event.type === 'allocation-ended' && event.id === null && event.state === 'failed');
      if (batch.some(isOver)) throw await this.refusal();
    }
  }

  /** @returns what Slurm has said about allocations */
  async refusal(): Promise<HqError> {
    const [queue] = await this.client.listQueues();
    return new HqError('HQ_E_BATCH_REFUSED', {
      system: 'Slurm',
      detail: queue?.lastError ?? queue?.pausedReason ?? 'an allocation has failed',
    });
  }

  /** Stops workers and server and cancels the allocations; returns when the server has ended. Never throws. */
  async stop(): Promise<void> {
    // Where it does not answer, a signal does the same.
    await this.client.stopServer({ keepWorkers: false }).catch(() => this.child.kill('SIGINT'));
    await endedWithin(this.child, STOP_MAX_MS);
    this.client.close();
    await endChild(this.child, STOP_MAX_MS);
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
