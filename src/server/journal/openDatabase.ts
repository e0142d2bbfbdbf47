/**
 * Opens the journal's database and takes its exclusive lock: whoever holds it is the server. Called by `JournalStore.open`, on the
 * journal's thread.
 */
import { chmodSync, closeSync, fsyncSync, openSync, rmSync, type Stats, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { HqError } from '../../protocol/errors.ts';
import { type ProbeAnswer, probeFileSystem } from './lockProbe.ts';
import { migrate, PAGE_BYTES } from './schema.ts';

/**
 * Bytes of the write-ahead log at which it is copied into the database. Large, because a copy of the directory that is taken at this very
 * moment may not fit together; small enough to be read in a fraction of a second after a crash.
 */
const WAL_LIMIT_BYTES = 32 * 2 ** 20;

export interface OpenDatabaseOptions {
  readonly path: string;
  /** Replaced in tests of file systems that cannot lock. */
  readonly probe?: (directory: string) => ProbeAnswer;
}

/**
 * @throws HqError HQ_E_SERVER_RUNNING when another process holds the lock (host and pid are unknown here), HQ_E_JOURNAL when the file cannot
 *   be used; a file that was made for this attempt is removed again
 */
export function openDatabase({ path, probe = probeFileSystem }: OpenDatabaseOptions): Database.Database {
  const refuse = (detail: string) => new HqError('HQ_E_JOURNAL', { path, detail });
  let created = false;
  let db: Database.Database | undefined;
  try {
    created = ensureFile(path);
    db = new Database(path, { timeout: 0 });
    lock(db);
    const problem = migrate(db) ?? checkFileSystem(db, { path, probe });
    if (problem !== null) throw refuse(problem);
    configure(db);
    return db;
  } catch (error) {
    db?.close();
    // A file system that refuses every lock looks the same as a running server.
    const answer = isBusy(error) ? probe(dirname(path)) : null;
    // Also one made here just now: another process was quicker with the lock, and the file is its journal.
    if (typeof answer === 'string') throw lockedError(path);
    if (created) for (const file of [path, `${path}-wal`, `${path}-journal`]) rmSync(file, { force: true });
    throw answer === null ? journalError(path, error) : refuse(answer.problem);
  }
}

/** To be called where none is to be made: opening one that does not exist would do that. @throws HqError HQ_E_FILE */
export function requireJournal(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    throw new HqError('HQ_E_FILE', { path, detail: 'there is no such file' });
}

/** The journal is held by another process. The caller that knows the server directory says whose it is. */
function lockedError(path: string): HqError {
  return new HqError('HQ_E_SERVER_RUNNING', { path, host: 'unknown', pid: 'unknown' });
}

/** @returns anything thrown by the database as one line that names the file */
export function journalError(path: string, error: unknown): HqError {
  if (error instanceof HqError) return error;
  const { code, message } = error as { code?: string; message?: string };
  const detail =
    code === 'SQLITE_NOTADB'
      ? 'it is not a database'
      : code?.startsWith('SQLITE_CORRUPT')
        ? 'it is damaged; save what is readable with: hq server recover DIR'
        : (message ?? String(error));
  return new HqError('HQ_E_JOURNAL', { path, detail }, { cause: error });
}

function isBusy(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && code.startsWith('SQLITE_BUSY');
}

/**
 * SQLite would make the file readable for others. An existing one is never opened here: closing any descriptor of a file drops all locks
 * that this process holds on it.
 * @returns true when it was made now
 */
function ensureFile(path: string): boolean {
  const refuse = (detail: string) => new HqError('HQ_E_JOURNAL', { path, detail });
  const found: Stats | undefined = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined) {
    if (!found.isFile()) throw refuse('it is not a regular file');
    if (found.uid !== process.geteuid?.()) throw refuse('it belongs to somebody else');
    for (const file of [path, `${path}-wal`]) takeFromOthers(file);
    return false;
  }
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Somebody else made it just now: the lock decides.
    if (code === 'EEXIST') return false;
    throw refuse(code === 'ENOENT' ? 'its directory does not exist' : message);
  }
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
  return true;
}

/** A copy of a server directory may be readable for others. */
function takeFromOthers(path: string): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) !== 0) chmodSync(path, 0o600);
}

function lock(db: Database.Database): void {
  // Before the first read: with the lock held from the beginning, write-ahead logging needs no shared memory, which network file systems lack.
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma(`page_size = ${PAGE_BYTES}`);
  const mode = db.pragma('journal_mode = WAL', { simple: true });
  if (mode !== 'wal') throw new Error(`write-ahead logging is not possible (${String(mode)})`);
  db.exec('BEGIN IMMEDIATE; COMMIT');
}

function configure(db: Database.Database): void {
  db.pragma('synchronous = NORMAL');
  // Deleted content is overwritten: values of secret variables must not stay in free pages.
  db.pragma('secure_delete = ON');
  db.pragma(`wal_autocheckpoint = ${WAL_LIMIT_BYTES / (db.pragma('page_size', { simple: true }) as number)}`);
  // KiB; rows of a job lie next to each other, so that more would save little.
  db.pragma('cache_size = -8192');
  db.pragma('temp_store = MEMORY');
}

/** Starting a second process costs a tenth of a second, so the answer is kept with the file that it is about. */
function checkFileSystem(db: Database.Database, o: Required<OpenDatabaseOptions>): string | null {
  const { dev, ino } = statSync(o.path);
  const place = `${hostname()}:${dev}:${ino}`;
  const known = db.prepare(`SELECT value FROM meta WHERE key = 'lockProbe'`).pluck().get();
  if (known === place) return null;
  const answer = o.probe(dirname(o.path));
  if (typeof answer !== 'string') return answer.problem;
  if (answer === 'works') db.prepare(`INSERT OR REPLACE INTO meta VALUES ('lockProbe', ?)`).run(place);
  return null;
}
