/**
 * Makes a sound journal out of a damaged one: what is readable is copied into a new file, what does not fit together is left out, and the damaged
 * file is kept aside. Called by `hq server recover` while no server runs.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { HqError } from '../../protocol/errors.ts';
import { syncDirectory } from '../identity/privateFile.ts';
import { JournalReader } from './journalReader.ts';
import { journalError, requireJournal } from './openDatabase.ts';
import { RestoreAssembler } from './restore.ts';
import { isSoundRow, type StoredRow } from './rowCheck.ts';
import { type Salvaged, salvageTable } from './salvage.ts';
import { APPLICATION_ID, migrate, PAGE_BYTES } from './schema.ts';
import { parseStored } from './taskWriter.ts';

interface Recovered {
  /** Where the damaged file is now; null: nothing was damaged, and nothing was changed. */
  readonly damagedPath: string | null;
  /** What was kept and lost, as sentences. */
  readonly findings: readonly string[];
}

/**
 * @param path of the journal, absolute
 * @param nowMs Unix milliseconds, part of the name of the damaged file
 * @throws HqError HQ_E_FILE, HQ_E_SERVER_RUNNING (host and pid unknown), HQ_E_JOURNAL; the journal is as before then
 */
export function recoverJournal(path: string, nowMs: number): Recovered {
  requireJournal(path);
  const damaged = openLocked(path);
  try {
    if (damaged !== null && isSound(damaged)) return { damagedPath: null, findings: [] };
    const draft = `${path}.recovered`;
    for (const file of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(file, { force: true });
    const fresh = openFresh(draft);
    const findings: string[] = [];
    try {
      if (damaged === null) findings.push('nothing of it is readable: it is no database any more');
      else findings.push(...copyAll(damaged, fresh), ...dropLoose(fresh));
      assertRestorable(fresh);
    } finally {
      fresh.close();
    }
    const damagedPath = `${path}.damaged-${new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')}`;
    // By another process: closing a descriptor of the file would give up the lock.
    for (const end of ['', '-wal']) if (existsSync(`${path}${end}`)) execFileSync('cp', ['-p', `${path}${end}`, `${damagedPath}${end}`]);
    damaged?.close();
    rmSync(`${path}-wal`, { force: true });
    renameSync(draft, path);
    syncDirectory(dirname(path));
    return { damagedPath, findings };
  } catch (error) {
    throw journalError(path, error);
  } finally {
    damaged?.close();
  }
}

/** @returns null when it is no database at all */
function openLocked(path: string): Database.Database | null {
  const db = new Database(path, { timeout: 0, fileMustExist: true });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN IMMEDIATE; COMMIT');
    return db;
  } catch (error) {
    const code = String((error as { code?: unknown }).code);
    if (code.startsWith('SQLITE_BUSY')) {
      db.close();
      throw new HqError('HQ_E_SERVER_RUNNING', { path, host: 'unknown', pid: 'unknown' });
    }
    if (code.startsWith('SQLITE_CORRUPT')) return db;
    db.close();
    if (code === 'SQLITE_NOTADB') return null;
    throw journalError(path, error);
  }
}

/** A new file for this user alone. */
function openFresh(path: string): Database.Database {
  execFileSync('sh', ['-c', 'umask 077 && : > "$1"', 'sh', path]);
  const db = new Database(path);
  db.pragma(`page_size = ${PAGE_BYTES}`);
  migrate(db);
  return db;
}

/** Pages, and that a server could start on it. */
function isSound(db: Database.Database): boolean {
  try {
    if (db.pragma('application_id', { simple: true }) !== APPLICATION_ID) return false;
    if (db.pragma('integrity_check(1)', { simple: true }) !== 'ok') return false;
    assertRestorable(db);
    return true;
  } catch {
    return false;
  }
}

/** @throws Error when a server could not read it */
function assertRestorable(db: Database.Database): void {
  const assembler = new RestoreAssembler();
  for (const part of new JournalReader(db).restore()) assembler.add(part);
  assembler.restored();
}

function copyAll(from: Database.Database, to: Database.Database): string[] {
  const findings: string[] = [];
  const copy = (table: string, key: string, where?: Record<string, number>): Salvaged => {
    const isWhole = (row: StoredRow): boolean => isSoundRow(table, row);
    try {
      return salvageTable({ from, to, table, key, isSound: isWhole, ...(where === undefined ? {} : { where }) });
    } catch {
      // Not even its description can be read.
      return { copied: 0, gaps: 1 };
    }
  };
  const tell = (what: string, { copied, gaps }: Salvaged): void => {
    if (copied > 0 || gaps > 0)
      findings.push(`${copied} ${what} kept${gaps === 0 ? '' : `, some lost in ${gaps} ${gaps === 1 ? 'place' : 'places'}`}`);
  };
  to.transaction(() => {
    copyMeta(from, to);
    for (const [table, what] of [
      ['jobs', 'jobs'],
      ['submits', 'submits'],
      ['bulk_ends', 'common ends of tasks'],
      ['workers', 'workers'],
      ['worker_seqs', 'positions of workers'],
      ['queues', 'allocation queues'],
      ['events', 'groups of events'],
    ] as const)
      tell(what, copy(table, 'rowid'));
    const ids = (table: string): number[] => to.prepare(`SELECT id FROM ${table} ORDER BY id`).pluck().all() as number[];
    tell('states of tasks', joined(ids('jobs').map((job) => copy('tasks', 'task', { job }))));
    tell('allocations', joined(ids('queues').map((queue) => copy('allocations', 'number', { queue }))));
  })();
  return findings;
}

function joined(parts: readonly Salvaged[]): Salvaged {
  return parts.reduce((sum, { copied, gaps }) => ({ copied: sum.copied + copied, gaps: sum.gaps + gaps }), { copied: 0, gaps: 0 });
}

/** One by one: there are few, and each may be gone. Where locks were seen to work is asked anew. */
function copyMeta(from: Database.Database, to: Database.Database): void {
  for (const key of ['serverUid', 'maxJobId', 'maxWorkerId', 'maxQueueId', 'lastSeq']) {
    try {
      const value = from.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key);
      if (value !== undefined) to.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value);
    } catch {
      // The identity has the uid, and the numbers follow from what is kept.
    }
  }
}

/** What has lost what it belongs to: a server needs the submits of a job from the first one on. @returns sentences */
function dropLoose(db: Database.Database): string[] {
  const findings: string[] = [];
  const jobs = db.prepare('SELECT id, is_open, completed, task_count FROM jobs ORDER BY id').raw().all() as [
    number,
    number,
    number,
    number,
  ][];
  const submitsOf = db.prepare('SELECT idx, task_ids FROM submits WHERE job = ? ORDER BY idx').raw();
  db.transaction(() => {
    for (const [id, isOpen, isCompleted, taskCount] of jobs) {
      const submits = submitsOf.all(id) as [number, string][];
      const whole = submits.filter(([index], at) => index === at);
      const count = whole.reduce((sum, [, ids]) => sum + parseStored(ids).length, 0);
      if (count === taskCount) continue;
      if (whole.length === 0 && isOpen === 0) {
        db.prepare('DELETE FROM jobs WHERE id = ?').run(id);
        findings.push(`job ${id} is lost: what was submitted for it cannot be read`);
        continue;
      }
      db.prepare('DELETE FROM submits WHERE job = ? AND idx >= ?').run(id, whole.length);
      db.prepare('UPDATE jobs SET task_count = ? WHERE id = ?').run(count, id);
      findings.push(
        `job ${id} has lost ${taskCount - count} of its ${taskCount} tasks${isCompleted === 1 ? '' : ', from one of its submits on'}`,
      );
    }
    for (const table of ['submits', 'tasks', 'bulk_ends']) db.prepare(`DELETE FROM ${table} WHERE job NOT IN (SELECT id FROM jobs)`).run();
  })();
  return findings;
}
