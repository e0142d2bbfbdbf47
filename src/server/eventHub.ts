/**
 * Hands committed events to any number of readers. There is no buffer per reader: each has a position; what is recent comes from one
 * ring in memory, what is older from the journal, so a slow reader costs nothing and misses nothing.
 */

import { HqError } from '../protocol/errors.ts';
import type { HqEvent } from '../protocol/schema/event.ts';
import type { EventFilter } from './api/facade.ts';
import type { Journal } from './journal/types.ts';

/** Events kept in memory: a few seconds of a busy server, about 5 MB. */
const RING_SIZE = 16_384;
/** Events handed over at once, so that a reader of a long history does not hold the server. */
const PAGE_SIZE = 2_048;

export class EventHub {
  private readonly journal: Journal;
  /** Committed events, oldest first, without gaps. */
  private ring: HqEvent[] = [];
  /** Sequence number of the last committed event. */
  lastSeq: number;
  private waiters = new Set<() => void>();

  /** @param lastSeq sequence number of the last event in the journal */
  constructor(journal: Journal, lastSeq: number) {
    this.journal = journal;
    this.lastSeq = lastSeq;
  }

  /** Called by the turn loop after a commit. */
  publish(events: readonly HqEvent[]): void {
    for (const event of events) this.ring.push(event);
    // Cut in large steps: removing from the front costs the length of the ring.
    if (this.ring.length > RING_SIZE * 2) this.ring = this.ring.slice(-RING_SIZE);
    this.lastSeq = events.at(-1)?.seq ?? this.lastSeq;
    const waiters = this.waiters;
    this.waiters = new Set();
    for (const wake of waiters) wake();
  }

  /**
   * Events in order, in non-empty pages.
   * @throws HqError HQ_E_EVENTS_GONE when events after `after` were pruned
   */
  async *read(filter: EventFilter): AsyncGenerator<readonly HqEvent[]> {
    let position = filter.after ?? this.lastSeq;
    const end = filter.follow ? Number.POSITIVE_INFINITY : this.lastSeq;
    const keep = matcher(filter);
    while (!filter.signal.aborted && position < end) {
      const page = await this.page(position);
      if (page.length === 0) {
        await this.next(filter.signal, position);
        continue;
      }
      position = (page.at(-1) as HqEvent).seq;
      const chosen = keep === null ? page : page.filter(keep);
      if (chosen.length > 0) yield chosen;
    }
  }

  private async page(after: number): Promise<readonly HqEvent[]> {
    if (after >= this.lastSeq) return [];
    const first = this.ring[0]?.seq ?? Number.POSITIVE_INFINITY;
    if (after + 1 >= first) return this.ring.slice(after + 1 - first, after + 1 - first + PAGE_SIZE);
    const stored = await this.journal.events(after, PAGE_SIZE);
    const found = stored.events[0]?.seq;
    if (found !== undefined && found > after + 1 && after > 0) throw new HqError('HQ_E_EVENTS_GONE', { first: stored.first });
    return stored.events;
  }

  private next(signal: AbortSignal, position: number): Promise<void> {
    if (position < this.lastSeq || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        this.waiters.delete(wake);
        resolve();
      };
      signal.addEventListener('abort', wake);
      this.waiters.add(wake);
    });
  }
}

function matcher(filter: EventFilter): ((event: HqEvent) => boolean) | null {
  const jobs = filter.jobIds === undefined ? null : new Set(filter.jobIds);
  const types = filter.types === undefined ? null : new Set(filter.types);
  if (jobs === null && types === null) return null;
  return (event) => (types === null || types.has(event.type)) && (jobs === null || ('jobId' in event && jobs.has(event.jobId)));
}
