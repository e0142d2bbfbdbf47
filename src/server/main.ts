/**
 * Starts a server: takes identity and journal, whose lock decides who is the server, and hands over to its process. Called by
 * `hq server start` by dynamic import.
 */
import type { ServerInfo } from '../protocol/schema/serverInfo.ts';
import type { ServerAccess } from './identity/serverAccess.ts';
import { JournalThread } from './journal/journalLink.ts';
import type { ServerProcess } from './serverProcess.ts';

export interface RunServerOptions {
  /** Absolute path of the server directory. */
  readonly serverDir: string;
  /** Absolute path of a full access record: its secrets are used, and its addresses and ports where no others are given. */
  readonly accessFile?: string;
  /** Address for workers where it is another one; absent: `host`. */
  readonly workerHost?: string;
  /** Address written into the access files; a loopback address is also the only one that is listened on. */
  readonly host?: string;
  readonly clientPort?: number;
  readonly workerPort?: number;
  /** Default idle timeout of workers. */
  readonly idleTimeoutMs?: number;
  /** Absolute. */
  readonly journalPath?: string;
  /** Longest time until the end of a task is on disk; more than a second is a second. Default: 100 ms. */
  readonly journalFlushMs?: number;
  /** A new identity instead of the one in use. */
  readonly fresh: boolean;
  readonly exitWhenIdleMs?: number;
  readonly reconnectTimeoutMs?: number;
  readonly disableClientAuth: boolean;
  readonly disableWorkerAuth: boolean;
  readonly debug: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Log lines go here. */
  readonly stderr: NodeJS.WritableStream;
  /** Aborted with the name of a signal: SIGINT stops workers, any other leaves them alone. */
  readonly signal: AbortSignal;
  /** Called once, when clients and workers can connect. */
  onReady(info: ServerInfo): void;
}

/**
 * Serves until it is told to end.
 * @returns exit code: 0 after an orderly end, 1 after a failure that was logged
 * @throws HqError when it cannot start: HQ_E_SERVER_DIR, HQ_E_SERVER_RUNNING, HQ_E_JOURNAL, HQ_E_PORT, HQ_E_USAGE
 */
export async function runServer(options: RunServerOptions): Promise<number> {
  const thread = JournalThread.start();
  let started: ServerProcess;
  try {
    started = await openServer(options, thread);
  } catch (error) {
    await thread?.discard();
    throw error;
  }
  return started.run();
}

/** Loads most of the program while the journal's thread comes up and reads what it has. */
async function openServer(given: RunServerOptions, thread: JournalThread | null): Promise<ServerProcess> {
  const [{ openIdentity }, { paceTimes }] = await Promise.all([import('./identity/identity.ts'), import('./autoalloc/pace.ts')]);
  // Before anything is made: a bad variable is refused here.
  paceTimes(given.env);
  const access = given.accessFile === undefined ? null : (await import('./identity/serverAccess.ts')).readServerAccess(given.accessFile);
  const options = access === null ? given : placed(given, access);
  const identity = await openIdentity({
    serverDir: options.serverDir,
    fresh: options.fresh,
    ...(options.journalPath === undefined ? {} : { journalPath: options.journalPath }),
    ...(access === null ? {} : { secrets: access }),
  });
  const [{ takeJournal }, { makeLog }] = await Promise.all([import('./identity/takeJournal.ts'), import('./logStream.ts')]);
  const log = makeLog(options.stderr, options.debug);
  const taking = takeJournal(identity, {
    logger: log,
    thread,
    ...(options.journalFlushMs === undefined ? {} : { flushMs: options.journalFlushMs }),
  });
  const loading = import('./serverProcess.ts');
  // Both are waited for, so that a failure of one leaves nothing behind that nobody hears of.
  const [taken, { ServerProcess }] = await Promise.all([taking, loading]);
  return new ServerProcess({ options, log, ...taken });
}

/** Addresses and ports of the record, where the command line gives no others. */
function placed(given: RunServerOptions, { client, worker }: ServerAccess): RunServerOptions {
  return {
    ...given,
    host: given.host ?? client.host,
    ...(given.host === undefined ? { workerHost: worker.host } : {}),
    clientPort: given.clientPort ?? client.port,
    workerPort: given.workerPort ?? worker.port,
  };
}
