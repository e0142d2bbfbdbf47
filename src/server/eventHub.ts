/**
 * Hands committed events to any number of readers. There is no buffer per reader: each has a position; what is recent comes from one
 * ring in memory, what is older from the journal, so a slow reader costs nothing and misses nothing.
 */

import { HqError } from '../protocol/errors.ts';
import type { HqEvent } from '../protocol/schema/event.ts';
import type { EventFilter } from './api/facade.ts';
import { type EventPage, typeBits } from './journal/eventCodec.ts';
import type { Journal } from './journal/types.ts';

/** Events kept in memory: many seconds of a busy server, a few MB. */
const RING_EVENTS = 32_768;
/** Events handed over, and asked of the journal, at once: a reader of a long history must not hold the server. */
const PAGE_EVENTS = 2_048;

export class EventHub {
  private readonly journal: Journal;
  /** Committed events, oldest first, without gaps. */
  private ring: EventPage[] = [];
  private ringEvents = 0;
  /** Sequence number of the last committed event. */
  lastSeq: number;
  private waiters = new Set<() => void>();
  /** The page that was last read, for the other readers of the same moment. */
  private decoded: { readonly page: EventPage; readonly events: readonly HqEvent[] } | null = null;

  /** @param lastSeq sequence number of the last event in the journal */
  constructor(journal: Journal, lastSeq: number) {
    this.journal = journal;
    this.lastSeq = lastSeq;
  }

  /** Called by the turn loop after a commit. */
  publish(page: EventPage): void {
    this.ring.push(page);
    this.ringEvents += page.count;
    // Cut in large steps: removing from the front costs the length of the ring.
    if (this.ringEvents > RING_EVENTS * 2) this.cut();
    this.lastSeq = page.lastSeq;
    const waiters = this.waiters;
    this.waiters = new Set();
    for (const wake of waiters) wake();
  }

  /**
   * Events in order, in non-empty lists.
   * @throws HqError HQ_E_EVENTS_GONE when events after `after` were pruned
   */
  async *read(filter: EventFilter): AsyncGenerator<readonly HqEvent[]> {
    let position = filter.after ?? this.lastSeq;
    const end = filter.follow ? Number.POSITIVE_INFINITY : this.lastSeq;
    const keep = matcher(filter);
    const types = filter.types === undefined ? -1 : typeBits(filter.types);
    while (!filter.signal.aborted && position < end) {
      const pages = await this.pages(position);
      if (pages.length === 0) await this.next(filter.signal, position);
      // What has happened since the reader came last is one list, of however many commits it is.
      let chosen: HqEvent[] = [];
      for (const page of pages) {
        if ((page.types & types) !== 0) {
          const after = position;
          for (const event of this.eventsOf(page)) if (event.seq > after && keep(event)) chosen.push(event);
        }
        position = page.lastSeq;
        if (chosen.length < PAGE_EVENTS && page !== pages.at(-1)) continue;
        for (let from = 0; from < chosen.length; from += PAGE_EVENTS) yield chosen.slice(from, from + PAGE_EVENTS);
        chosen = [];
        if (filter.signal.aborted) return;
      }
    }
  }

  /** The next pages behind an event, in order; empty when there is none yet. */
  private async pages(after: number): Promise<readonly EventPage[]> {
    if (after >= this.lastSeq) return [];
    const first = this.ring[0]?.firstSeq ?? Number.POSITIVE_INFINITY;
    if (after + 1 >= first) return this.ring.slice(this.indexOf(after + 1));
    const stored = await this.journal.events(after, PAGE_EVENTS);
    const found = stored.pages[0]?.firstSeq;
    if (found !== undefined && found > after + 1 && after > 0) throw new HqError('HQ_E_EVENTS_GONE', { first: stored.first });
    return stored.pages;
  }

  /** Place of the page in the ring that holds an event. */
  private indexOf(seq: number): number {
    let low = 0;
    let high = this.ring.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ring[middle] as EventPage).lastSeq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private eventsOf(page: EventPage): readonly HqEvent[] {
    if (this.decoded?.page !== page) this.decoded = { page, events: page.decode() };
    return this.decoded.events;
  }

  private cut(): void {
    let count = 0;
    while (this.ringEvents > RING_EVENTS && count < this.ring.length - 1) {
      this.ringEvents -= (this.ring[count] as EventPage).count;
      count += 1;
    }
    this.ring = this.ring.slice(count);
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

function matcher(filter: EventFilter): (event: HqEvent) => boolean {
  const jobs = filter.jobIds === undefined ? null : new Set(filter.jobIds);
  const types = filter.types === undefined ? null : new Set(filter.types);
  return (event) => (types === null || types.has(event.type)) && (jobs === null || ('jobId' in event && jobs.has(event.jobId)));
}
