/**
 * The journal as the server sees it: batches and questions go to the journal's thread, tickets and rows come back. Opened once by a
 * starting server, and by tests.
 */
import { HqError } from '../../protocol/errors.ts';
import { encodeBatch, transferList } from './batchCodec.ts';
import { EventPage } from './eventCodec.ts';
import { type JournalLink, JournalThread, linkOwnThread } from './journalLink.ts';
import { PAGE_ROWS, type Query } from './journalReader.ts';
import type { FromJournal, SentError, ToJournal } from './messages.ts';
import { unpackBytes } from './pack.ts';
import { RestoreAssembler, type RestorePart } from './restore.ts';
import { bulkRowOf, jobRowOf, type RawRow, submitRowOf, taskRowOf, workerRowOf } from './rows.ts';
import type { BulkRow, CommitListener, JobRow, Journal, JournalBatch, Restored, SubmitRow, TaskRow, WorkerRow } from './types.ts';

export interface OpenJournalOptions {
  /** Absolute path of the database; made when missing. */
  readonly path: string;
  /** Becomes the journal's when it has none yet; an existing journal keeps its own (`restored.serverUid`). */
  readonly serverUid?: string;
  /** Longest time between a commit and its fsync, milliseconds, at most a second. Default: `FSYNC_DELAY_MS`. */
  readonly flushMs?: number;
  readonly logger?: { warn(data: object, message: string): void };
  /** One that was started ahead; default: a new one. */
  readonly thread?: JournalThread | null;
}

type ErrorListener = (ticket: number, error: Error) => void;

interface Waiting {
  resolve(rows: RawRow[]): void;
  reject(error: Error): void;
}

/**
 * Opens the journal, takes its lock and reads what a starting server needs.
 * @throws HqError HQ_E_SERVER_RUNNING when somebody else holds the lock (whose host and pid the journal does not know; see
 *   `identity/takeJournal.ts`), HQ_E_JOURNAL when the file or its file system cannot be used
 */
export async function openJournal(options: OpenJournalOptions): Promise<Journal> {
  const thread = options.thread ?? JournalThread.start();
  const hostOptions = { path: options.path, serverUid: options.serverUid, flushMs: options.flushMs };
  const link = thread === null ? await linkOwnThread(hostOptions) : thread.open(hostOptions);
  const assembler = new RestoreAssembler();
  try {
    await new Promise<void>((resolve, reject) => {
      link.onEnd = (detail) => reject(new HqError('HQ_E_JOURNAL', { path: options.path, detail }));
      link.onMessage = (message) => {
        if (message.type === 'restored') assembler.add(unpackBytes(message.part) as RestorePart);
        else if (message.type === 'refused') reject(received(message.error));
        else if (message.type === 'ready') resolve();
      };
    });
    return new JournalClient(link, assembler.restored(), options);
  } catch (error) {
    await link.end();
    throw error instanceof HqError ? error : new HqError('HQ_E_JOURNAL', { path: options.path, detail: String(error) }, { cause: error });
  }
}

class JournalClient implements Journal {
  readonly restored: Restored;
  private readonly link: JournalLink;
  private readonly options: OpenJournalOptions;
  private readonly commitListeners: CommitListener[] = [];
  private readonly errorListeners: ErrorListener[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private lastTicket = 0;
  private committed = 0;
  private lastId = 0;
  private failure: Error | null = null;
  private closing: Promise<void> | null = null;
  private threadEnded = false;

  constructor(link: JournalLink, restored: Restored, options: OpenJournalOptions) {
    this.link = link;
    this.restored = restored;
    this.options = options;
    link.onMessage = (message) => this.receive(message);
    link.onEnd = (detail) => this.ended(detail);
  }

  append(batch: JournalBatch): number {
    this.lastTicket += 1;
    const ticket = this.lastTicket;
    const failure = this.failure ?? (this.closing === null ? null : closedError());
    if (failure !== null) queueMicrotask(() => this.tellError(ticket, failure));
    else {
      const encoded = encodeBatch(batch);
      this.link.post({ type: 'batch', ticket, batch: encoded }, transferList(encoded));
    }
    return ticket;
  }

  onCommit(listener: CommitListener): void {
    this.commitListeners.push(listener);
  }

  onError(listener: ErrorListener): void {
    this.errorListeners.push(listener);
  }

  async jobs({ completedOnly }: { completedOnly: boolean }): Promise<JobRow[]> {
    const rows = await this.pages((after) => ({ name: 'jobs', completedOnly, after, limit: PAGE_ROWS }));
    return rows.map(jobRowOf);
  }

  async job(jobId: number): Promise<JobRow | null> {
    const [row] = await this.ask({ name: 'job', jobId });
    return row === undefined ? null : jobRowOf(row);
  }

  async submits(jobId: number): Promise<SubmitRow[]> {
    return (await this.ask({ name: 'submits', jobId })).map(submitRowOf);
  }

  async taskRows(jobId: number, filter: { ids?: string; after?: number; limit: number }): Promise<TaskRow[]> {
    const found: RawRow[] = [];
    let after = filter.after ?? -1;
    while (found.length < filter.limit) {
      const limit = Math.min(PAGE_ROWS, filter.limit - found.length);
      const page = await this.ask({ name: 'tasks', jobId, ids: filter.ids ?? null, after, limit });
      for (const row of page) found.push(row);
      if (page.length < limit) break;
      after = page.at(-1)?.[0] as number;
    }
    return found.map(taskRowOf);
  }

  async bulkRows(jobId: number): Promise<BulkRow[]> {
    return (await this.ask({ name: 'bulkRows', jobId })).map(bulkRowOf);
  }

  async workers(): Promise<WorkerRow[]> {
    return (await this.pages((after) => ({ name: 'workers', after, limit: PAGE_ROWS }))).map(workerRowOf);
  }

  async events(after: number, limit: number): Promise<{ first: number; pages: EventPage[] }> {
    const [oldest, ...blobs] = await this.ask({ name: 'events', after, limit });
    const pages = (blobs as [number, Uint8Array<ArrayBuffer>, number, number][]).map(
      ([firstSeq, payload, lastSeq, atMs]) => new EventPage({ firstSeq, lastSeq, atMs, types: -1, payload }),
    );
    return { first: oldest?.[0] as number, pages };
  }

  async prune(beforeMs: number): Promise<void> {
    await this.order((id) => ({ type: 'prune', id, beforeMs }));
  }

  async backup(path: string): Promise<void> {
    await this.order((id) => ({ type: 'backup', id, path }));
  }

  close(): Promise<void> {
    this.closing ??= this.finish();
    return this.closing;
  }

  private async finish(): Promise<void> {
    try {
      if (!this.threadEnded) await this.order((id) => ({ type: 'close', id }));
    } finally {
      await this.link.end();
    }
  }

  private async pages(query: (after: number) => Query): Promise<RawRow[]> {
    const rows: RawRow[] = [];
    for (let after = 0; ; ) {
      const page = await this.ask(query(after));
      for (const row of page) rows.push(row);
      if (page.length < PAGE_ROWS) return rows;
      after = page.at(-1)?.[0] as number;
    }
  }

  private ask(query: Query): Promise<RawRow[]> {
    if (this.closing !== null) return Promise.reject(closedError());
    return this.order((id) => ({ type: 'query', id, query }));
  }

  private order(message: (id: number) => ToJournal): Promise<RawRow[]> {
    if (this.threadEnded) return Promise.reject(this.failure ?? closedError());
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.link.post(message(id), []);
    });
  }

  private receive(message: FromJournal): void {
    switch (message.type) {
      case 'progress':
        this.committed = message.committed;
        for (const listener of this.commitListeners) listener({ committed: message.committed, durable: message.durable });
        return;
      case 'failed':
        return this.failed(message.tickets, received(message.error));
      case 'answer':
        this.waiting.get(message.id)?.resolve(message.rows === null ? [] : (unpackBytes(message.rows) as RawRow[]));
        this.waiting.delete(message.id);
        return;
      case 'no-answer':
        this.waiting.get(message.id)?.reject(received(message.error));
        this.waiting.delete(message.id);
        return;
      case 'restored':
      case 'refused':
      case 'ready':
        return;
    }
  }

  /** An fsync that fails belongs to no batch in particular: the newest committed one tells. */
  private failed(tickets: readonly number[], error: Error): void {
    if (this.failure === null) this.options.logger?.warn({ path: this.options.path }, `the journal failed: ${error.message}`);
    this.failure ??= error;
    for (const ticket of tickets.length > 0 ? tickets : [this.committed]) this.tellError(ticket, error);
  }

  private tellError(ticket: number, error: Error): void {
    for (const listener of this.errorListeners) listener(ticket, error);
  }

  /** The thread is gone: nothing that waits will ever come. */
  private ended(detail: string): void {
    const error = new HqError('HQ_E_JOURNAL', { path: this.options.path, detail });
    this.threadEnded = true;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    if (this.closing === null && this.failure === null) this.failed([this.lastTicket], error);
  }
}

function received({ code, data }: SentError): HqError {
  return new HqError(code, data);
}

function closedError(): HqError {
  return new HqError('HQ_E_SERVER_GONE', { detail: 'the journal was closed' });
}
