/** Copies the journal's database while it is in use. Called by `JournalStore`, on the journal's thread. */
import { closeSync, fsyncSync, openSync, rmSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { HqError } from '../../protocol/errors.ts';

/** Pages copied in one go: some ten milliseconds, between which batches are committed. */
const SLICE_PAGES = 2_000;

/**
 * The copy holds what was committed when it ended.
 * @param path absolute; of a file that does not exist yet
 * @throws HqError HQ_E_BACKUP; nothing is left there then
 */
export async function backUp(db: Database, path: string): Promise<void> {
  const refuse = (error: unknown): HqError => {
    const { code, message } = error as NodeJS.ErrnoException;
    return new HqError('HQ_E_BACKUP', { path, detail: code === 'EEXIST' ? 'it exists already' : message }, { cause: error });
  };
  let file: number;
  try {
    // It has everything that was submitted; SQLite would let others read it.
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    throw refuse(error);
  }
  try {
    await db.backup(path, { progress: () => SLICE_PAGES });
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw refuse(error);
  } finally {
    closeSync(file);
  }
}
