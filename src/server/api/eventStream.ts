/**
 * Event streams: server-sent events out of the facade's iterator. Pulls only as fast as the reader takes, so that a slow one fills the
 * facade's bounded buffer and no other, and knows which streams hold which lease. Used by the handlers of /v1/events and /v1/leases.
 */
import type { ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { toHqError } from '../../protocol/errors.ts';
import type { HqEvent } from '../../protocol/schema/event.ts';
import { errorBodyOf } from './answers.ts';
import { type EventFilter, LEASE_ENDED, type ServerFacade } from './facade.ts';
import type { ApiLimits } from './limits.ts';
import type { ApiLogger } from './logger.ts';
import { isOpen, takenOrClosed } from './pump.ts';

/** Most events in one message: bounds the text that is made and buffered at once to a few hundred kilobytes. */
const MESSAGE_EVENTS_MAX = 1_000;
/** After as many events at once the next are not held back: their reader is behind, and is called for many at a time anyway. */
const ENOUGH_EVENTS = 500;

export interface StreamOptions {
  readonly filter: Omit<EventFilter, 'signal'>;
  /** Least time from one message to the next, milliseconds: what happens meanwhile comes in one. */
  readonly gatherMs: number;
  readonly outgoing: ServerResponse;
  /** Aborted when the listener closes. */
  readonly closing: AbortSignal;
}

export interface StreamContext {
  readonly facade: ServerFacade;
  readonly limits: ApiLimits;
  readonly logger: ApiLogger;
}

/** All open streams of one app. */
export class EventStreams {
  private readonly context: StreamContext;
  private readonly byLease = new Map<string, Set<() => void>>();

  constructor(context: StreamContext) {
    this.context = context;
  }

  /**
   * Ends the streams that hold this lease, cleanly.
   * @returns how many there were
   */
  endLease(lease: string): number {
    const ends = [...(this.byLease.get(lease) ?? [])];
    for (const end of ends) end();
    return ends.length;
  }

  /**
   * Starts answering; the stream then lives on its own until one side ends it.
   * @throws HqError what the facade refuses at once; nothing has been answered then
   */
  open({ filter, gatherMs, outgoing, closing }: StreamOptions): void {
    const { facade, limits, logger } = this.context;
    const abort = new AbortController();
    const { serverUid } = facade.serverInfo();
    // Taken before the subscription, in the same turn: whoever resumes from this number misses nothing.
    const seq = facade.lastEventSeq();
    const iterator = facade.events({ ...filter, signal: abort.signal })[Symbol.asyncIterator]();
    const first = iterator.next();

    outgoing.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      connection: 'close',
      'hq-server-uid': serverUid,
    });
    // An id without data sets the number to resume from and is no message.
    outgoing.write(filter.after === undefined ? `id: ${seq}\n\n` : ': resumed\n\n');

    const stop = (reason: unknown): void => {
      // Returned before it is aborted: a return is what ends a lease cleanly. Either may be refused by an iterator that has already ended.
      if (reason === LEASE_ENDED) iterator.return?.().catch(() => undefined);
      abort.abort(reason);
      if (reason !== LEASE_ENDED) iterator.return?.().catch(() => undefined);
      outgoing.end();
    };
    const endLease = () => stop(LEASE_ENDED);
    const onClosing = () => stop('the server closes');
    const keepAlive = setInterval(() => {
      // Never into a full buffer: the write would count as activity and hide that the reader has stalled.
      if (!outgoing.writableNeedDrain) outgoing.write(': keep-alive\n\n');
    }, limits.eventKeepAliveMs);
    outgoing.setTimeout(limits.eventStallMs, () => {
      logger.warn({ lease: filter.lease }, 'an event stream is cut off: its reader takes nothing');
      outgoing.destroy();
    });
    closing.addEventListener('abort', onClosing);
    if (filter.lease !== undefined) this.hold(filter.lease, endLease);
    outgoing.once('close', () => {
      clearInterval(keepAlive);
      closing.removeEventListener('abort', onClosing);
      if (filter.lease !== undefined) this.release(filter.lease, endLease);
      if (!abort.signal.aborted) stop('the connection is lost');
    });
    if (closing.aborted) onClosing();
    void pump({ iterator, first, outgoing, logger, gatherMs, signal: abort.signal });
  }

  private hold(lease: string, end: () => void): void {
    const ends = this.byLease.get(lease) ?? new Set();
    this.byLease.set(lease, ends.add(end));
  }

  private release(lease: string, end: () => void): void {
    const ends = this.byLease.get(lease);
    ends?.delete(end);
    if (ends?.size === 0) this.byLease.delete(lease);
  }
}

interface Pump {
  readonly iterator: AsyncIterator<readonly HqEvent[]>;
  readonly first: Promise<IteratorResult<readonly HqEvent[]>>;
  readonly outgoing: ServerResponse;
  readonly logger: ApiLogger;
  readonly gatherMs: number;
  readonly signal: AbortSignal;
}

/** Copies batches until the iterator or the connection ends. Never rejects. */
async function pump({ iterator, first, outgoing, logger, gatherMs, signal }: Pump): Promise<void> {
  try {
    for (let step = await first; step.done !== true && isOpen(outgoing); step = await iterator.next()) {
      for (let from = 0; from < step.value.length && isOpen(outgoing); from += MESSAGE_EVENTS_MAX) {
        if (!outgoing.write(message(step.value.slice(from, from + MESSAGE_EVENTS_MAX)))) await takenOrClosed(outgoing);
      }
      if (gatherMs > 0 && step.value.length < ENOUGH_EVENTS) await setTimeout(gatherMs, undefined, { signal }).catch(() => undefined);
    }
  } catch (thrown) {
    if (!isOpen(outgoing)) return;
    const error = toHqError(thrown);
    if (error.code === 'HQ_E_INTERNAL') logger.error({ err: thrown }, 'an event stream failed');
    outgoing.write(`event: failure\ndata: ${JSON.stringify(errorBodyOf(error))}\n\n`);
  }
  outgoing.end();
}

/** JSON has no line breaks of its own, so one data line is enough. */
function message(events: readonly HqEvent[]): string {
  return `id: ${(events.at(-1) as HqEvent).seq}\nevent: batch\ndata: ${JSON.stringify(events)}\n\n`;
}
