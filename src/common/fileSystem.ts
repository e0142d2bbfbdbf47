/**
 * What kind of file system a path lies on, and how far its locks reach. Used by the server, which needs a local disk for its socket, and by
 * `hq doctor`. Reads the file system, changes nothing.
 */
import { readFileSync, realpathSync, statfsSync } from 'node:fs';

/** Types of `statfs` that are shared between hosts, where a socket made on one host does not work or is seen on others. */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x01021997, '9p'],
  [0x65735546, 'fuse'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x19830326, 'beegfs'],
  [0x00c36400, 'ceph'],
  [0x5346414f, 'afs'],
]);

export interface Mount {
  /** As in /proc/mounts: `ext4`, `nfs4`, `fuse.sshfs`. */
  readonly type: string;
  readonly options: ReadonlySet<string>;
}

export interface FileSystem extends Mount {
  /** Other hosts may see the same files. */
  readonly isNetwork: boolean;
}

/** Who else is kept out by a lock: `hosts`, every other process that sees the file; `this-host`, only processes beside it. */
export type LockReach = 'hosts' | 'this-host' | 'none' | 'unknown';

/** @param path must exist. Throws errors of the file system */
export function isOnNetwork(path: string): boolean {
  return NETWORK_TYPES.has(statfsSync(path).type);
}

/** @param path must exist; symbolic links are followed. Throws errors of the file system */
export function fileSystemOf(path: string): FileSystem {
  const real = realpathSync(path);
  const { type } = statfsSync(real);
  const named = NETWORK_TYPES.get(type);
  const mount = mountOf(readMounts(), real) ?? { type: named ?? `type 0x${type.toString(16)}`, options: new Set<string>() };
  return { ...mount, isNetwork: named !== undefined };
}

/**
 * @param text /proc/self/mountinfo
 * @param path absolute, without symbolic links
 * @returns the mount that the path lies on; undefined when the text does not say
 */
export function mountOf(text: string, path: string): Mount | undefined {
  let best: { length: number; mount: Mount } | undefined;
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ');
    const [, , , , place, own = ''] = before?.split(' ') ?? [];
    const [type, , shared = ''] = after?.split(' ') ?? [];
    if (place === undefined || type === undefined) continue;
    const point = place.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
    const holds = point === '/' || path === point || path.startsWith(`${point}/`);
    // What was mounted later hides what was mounted there before.
    if (holds && point.length >= (best?.length ?? 0))
      best = { length: point.length, mount: { type, options: new Set([...own.split(','), ...shared.split(',')]) } };
  }
  return best?.mount;
}

/** How far the byte-range locks (fcntl) reach that SQLite takes, as far as type and mount options say. */
export function lockReach({ type, options, isNetwork }: FileSystem): LockReach {
  if (!isNetwork) return 'this-host';
  switch (type) {
    case 'nfs':
    case 'nfs4':
      return ['nolock', 'local_lock=all', 'local_lock=posix'].some((option) => options.has(option)) ? 'this-host' : 'hosts';
    case 'lustre':
      if (options.has('localflock')) return 'this-host';
      return options.has('flock') ? 'hosts' : 'none';
    case 'cifs':
    case 'smb3':
      return options.has('nobrl') ? 'this-host' : 'hosts';
    case 'gpfs':
    case 'ceph':
      return 'hosts';
    default:
      return 'unknown';
  }
}

function readMounts(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}
