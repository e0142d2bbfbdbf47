/**
 * Finds the file that a writer may write: makes a new one, or re-opens the one that the same worker process made before. Called by the writer.
 * Creation is O_CREAT | O_EXCL, so of several workers on several hosts exactly one gets a name.
 */
import { closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRecordHeader, HEADER_BYTES, type Identity, MAGIC } from './format.ts';
import { type IdentityAnswer, openRegular, readIdentity } from './identity.ts';
import { readTrailer } from './indexChain.ts';
import { furtherNames, type Owner, plainName } from './names.ts';
import { RecordScanner, readerOf } from './scan.ts';

export interface Claim {
  readonly fd: number;
  readonly path: string;
  /** 0 for a file made now, else the size of the file that is to be continued. */
  readonly size: number;
}

/** A file without its first bytes is one that another worker is making: wait this long for them, three times at most. */
const BEGUN_WAITS_MS = [1, 2, 4];

/** One name is taken per attempt; more than this many files of one worker in one job is no longer bad luck. */
const MAX_NAMES = 1000;

/** @returns an open file that belongs to this worker process alone; throws errors of the file system */
export function claimFile(dir: string, identity: Identity): Claim {
  mkdirSync(dir, { recursive: true });
  const plain = tryName(join(dir, plainName(identity.jobId)), identity);
  if (typeof plain !== 'string') return plain;
  let tries = 0;
  for (const name of furtherNames({ ...identity, owner: plain })) {
    const claim = tryName(join(dir, name), identity);
    if (typeof claim !== 'string') return claim;
    if (++tries >= MAX_NAMES) break;
  }
  throw new Error(`${MAX_NAMES} log files of job ${identity.jobId} are taken in ${dir}`);
}

function tryName(path: string, identity: Identity): Claim | Owner {
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  try {
    return { fd: openSync(path, O_RDWR | O_CREAT | O_EXCL, 0o666), path, size: 0 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return openTaken(path, identity);
}

function openTaken(path: string, identity: Identity): Claim | Owner {
  let fd: number | undefined;
  try {
    fd = openRegular(path, constants.O_RDWR);
  } catch {
    // Not readable, a symbolic link, removed since: not ours in any case.
    return 'unknown';
  }
  if (fd === undefined) return 'unknown';
  const owner = ownerOf(fd);
  if (isSame(owner, identity)) return { fd, path, size: fstatSync(fd).size };
  closeSync(fd);
  if (typeof owner === 'string') return 'unknown';
  return owner.serverUid === identity.serverUid ? 'same server' : 'other server';
}

function ownerOf(fd: number): IdentityAnswer {
  let answer = readIdentity(fd);
  for (const ms of BEGUN_WAITS_MS) {
    if (answer !== 'begun') break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    answer = readIdentity(fd);
  }
  return answer;
}

function isSame(a: IdentityAnswer, b: Identity): boolean {
  return (
    typeof a !== 'string' && a.serverUid === b.serverUid && a.jobId === b.jobId && a.workerId === b.workerId && a.session === b.session
  );
}

/** How to go on with a file that is continued. */
export interface Continuation {
  /** Offset of the last index of a cleanly closed file, else 0: what lies before is then found by walking the file. */
  readonly lastIndex: number;
  /** Zero bytes to add so that a record that was cut off does not swallow the next one. */
  readonly paddingBytes: number;
}

/** Looks at the end of a file of `size` bytes that this worker process wrote before. */
export function continuationOf(fd: number, size: number): Continuation {
  const readAt = readerOf(fd);
  const lastIndex = readTrailer(readAt, size);
  if (lastIndex !== undefined) return { lastIndex, paddingBytes: 0 };
  const scanner = new RecordScanner({ readAt, from: MAGIC.length, to: size, onDamage: () => 'continue' });
  while (scanner.next() !== undefined);
  const header = decodeRecordHeader(readAt(scanner.position, HEADER_BYTES), 0, scanner.position);
  const paddingBytes = header === undefined ? 0 : header.offset + HEADER_BYTES + header.length - size;
  return { lastIndex: 0, paddingBytes };
}
