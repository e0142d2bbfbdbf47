/** Replays read a copy of a journal that may be in use. */
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readJournalEvents } from '../../../../src/server/journal/readEvents.ts';
import { makeStore, T0, writeEvents } from './helpers.ts';

test('the events of a journal that is in use are read, also those in its log; without one it is refused by name', () => {
  const store = makeStore({ serverUid: 'abc123' });
  for (const seq of [1, 2, 3]) writeEvents(store, [{ seq, timeMs: T0, type: 'job-idle', jobId: seq }]);
  expect(readJournalEvents(store.path).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  writeEvents(store, [{ seq: 4, timeMs: T0, type: 'job-idle', jobId: 4 }]);
  expect(readJournalEvents(store.path)).toHaveLength(4);
  store.close();
  rmSync(store.path);
  expect(() => readJournalEvents(store.path)).toThrow(`the journal ${store.path} cannot be used`);
});
