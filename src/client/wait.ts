/** Waiting for a server that is being started. Called by `hq server wait` and by everything that has just started one. */
import { setTimeout as delay } from 'node:timers/promises';
import { namedServerDir } from '../common/serverDir.ts';
import { type ErrorCode, HqError } from '../protocol/errors.ts';
import { type ConnectOptions, connectClient, type HqClient, serverDirOptions } from './client.ts';

/** First and longest time between two attempts, milliseconds: a quick start is noticed quickly, a long wait costs next to nothing. */
const STEP_FIRST_MS = 20;
const STEP_MAX_MS = 250;

/** What a server that is just starting looks like from outside. */
const NOT_YET: ReadonlySet<ErrorCode> = new Set(['HQ_E_NO_SERVER', 'HQ_E_SERVER_UNREACHABLE', 'HQ_E_SERVER_GONE']);

/**
 * @returns a client whose server has answered
 * @throws HqError HQ_E_SERVER_TIMEOUT after `timeoutMs`; what waiting cannot mend (wrong token, unusable access file) at once
 */
export async function waitForServer(options: ConnectOptions & { readonly timeoutMs: number }): Promise<HqClient> {
  const outer = options.io?.signal;
  const limit = AbortSignal.timeout(options.timeoutMs);
  const signal = outer === undefined ? limit : AbortSignal.any([outer, limit]);
  let cause: unknown;
  for (let stepMs = STEP_FIRST_MS; !signal.aborted; stepMs = Math.min(stepMs * 2, STEP_MAX_MS)) {
    const result = await attempt(options, signal);
    if (!(result instanceof HqError)) return result;
    cause = result;
    await delay(stepMs, undefined, { signal }).catch(() => undefined);
  }
  outer?.throwIfAborted();
  throw new HqError(
    'HQ_E_SERVER_TIMEOUT',
    { seconds: options.timeoutMs / 1000, path: namedServerDir(serverDirOptions(options)) },
    { cause },
  );
}

/** @returns the client, or why there is none yet */
async function attempt(options: ConnectOptions, signal: AbortSignal): Promise<HqClient | HqError> {
  let client: HqClient | undefined;
  try {
    client = await connectClient(options);
    await client.health({ signal });
    return client;
  } catch (error) {
    client?.close();
    if (signal.aborted) return new HqError('HQ_E_SERVER_GONE', { detail: 'no answer in time' }, { cause: error });
    if (error instanceof HqError && NOT_YET.has(error.code)) return error;
    throw error;
  }
}
