/**
 * The way to the journal's thread. A starting server begins with the thread, before it knows which journal to open, because the thread needs as long to be
 * there as the server to read its identity. Used by `openJournal` and `runServer`.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { builtFile } from '../../common/builtFile.ts';
import type { FromJournal, HostOptions, ToJournal } from './messages.ts';

/** To a journal that is being opened, and afterwards is open. */
export interface JournalLink {
  onMessage: (message: FromJournal) => void;
  /** The thread has ended, by order or by a crash. */
  onEnd: (detail: string) => void;
  post(message: ToJournal, transfer: ArrayBuffer[]): void;
  /** Ends the thread as it is. */
  end(): Promise<void>;
}

/** A thread that has loaded the journal's code, or is about to, and waits for the journal that it shall open. */
export class JournalThread {
  private readonly worker: Worker;
  private failure: string | null = null;

  private constructor() {
    this.worker = new Worker(builtFile('server/journal/journalThread.js'), {
      name: 'hq-journal',
      execArgv: [],
      // What it makes lives for one transaction; left alone it would keep some 50 MB for that.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    // Nobody has asked for anything yet: it keeps no process alive.
    this.worker.unref();
    this.worker.on('error', (error) => {
      this.failure = `its thread failed: ${error.message}`;
    });
  }

  /** @returns null where there can be none: a thread cannot load TypeScript, so that a server run from its sources (in tests) has its journal beside it */
  static start(): JournalThread | null {
    return import.meta.url.endsWith('.ts') ? null : new JournalThread();
  }

  /** Once. */
  open(options: HostOptions): JournalLink {
    const { worker } = this;
    const link: JournalLink = {
      onMessage: () => {},
      onEnd: () => {},
      post: (message, transfer) => worker.postMessage(message, transfer),
      end: async () => {
        await worker.terminate();
      },
    };
    worker.ref();
    worker.on('message', (message: FromJournal) => link.onMessage(message));
    worker.on('exit', () => link.onEnd(this.failure ?? 'its thread has ended'));
    worker.postMessage(options);
    // It may have failed before there was anything to open.
    if (worker.threadId === -1) setImmediate(() => link.onEnd(this.failure ?? 'its thread has ended'));
    return link;
  }

  /** Ends a thread that has nothing to open. */
  async discard(): Promise<void> {
    await this.worker.terminate();
  }
}

/** The same on the calling thread. */
export async function linkOwnThread(options: HostOptions): Promise<JournalLink> {
  const { startHost } = await import('./journalHost.ts');
  const { port1, port2 } = new MessageChannel();
  const link: JournalLink = {
    onMessage: () => {},
    onEnd: () => {},
    post: (message, transfer) => port1.postMessage(message, transfer),
    end: () => {
      port1.close();
      return closed;
    },
  };
  const closed = new Promise<void>((resolve) => {
    port1.once('close', () => {
      link.onEnd('it was closed');
      resolve();
    });
  });
  port1.on('message', (message: FromJournal) => link.onMessage(message));
  setImmediate(() => startHost(port2, options));
  return link;
}
