/**
 * Reads whose log a file is. The writer asks before it appends, the reader before it merges.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { decodeIdentity, FORMAT_VERSION, HEADER_BYTES, MAGIC, TYPE_IDENTITY, type Identity } from './format.ts';
import { readerOf, RecordScanner } from './scan.ts';

/** Both copies of the identity record lie in the first bytes of a file; the writer refuses longer ones. */
export const IDENTITY_AREA_BYTES = 4096;

/** An identity record may not be longer than this, so that two fit. */
export const MAX_IDENTITY_BYTES: number = Math.floor((IDENTITY_AREA_BYTES - MAGIC.length) / 2) - HEADER_BYTES;

/** `not a log` covers files that are empty because their writer made them a moment ago. */
export type IdentityAnswer = Identity | 'not a log' | 'newer version';

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
  const magic = readAt(0, MAGIC.length);
  const known = magic.length === MAGIC.length && magic.subarray(0, -1).equals(MAGIC.subarray(0, -1));
  return known && (magic[MAGIC.length - 1] as number) > FORMAT_VERSION ? 'newer version' : 'not a log';
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
