/**
 * Consolidated logs as the server sees them: one thread reads them all, started at the first use; pieces come over as they are asked for.
 * A thread that fails ends its readers with an error, and the next one starts another. Used by the output service.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { builtFile } from '../common/builtFile.ts';
import { HqError } from '../protocol/errors.ts';
import type { FromOutput, ToOutput } from './outputHost.ts';
import type { LogRequest } from './outputLog.ts';

/** An open log. Iterate it once. */
export interface LogStream extends AsyncIterable<Uint8Array> {
  /** Of a followed log: it ends after what is there now. */
  taskEnded(): void;
}

/** The way to the thread. */
interface Link {
  post(message: ToOutput): void;
  end(): Promise<void>;
}

interface Listener {
  onMessage(message: FromOutput): void;
  /** The thread has ended, by order or by a crash. */
  onEnd(detail: string): void;
}

export class OutputClient {
  private readonly readers = new Map<number, Reader>();
  private link: Promise<Link> | null = null;
  private lastId = 0;
  private closed = false;

  /**
   * @param signal closes the log; what is waited for then ends without an error
   * @throws HqError HQ_E_LOG, HQ_E_FILE as `openTaskLog`
   */
  async open(request: LogRequest, signal: AbortSignal): Promise<LogStream> {
    if (this.closed) throw new HqError('HQ_E_SERVER_GONE', { detail: 'it is stopping' });
    this.link ??= this.start();
    const link = await this.link;
    this.lastId += 1;
    const id = this.lastId;
    const forget = (): void => {
      signal.removeEventListener('abort', close);
      if (this.readers.delete(id)) link.post({ type: 'close', id });
    };
    const reader = new Reader({ id, link, forget });
    const close = (): void => {
      forget();
      reader.receive({ type: 'end', id });
    };
    if (signal.aborted) return reader;
    signal.addEventListener('abort', close);
    this.readers.set(id, reader);
    await reader.opened(request);
    return reader;
  }

  /** Ends the thread; readers that are still open fail. */
  async close(): Promise<void> {
    this.closed = true;
    await (await this.link)?.end();
  }

  private async start(): Promise<Link> {
    let ended = false;
    const link = await connectThread({
      onMessage: (message) => this.readers.get(message.id)?.receive(message),
      onEnd: (detail) => {
        // A crash is told twice; by the second time another thread may be at work.
        if (ended) return;
        ended = true;
        this.link = null;
        const error = this.closed
          ? new HqError('HQ_E_SERVER_GONE', { detail: 'it is stopping' })
          : new HqError('HQ_E_INTERNAL', { detail: `the output thread: ${detail}` });
        for (const reader of [...this.readers.values()]) reader.fail(error);
        this.readers.clear();
      },
    });
    return link;
  }
}

interface Waiting {
  resolve(message: FromOutput): void;
  reject(error: Error): void;
}

class Reader implements LogStream {
  private readonly o: { readonly id: number; readonly link: Link; forget(): void };
  private waiting: Waiting | null = null;
  /** Set by the last message: nothing comes after it. */
  private last: FromOutput | Error | null = null;

  constructor(options: { id: number; link: Link; forget(): void }) {
    this.o = options;
  }

  async opened(request: LogRequest): Promise<void> {
    try {
      await this.ask({ type: 'open', id: this.o.id, request });
    } catch (error) {
      this.o.forget();
      throw error;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const message = await this.ask({ type: 'next', id: this.o.id });
        if (message.type !== 'data') return;
        yield message.bytes;
      }
    } finally {
      this.o.forget();
    }
  }

  taskEnded(): void {
    if (this.last === null) this.o.link.post({ type: 'task-ended', id: this.o.id });
  }

  receive(message: FromOutput): void {
    if (message.type === 'failed') return this.fail(new HqError(message.error.code, message.error.data));
    if (message.type === 'end') this.last ??= message;
    this.waiting?.resolve(message);
    this.waiting = null;
  }

  fail(error: Error): void {
    this.last ??= error;
    this.waiting?.reject(error);
    this.waiting = null;
  }

  private ask(message: ToOutput): Promise<FromOutput> {
    const { last } = this;
    if (last instanceof Error) return Promise.reject(last);
    if (last !== null) return Promise.resolve(last);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.o.link.post(message);
    });
  }
}

async function connectThread(listener: Listener): Promise<Link> {
  // A thread cannot load TypeScript: run from its sources (in tests), logs are read on the calling thread, with the same messages.
  if (import.meta.url.endsWith('.ts')) return linkOwnThread(listener);
  const worker = new Worker(builtFile('server/outputThread.js'), { name: 'hq-output' });
  worker.on('message', (message: FromOutput) => listener.onMessage(message));
  worker.on('error', (error) => listener.onEnd(error.message));
  worker.on('exit', () => listener.onEnd('it has ended'));
  // A reader of logs keeps no server alive.
  worker.unref();
  return {
    post: (message) => worker.postMessage(message),
    end: async () => {
      await worker.terminate();
    },
  };
}

async function linkOwnThread(listener: Listener): Promise<Link> {
  const { startOutputHost } = await import('./outputHost.ts');
  const { port1, port2 } = new MessageChannel();
  const closed = new Promise<void>((resolve) => port1.once('close', resolve));
  port1.on('message', (message: FromOutput) => listener.onMessage(message));
  port1.once('close', () => listener.onEnd('it has ended'));
  startOutputHost(port2);
  return {
    post: (message) => port1.postMessage(message),
    end: () => {
      port1.close();
      return closed;
    },
  };
}
