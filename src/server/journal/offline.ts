/** Reads the events of a journal whose server does not run. Called by `hq journal export` and `hq journal report`. */
import type { HqEvent } from '../../protocol/schema/event.ts';
import { decodeEvents } from './eventCodec.ts';
import { JournalStore } from './journalStore.ts';
import { requireJournal } from './openDatabase.ts';

/** Events in one slice. */
const PAGE_EVENTS = 5_000;

/**
 * All events that the journal keeps, in order. The lock is held meanwhile.
 * @param path absolute; of a journal, or of a backup
 * @throws HqError HQ_E_FILE when there is none, HQ_E_JOURNAL, HQ_E_SERVER_RUNNING; nothing is made
 */
export function* offlineEvents(path: string): Generator<readonly HqEvent[]> {
  requireJournal(path);
  const store = JournalStore.open({ path });
  try {
    for (let after = 0; ; ) {
      const [, ...pages] = store.reader.answer({ name: 'events', after, limit: PAGE_EVENTS }) as [
        unknown,
        ...[number, Uint8Array, number, number][],
      ];
      if (pages.length === 0) return;
      for (const [firstSeq, payload] of pages) yield decodeEvents(payload, firstSeq);
      after = pages.at(-1)?.[2] as number;
    }
  } finally {
    store.close();
  }
}
