/** Waiting for the reader of an endless answer. Used by the event streams and by the output of tasks. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Whether it can still be written to. */
export const isOpen = (outgoing: ServerResponse): boolean => !outgoing.destroyed && !outgoing.writableEnded;

/** Resolves when the reader has taken what is buffered, or the connection has closed. */
export async function takenOrClosed(outgoing: ServerResponse): Promise<void> {
  if (!outgoing.writableNeedDrain || outgoing.destroyed) return;
  const done = new AbortController();
  // The loser of the race has to let go of its listeners.
  const quiet = { signal: done.signal };
  await Promise.race([once(outgoing, 'drain', quiet), once(outgoing, 'close', quiet)])
    .finally(() => done.abort())
    .catch(() => undefined);
}
