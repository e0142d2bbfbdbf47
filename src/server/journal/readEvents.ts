/** All events of a journal without a server: for replays. The journal may be in use, so a copy is read. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HqEvent } from '../../protocol/schema/event.ts';
import { decodeEvents } from './eventCodec.ts';
import { JournalReader } from './journalReader.ts';
import { journalError, openDatabase } from './openDatabase.ts';

/** Events in one slice. */
const SLICE = 10_000;

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
    const db = openDatabase({ path: copy, probe: () => 'works' });
    try {
      db.pragma('query_only = ON');
      return eventsOf(new JournalReader(db));
    } finally {
      db.close();
    }
  } catch (error) {
    throw journalError(path, error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function eventsOf(reader: JournalReader): HqEvent[] {
  const events: HqEvent[] = [];
  for (let after = 0; ; ) {
    const [, ...blobs] = reader.answer({ name: 'events', after, limit: SLICE });
    for (const [firstSeq, payload] of blobs as unknown as [number, Uint8Array][])
      for (const event of decodeEvents(payload, firstSeq)) if (event.seq > after) events.push(event);
    const last = events.at(-1)?.seq ?? after;
    if (last === after) return events;
    after = last;
  }
}
