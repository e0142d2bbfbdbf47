/**
 * Does this file system keep the promises that the journal rests on: locks that other processes see, and fsync? Asked when a journal is
 * opened in a place where that is not known yet.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { builtFile } from '../../common/builtFile.ts';

/** `unknown`: the second process could not be started, so nothing can be said. Anything else is a sentence that says what does not work. */
export type ProbeAnswer = 'works' | 'unknown' | { readonly problem: string };

/** Time for the second process, milliseconds; far above what it needs, so that only a hanging file system is cut off. */
const CHILD_LIMIT_MS = 20_000;

const LOCKED = 75;
const NOT_LOCKED = 76;

/** Locks belong to processes, so only a second process can tell whether they hold. Reads the given database and says what happened. */
const CHILD = `
  const [Database, file] = [require(process.argv[1]), process.argv[2]];
  try {
    new Database(file, { timeout: 0, fileMustExist: true }).prepare('SELECT count(*) FROM sqlite_schema').get();
    process.exit(${NOT_LOCKED});
  } catch (error) {
    process.exit(error.code === 'SQLITE_BUSY' ? ${LOCKED} : 1);
  }
`;

/** @param directory where a database of no other use is made and removed again */
export function probeFileSystem(directory: string): ProbeAnswer {
  const file = join(directory, `.hq-probe-${randomBytes(6).toString('hex')}`);
  try {
    closeSync(openSync(file, 'wx', 0o600));
    return probeFile(file);
  } catch (error) {
    return { problem: describe(error) };
  } finally {
    for (const path of [file, `${file}-journal`]) rmSync(path, { force: true });
  }
}

/**
 * Asks the compiled launcher, which answers in a millisecond, and where there is none, or it does not know, a second Node.
 * @returns whether a second process is kept out of the database; null when it could not find out
 */
export function isLockedForOthers(file: string): boolean | null {
  const { status } = spawnSync(fileURLToPath(builtFile('worker/launcher/hqspawn')), ['--is-locked', file], {
    stdio: 'ignore',
    timeout: CHILD_LIMIT_MS,
  });
  return answerOf(status) ?? isLockedForNode(file);
}

/** The same by SQLite itself. */
export function isLockedForNode(file: string): boolean | null {
  const library = createRequire(import.meta.url).resolve('better-sqlite3');
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { status } = spawnSync(process.execPath, ['-e', CHILD, library, file], { env, stdio: 'ignore', timeout: CHILD_LIMIT_MS });
  return answerOf(status);
}

function answerOf(status: number | null): boolean | null {
  if (status === LOCKED) return true;
  return status === NOT_LOCKED ? false : null;
}

function probeFile(file: string): ProbeAnswer {
  const db = new Database(file, { timeout: 0 });
  try {
    db.pragma('synchronous = FULL');
    db.exec('BEGIN EXCLUSIVE; CREATE TABLE probe (value); INSERT INTO probe VALUES (1);');
    const locked = isLockedForOthers(file);
    db.exec('COMMIT');
    if (locked === false) return { problem: 'locks of this file system are not seen by other processes' };
    return locked === null ? 'unknown' : 'works';
  } finally {
    db.close();
  }
}

function describe(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  // Nobody else knows this file: it is the file system that refuses the lock.
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_PERM' || code?.startsWith('SQLITE_IOERR_LOCK'))
    return 'files cannot be locked on this file system';
  if (code === 'SQLITE_IOERR_FSYNC' || code === 'SQLITE_IOERR_DIR_FSYNC') return 'fsync does not work on this file system';
  return message ?? String(error);
}
