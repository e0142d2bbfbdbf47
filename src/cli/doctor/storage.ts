/**
 * Checks of the file system under the server directory: what it is, whether locks and fsync work, how much room there is. Probe files are
 * removed again.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, rmSync, type StatsFs, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type FileSystem, fileSystemOf, lockReach } from '../../common/fileSystem.ts';
import { formatSize } from '../../common/size.ts';
import { type Finding, ok, problem, reasonOf, warning } from './finding.ts';

const LOCAL_JOURNAL = 'Start the server with --journal FILE on a local disk';

/** Writes per probe; the median counts, so that one hiccup does not. */
const SYNCS = 5;
const SYNC_BYTES = 4_096;
/** Every submit waits for one: more is felt at the keyboard, milliseconds. */
const SLOW_SYNC_MS = 100;

/** A journal of a million tasks takes some hundred MiB, its write-ahead log another 32, bytes. */
const ROOM_MIN_BYTES = 2 ** 30;
const ROOM_LEAST_BYTES = 64 * 2 ** 20;
const INODES_MIN = 1_000;

/** @param place an existing directory */
export function checkFileSystem(place: string): Finding {
  let found: FileSystem;
  try {
    found = fileSystemOf(place);
  } catch (error) {
    return problem('file-system', reasonOf(error), LOCAL_JOURNAL);
  }
  const name = `${found.type} (${place})`;
  switch (lockReach(found)) {
    case 'hosts':
      return ok('file-system', `${name}, shared between hosts; locks hold on all of them`);
    case 'none':
      return problem('file-system', `${name} is mounted without locks`, `${LOCAL_JOURNAL}, or mount it with the option flock`);
    case 'unknown':
      return warning(
        'file-system',
        `${name}, maybe shared; locks may hold on this host only`,
        'Start servers for this directory on one host only',
      );
    case 'this-host':
      return found.isNetwork
        ? warning('file-system', `${name}, shared, but locks hold on this host only`, 'Start servers for this directory on one host only')
        : ok('file-system', `${name}, local: workers and clients on other hosts need a copy of the access files`);
  }
}

/** @param place an existing directory in which files can be made */
export async function checkLocks(place: string): Promise<Finding> {
  const { probeFileSystem } = await import('../../server/journal/lockProbe.ts');
  const answer = probeFileSystem(place);
  if (answer === 'works') return ok('locks', 'another process is kept out by a lock');
  if (answer === 'unknown') return warning('locks', 'a second process could not be started to try them', 'Look at the limits below');
  return problem('locks', answer.problem, LOCAL_JOURNAL);
}

export interface SyncCheck {
  readonly finding: Finding;
  /** Unix time that the file system gave the last write minus our own clock then, milliseconds; null when nothing could be written. */
  readonly skewMs: number | null;
}

/** Writes and flushes a small file as the journal does. @param place an existing directory in which files can be made */
export function checkSync(place: string): SyncCheck {
  const path = join(place, `.hq-doctor-${randomBytes(6).toString('hex')}`);
  try {
    const file = openSync(path, 'wx', 0o600);
    try {
      const times = Array.from({ length: SYNCS }, () => syncOnceMs(file)).sort((a, b) => a - b);
      return { finding: syncFinding(times[SYNCS >> 1] as number), skewMs: fstatSync(file).mtimeMs - Date.now() };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return { finding: problem('fsync', reasonOf(error), LOCAL_JOURNAL), skewMs: null };
  } finally {
    rmSync(path, { force: true });
  }
}

function syncOnceMs(file: number): number {
  const startMs = performance.now();
  writeSync(file, Buffer.alloc(SYNC_BYTES));
  fsyncSync(file);
  return performance.now() - startMs;
}

function syncFinding(ms: number): Finding {
  const found = `writing to disk takes ${Number(ms.toFixed(1))} ms`;
  return ms > SLOW_SYNC_MS ? warning('fsync', `${found}, and every submit waits for it`, LOCAL_JOURNAL) : ok('fsync', found);
}

/** @param place an existing path */
export function checkRoom(place: string): Finding {
  try {
    return roomFinding(statfsSync(place));
  } catch (error) {
    return problem('free-space', reasonOf(error), 'Choose another directory with --server-dir');
  }
}

/** The rule on its own, for tests. */
export function roomFinding({ bavail, bsize, files, ffree }: Pick<StatsFs, 'bavail' | 'bsize' | 'files' | 'ffree'>): Finding {
  const bytes = bavail * bsize;
  const found = `${formatSize(bytes)} free`;
  const advice = 'Free some space, or choose another directory with --server-dir';
  if (bytes < ROOM_LEAST_BYTES) return problem('free-space', `only ${found}`, advice);
  // File systems that make inodes as they go count none.
  if (files > 0 && ffree < INODES_MIN) return warning('free-space', `${found}, but only ${ffree} more files can be made`, advice);
  return bytes < ROOM_MIN_BYTES ? warning('free-space', `only ${found}`, advice) : ok('free-space', found);
}
