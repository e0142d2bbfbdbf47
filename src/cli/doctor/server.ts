/** Check of the server that runs on the directory, if one does: does it answer, which version is it, do the clocks agree. */
import type { HqClient } from '../../client/client.ts';
import { HqError } from '../../protocol/errors.ts';
import { VERSION } from '../../protocol/version.ts';
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts';
import { isSkewed, skewText } from './runtime.ts';

/** Milliseconds. A busy server answers within one turn, and one that is away must not keep the command. */
const ANSWER_TIMEOUT_MS = 10_000;

export interface ServerCheckOptions {
  readonly serverDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Asks a server; starts none. */
export async function checkServer({ serverDir, env, cwd, signal }: ServerCheckOptions): Promise<Finding> {
  const { connectClient } = await import('../../client/client.ts');
  let client: HqClient | undefined;
  try {
    client = await connectClient({
      serverDir,
      env,
      io: { cwd, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]) },
    });
    return await askServer(client);
  } catch (error) {
    if (!(error instanceof HqError)) return problem('server', `it does not answer: ${reasonOf(error)}`, 'Look at it with: hq server info');
    if (error.code !== 'HQ_E_NO_SERVER') return problem('server', error.message, error.hint);
    if (client === undefined) return ok('server', 'none runs on this directory');
    const { hostname, pid } = client.found.access;
    const found = `the last one (host ${hostname}, pid ${pid}) is gone without having ended in order`;
    return warning('server', found, 'Its jobs are kept; start it again with: hq server start');
  } finally {
    client?.close();
  }
}

async function askServer(client: HqClient): Promise<Finding> {
  const askedMs = Date.now();
  const info = await client.serverInfo();
  const answeredMs = Date.now();
  const found = `version ${info.version} answers on ${info.hostname} (pid ${info.pid}), ${info.workers} workers, ${info.jobs} jobs`;
  if (info.version !== VERSION)
    return warning('server', `${found}, but this is version ${VERSION}`, 'Use the same version of hq for server, workers and commands');
  // Its clock was read somewhere between.
  const skewMs = info.nowMs === undefined ? 0 : info.nowMs - Math.min(Math.max(info.nowMs, askedMs), answeredMs);
  if (isSkewed(skewMs)) return warning('server', `${found}; its clock is ${skewText(skewMs)}`, 'Set the clocks of both hosts by NTP');
  return ok('server', found);
}
