/** `hq server start|stop|info|wait` */
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HqClient } from '../../client/client.ts';
import { HqError, toHqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';

/** Between two looks whether a stopping server has gone. */
const STOP_POLL_MS = 30;
/** A server whose listeners are closed has written everything; removing its access files takes no longer than this. */
const SILENT_MAX_MS = 2_000;
/** The original's default of `server wait`. */
const WAIT_TIMEOUT_MS = 300_000;

interface StartOptions {
  readonly accessFile?: string;
  readonly host?: string;
  readonly clientPort?: number;
  readonly workerPort?: number;
  readonly idleTimeout?: number;
  readonly journal?: string;
  readonly journalFlushPeriod?: number;
  readonly reconnectTimeout?: number;
  readonly exitWhenIdle?: number;
  readonly new?: boolean;
  readonly disableClientAuthenticationAndEncryption?: boolean;
  readonly disableWorkerAuthenticationAndEncryption?: boolean;
}

/** Serves until it is told to end. */
export async function runStart(context: Context, _args: [], options: StartOptions): Promise<number> {
  const { runServer } = await import('../../server/main.ts');
  const { io } = context;
  return runServer({
    serverDir: context.serverDir,
    env: io.env,
    stderr: io.stderr,
    signal: io.signal,
    debug: context.globals.debug === true,
    fresh: options.new === true,
    disableClientAuth: options.disableClientAuthenticationAndEncryption === true,
    disableWorkerAuth: options.disableWorkerAuthenticationAndEncryption === true,
    ...(options.accessFile === undefined ? {} : { accessFile: resolve(io.cwd, options.accessFile) }),
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.clientPort === undefined ? {} : { clientPort: options.clientPort }),
    ...(options.workerPort === undefined ? {} : { workerPort: options.workerPort }),
    ...(options.idleTimeout === undefined ? {} : { idleTimeoutMs: options.idleTimeout }),
    ...(options.journalFlushPeriod === undefined ? {} : { journalFlushMs: options.journalFlushPeriod }),
    ...(options.journal === undefined ? {} : { journalPath: resolve(io.cwd, options.journal) }),
    ...(options.reconnectTimeout === undefined ? {} : { reconnectTimeoutMs: options.reconnectTimeout }),
    ...(options.exitWhenIdle === undefined ? {} : { exitWhenIdleMs: options.exitWhenIdle }),
    onReady: (info) => context.output.serverInfo(info, { started: true }),
  });
}

/** Returns when the server has ended and given its directory free. */
export async function runStop(context: Context, _args: [], options: { keepWorkers?: boolean }): Promise<undefined> {
  const client = await context.client();
  const { startedAtMs } = client.found.access;
  await client.stopServer({ keepWorkers: options.keepWorkers === true });
  let silentSinceMs: number | null = null;
  for (;;) {
    const state = await look(context, startedAtMs);
    if (state === 'ended') break;
    // It closes its listeners first and removes its access files last; a copy of them on another host stays for ever.
    if (state === 'serving') silentSinceMs = null;
    else silentSinceMs ??= performance.now();
    if (silentSinceMs !== null && performance.now() - silentSinceMs > SILENT_MAX_MS) break;
    await delay(STOP_POLL_MS, undefined, { signal: context.io.signal });
  }
  context.output.done('Server stopped');
}

/** Is the server of that start still there? `silent`: its access file is, but nobody answers. */
async function look(context: Context, startedAtMs: number): Promise<'serving' | 'silent' | 'ended'> {
  const { connectClient } = await import('../../client/client.ts');
  let client: HqClient;
  try {
    client = await connectClient({ serverDir: context.globals.serverDir, env: context.io.env, io: context.io });
  } catch (error) {
    if (toHqError(error).code === 'HQ_E_NO_SERVER') return 'ended';
    throw error;
  }
  if (client.found.access.startedAtMs !== startedAtMs) return 'ended';
  try {
    await client.health();
    return 'serving';
  } catch (error) {
    context.io.signal.throwIfAborted();
    return error instanceof HqError ? 'silent' : Promise.reject(error);
  } finally {
    client.close();
  }
}

export async function runInfo(context: Context): Promise<undefined> {
  context.output.serverInfo(await (await context.client()).serverInfo(), { started: false });
}

export async function runWait(context: Context, _args: [], options: { timeout?: number }): Promise<undefined> {
  const { waitForServer } = await import('../../client/wait.ts');
  const client = await waitForServer({
    serverDir: context.globals.serverDir,
    env: context.io.env,
    io: context.io,
    timeoutMs: options.timeout ?? WAIT_TIMEOUT_MS,
  });
  client.close();
}
