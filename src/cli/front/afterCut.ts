/**
 * What comes of a command that a server ran for us until the server ended: a wait goes on when the server returns, as it does in a process of
 * its own; of a change nobody knows whether it was made. Called by the program when the front says so.
 */
import { RECONNECT_DEFAULT_MS } from '../../client/eventReader.ts';
import { waitForServer } from '../../client/wait.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Effect } from '../../protocol/frontFrames.ts';
import type { Context } from '../context.ts';

/** @throws HqError HQ_E_SERVER_GONE when the command cannot be begun again, or the server stays away */
export async function afterCut(context: Context, effect: Effect | undefined): Promise<void> {
  const gone = new HqError('HQ_E_SERVER_GONE', { detail: 'the connection was cut' });
  if (effect !== 'waits') throw gone;
  context.warn(`${gone.message}; waiting for it to return`);
  try {
    const options = { serverDir: context.globals.serverDir, env: context.io.env, io: context.io, timeoutMs: RECONNECT_DEFAULT_MS };
    (await waitForServer(options)).close();
  } catch (error) {
    if (!(error instanceof HqError) || error.code !== 'HQ_E_SERVER_TIMEOUT') throw error;
    throw new HqError('HQ_E_SERVER_GONE', { detail: `it did not come back within ${RECONNECT_DEFAULT_MS / 1000} s` }, { cause: error });
  }
}
