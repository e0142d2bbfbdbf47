/**
 * Files that only we may read, in directories that only we may enter: tokens, keys, access files. Used by everything in this folder.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { foreignDirectory } from '../../common/serverDir.ts';
import { HqError } from '../../protocol/errors.ts';

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const OTHERS = 0o077;

/** Anything the file system says, as one line about the server directory. */
export function directoryError(path: string, error: unknown): HqError {
  if (error instanceof HqError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    EACCES: 'it is not writable',
    EPERM: 'it is not writable',
    EROFS: 'its file system is read-only',
    ENOSPC: 'its disk is full',
    EDQUOT: 'its disk quota is used up',
    ENOTDIR: 'a part of the path is not a directory',
  };
  return new HqError('HQ_E_SERVER_DIR', { path, detail: known[code ?? ''] ?? message ?? String(error) }, { cause: error });
}

/**
 * Makes sure of a directory of our own that is not a symbolic link.
 * @param o.tighten take it from others when they can enter it, as a copied one may let them
 * @throws HqError HQ_E_SERVER_DIR
 */
export function ensureDirectory(path: string, o: { readonly tighten: boolean }): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE });
    const problem = foreignDirectory(path);
    if (problem !== null) throw new HqError('HQ_E_SERVER_DIR', { path, detail: problem });
    if (o.tighten && (lstatSync(path).mode & OTHERS) !== 0) chmodSync(path, DIRECTORY_MODE);
  } catch (error) {
    throw directoryError(path, error);
  }
}

/**
 * Replaces a file as a whole: a reader sees the old or the new one. Throws errors of the file system.
 * @param o.durable false: of no use after a crash of the machine, so nothing waits for the disk
 */
export function writePrivate(path: string, text: string, o: { readonly durable: boolean } = { durable: true }): void {
  const draft = draftOf(path);
  try {
    const file = openSync(draft, 'wx', FILE_MODE);
    try {
      writeFileSync(file, text);
      if (o.durable) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  if (o.durable) syncDirectory(dirname(path));
}

/** Makes a symbolic link lead there; replaces it as a whole. Throws errors of the file system, also when something else is in its place. */
export function writeLink(path: string, target: string): void {
  if (leadsTo(path, target)) return;
  const draft = draftOf(path);
  symlinkSync(target, draft);
  try {
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

/**
 * Reads a file of our own; takes it from others when they can read it, as they may after a copy.
 * @returns undefined when there is none
 * @throws HqError HQ_E_SERVER_DIR when it is a symbolic link, belongs to somebody else or cannot be read
 */
export function readPrivate(path: string): string | undefined {
  const refuse = (detail: string, cause?: unknown) =>
    new HqError('HQ_E_SERVER_DIR', { path: dirname(path), detail: `${path} ${detail}` }, { cause });
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw refuse(code === 'ELOOP' ? 'is a symbolic link' : `cannot be read: ${message}`, error);
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw refuse('is not a regular file');
    if (found.uid !== process.geteuid?.()) throw refuse('belongs to somebody else');
    if ((found.mode & OTHERS) !== 0) fchmodSync(file, FILE_MODE);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** After a rename: the new name survives a crash, too. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function leadsTo(path: string, target: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isSymbolicLink() === true && readlinkSync(path) === target;
}

function draftOf(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.tmp`;
}
