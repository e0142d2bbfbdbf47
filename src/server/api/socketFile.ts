/** The place of the Unix socket: a directory that nobody else can enter, a path that fits, no leftover in it. Used by `listen.ts`. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { HqError } from '../../protocol/errors.ts';

/** `sun_path` of Linux is 108 bytes with its final zero. */
export const SOCKET_PATH_MAX_BYTES = 107;

/**
 * Checks the directory and removes the socket of a server that is gone. The caller holds the journal's lock, so no server of this
 * directory lives on it.
 * @throws HqError HQ_E_SERVER_DIR
 */
export function prepareSocketFile(path: string): void {
  const refuse = (detail: string) => new HqError('HQ_E_SERVER_DIR', { path: dirname(path), detail });
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX_BYTES)
    throw refuse(`the socket path ${path} is longer than ${SOCKET_PATH_MAX_BYTES} bytes`);
  const folder = lstatSync(dirname(path), { throwIfNoEntry: false });
  if (folder === undefined) throw refuse('it does not exist');
  if (!folder.isDirectory()) throw refuse('it is not a directory');
  if (folder.uid !== process.getuid?.()) throw refuse('it belongs to somebody else');
  if ((folder.mode & 0o077) !== 0) throw refuse('others can enter it; make it private with chmod 700');
  const old = lstatSync(path, { throwIfNoEntry: false });
  if (old === undefined) return;
  if (!old.isSocket()) throw refuse(`${path} is in the way and is not a socket`);
  unlinkSync(path);
}

/** The directory already keeps others out; the mode is the second lock. */
export function protectSocketFile(path: string): void {
  chmodSync(path, 0o600);
}
