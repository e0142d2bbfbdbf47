/** All events of a journal that may be in use: a copy is read. For replays. */
import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HqEvent } from '../../protocol/schema/event.ts';
import { offlineEvents } from './offline.ts';
import { journalError } from './openDatabase.ts';

/** The write-ahead log is begun anew once in 32 MiB of changes (`openDatabase.ts`), so that the second copy is sound already, as a rule. */
const COPIES_MAX = 10;

/** Of a write-ahead log; two numbers in it are others whenever it is begun anew. */
const LOG_HEAD_BYTES = 32;

/**
 * @param path of the database
 * @returns in their order; those that the journal still keeps
 * @throws HqError HQ_E_JOURNAL
 */
export function readJournalEvents(path: string): HqEvent[] {
  const folder = mkdtempSync(join(tmpdir(), 'hq-replay-'));
  try {
    const copy = join(folder, 'journal.db');
    copyJournal(path, copy);
    return [...offlineEvents(copy)].flat();
  } catch (error) {
    throw journalError(path, error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What moves from the log into the database meanwhile is in both copies, unless the log is begun anew: then it may be in neither. */
function copyJournal(path: string, copy: string): void {
  for (let left = COPIES_MAX; left > 0; left -= 1) {
    const before = logHead(path);
    rmSync(`${copy}-wal`, { force: true });
    copyFileSync(path, copy);
    if (before !== '') copyFileSync(`${path}-wal`, `${copy}-wal`);
    if (logHead(path) === before) return;
  }
  throw new Error('it is changed while it is copied; try again, or replay a copy made with: hq server backup FILE');
}

/** @returns empty when there is no log, or nothing in it */
function logHead(path: string): string {
  if (!existsSync(`${path}-wal`)) return '';
  const file = openSync(`${path}-wal`, 'r');
  try {
    const head = Buffer.alloc(LOG_HEAD_BYTES);
    return head.toString('hex', 0, readSync(file, head, 0, LOG_HEAD_BYTES, 0));
  } finally {
    closeSync(file);
  }
}
