/**
 * Everything a command may touch of the outside. The command line is a function `(argv, io) -> exit code`, so that tests, and the server on
 * behalf of a client, run it in-process: no command reads `process.*` itself, changes directory or exits.
 */
import type { Agent } from 'node:http';
import type { Readable, Writable } from 'node:stream';

export interface CliIo {
  /** Absolute working directory; relative paths on the command line resolve against it. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable & { isTTY?: boolean; columns?: number };
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
  /** Aborted on SIGINT or SIGTERM of the process; long waits end with it. The reason is the signal's name. */
  readonly signal: AbortSignal;
  /**
   * Where the command runs for a client whose files this process might not see as the client does: the client reads them.
   * @param path as typed
   * @returns the first FILE_START_BYTES bytes; a client that cannot read it runs the command itself, and this never resolves
   */
  readonly readFileStart?: (path: string) => Promise<Buffer>;
  /** Holds open connections to a server that a command may use and has to leave open; default: each command has its own. */
  readonly agent?: Agent;
}
