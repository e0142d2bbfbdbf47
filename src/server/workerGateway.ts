/**
 * The workers' side of the server: accepts connections, checks hellos, turns frames into steps of the turn loop and sends what the loop
 * decided. Keeps a worker's tasks while its connection is broken, and declares it lost when it does not return.
 *
 * Modes of a worker: `connected` -> (connection breaks) `away` -> (returns in time) `connected` | (does not) lost;
 * `connected` -> (says that it leaves, or its heartbeat stops) lost.
 */
import type { Core } from '../core/core.ts';
import { onUpdates } from '../core/reactor/onUpdates.ts';
import { onWorkerConnected, onWorkerDisconnected, onWorkerLost, onWorkerReconnected } from '../core/reactor/onWorker.ts';
import { isMember } from '../core/schedule/gangs.ts';
import type { Connection } from '../net/connection.ts';
import { HqError } from '../protocol/errors.ts';
import {
  type FromWorker,
  HELD_RUNNING,
  type ToWorker,
  UPDATE_STARTED,
  type Welcome,
  type WorkerHello,
} from '../protocol/messages/worker.ts';
import { decodeFromWorker, encodeToWorker } from '../protocol/messages/workerCodec.ts';
import type { WorkerEnd } from '../protocol/schema/worker.ts';
import { MEMBER_SINCE_MINOR, VERSION } from '../protocol/version.ts';
import { checkHello } from './helloCheck.ts';
import type { Recorder } from './recorder.ts';
import { LONGEST_TIMER_MS, type TurnLoop } from './turnLoop.ts';
import { encodeFitting } from './workerFrames.ts';
import { type WorkerEntry, type WorkerRegistry, workerSpec } from './workerRegistry.ts';

/** A worker that is away when it is to stop gets this long to return and be told, milliseconds: its longest pause between two attempts is 2 s. */
const STOP_AWAY_MS = 5_000;

/** A worker is silent for this many of its heartbeats before it counts as lost (HyperQueue's rule). */
const SILENT_HEARTBEATS = 2;

export interface GatewayOptions {
  readonly core: Core;
  readonly loop: TurnLoop;
  readonly recorder: Recorder;
  readonly registry: WorkerRegistry;
  readonly serverUid: string;
  /** Null: authentication is switched off. */
  readonly token: string | null;
  /** Default idle timeout of workers, milliseconds. */
  readonly idleTimeoutMs: number | null;
  /** Unix milliseconds. */
  readonly now: () => number;
  log(line: string): void;
  /** Within a turn: a new worker; one that is gone; one whose connection has broken. */
  onRegistered(entry: WorkerEntry): void;
  onLeft(entry: WorkerEntry, reason: WorkerEnd): void;
  onAway(entry: WorkerEntry): void;
  /** Has results that workers have left behind delivered now. */
  collectSpool(): void;
}

export class WorkerGateway {
  private readonly o: GatewayOptions;
  private stopping = false;
  private closed = false;
  /** Set while the server waits for all workers to leave. */
  private allGone: (() => void) | null = null;

  constructor(options: GatewayOptions) {
    this.o = options;
  }

  /** Takes over a fresh connection; it becomes a worker with an acceptable hello. */
  accept(connection: Connection): void {
    let session: { entry: WorkerEntry | null } | null = null;
    connection.start({
      onFrame: (body) => {
        const message = decodeFromWorker(body);
        if (session !== null) {
          if (session.entry !== null) this.onMessage(session.entry, connection, message);
          return;
        }
        if (message[0] !== 'hello') throw new HqError('HQ_E_PROTOCOL', { detail: `the first frame is '${message[0]}', not a hello` });
        session = { entry: null };
        this.onHello(connection, message[1], (entry) => {
          if (session !== null) session.entry = entry;
        });
      },
      onClose: (reason) => {
        if (reason.kind === 'protocol') this.o.log(`worker connection from ${connection.peer}: ${reason.detail}`);
        const entry = session?.entry ?? null;
        if (entry !== null && entry.connection === connection) this.onBroken(entry, reason.kind === 'timeout');
      },
    });
  }

  /** Sends the frames of a committed turn; what cannot be sent is settled when the worker returns. */
  send(workerId: number, frames: readonly ToWorker[]): void {
    const entry = this.o.registry.get(workerId);
    if (entry === undefined || entry.connection === null || entry.welcomed !== entry.connection) return;
    for (const message of frames) {
      if (message[0] === 'member' && entry.protocolMinor < MEMBER_SINCE_MINOR) continue;
      for (const frame of encodeFitting(message)) entry.connection.send(frame);
    }
  }

  /** Asks one worker to stop its tasks and leave. */
  stopWorker(entry: WorkerEntry): void {
    const worker = this.o.core.workers.get(entry.id);
    if (worker !== undefined) worker.stopping = true;
    entry.stopRequested = true;
    if (entry.connection === null) this.expectReturn(entry, STOP_AWAY_MS);
    else if (entry.welcomed === entry.connection) entry.connection.send(encodeToWorker(['stop']));
    // Otherwise it is told with its welcome.
  }

  /** Asks all workers to leave; resolves when they have and their last results are on disk, or after `timeoutMs`. */
  async stopAll(timeoutMs: number): Promise<void> {
    this.stopping = true;
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, timeoutMs).unref();
      this.allGone = () => {
        clearTimeout(deadline);
        resolve();
      };
      for (const entry of this.o.registry.all()) this.stopWorker(entry);
      this.o.loop.post(() => this.noticeAllGone());
    });
  }

  /** Cuts all connections without telling the workers that they are lost: they keep their tasks and come back. */
  close(): void {
    this.stopping = true;
    this.closed = true;
    for (const entry of this.o.registry.all()) {
      if (entry.lossTimer !== null) clearTimeout(entry.lossTimer);
      const connection = entry.connection;
      entry.connection = null;
      connection?.destroy('the server exits');
    }
  }

  /** A worker is away (restored, or its connection broke): it is lost after `graceMs`. */
  expectReturn(entry: WorkerEntry, graceMs: number): void {
    if (this.closed) return;
    if (entry.lossTimer !== null) clearTimeout(entry.lossTimer);
    entry.lossTimer = setTimeout(() => this.lose(entry, 'CONNECTION LOST'), Math.min(graceMs, LONGEST_TIMER_MS));
  }

  /** Its processes are gone, as others know: it is lost for this reason at once, or when its connection breaks, too. */
  processesGone(entry: WorkerEntry, reason: WorkerEnd): void {
    entry.endReason = reason;
    if (entry.connection !== null) return;
    this.o.collectSpool();
    this.lose(entry, reason);
  }

  /** A worker of the previous server process: what that has committed of it is made durable before the worker may forget it. */
  restored(entry: WorkerEntry, graceMs: number): void {
    this.expectReturn(entry, graceMs);
    this.o.loop.post(() => this.confirm(entry, true));
  }

  /** What a worker left in its spool file when it ended: its last updates. `done` is called once they are on disk. */
  deliverSpool(session: string, messages: readonly FromWorker[], done: () => void): void {
    this.o.loop.post(() => {
      const entry = this.o.registry.ofSession(session);
      if (entry !== undefined) {
        for (const message of messages) if (message[0] === 'updates') this.applyUpdates(entry, message);
        this.leave(entry, 'STOPPED');
      }
      this.o.loop.afterDurable(done, true);
    });
  }

  private onHello(connection: Connection, hello: WorkerHello, done: (entry: WorkerEntry) => void): void {
    const refusal = checkHello(hello, this.o);
    if (refusal !== null) {
      connection.send(encodeToWorker(['refused', refusal.code, refusal.message]));
      connection.close(refusal.message);
      return;
    }
    connection.accepted();
    connection.setIdleTimeout(Math.min(hello.configuration.heartbeatMs * SILENT_HEARTBEATS, LONGEST_TIMER_MS));
    this.o.loop.post(() => {
      const known = this.o.registry.ofSession(hello.session);
      if ((this.stopping && known === undefined) || !connection.isOpen) return connection.destroy('the server stops');
      done(known === undefined ? this.register(connection, hello) : this.resume(known, connection, hello));
    });
  }

  /** A new session, or one that was declared lost meanwhile: in both cases nothing that it holds is wanted. */
  private register(connection: Connection, hello: WorkerHello): WorkerEntry {
    const { core, recorder, registry } = this.o;
    const nowMs = this.o.now();
    const entry: WorkerEntry = {
      id: registry.nextId(),
      session: hello.session,
      configuration: hello.configuration,
      connectedAtMs: nowMs,
      protocolMinor: hello.protocol[1],
      connection,
      welcomed: null,
      lastSeq: 0,
      durableSeq: 0,
      lossTimer: null,
      stopRequested: false,
      lastTaskStarted: null,
      endReason: null,
    };
    registry.add(entry);
    onWorkerConnected(core, recorder, { spec: workerSpec(entry.id, entry.configuration), nowMs });
    recorder.entry({ kind: 'worker', workerId: entry.id, session: entry.session, configuration: entry.configuration, atMs: nowMs });
    recorder.event({ type: 'worker-connected', workerId: entry.id, configuration: entry.configuration });
    this.o.onRegistered(entry);
    this.welcome(entry, connection, []);
    return entry;
  }

  private resume(entry: WorkerEntry, connection: Connection, hello: WorkerHello): WorkerEntry {
    const { core, recorder } = this.o;
    if (entry.lossTimer !== null) clearTimeout(entry.lossTimer);
    entry.lossTimer = null;
    const previous = entry.connection;
    entry.connection = connection;
    entry.protocolMinor = hello.protocol[1];
    previous?.destroy('the worker opened another connection');
    const held = hello.held.map(([job, task, instance]) => [job, task, instance] as const);
    const { wanted, resend } = onWorkerReconnected(core, recorder, { workerId: entry.id, held, nowMs: this.o.now() });
    recorder.event({ type: 'worker-reconnected', workerId: entry.id });
    this.o.log(`worker ${entry.id} is back with ${hello.held.filter(([, , , state]) => state === HELD_RUNNING).length} running tasks`);
    this.welcome(entry, connection, wanted);
    // With the welcome the worker forgets that it is one.
    const worker = core.workers.get(entry.id);
    if (worker !== undefined && isMember(core, worker)) core.gangChanges.add(entry.id);
    if (!entry.stopRequested) for (const row of resend) recorder.assign(entry.id, row);
    return entry;
  }

  private welcome(entry: WorkerEntry, connection: Connection, wanted: Welcome['wanted']): void {
    const { serverUid, idleTimeoutMs } = this.o;
    // After the commit, so that a worker never holds an id that a restarted server would give out again.
    this.o.loop.afterCommit(() => {
      if (entry.connection !== connection) return;
      const welcome: Welcome = {
        workerId: entry.id,
        serverUid,
        serverVersion: VERSION,
        ackedSeq: entry.durableSeq,
        idleTimeoutMs,
        wanted,
        wantsRoom: true,
        wantsNotices: true,
      };
      connection.send(encodeToWorker(['welcome', welcome]));
      entry.welcomed = connection;
      if (entry.stopRequested) connection.send(encodeToWorker(['stop']));
    });
  }

  private onMessage(entry: WorkerEntry, connection: Connection, message: FromWorker): void {
    if (entry.connection !== connection) return;
    switch (message[0]) {
      case 'updates':
        return this.o.loop.post(() => this.applyUpdates(entry, message));
      case 'heartbeat':
        // Answered, so that a worker notices a dead line, too.
        return connection.send(encodeToWorker(['heartbeat']));
      case 'notice':
        return this.o.loop.post(() => this.o.recorder.event({ type: 'worker-notice', workerId: entry.id, message: message[1] }));
      case 'leaving':
        return this.o.loop.post(() => this.leave(entry, message[1]));
      case 'hello':
        throw new HqError('HQ_E_PROTOCOL', { detail: 'a second hello on one connection' });
    }
  }

  private applyUpdates(entry: WorkerEntry, [, seq, updates, room]: Extract<FromWorker, readonly ['updates', ...unknown[]]>): void {
    if (this.o.registry.get(entry.id) !== entry) return;
    if (seq > entry.lastSeq) {
      entry.lastSeq = seq;
      onUpdates(this.o.core, this.o.recorder, { workerId: entry.id, updates, room: room ?? null, nowMs: this.o.now() });
      for (const update of updates) {
        if (update[0] === UPDATE_STARTED) entry.lastTaskStarted = { jobId: update[1], taskId: update[2], atMs: update[4] };
      }
      this.o.recorder.entry({ kind: 'worker-seq', workerId: entry.id, seq });
    }
    // Repeated frames are acknowledged again: their first acknowledgement may have been lost.
    this.confirm(entry, false);
  }

  /** Acknowledges everything that has been applied up to this turn, once it is on disk; later turns may not be by then. */
  private confirm(entry: WorkerEntry, fsync: boolean): void {
    // To the connection of this moment: a worker that is leaving waits for it.
    const { connection, lastSeq } = entry;
    this.o.loop.afterDurable(() => {
      entry.durableSeq = Math.max(entry.durableSeq, lastSeq);
      connection?.send(encodeToWorker(['ack', lastSeq]));
    }, fsync);
  }

  private leave(entry: WorkerEntry, reason: WorkerEnd): void {
    if (this.o.registry.get(entry.id) !== entry) return;
    onWorkerLost(this.o.core, this.o.recorder, { workerId: entry.id, reason, nowMs: this.o.now() });
    this.o.registry.remove(entry);
    this.o.onLeft(entry, reason);
    const connection = entry.connection;
    entry.connection = null;
    // Hanging up tells the worker that its last results are on disk, so it may delete what it kept of them.
    this.o.loop.afterDurable(() => connection?.close('the worker leaves'), true);
    this.noticeAllGone();
  }

  private noticeAllGone(): void {
    if (this.allGone !== null && this.o.registry.all().length === 0) this.o.loop.afterDurable(this.allGone, true);
  }

  private onBroken(entry: WorkerEntry, silent: boolean): void {
    entry.connection = null;
    if (this.stopping && !silent) return this.lose(entry, 'STOPPED');
    if (silent) return this.lose(entry, 'HEARTBEAT LOST');
    this.o.loop.post(() => {
      if (entry.connection !== null || this.o.registry.get(entry.id) !== entry) return;
      onWorkerDisconnected(this.o.core, entry.id);
      this.o.recorder.event({ type: 'worker-disconnected', workerId: entry.id });
      if (entry.endReason !== null) return this.lose(entry, entry.endReason);
      this.expectReturn(entry, entry.configuration.heartbeatMs);
      this.o.onAway(entry);
    });
  }

  private lose(entry: WorkerEntry, reason: WorkerEnd): void {
    this.o.loop.post(() => {
      // It may have returned in the same moment.
      if (entry.connection === null) this.leave(entry, entry.endReason ?? reason);
    });
  }
}
