/** A server made of a listener and a script: real sockets, real frames, no scheduler. And a worker that runs against it in this process. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { parseCpuDescriptor } from '../../../src/common/resourceDescriptor.ts';
import type { Connection } from '../../../src/net/connection.ts';
import { type Listener, listen } from '../../../src/net/listen.ts';
import type { WorkerAccess } from '../../../src/protocol/accessFile.ts';
import { FrameParser } from '../../../src/protocol/framing.ts';
import {
  type TaskKey,
  type TaskUpdate,
  type ToWorker,
  UPDATE_NOTIFIED,
  UPDATE_STARTED,
  type WireBody,
  type WorkerHello,
} from '../../../src/protocol/messages/worker.ts';
import { decodeFromWorker, encodeToWorker } from '../../../src/protocol/messages/workerCodec.ts';
import type { WorkerInfo } from '../../../src/protocol/schema/worker.ts';
import { runWorker } from '../../../src/worker/main.ts';
import type { WorkerOverrides } from '../../../src/worker/options.ts';
import { makeCertificate } from '../net/certificate.ts';

export const SERVER_UID = 'fAke01';

export class FakeServer {
  readonly dir: string;
  readonly hellos: WorkerHello[] = [];
  /** Update frames as they came, repeated ones too. */
  readonly frames: { seq: number; updates: readonly TaskUpdate[] }[] = [];
  /** Updates of frames that had not been seen before. */
  readonly updates: TaskUpdate[] = [];
  readonly leaving: string[] = [];
  heartbeats = 0;
  /** Acknowledge at once? */
  acks = true;
  idleTimeoutMs: number | null = null;
  /** Answer to a hello; default: welcome, everything held is wanted. */
  answer: (hello: WorkerHello) => ToWorker = (hello) =>
    this.welcome(
      hello,
      (hello.held as [number, number, number, number][]).map(([j, t, i]) => [j, t, i]),
    );
  connection: Connection | undefined;
  ackedSeq = 0;
  private seenSeq = 0;
  private listener: Listener | undefined;
  private readonly tls: { key: string; certificate: string } | null;

  private constructor(dir: string, tls: { key: string; certificate: string } | null) {
    this.dir = dir;
    this.tls = tls;
  }

  static async start(options: { tls?: boolean } = {}): Promise<FakeServer> {
    const dir = mkdtempSync(join(tmpdir(), 'hq-fake'));
    const server = new FakeServer(dir, options.tls === false ? null : await makeCertificate());
    await server.listen();
    return server;
  }

  /** Listens on a new port and writes the access file. */
  async listen(): Promise<void> {
    this.listener = await listen({ host: '127.0.0.1', port: 0, tls: this.tls, onConnection: (connection) => this.accept(connection) });
    const access: WorkerAccess = {
      version: '0.1.0',
      protocol: '1.0',
      serverUid: SERVER_UID,
      pid: process.pid,
      hostname: hostname(),
      startedAtMs: Date.now(),
      worker: { hosts: ['127.0.0.1'], port: this.listener.port, token: 'secret', certificate: this.tls?.certificate ?? null },
    };
    writeFileSync(join(this.dir, 'worker-access.json'), JSON.stringify(access), { mode: 0o600 });
  }

  welcome(hello: WorkerHello, wanted: readonly TaskKey[]): ToWorker {
    const { ackedSeq, idleTimeoutMs } = this;
    return ['welcome', { workerId: hello.workerId ?? 7, serverUid: SERVER_UID, serverVersion: '0.1.0', ackedSeq, idleTimeoutMs, wanted }];
  }

  send(message: ToWorker): void {
    this.connection?.send(encodeToWorker(message));
  }

  /** Tasks `ids` of job 1. */
  compute(body: WireBody, ids: readonly number[], o: { instance?: number; entry?: string } = {}): void {
    this.send(['compute', [body], ids.map((id) => [1, id, o.instance ?? 0, 0, o.entry ?? null, 0] as const)]);
  }

  /** Last words about a task: everything but its start and its messages. */
  end(task: number): TaskUpdate | undefined {
    return this.updates.find((update) => update[0] !== UPDATE_STARTED && update[0] !== UPDATE_NOTIFIED && update[2] === task);
  }

  async waitEnd(task: number): Promise<TaskUpdate> {
    return vi.waitFor(
      () => {
        const end = this.end(task);
        expect(end, `end of task ${task}`).toBeDefined();
        return end as TaskUpdate;
      },
      { timeout: 8_000, interval: 5 },
    );
  }

  async waitStarted(task: number): Promise<void> {
    await vi.waitFor(() => expect(this.updates.some((update) => update[0] === UPDATE_STARTED && update[2] === task)).toBe(true), {
      timeout: 8_000,
      interval: 5,
    });
  }

  /** Acknowledges everything from now on and everything before. */
  ackAll(): void {
    this.acks = true;
    this.ackedSeq = this.seenSeq;
    this.send(['ack', this.seenSeq]);
  }

  /** Stops listening and cuts the line, as a killed server does. */
  async vanish(): Promise<void> {
    await this.listener?.close();
    this.listener = undefined;
    this.cut();
  }

  cut(): void {
    this.connection?.destroy();
    this.connection = undefined;
  }

  /** Frames in the spool directory, and the names of the files. */
  spool(): { names: string[]; updates: TaskUpdate[] } {
    const dir = join(this.dir, 'spool');
    mkdirSync(dir, { recursive: true });
    const names = readdirSync(dir);
    const updates: TaskUpdate[] = [];
    for (const name of names) {
      const parser = new FrameParser();
      parser.push(readFileSync(join(dir, name)));
      for (let body = parser.next(); body !== undefined; body = parser.next()) {
        const message = decodeFromWorker(body);
        if (message[0] === 'updates') updates.push(...message[2]);
      }
    }
    return { names, updates };
  }

  async close(): Promise<void> {
    await this.vanish();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private accept(connection: Connection): void {
    connection.start({
      onFrame: (body) => {
        const message = decodeFromWorker(body);
        switch (message[0]) {
          case 'hello':
            this.hellos.push(message[1]);
            this.connection = connection;
            connection.accepted();
            connection.send(encodeToWorker(this.answer(message[1])));
            break;
          case 'updates':
            this.onUpdates(message[1], message[2]);
            break;
          case 'heartbeat':
            this.heartbeats += 1;
            break;
          case 'leaving':
            this.leaving.push(message[1]);
            break;
        }
      },
      onClose: () => {
        if (this.connection === connection) this.connection = undefined;
      },
    });
  }

  private onUpdates(seq: number, updates: readonly TaskUpdate[]): void {
    this.frames.push({ seq, updates });
    if (seq > this.seenSeq) {
      this.seenSeq = seq;
      this.updates.push(...updates);
    }
    if (!this.acks) return;
    this.ackedSeq = this.seenSeq;
    this.send(['ack', this.seenSeq]);
  }
}

export interface RunningWorker {
  readonly code: Promise<number>;
  readonly abort: AbortController;
  readonly registered: WorkerInfo[];
  log(): string;
}

/** Starts a worker with 4 CPUs against the server. */
export function startWorker(
  server: FakeServer,
  overrides: WorkerOverrides = {},
  o: { env?: Record<string, string>; connectTimeoutMs?: number; launcherPath?: string } = {},
): RunningWorker {
  const abort = new AbortController();
  const registered: WorkerInfo[] = [];
  let log = '';
  const stderr = new Writable({
    write(chunk, _encoding, callback) {
      log += String(chunk);
      callback();
    },
  });
  const code = runWorker({
    serverDir: server.dir,
    overrides: {
      cpus: parseCpuDescriptor('4'),
      detect: [],
      manager: 'none',
      heartbeatMs: 200,
      workDir: join(server.dir, 'work'),
      ...overrides,
    },
    io: { stderr, env: { PATH: process.env.PATH, HOME: '/nonexistent', ...o.env }, signal: abort.signal },
    hqPath: '/opt/hq',
    connectTimeoutMs: o.connectTimeoutMs ?? 5_000,
    ...(o.launcherPath === undefined ? {} : { launcherPath: o.launcherPath }),
    onRegistered: (worker) => registered.push(worker),
  });
  // Tests look at the outcome later; until then a rejection is not unhandled.
  code.catch(() => {});
  return { code, abort, registered, log: () => log };
}

/** Starts a worker and waits until it is registered. */
export async function startRegistered(...args: Parameters<typeof startWorker>): Promise<RunningWorker> {
  const worker = startWorker(...args);
  await vi.waitFor(() => expect(worker.registered).toHaveLength(1), { timeout: 8_000, interval: 5 });
  return worker;
}

/** A server and a worker with Node's launcher, fresh for each test of a file. */
export function serverWithWorker(): { server: FakeServer; worker: RunningWorker } {
  const both = {} as { server: FakeServer; worker: RunningWorker };
  beforeEach(async () => {
    both.server = await FakeServer.start({ tls: false });
    both.worker = await startRegistered(both.server, {}, { env: { HQ_LAUNCHER: 'node' } });
  });
  afterEach(async () => {
    both.worker.abort.abort();
    await both.worker.code;
    await both.server.close();
  });
  return both;
}

/** @returns processes of this machine whose environment contains the text */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        const [, state] = /\) (\S)/.exec(readFileSync(`/proc/${name}/stat`, 'latin1')) ?? [];
        return state !== 'Z' && readFileSync(`/proc/${name}/environ`, 'latin1').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}
