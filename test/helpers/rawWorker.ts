/** A worker made by hand for end-to-end tests: speaks the worker protocol over TLS to a real server and runs nothing. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectEndpoint } from '../../src/net/connect.ts';
import type { CloseReason, Connection } from '../../src/net/connection.ts';
import { type WorkerAccess, workerAccess } from '../../src/protocol/accessFile.ts';
import type { FromWorker, TaskUpdate, ToWorker, Welcome, WireTask, WorkerHello } from '../../src/protocol/messages/worker.ts';
import { decodeToWorker, encodeFromWorker } from '../../src/protocol/messages/workerCodec.ts';
import { PROTOCOL } from '../../src/protocol/version.ts';
import { type Cluster, waitFor } from './cluster.ts';
import { handMadeConfiguration } from './handMadeConfiguration.ts';

/** The access file of the cluster's server for workers. */
export function readWorkerAccess(cluster: Cluster): WorkerAccess {
  const path = join(cluster.serverDir, 'hq-current', 'worker-access.json');
  return workerAccess.parse(JSON.parse(readFileSync(path, 'utf8')));
}

export class RawWorker {
  readonly cluster: Cluster;
  readonly session: string;
  readonly received: ToWorker[] = [];
  connection!: Connection;
  closed: CloseReason | undefined;
  workerId: number | null = null;
  private seq = 0;

  constructor(cluster: Cluster, session: string = randomBytes(16).toString('hex')) {
    this.cluster = cluster;
    this.session = session;
  }

  /** Connects without saying anything. */
  async connect(): Promise<this> {
    const { worker } = readWorkerAccess(this.cluster);
    this.connection = await connectEndpoint(worker, { accessPath: 'worker-access.json' });
    this.closed = undefined;
    const { connection } = this;
    connection.start({
      onFrame: (body) => {
        this.received.push(decodeToWorker(body));
      },
      onClose: (reason) => {
        if (this.connection === connection) this.closed = reason;
      },
    });
    connection.accepted();
    return this;
  }

  /** A hello with one CPU; `given` replaces fields. */
  hello(given: Partial<WorkerHello> = {}): WorkerHello {
    const { serverUid, worker } = readWorkerAccess(this.cluster);
    return {
      protocol: [PROTOCOL.major, PROTOCOL.minor],
      role: 'worker',
      token: worker.token ?? '',
      serverUid,
      workerId: this.workerId,
      session: this.session,
      configuration: handMadeConfiguration(),
      held: [],
      ...given,
    };
  }

  /** Connects and registers; the welcome. */
  async register(given: Partial<WorkerHello> = {}): Promise<Welcome> {
    await this.connect();
    const from = this.received.length;
    this.send(['hello', this.hello(given)]);
    const welcome = (await this.message('welcome', from))[1];
    this.workerId = welcome.workerId;
    return welcome;
  }

  send(message: FromWorker): void {
    this.sendBytes(encodeFromWorker(message));
  }

  /** Sends a frame with any content. */
  sendBytes(body: Uint8Array): void {
    this.connection.send(body);
  }

  /** Sends updates under the next sequence number, or a given one. */
  update(updates: readonly TaskUpdate[], seq: number = this.seq + 1): void {
    this.seq = Math.max(this.seq, seq);
    this.send(['updates', seq, updates]);
  }

  /** The first message of this kind since `from`. */
  message<Kind extends ToWorker[0]>(kind: Kind, from = 0): Promise<Extract<ToWorker, readonly [Kind, ...unknown[]]>> {
    type Found = Extract<ToWorker, readonly [Kind, ...unknown[]]>;
    return waitFor(`'${kind}' from the server`, () => {
      const found = this.received.slice(from).find((message) => message[0] === kind);
      if (found === undefined && this.closed !== undefined) throw new Error(`the server hung up: ${this.closed.detail}`);
      return found as Found | undefined;
    }) as Promise<Found>;
  }

  /** Waits until the server has acknowledged this sequence number. */
  async acknowledged(seq: number): Promise<void> {
    await waitFor(`the acknowledgement of ${seq}`, () => this.received.some((message) => message[0] === 'ack' && message[1] >= seq));
  }

  /** All tasks that the server has sent, in order. */
  get tasks(): WireTask[] {
    return this.received.flatMap((message) => (message[0] === 'compute' ? message[2] : []));
  }

  /** Why the server hung up. */
  end(): Promise<CloseReason> {
    return waitFor('the server to hang up', () => this.closed);
  }

  /** Takes leave of the server, also when the connection is broken, so that nothing is expected of this worker any more. */
  async leave(): Promise<void> {
    if (this.workerId === null) return this.connection?.destroy();
    if (this.closed !== undefined || !this.connection.isOpen) await this.register();
    this.send(['leaving', 'STOPPED']);
    await this.end();
  }

  /** Hangs up without a word. */
  drop(): void {
    this.connection.destroy();
  }
}
