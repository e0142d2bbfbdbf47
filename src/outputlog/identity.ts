/**
 * Reads whose log a file is. The writer asks before it appends, the reader before it merges.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { decodeIdentity, FORMAT_VERSION, HEADER_BYTES, type Identity, MAGIC, TYPE_IDENTITY } from './format.ts';
import { RecordScanner, readerOf } from './scan.ts';

/** Both copies of the identity record lie in the first bytes of a file; the writer refuses longer ones. */
export const IDENTITY_AREA_BYTES = 4096;

/** An identity record may not be longer than this, so that two fit. */
export const MAX_IDENTITY_BYTES: number = Math.floor((IDENTITY_AREA_BYTES - MAGIC.length) / 2) - HEADER_BYTES;

/** `begun`: empty, or not even the identity is complete: the writer made the file a moment ago, or died then. */
export type IdentityAnswer = Identity | 'begun' | 'newer version' | 'not a log';

/** Reads the identity from the first intact copy; damage to the magic or one of the copies does no harm. Throws errors of the file system. */
export function readIdentity(fd: number): IdentityAnswer {
  const readAt = readerOf(fd);
  const to = Math.min(fstatSync(fd).size, IDENTITY_AREA_BYTES);
  const scanner = new RecordScanner({ readAt, from: MAGIC.length, to, onDamage: () => 'continue' });
  for (let header = scanner.next(); header !== undefined; header = scanner.next()) {
    if (header.type !== TYPE_IDENTITY || scanner.payload === undefined) continue;
    const identity = decodeIdentity(scanner.payload);
    if (identity !== undefined) return identity;
  }
  return withoutIdentity(readAt(0, MAGIC.length), to);
}

function withoutIdentity(magic: Buffer, size: number): IdentityAnswer {
  const version = magic[MAGIC.length - 1] ?? FORMAT_VERSION;
  const prefix = magic.subarray(0, MAGIC.length - 1);
  if (!prefix.equals(MAGIC.subarray(0, prefix.length))) return 'not a log';
  if (version > FORMAT_VERSION) return 'newer version';
  return size < IDENTITY_AREA_BYTES ? 'begun' : 'not a log';
}

/**
 * Opens a regular file. A pipe or device in its place would block or have side effects, a symbolic link (unless the user named it) might lead
 * into somebody else's file.
 * @returns undefined when it is not a regular file; throws errors of the file system
 */
export function openRegular(path: string, flags: number, followLink = false): number | undefined {
  const fd = openSync(path, flags | constants.O_NONBLOCK | (followLink ? 0 : constants.O_NOFOLLOW));
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return undefined;
}
