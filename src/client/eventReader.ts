/**
 * Follows a server's events: reconnects after a cut or a restart and resumes by sequence number, so that its reader sees every event once
 * and in order. Made by `HqClient.events`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ERRORS, type ErrorCode, HqError } from '../protocol/errors.ts';
import type { ErrorBody } from '../protocol/schema/error.ts';
import type { EventBody, HqEvent } from '../protocol/schema/event.ts';
import type { Connection } from './connection.ts';
import { queryText } from './query.ts';
import { type SseMessage, SseParser } from './sse.ts';
import type { TransportAnswer } from './transport.ts';

export interface EventsOptions {
  /** First the kept events with a higher sequence number (0: all), then new ones; left out: new ones only. */
  readonly after?: number;
  /** False: ends after the kept ones. Default true. */
  readonly follow?: boolean;
  readonly jobIds?: readonly number[];
  readonly types?: readonly EventBody['type'][];
  /** Keeps an embedded server alive; `return()` (leaving a `for await` loop) ends the lease cleanly. */
  readonly lease?: string;
  readonly signal?: AbortSignal | undefined;
  /** How long a server that is gone may stay away before the reader gives up. Default 60 s. */
  readonly reconnectMs?: number;
  /** Told once per cut, e.g. to print a line. */
  readonly onCut?: (error: HqError) => void;
}

export const RECONNECT_DEFAULT_MS: number = 60_000;
/** First and longest time between two attempts to reconnect. */
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 2_000;
/** A stream that lived this long, or brought a message, ends an outage; a server that accepts and cuts off at once prolongs it. */
const STREAM_GOOD_MS = 1_000;
/** The server sends something at least every 15 s; after three times that the connection is taken for dead. */
const SILENCE_MAX_MS = 45_000;
/** How long leaving waits for the server to take back the lease. */
const END_LEASE_MAX_MS = 2_000;

/** Failures after which the same server, or the next one on its directory, may be there again. */
const CUT: ReadonlySet<ErrorCode> = new Set(['HQ_E_SERVER_GONE', 'HQ_E_SERVER_UNREACHABLE', 'HQ_E_NO_SERVER']);

export class EventReader implements AsyncIterableIterator<readonly HqEvent[]> {
  private readonly connection: Connection;
  private readonly options: EventsOptions;
  private readonly closed = new AbortController();
  private readonly signal: AbortSignal;
  private readonly batches: AsyncGenerator<readonly HqEvent[], void, void>;
  private readonly opened: Promise<{ answer: TransportAnswer } | { error: unknown }>;
  private position: number | undefined;
  private serverUid: string | undefined;
  /** Since when there was no good stream, and how long to wait before the next attempt; null while all is well. */
  private outage: { readonly sinceMs: number; stepMs: number } | null = null;

  constructor(connection: Connection, options: EventsOptions) {
    this.connection = connection;
    this.options = options;
    this.position = options.after;
    this.signal = options.signal === undefined ? this.closed.signal : AbortSignal.any([options.signal, this.closed.signal]);
    // At once, not at the first `next()`; a failure waits for whoever asks first.
    this.opened = this.open().then(
      (answer) => ({ answer }),
      (error: unknown) => ({ error }),
    );
    this.batches = this.run();
  }

  /**
   * Resolves when the server has accepted the stream: every event from then on will be seen. Whoever reads a state after this has no gap.
   * @throws HqError why there is no stream
   */
  async ready(): Promise<void> {
    const opened = await this.opened;
    if ('error' in opened) throw opened.error;
  }

  /** Highest sequence number seen so far; undefined before the first message. */
  get lastSeq(): number | undefined {
    return this.position;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<readonly HqEvent[], void>> {
    return this.batches.next();
  }

  /** Ends the stream, and its lease cleanly; a `next()` under way ends with it. */
  async return(): Promise<IteratorResult<readonly HqEvent[], void>> {
    const { lease } = this.options;
    if (lease !== undefined && !this.signal.aborted) {
      const signal = AbortSignal.timeout(END_LEASE_MAX_MS);
      // A server that cannot be told finds out by itself: the connection ends, and the lease counts as lost.
      await this.connection.call('DELETE', `/v1/leases/${encodeURIComponent(lease)}`, { signal }).catch(() => undefined);
    }
    this.closed.abort();
    const opened = await this.opened;
    if ('answer' in opened) opened.answer.body.destroy();
    await this.batches.return();
    return { done: true, value: undefined };
  }

  private async *run(): AsyncGenerator<readonly HqEvent[], void, void> {
    const { reconnectMs = RECONNECT_DEFAULT_MS, follow = true, onCut } = this.options;
    const first = await this.opened;
    if ('error' in first) {
      if (this.closed.signal.aborted) return;
      throw first.error;
    }
    let answer: TransportAnswer | undefined = first.answer;
    while (answer !== undefined) {
      const startMs = performance.now();
      let cut: HqError;
      try {
        for await (const message of messages(answer)) {
          this.outage = null;
          yield* this.take(message);
        }
        if (!follow || this.closed.signal.aborted) return;
        cut = new HqError('HQ_E_SERVER_GONE', { detail: 'the server ended the event stream' });
      } catch (error) {
        if (this.closed.signal.aborted) return;
        const meaning = this.connection.bodyError(error, this.signal);
        if (!(meaning instanceof HqError) || !CUT.has(meaning.code)) throw meaning;
        cut = meaning;
      }
      if (performance.now() - startMs >= STREAM_GOOD_MS) this.outage = null;
      if (this.outage === null) onCut?.(cut);
      this.outage ??= { sinceMs: performance.now(), stepMs: RETRY_FIRST_MS };
      answer = await this.reopen(this.outage, { cut, reconnectMs });
    }
  }

  private *take({ id, event, data }: SseMessage): Generator<readonly HqEvent[]> {
    if (event === 'failure' && data !== null) {
      const { error } = JSON.parse(data) as ErrorBody;
      throw error.code in ERRORS
        ? new HqError(error.code as ErrorCode, error.data)
        : new HqError('HQ_E_PROTOCOL', { detail: error.message });
    }
    // Before the events are handed over: leaving in mid-batch counts as having seen it.
    if (id !== '') this.position = Number(id);
    if (event === 'batch' && data !== null) yield JSON.parse(data) as HqEvent[];
  }

  /** @returns undefined when the reader was closed meanwhile */
  private async reopen(outage: { readonly sinceMs: number; stepMs: number }, { cut, reconnectMs }: { cut: HqError; reconnectMs: number }) {
    for (;;) {
      await delay(outage.stepMs, undefined, { signal: this.signal }).catch(() => undefined);
      if (this.closed.signal.aborted) return undefined;
      this.signal.throwIfAborted();
      outage.stepMs = Math.min(outage.stepMs * 2, RETRY_MAX_MS);
      if (performance.now() - outage.sinceMs >= reconnectMs) {
        throw new HqError('HQ_E_SERVER_GONE', { detail: `it did not come back within ${reconnectMs / 1000} s` }, { cause: cut });
      }
      try {
        return await this.open();
      } catch (error) {
        if (this.closed.signal.aborted) return undefined;
        if (!(error instanceof HqError) || !CUT.has(error.code)) throw error;
      }
    }
  }

  private async open(): Promise<TransportAnswer> {
    const { follow, jobIds, types, lease } = this.options;
    const query = queryText({ after: this.position, follow, jobs: jobIds?.join(','), types: types?.join(','), lease });
    const answer = await this.connection.send('GET', `/v1/events${query}`, { signal: this.signal });
    const uid = String(answer.headers['hq-server-uid'] ?? '');
    if (this.serverUid !== undefined && this.serverUid !== uid) {
      answer.body.destroy();
      // Its sequence numbers have nothing to do with the ones seen so far.
      throw new HqError('HQ_E_EVENTS_GONE', { first: 1 });
    }
    this.serverUid = uid;
    return answer;
  }
}

/** Parses the body; a silent connection ends with an error. */
async function* messages({ body }: TransportAnswer): AsyncGenerator<SseMessage, void, void> {
  const parser = new SseParser();
  let silent = false;
  const watch = setTimeout(() => {
    silent = true;
    body.destroy();
  }, SILENCE_MAX_MS);
  watch.unref();
  try {
    for await (const chunk of body) {
      watch.refresh();
      yield* parser.push(chunk);
    }
  } finally {
    clearTimeout(watch);
  }
  if (silent) throw new Error('nothing was heard of the server for 45 s');
}
