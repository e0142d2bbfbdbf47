/**
 * Where the Unix socket for clients lies: a private directory on a local disk, because server directories may be on network file systems
 * and their paths too long. Used at the start of a server; `api/socketFile.ts` prepares the file itself.
 */
import { accessSync, chmodSync, constants, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { isOnNetwork } from '../../common/fileSystem.ts';
import { foreignDirectory } from '../../common/serverDir.ts';

/** `sun_path` of Linux is 108 bytes with its final zero. */
const PATH_MAX_BYTES = 107;

export interface SocketPlace {
  /** Null: no directory is fit for it; clients on this host use TLS, too. */
  readonly path: string | null;
  /** Why directories were passed over, one line each, for the log. */
  readonly passedOver: readonly string[];
}

export interface SocketPathOptions {
  readonly serverUid: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directories for temporary files in which one of ours may be made, the preferred one first. */
  readonly tmpDirs?: readonly string[];
  /** True: nothing is made; the answer says where the socket would be. Default: false. */
  readonly dryRun?: boolean;
}

/** Makes the directory when it is one of ours below the temporary directory; the socket itself is not touched. */
export function chooseSocketPath({ serverUid, env, tmpDirs = [tmpdir(), '/tmp'], dryRun = false }: SocketPathOptions): SocketPlace {
  const passedOver: string[] = [];
  const mine = `hq-${process.geteuid?.() ?? 0}`;
  const runtime = env['XDG_RUNTIME_DIR'];
  const candidates = [
    ...(runtime !== undefined && isAbsolute(runtime) ? [{ dir: runtime, own: false }] : []),
    ...[...new Set(tmpDirs)].map((base) => ({ dir: join(base, mine), own: true })),
  ];
  for (const { dir, own } of candidates) {
    const path = join(dir, `hq-${serverUid}.sock`);
    const problem =
      Buffer.byteLength(path) > PATH_MAX_BYTES
        ? `the socket path would be longer than ${PATH_MAX_BYTES} bytes`
        : unfit(dir, own ? (dryRun ? 'look' : 'make') : 'use');
    if (problem === null) return { path, passedOver };
    passedOver.push(`${dir}: ${problem}`);
  }
  return { path: null, passedOver };
}

/** @returns why a socket cannot lie there, or null; `make`: it is made when it is missing, `look`: could it be made? */
function unfit(dir: string, how: 'use' | 'make' | 'look'): string | null {
  try {
    if (how === 'make' && makeOwn(dir)) return null;
    if (how === 'look' && lstatSync(dir, { throwIfNoEntry: false }) === undefined) return unfitParent(dirname(dir));
    const foreign = foreignDirectory(dir);
    if (foreign !== null) return foreign;
    if ((lstatSync(dir).mode & 0o077) !== 0) return 'others can enter it';
    return networkProblem(dir);
  } catch (error) {
    return (error as Error).message;
  }
}

function unfitParent(parent: string): string | null {
  accessSync(parent, constants.W_OK | constants.X_OK);
  return networkProblem(parent);
}

const networkProblem = (dir: string): string | null => (isOnNetwork(dir) ? 'it is on a network file system' : null);

/** @returns true when it was made now, on a local disk */
function makeOwn(dir: string): boolean {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch {
    return false; // it exists: what it is, is examined
  }
  chmodSync(dir, 0o700);
  return !isOnNetwork(dir);
}
