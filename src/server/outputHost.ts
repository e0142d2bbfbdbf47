/**
 * The output thread's side: opens logs, reads ahead a little and gives out pieces as they are asked for. Started by `outputThread.ts`, or on
 * the calling thread where there is none.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { assertNever } from '../common/assert.ts';
import { toHqError } from '../protocol/errors.ts';
import type { SentError } from './journal/messages.ts';
import { type LogRequest, openTaskLog } from './outputLog.ts';

/** Read ahead of a reader: enough for one message to carry many small records, little enough for hundreds of readers. */
const AHEAD_BYTES = 256 * 1024;
/** How long a person notices no delay, and a file system does not mind being asked. */
const POLL_MS = 200;

export type ToOutput =
  | { readonly type: 'open'; readonly id: number; readonly request: LogRequest }
  /** Asks for the next piece; answered by `data`, `end` or `failed`. */
  | { readonly type: 'next'; readonly id: number }
  /** The task of a followed log has ended. */
  | { readonly type: 'task-ended'; readonly id: number }
  | { readonly type: 'close'; readonly id: number };

export type FromOutput =
  | { readonly type: 'opened'; readonly id: number }
  | { readonly type: 'data'; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly error: SentError };

/** Answers on the port until it is closed. */
export function startOutputHost(port: MessagePort): void {
  const readers = new Map<number, LogReader>();
  const post = (message: FromOutput, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
  port.on('message', (message: ToOutput) => {
    const { id } = message;
    switch (message.type) {
      case 'open':
        readers.set(id, new LogReader({ id, request: message.request, post }));
        return;
      case 'next':
        return readers.get(id)?.next();
      case 'task-ended':
        return readers.get(id)?.taskEnded();
      case 'close':
        readers.get(id)?.close();
        readers.delete(id);
        return;
      default:
        assertNever(message);
    }
  });
  port.on('close', () => {
    for (const reader of readers.values()) reader.close();
  });
}

interface ReaderOptions {
  readonly id: number;
  readonly request: LogRequest;
  readonly post: (message: FromOutput, transfer?: ArrayBuffer[]) => void;
}

class LogReader {
  private readonly o: ReaderOptions;
  private readonly closed = new AbortController();
  private readonly pieces: Buffer[] = [];
  private bytes = 0;
  private asked = false;
  private done = false;
  private ended: { readonly error: SentError | null } | null = null;
  /** Continues reading ahead. */
  private resume: () => void = () => {};
  /** Ends the waiting between two looks. */
  private wake = new AbortController();

  constructor(options: ReaderOptions) {
    this.o = options;
    void this.run();
  }

  next(): void {
    this.asked = true;
    // Not at once: what the reading in progress finds meanwhile goes along.
    setImmediate(() => this.answer());
  }

  taskEnded(): void {
    this.done = true;
    this.wake.abort();
  }

  close(): void {
    this.closed.abort();
    this.wake.abort();
    this.resume();
  }

  private async run(): Promise<void> {
    let error: SentError | null = null;
    try {
      const pieces = openTaskLog(this.o.request, { signal: this.closed.signal, isDone: () => this.done, wait: () => this.wait() });
      this.o.post({ type: 'opened', id: this.o.id });
      for await (const piece of pieces) {
        if (this.closed.signal.aborted) return;
        this.pieces.push(piece);
        this.bytes += piece.length;
        if (this.pieces.length === 1) setImmediate(() => this.answer());
        if (this.bytes >= AHEAD_BYTES) await this.room();
      }
    } catch (thrown) {
      const { code, data } = toHqError(thrown);
      error = { code, data };
    }
    this.ended = { error };
    this.answer();
  }

  /** Resolves when the reader has taken what was read ahead, or wants no more. */
  private room(): Promise<void> {
    if (this.closed.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.resume = resolve;
    });
  }

  private async wait(): Promise<void> {
    this.wake = new AbortController();
    if (this.done || this.closed.signal.aborted) return;
    await delay(POLL_MS, undefined, { signal: this.wake.signal }).catch(() => {});
  }

  private answer(): void {
    const { id, post } = this.o;
    if (this.closed.signal.aborted) return;
    if (this.ended?.error && this.pieces.length === 0) return post({ type: 'failed', id, error: this.ended.error });
    if (!this.asked) return;
    if (this.pieces.length > 0) {
      // An array of its own, which can be handed over to the other thread; small pieces are parts of larger ones.
      const bytes = new Uint8Array(this.bytes);
      let at = 0;
      for (const piece of this.pieces.splice(0)) {
        bytes.set(piece, at);
        at += piece.length;
      }
      this.bytes = 0;
      this.asked = false;
      post({ type: 'data', id, bytes }, [bytes.buffer]);
      this.resume();
    } else if (this.ended !== null) {
      this.asked = false;
      post({ type: 'end', id });
    }
  }
}
