/**
 * The moment in which a process becomes the server of an identity: it takes the journal's lock and says so in the directory. Called by a
 * starting server after `openIdentity`.
 */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { HqError } from '../../protocol/errors.ts';
import { type OpenJournalOptions, openJournal } from '../journal/journalClient.ts';
import type { Journal } from '../journal/types.ts';
import { adoptUid, type Identity } from './identity.ts';
import { lastJournal, readLastStart, usualJournal, writeLastStart } from './lastStart.ts';

export interface Taken {
  /** With the uid that the journal has. */
  readonly identity: Identity;
  readonly journal: Journal;
}

/**
 * @throws HqError HQ_E_SERVER_RUNNING with host and pid of the server that holds the lock, HQ_E_JOURNAL, HQ_E_SERVER_DIR; the lock is free
 *   then and the directory as before
 */
export async function takeJournal(identity: Identity, o: Pick<OpenJournalOptions, 'logger' | 'thread' | 'flushMs'> = {}): Promise<Taken> {
  // With another journal than last time, the lock of the old one decides: one identity has one server.
  const previous = await openPrevious(identity);
  try {
    const journal = await openLocked(identity, identity.journalPath, { ...o, serverUid: previous?.restored.serverUid ?? identity.uid });
    try {
      // Somebody started with a third journal between our look at the directory and our lock.
      if (lastJournal(identity.dir) !== identity.lastJournalPath) throw runningError(identity);
      const adopted = adoptUid(identity, journal.restored.serverUid ?? identity.uid);
      writeLastStart(identity.dir, {
        journalPath: identity.journalPath === usualJournal(identity.dir) ? null : identity.journalPath,
        clientPort: identity.lastPorts.client,
        workerPort: identity.lastPorts.worker,
        ...{ pid: process.pid, hostname: hostname(), startedAtMs: Date.now() },
      });
      return { identity: adopted, journal };
    } catch (error) {
      await journal.close();
      throw error;
    }
  } finally {
    await previous?.close();
  }
}

/** @returns the error to show when another process holds the lock: whose it is, as far as the directory tells */
export function runningError(identity: Identity): HqError {
  const last = readLastStart(identity.dir);
  return new HqError('HQ_E_SERVER_RUNNING', { path: identity.serverDir, host: last?.hostname ?? 'unknown', pid: last?.pid ?? 'unknown' });
}

async function openPrevious(identity: Identity): Promise<Journal | null> {
  const path = identity.lastJournalPath;
  return path !== null && path !== identity.journalPath && existsSync(path) ? openLocked(identity, path, {}) : null;
}

async function openLocked(identity: Identity, path: string, o: Omit<OpenJournalOptions, 'path'>): Promise<Journal> {
  try {
    return await openJournal({ path, ...o });
  } catch (error) {
    throw error instanceof HqError && error.code === 'HQ_E_SERVER_RUNNING' ? runningError(identity) : error;
  }
}
