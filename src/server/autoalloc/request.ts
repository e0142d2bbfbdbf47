/** What a batch system is told of one allocation, and the directory in which its files lie. Used by the allocator and by trials. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import { batchErrorKind } from './batchHost.ts';
import { allocationComment, type BatchSystem, type SubmitRequest } from './batchSystem.ts';
import { directoryName, jobName, type QueueRecord, workerLimitMs, workerOptions } from './queue.ts';

/** Directories of ended allocations that are kept, of all queues together; HyperQueue's number. */
const KEPT_DIRECTORIES = 20;

/** What is the same for all allocations of a server. */
export interface RequestSource {
  readonly serverUid: string;
  /** Directory of the server's identity. */
  readonly serverDir: string;
  /** Absolute path of the executable that starts workers. */
  readonly hqPath: string;
}

type Part = Pick<QueueRecord, 'id' | 'params'>;

/** Absolute path of the directory of an allocation. */
export function allocationDirectory(serverDir: string, queue: Part, number: number): string {
  return join(serverDir, 'autoalloc', directoryName(queue, number));
}

export function submitRequest(
  source: RequestSource,
  queue: Part,
  o: { readonly number: number; readonly workers: number; readonly directory: string; readonly held?: boolean },
): SubmitRequest {
  const { params } = queue;
  const { workerStartCmd, workerStopCmd, workerWrapCmd } = params;
  return {
    queueId: queue.id,
    number: o.number,
    name: jobName(queue, o.number),
    directory: o.directory,
    nodes: o.workers,
    timeLimitMs: params.timeLimitMs,
    extraArgs: params.additionalArgs,
    worker: {
      hqPath: source.hqPath,
      serverDir: source.serverDir,
      idleTimeoutMs: params.idleTimeoutMs,
      options: workerOptions(params),
      onServerLost: params.onServerLost,
      timeLimitMs: workerLimitMs(params),
      ...(workerStartCmd === undefined ? {} : { startCommand: workerStartCmd }),
      ...(workerStopCmd === undefined ? {} : { stopCommand: workerStopCmd }),
      ...(workerWrapCmd === undefined ? {} : { wrapCommand: workerWrapCmd }),
    },
    comment: allocationComment(source.serverUid, queue.id, o.number),
    held: o.held ?? false,
  };
}

/** Made for this user alone. */
export function makeDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}

/**
 * Removes directories of ended allocations but the newest, off the server's thread: they may lie on a slow file system.
 * @param ended in the order of their end
 * @throws Error of the first one that cannot be removed
 */
export async function dropDirectories(ended: readonly { readonly directory: string }[]): Promise<void> {
  for (const { directory } of ended.slice(0, Math.max(0, ended.length - KEPT_DIRECTORIES)))
    await rm(directory, { recursive: true, force: true });
}

/**
 * Submits an allocation of the greatest size and cancels it at once.
 * @param number of the trial, for its comment
 * @returns the script, and what the batch system has doubts about
 * @throws HqError HQ_E_ALLOC_TRIAL, after which the directory with the script is kept
 */
export async function tryQueue(
  system: BatchSystem,
  source: RequestSource,
  o: { readonly params: QueueRecord['params']; readonly number: number },
): Promise<{ script: string; warnings: string[] }> {
  const queue = { id: 0, params: o.params };
  const root = mkdtempSync(join(tmpdir(), 'hq'));
  const directory = join(root, 'autoalloc', directoryName(queue, 1));
  const request = submitRequest(source, queue, { number: o.number, workers: o.params.maxWorkersPerAlloc, directory, held: true });
  try {
    makeDirectory(directory);
    const script = system.script(request);
    const id = await submitOrFind(system, request);
    await system.cancel([id]).catch((error: Error) => {
      throw new Error(`${error.message}; the trial is still there, held, as ${id}: cancel it`, { cause: error });
    });
    const warnings = [...((await system.doubts?.(request)) ?? [])];
    rmSync(root, { recursive: true, force: true });
    return { script, warnings };
  } catch (error) {
    throw new HqError('HQ_E_ALLOC_TRIAL', { detail: (error as Error).message, directory }, { cause: error });
  }
}

async function submitOrFind(system: BatchSystem, request: SubmitRequest): Promise<string> {
  try {
    return await system.submit(request);
  } catch (error) {
    if (batchErrorKind(error) !== 'timedOut') throw error;
    // It must not stay behind.
    const id = (await system.find([request.comment])).get(request.comment);
    if (id === undefined) throw error;
    return id;
  }
}
