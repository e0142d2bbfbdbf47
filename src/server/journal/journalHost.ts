/**
 * The journal's side of the thread: takes what has arrived together into one transaction, fsyncs within the promised delay, and
 * deletes in the background. Started by `journalThread.ts`, or on the calling thread where there is none.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { toHqError } from '../../protocol/errors.ts';
import { JournalStore } from './journalStore.ts';
import type { FromJournal, HostOptions, SentError, ToJournal } from './messages.ts';
import { journalError } from './openDatabase.ts';
import { packBytes } from './pack.ts';
import type { Step } from './retention.ts';
import { FSYNC_DELAY_MS } from './types.ts';

/** Taken off the promised delay, so that the fsync itself has begun and usually ended within it, milliseconds. */
const FSYNC_HEADROOM_MS = 20;

/** Workers keep what is not on disk, and wait for it before they leave: longer would cost them more than it saves the disk, milliseconds. */
const FLUSH_MAX_MS = 1_000;

/** Numbers of hot entries in one transaction, about 3,000 changes of tasks: what waits for its end waits some ten milliseconds. */
const TRANSACTION_NUMBERS = 25_000;

type Batch = Extract<ToJournal, { type: 'batch' }>;

interface Chore {
  readonly steps: Step[];
  /** Asked for by the client, who waits for its end; null for sweeping after a job was forgotten. */
  readonly id: number | null;
}

/** Opens the journal and answers on the port until it is told to close. */
export function startHost(port: MessagePort, options: HostOptions): void {
  try {
    const store = JournalStore.open(options);
    try {
      for (const part of store.reader.restore()) {
        const bytes = packBytes(part);
        port.postMessage({ type: 'restored', part: bytes } satisfies FromJournal, [bytes.buffer]);
      }
    } catch (error) {
      store.close();
      throw journalError(options.path, error);
    }
    new JournalHost(port, store, options.flushMs ?? FSYNC_DELAY_MS);
    port.postMessage({ type: 'ready' } satisfies FromJournal);
  } catch (error) {
    port.postMessage({ type: 'refused', error: sendable(error) } satisfies FromJournal);
    port.close();
  }
}

class JournalHost {
  private readonly port: MessagePort;
  private readonly store: JournalStore;
  /** From a commit to the beginning of its fsync, milliseconds. */
  private readonly delayMs: number;
  private committed = 0;
  private durable = 0;
  private syncTimer: NodeJS.Timeout | null = null;
  /** When the oldest commit that is not on disk was made, milliseconds of the monotonic clock. */
  private unsyncedSinceMs = 0;
  private chores: Chore[] = [];
  private choreScheduled: NodeJS.Immediate | null = null;

  constructor(port: MessagePort, store: JournalStore, flushMs: number) {
    this.port = port;
    this.store = store;
    this.delayMs = Math.max(0, Math.min(flushMs, FLUSH_MAX_MS) - FSYNC_HEADROOM_MS);
    port.on('message', (message: ToJournal) => this.receive(message));
    // A job that was forgotten just before the previous process ended.
    this.sweepIfNeeded();
  }

  /** Handles this message and, while they are batches, those that arrived after it, in one transaction. */
  private receive(first: ToJournal): void {
    let message: ToJournal | undefined = first;
    while (message !== undefined) {
      if (message.type !== 'batch') {
        this.order(message);
        return;
      }
      const batches: Batch[] = [];
      let numbers = 0;
      while (message !== undefined && message.type === 'batch') {
        batches.push(message);
        numbers += message.batch.hot.length;
        message =
          numbers < TRANSACTION_NUMBERS ? (receiveMessageOnPort(this.port) as { message: ToJournal } | undefined)?.message : undefined;
      }
      this.commit(batches);
    }
  }

  private commit(batches: readonly Batch[]): void {
    const overdue = this.store.unsynced && performance.now() - this.unsyncedSinceMs >= this.delayMs;
    const durable = overdue || batches.some(({ batch }) => batch.durable);
    try {
      this.store.apply(
        batches.map(({ batch }) => batch),
        { durable },
      );
    } catch (error) {
      const tickets = batches.map(({ ticket }) => ticket);
      this.post({ type: 'failed', tickets, error: sendable(error) });
      return;
    }
    this.committed = (batches.at(-1) as Batch).ticket;
    if (durable) this.durable = this.committed;
    this.noteUnsynced();
    this.post({ type: 'progress', committed: this.committed, durable: this.durable });
    this.sweepIfNeeded();
  }

  private order(message: Exclude<ToJournal, Batch>): void {
    switch (message.type) {
      case 'query':
        return this.answer(message.id, () => this.store.reader.answer(message.query));
      case 'prune':
        return this.addChore({ steps: this.store.retention.prune(message.beforeMs), id: message.id });
      case 'backup':
        void this.backup(message);
        return;
      case 'close':
        return this.close(message.id);
    }
  }

  private answer(id: number, work: () => unknown): void {
    try {
      const rows = packBytes(work());
      this.post({ type: 'answer', id, rows }, [rows.buffer]);
    } catch (error) {
      this.post({ type: 'no-answer', id, error: sendable(journalError(this.store.path, error)) });
    }
  }

  private async backup({ id, path }: Extract<ToJournal, { type: 'backup' }>): Promise<void> {
    try {
      await this.store.backup(path);
      this.post({ type: 'answer', id, rows: null });
    } catch (error) {
      this.post({ type: 'no-answer', id, error: sendable(error) });
    }
  }

  private close(id: number): void {
    if (this.syncTimer !== null) clearTimeout(this.syncTimer);
    if (this.choreScheduled !== null) clearImmediate(this.choreScheduled);
    for (const chore of this.chores) {
      if (chore.id !== null) this.post({ type: 'no-answer', id: chore.id, error: closedError() });
    }
    try {
      this.store.close();
      if (this.store.failed === null && this.durable < this.committed) {
        this.post({ type: 'progress', committed: this.committed, durable: this.committed });
      }
      this.post({ type: 'answer', id, rows: null });
    } catch (error) {
      this.post({ type: 'no-answer', id, error: sendable(error) });
    }
    this.port.close();
  }

  /** Whatever is committed gets on disk in time, also when nothing more comes. */
  private noteUnsynced(): void {
    if (!this.store.unsynced || this.store.failed !== null) {
      if (this.syncTimer !== null) clearTimeout(this.syncTimer);
      this.syncTimer = null;
    } else if (this.syncTimer === null) {
      this.unsyncedSinceMs = performance.now();
      this.syncTimer = setTimeout(() => this.sync(), this.delayMs);
    }
  }

  private sync(): void {
    this.syncTimer = null;
    try {
      this.store.sync();
    } catch (error) {
      this.post({ type: 'failed', tickets: [], error: sendable(error) });
      return;
    }
    if (this.durable === this.committed) return;
    this.durable = this.committed;
    this.post({ type: 'progress', committed: this.committed, durable: this.durable });
  }

  private sweepIfNeeded(): void {
    const { failed, retention } = this.store;
    if (failed === null && retention.hasGarbage && this.chores.length === 0) this.addChore({ steps: [retention.sweep], id: null });
  }

  private addChore(chore: Chore): void {
    this.chores.push(chore);
    this.choreScheduled ??= setImmediate(() => this.doChore());
  }

  /** One transaction of the first chore; messages come in between. */
  private doChore(): void {
    this.choreScheduled = null;
    const [chore] = this.chores;
    const step = chore?.steps[0];
    if (chore === undefined) return;
    try {
      if (step !== undefined && !this.store.step(step)) chore.steps.shift();
      this.noteUnsynced();
      if (chore.steps.length === 0) this.finishChore(null);
    } catch (error) {
      this.finishChore(sendable(error));
    }
    this.sweepIfNeeded();
    if (this.chores.length > 0) this.choreScheduled ??= setImmediate(() => this.doChore());
  }

  private finishChore(error: SentError | null): void {
    const id = this.chores.shift()?.id ?? null;
    if (error !== null) this.post({ type: 'failed', tickets: [], error });
    if (id === null) return;
    this.post(error === null ? { type: 'answer', id, rows: null } : { type: 'no-answer', id, error });
  }

  private post(message: FromJournal, transfer: ArrayBuffer[] = []): void {
    this.port.postMessage(message, transfer);
  }
}

function sendable(error: unknown): SentError {
  const { code, data } = toHqError(error);
  return { code, data };
}

function closedError(): SentError {
  return { code: 'HQ_E_SERVER_GONE', data: { detail: 'the journal was closed' } };
}
