/**
 * Where the Unix socket for clients lies: a private directory on a local disk, because server directories may be on network file systems
 * and their paths too long. Used at the start of a server; `api/socketFile.ts` prepares the file itself.
 */
import { chmodSync, lstatSync, mkdirSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { foreignDirectory } from '../../common/serverDir.ts';

/** `sun_path` of Linux is 108 bytes with its final zero. */
const PATH_MAX_BYTES = 107;

/** Types of `statfs` where a socket made on one host does not work or is seen on others: NFS, SMB, CIFS, 9p, FUSE, Lustre, GPFS, BeeGFS, Ceph, AFS. */
const NETWORK_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  ...[0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x0bd00bd0, 0x47504653, 0x19830326, 0x00c36400, 0x5346414f],
]);

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
}

/** Makes the directory when it is one of ours below the temporary directory; the socket itself is not touched. */
export function chooseSocketPath({ serverUid, env, tmpDirs = [tmpdir(), '/tmp'] }: SocketPathOptions): SocketPlace {
  const passedOver: string[] = [];
  const mine = `hq-${process.geteuid?.() ?? 0}`;
  const runtime = env['XDG_RUNTIME_DIR'];
  const candidates = [
    ...(runtime !== undefined && isAbsolute(runtime) ? [{ dir: runtime, make: false }] : []),
    ...[...new Set(tmpDirs)].map((base) => ({ dir: join(base, mine), make: true })),
  ];
  for (const { dir, make } of candidates) {
    const path = join(dir, `hq-${serverUid}.sock`);
    const problem =
      Buffer.byteLength(path) > PATH_MAX_BYTES ? `the socket path would be longer than ${PATH_MAX_BYTES} bytes` : unfit(dir, make);
    if (problem === null) return { path, passedOver };
    passedOver.push(`${dir}: ${problem}`);
  }
  return { path: null, passedOver };
}

/** @returns why a socket cannot lie there, or null */
function unfit(dir: string, make: boolean): string | null {
  try {
    if (make && makeOwn(dir)) return null;
    const foreign = foreignDirectory(dir);
    if (foreign !== null) return foreign;
    if ((lstatSync(dir).mode & 0o077) !== 0) return 'others can enter it';
    return NETWORK_FILE_SYSTEMS.has(statfsSync(dir).type) ? 'it is on a network file system' : null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** @returns true when it was made now, on a local disk */
function makeOwn(dir: string): boolean {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch {
    return false; // it exists: what it is, is examined
  }
  chmodSync(dir, 0o700);
  return !NETWORK_FILE_SYSTEMS.has(statfsSync(dir).type);
}
