/** All events of a journal that may be in use: a copy is read, as `cp` makes it. For replays. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HqEvent } from '../../protocol/schema/event.ts';
import { offlineEvents } from './offline.ts';
import { journalError } from './openDatabase.ts';

/**
 * @param path of the database
 * @returns in their order; those that the journal still keeps
 * @throws HqError HQ_E_JOURNAL
 */
export function readJournalEvents(path: string): HqEvent[] {
  const folder = mkdtempSync(join(tmpdir(), 'hq-replay-'));
  try {
    const copy = join(folder, 'journal.db');
    for (const suffix of ['', '-wal']) if (suffix === '' || existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
    return [...offlineEvents(copy)].flat();
  } catch (error) {
    throw journalError(path, error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
