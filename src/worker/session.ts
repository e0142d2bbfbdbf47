/**
 * The worker's line to its server: connects, registers, keeps the line alive, repeats what was not confirmed, reconnects. Knows nothing of tasks
 * but their keys; `worker.ts` owns it.
 *
 * Modes (changed only by `setMode`):
 *   connecting  an attempt is under way or waits for its turn    -> registering | closed
 *   registering the hello is sent, the welcome has not come       -> registered | connecting | closed
 *   registered  messages flow, heartbeats are sent                -> connecting | closed
 *   closed      final; nothing is sent and no handler is called
 */

import { connectEndpoint } from '../net/connect.ts';
import type { CloseReason, Connection } from '../net/connection.ts';
import { HqError, toHqError } from '../protocol/errors.ts';
import {
  HELLO_FRAME_LIMIT_BYTES,
  type TaskKey,
  type TaskUpdate,
  type ToWorker,
  type Welcome,
  type WorkerHello,
} from '../protocol/messages/worker.ts';
import { decodeToWorker, encodeFromWorker } from '../protocol/messages/workerCodec.ts';
import type { Room } from '../protocol/schema/resources.ts';
import type { WorkerConfiguration } from '../protocol/schema/worker.ts';
import { PROTOCOL, PROTOCOL_TEXT } from '../protocol/version.ts';
import { readWorkerAccess } from './access.ts';
import { Undelivered } from './undelivered.ts';

/** First and longest pause between attempts, milliseconds; the first is short because a restarting server is back at once. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
/** Pauses differ by this share, so that a thousand workers do not come back in the same instant. */
const JITTER = 0.25;

/** A server that answers heartbeats is taken for dead after this many unanswered ones, but not sooner than the least time, milliseconds. */
const MISSED_HEARTBEATS = 4;
const LEAST_SILENCE_MS = 2_000;

/** Largest encoding of one held task in a hello. */
const HELD_TASK_BYTES = 17;

type Mode = 'connecting' | 'registering' | 'registered' | 'closed';

/** Messages that concern tasks. */
export type TaskMessage = Exclude<ToWorker, readonly ['welcome' | 'refused' | 'ack' | 'heartbeat', ...unknown[]]>;

export interface SessionHandlers {
  /** Tasks for a hello, at most `limit`: what goes beyond is forgotten. */
  held(limit: number): WorkerHello['held'];
  /** Accepted by the server, for the first time or again. `repeated`: tasks whose end is being told once more. */
  onWelcome(welcome: Welcome, repeated: readonly TaskKey[]): void;
  /** The server has confirmed everything that was repeated. */
  onRepeatedConfirmed(): void;
  onMessage(message: TaskMessage): void;
  /** An attempt failed or the connection broke; another attempt follows by itself. `wasRegistered`: a standing connection broke. */
  onLost(error: HqError, wasRegistered: boolean): void;
  /** The server does not want this worker; final. */
  onRefused(error: HqError): void;
}

export interface SessionOptions {
  readonly accessPath: string;
  readonly configuration: WorkerConfiguration;
  /** 128 random bits, hex. */
  readonly session: string;
  readonly handlers: SessionHandlers;
}

export class Session {
  private readonly options: SessionOptions;
  private readonly undelivered = new Undelivered();
  private readonly abort = new AbortController();
  private mode: Mode = 'connecting';
  private connection: Connection | undefined;
  private workerId: number | null = null;
  private serverUid: string | undefined;
  private pauseMs = FIRST_PAUSE_MS;
  private retryTimer: NodeJS.Timeout | undefined;
  private heartbeatTimer: NodeJS.Timeout | undefined;
  /** Number of the newest frame that was repeated; 0 when none is waited for. */
  private repeatedUntil = 0;
  private onConfirmed: (() => void) | undefined;
  private onClosed: (() => void) | undefined;

  constructor(options: SessionOptions) {
    this.options = options;
  }

  get isRegistered(): boolean {
    return this.mode === 'registered';
  }

  /** Begins the first attempt. */
  start(): void {
    void this.attempt();
  }

  /**
   * Sends updates now, or as soon as there is a server. They are kept until they are confirmed.
   * @param room what is free after these updates, if the server is to know
   */
  report(updates: readonly TaskUpdate[], room: Room | undefined): void {
    const body = this.undelivered.add(updates, room);
    if (this.mode !== 'registered') return;
    this.connection?.send(body);
    // What follows is often the start of processes, which takes far longer than this write.
    this.connection?.flush();
  }

  /** A line for the server's event log, while it is there. */
  notice(line: string): void {
    this.connection?.send(encodeFromWorker(['notice', line]));
  }

  /**
   * Says goodbye: sends the reason and waits until every update is confirmed.
   * @param done called once: all is confirmed, or the time is over, or the connection broke, or there was none
   */
  leave(reason: 'STOPPED' | 'IDLE TIMEOUT' | 'TIME LIMIT REACHED', o: { timeoutMs: number; done: () => void }): void {
    if (this.mode !== 'registered') {
      this.close();
      o.done();
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      this.onConfirmed = undefined;
      // The process may exit as soon as it is told: the last frame must have left by then.
      if (this.connection === undefined) o.done();
      else this.onClosed = o.done;
      this.close();
    };
    const timer = setTimeout(finish, o.timeoutMs);
    this.onConfirmed = finish;
    this.connection?.send(encodeFromWorker(['leaving', reason]));
    if (this.undelivered.isEmpty) finish();
  }

  /** Ends the session at once; a final frame that was sent is still delivered. */
  close(): void {
    if (this.mode === 'closed') return;
    this.setMode('closed');
    this.abort.abort();
    clearTimeout(this.retryTimer);
    this.connection?.close();
  }

  /** Leaves undelivered updates for the server to find. @returns the file, undefined when there was nothing; throws errors of the file system */
  spool(): string | undefined {
    const { accessPath, session } = this.options;
    return this.workerId === null ? undefined : this.undelivered.spool({ accessPath, workerId: this.workerId, session });
  }

  private setMode(mode: Mode): void {
    this.mode = mode;
    clearInterval(this.heartbeatTimer);
    if (mode !== 'registered') return;
    const { heartbeatMs } = this.options.configuration;
    this.heartbeatTimer = setInterval(() => this.connection?.send(encodeFromWorker(['heartbeat'])), heartbeatMs);
  }

  private async attempt(): Promise<void> {
    const { accessPath } = this.options;
    try {
      const access = readWorkerAccess(accessPath);
      if (this.serverUid !== undefined && access.serverUid !== this.serverUid) {
        throw new HqError('HQ_E_ACCESS_FILE', { path: accessPath, detail: 'it belongs to another server now' });
      }
      this.serverUid = access.serverUid;
      const hello = this.makeHello(access.serverUid, access.worker.token ?? '');
      const connection = await connectEndpoint(access.worker, { accessPath, signal: this.abort.signal });
      if (this.mode === 'closed') connection.destroy();
      else this.register(connection, hello);
    } catch (error) {
      this.retry(toHqError(error), false);
    }
  }

  private makeHello(serverUid: string, token: string): (held: WorkerHello['held']) => WorkerHello {
    const { configuration, session } = this.options;
    return (held) => ({
      protocol: [PROTOCOL.major, PROTOCOL.minor],
      role: 'worker',
      token,
      serverUid,
      workerId: this.workerId,
      session,
      configuration,
      held,
    });
  }

  private register(connection: Connection, hello: (held: WorkerHello['held']) => WorkerHello): void {
    this.connection = connection;
    this.setMode('registering');
    const withoutTasks = encodeFromWorker(['hello', hello([])]).length;
    const room = Math.floor((HELLO_FRAME_LIMIT_BYTES - withoutTasks) / HELD_TASK_BYTES);
    if (room < 0) {
      const limit = `${withoutTasks} bytes, more than ${HELLO_FRAME_LIMIT_BYTES}`;
      this.refuse(new HqError('HQ_E_PROTOCOL', { detail: `the description of this worker's resources takes ${limit}` }));
      return;
    }
    connection.start({ onFrame: (body) => this.onFrame(connection, body), onClose: (reason) => this.onClose(reason) });
    connection.send(encodeFromWorker(['hello', hello(this.options.handlers.held(room))]));
  }

  private onFrame(connection: Connection, body: Buffer): void {
    if (this.mode === 'closed') return;
    const message = decodeToWorker(body);
    if (message[0] === 'refused') {
      this.refuse(refusal(message[1], message[2], this.options.accessPath));
      return;
    }
    if (this.mode === 'registering') {
      if (message[0] !== 'welcome') throw new HqError('HQ_E_PROTOCOL', { detail: `the server answered the hello with '${message[0]}'` });
      this.onWelcome(connection, message[1]);
      return;
    }
    if (message[0] === 'welcome') throw new HqError('HQ_E_PROTOCOL', { detail: 'the server sent a second welcome' });
    switch (message[0]) {
      case 'ack':
        this.onAck(message[1]);
        return;
      case 'heartbeat':
        // A server that answers heartbeats is gone when it falls silent; TCP alone would notice a dead line after many minutes.
        connection.setIdleTimeout(Math.max(LEAST_SILENCE_MS, MISSED_HEARTBEATS * this.options.configuration.heartbeatMs));
        return;
      default:
        this.options.handlers.onMessage(message);
    }
  }

  private onWelcome(connection: Connection, welcome: Welcome): void {
    // Another id than before: the server had given this worker up and takes it as a new one that holds nothing.
    this.workerId = welcome.workerId;
    connection.accepted();
    this.setMode('registered');
    this.pauseMs = FIRST_PAUSE_MS;
    this.undelivered.acknowledge(welcome.ackedSeq);
    const { bodies, ended } = this.undelivered.repeat();
    for (const body of bodies) connection.send(body);
    this.repeatedUntil = bodies.length === 0 ? 0 : this.undelivered.newestSeq;
    this.options.handlers.onWelcome(welcome, ended);
  }

  private onAck(seq: number): void {
    this.undelivered.acknowledge(seq);
    if (this.repeatedUntil > 0 && seq >= this.repeatedUntil) {
      this.repeatedUntil = 0;
      this.options.handlers.onRepeatedConfirmed();
    }
    if (this.undelivered.isEmpty) this.onConfirmed?.();
  }

  private onClose(reason: CloseReason): void {
    this.connection = undefined;
    if (this.mode === 'closed') {
      this.onClosed?.();
      return;
    }
    const wasRegistered = this.mode === 'registered';
    if (this.onConfirmed !== undefined) {
      this.onConfirmed();
      return;
    }
    this.retry(new HqError('HQ_E_SERVER_LOST', { detail: reason.detail }), wasRegistered);
  }

  private retry(error: HqError, wasRegistered: boolean): void {
    if (this.mode === 'closed') return;
    this.setMode('connecting');
    const pauseMs = this.pauseMs * (1 - JITTER + 2 * JITTER * Math.random());
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
    this.retryTimer = setTimeout(() => void this.attempt(), pauseMs);
    // Last, because the handler may close the session.
    this.options.handlers.onLost(error, wasRegistered);
  }

  private refuse(error: HqError): void {
    this.close();
    this.options.handlers.onRefused(error);
  }
}

/** @returns the error that the server's words stand for */
function refusal(code: string, detail: string, accessPath: string): HqError {
  if (code === 'HQ_E_AUTH') return new HqError('HQ_E_AUTH', { path: accessPath });
  // Seen from the server, "theirs" is this worker's version.
  const versions = /^protocol version (\S+) does not fit (\S+)$/.exec(detail);
  if (code === 'HQ_E_VERSION' && versions !== null)
    return new HqError('HQ_E_VERSION', { theirs: versions[2] as string, ours: PROTOCOL_TEXT });
  return new HqError('HQ_E_WORKER_REFUSED', { detail: detail.replace(/^the server refused this worker: /, '') });
}
