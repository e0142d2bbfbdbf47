/** A journal whose commits and fsyncs the test makes by hand, and connections that record what was sent. For tests of the server's own logic. */
import type { CloseReason, Connection, ConnectionHandlers } from '../../src/net/connection.ts';
import type { FromWorker, ToWorker, WorkerHello } from '../../src/protocol/messages/worker.ts';
import { decodeToWorker, encodeFromWorker } from '../../src/protocol/messages/workerCodec.ts';
import { PROTOCOL } from '../../src/protocol/version.ts';
import type { CommitListener, Journal, JournalBatch, Restored } from '../../src/server/journal/types.ts';
import { handMadeConfiguration } from './handMadeConfiguration.ts';

export const NOTHING_RESTORED: Restored = {
  serverUid: null,
  lastSeq: 0,
  maxJobId: 0,
  maxWorkerId: 0,
  maxQueueId: 0,
  jobs: [],
  workers: [],
  queues: [],
  allocations: [],
};

export class HandJournal implements Journal {
  readonly restored: Restored;
  readonly batches: JournalBatch[] = [];
  private listener: CommitListener = () => {};
  private errorListener: (ticket: number, error: Error) => void = () => {};
  private committed = 0;
  private durable = 0;

  constructor(restored: Restored = NOTHING_RESTORED) {
    this.restored = restored;
  }

  append(batch: JournalBatch): number {
    this.batches.push(batch);
    return this.batches.length;
  }

  /** Everything up to this ticket (default: all) is committed. */
  commit(ticket: number = this.batches.length): void {
    this.committed = ticket;
    this.listener({ committed: this.committed, durable: this.durable });
  }

  /** Everything up to this ticket (default: all) is on disk. */
  sync(ticket: number = this.batches.length): void {
    this.committed = Math.max(this.committed, ticket);
    this.durable = ticket;
    this.listener({ committed: this.committed, durable: this.durable });
  }

  fail(error: Error): void {
    this.errorListener(this.batches.length, error);
  }

  onCommit(listener: CommitListener): void {
    this.listener = listener;
  }

  onError(listener: (ticket: number, error: Error) => void): void {
    this.errorListener = listener;
  }

  jobs(): Promise<[]> {
    return Promise.resolve([]);
  }
  job(): Promise<null> {
    return Promise.resolve(null);
  }
  submits(): Promise<[]> {
    return Promise.resolve([]);
  }
  taskRows(): Promise<[]> {
    return Promise.resolve([]);
  }
  bulkRows(): Promise<[]> {
    return Promise.resolve([]);
  }
  workers(): Promise<[]> {
    return Promise.resolve([]);
  }
  events(): Promise<{ first: number; pages: [] }> {
    return Promise.resolve({ first: 1, pages: [] });
  }
  backup(): Promise<void> {
    return Promise.resolve();
  }
  prune(): Promise<void> {
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The server's end of a connection to a worker. */
export class HandConnection {
  readonly peer = 'by hand';
  readonly sent: ToWorker[] = [];
  isOpen = true;
  private handlers: ConnectionHandlers | null = null;

  /** As the server takes it. */
  get connection(): Connection {
    return this as unknown as Connection;
  }

  get kinds(): string[] {
    return this.sent.map((message) => message[0]);
  }

  start(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
  }
  accepted(): void {}
  setIdleTimeout(): void {}
  flush(): void {}

  send(body: Uint8Array): void {
    if (this.isOpen) this.sent.push(decodeToWorker(body));
  }

  close(): void {
    this.end({ kind: 'local', detail: 'closed' });
  }

  destroy(): void {
    this.end({ kind: 'local', detail: 'destroyed' });
  }

  /** A frame of the worker arrives. */
  receive(message: FromWorker): void {
    if (this.isOpen) this.handlers?.onFrame(Buffer.from(encodeFromWorker(message)));
  }

  /** The connection breaks. */
  end(reason: CloseReason = { kind: 'lost', detail: 'broken' }): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.handlers?.onClose(reason);
  }
}

export function helloOf(session: string, given: Partial<WorkerHello> = {}): FromWorker {
  return [
    'hello',
    {
      protocol: [PROTOCOL.major, PROTOCOL.minor],
      role: 'worker',
      token: 'token',
      serverUid: 'uid',
      workerId: null,
      session,
      configuration: handMadeConfiguration(),
      held: [],
      ...given,
    },
  ];
}
