/**
 * A server process from its journal to its end: listeners, access files, signals, shutdown. Made by `runServer`.
 *
 * Modes: `starting` -> `serving` -> `stopping` (with or without its workers) -> ended.
 */
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { type Listener, listen } from '../net/listen.ts';
import { HqError, toHqError } from '../protocol/errors.ts';
import { PROTOCOL_TEXT, VERSION } from '../protocol/version.ts';
import { createApi } from './api/app.ts';
import { type Listening, listenApi } from './api/listen.ts';
import { CommandThread } from './commandThread.ts';
import { clearAccess, writeAccess } from './identity/access.ts';
import { serverAddresses } from './identity/addresses.ts';
import type { Identity } from './identity/identity.ts';
import { chooseSocketPath } from './identity/socketPath.ts';
import type { Journal } from './journal/types.ts';
import type { RunServerOptions } from './main.ts';
import { HqServer, type StopMode } from './server.ts';
import { Spool } from './spool.ts';

/** Workers get this long to stop their tasks (a grace second each) and to deliver their last results, milliseconds. */
const STOP_WORKERS_TIMEOUT_MS = 60_000;
/** Workers of a previous process get this long to come back, milliseconds. */
const RECONNECT_TIMEOUT_MS = 120_000;
/** Ended jobs and their events are kept this long, milliseconds. */
const RETENTION_MS = 90 * 86_400_000;

type End = { readonly kind: 'stop'; readonly mode: StopMode; readonly reason: string } | { readonly kind: 'fatal'; readonly error: Error };

export class ServerProcess {
  private readonly options: RunServerOptions;
  private readonly log: Logger;
  private readonly identity: Identity;
  private readonly journal: Journal;
  private readonly startedAtMs = Date.now();
  private readonly hosts: string[];
  private readonly workerHosts: string[];
  private readonly server: HqServer;
  private readonly ended: Promise<End>;
  private end: (end: End) => void = () => {};
  private clients: Listening[] = [];
  private workers: Listener | null = null;
  private socketPath: string | null = null;
  private commands: CommandThread | null = null;
  private clientPort = 0;
  private spool: Spool | null = null;

  constructor(o: { options: RunServerOptions; log: Logger; identity: Identity; journal: Journal }) {
    this.options = o.options;
    this.log = o.log;
    this.identity = o.identity;
    this.journal = o.journal;
    this.hosts = serverAddresses({ host: o.options.host });
    this.workerHosts = o.options.workerHost === undefined ? this.hosts : serverAddresses({ host: o.options.workerHost });
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
    this.server = new HqServer({
      journal: o.journal,
      serverUid: o.identity.uid,
      workerToken: o.options.disableWorkerAuth ? null : o.identity.workerToken,
      idleTimeoutMs: o.options.idleTimeoutMs ?? null,
      exitWhenIdleMs: o.options.exitWhenIdleMs ?? null,
      reconnectTimeoutMs: o.options.reconnectTimeoutMs ?? RECONNECT_TIMEOUT_MS,
      serverDir: o.identity.dir,
      hqPath: hqExecutable(),
      env: o.options.env,
      paranoid: o.options.env['HQ_PARANOID'] === '1',
      now: Date.now,
      describe: () => this.describe(),
      log: (line) => this.log.info(line),
      collectSpool: () => this.spool?.scan(),
      stopRequested: (mode, reason) => this.end({ kind: 'stop', mode, reason }),
      fatal: (error) => this.end({ kind: 'fatal', error }),
    });
  }

  /** @returns exit code as `runServer` */
  async run(): Promise<number> {
    const { signal } = this.options;
    const onSignal = (): void =>
      this.end({ kind: 'stop', mode: { keepWorkers: signal.reason !== 'SIGINT' }, reason: `signal ${String(signal.reason)}` });
    signal.addEventListener('abort', onSignal);
    if (signal.aborted) onSignal();
    try {
      await this.listen();
      this.writeAccess();
      this.spool = new Spool({
        directory: this.identity.spoolDir,
        deliver: (session, messages, done) => this.server.gateway.deliverSpool(session, messages, done),
        log: (line) => this.log.warn(line),
      });
      this.options.onReady(this.server.serverInfo());
      this.startCommands();
      void this.journal.prune(Date.now() - RETENTION_MS).catch((error: unknown) => this.log.warn(toHqError(error).message));
      return await this.finish(await this.ended);
    } catch (error) {
      await this.abandon();
      throw error;
    } finally {
      this.spool?.close();
      signal.removeEventListener('abort', onSignal);
    }
  }

  private async listen(): Promise<void> {
    const { options, identity, log } = this;
    const app = createApi(this.server, { logger: log });
    const place = chooseSocketPath({ serverUid: identity.uid, env: options.env });
    for (const line of place.passedOver) log.warn(`no Unix socket in ${line}`);
    if (place.path !== null) this.clients.push(await listenApi({ app, target: { socketPath: place.path }, logger: log }));
    this.socketPath = place.path;
    const { certificate: cert, key, clientToken: token } = identity;
    const proof = options.disableClientAuth ? { cert: null, key: null, token: null } : { cert, key, token };
    const tcp = await onPort(options.clientPort, identity.lastPorts.client, (port) =>
      listenApi({ app, target: { host: this.bindAddress(options.disableClientAuth), port, ...proof }, logger: log }),
    );
    this.clients.push(tcp);
    this.clientPort = tcp.port as number;
    this.workers = await onPort(options.workerPort, identity.lastPorts.worker, (port) =>
      listen({
        host: this.bindAddress(options.disableWorkerAuth, options.workerHost),
        port,
        tls: options.disableWorkerAuth ? null : { key, certificate: cert },
        onConnection: (connection) => this.server.gateway.accept(connection),
        onRefused: (detail) => log.debug(`a worker connection was refused: ${detail}`),
      }),
    );
  }

  /** Every address unless only this host can be meant; without authentication never more than loopback. */
  private bindAddress(withoutAuth: boolean, host: string | undefined = this.options.host): string {
    return withoutAuth || host === '127.0.0.1' || host === 'localhost' ? '127.0.0.1' : '0.0.0.0';
  }

  private startCommands(): void {
    if (this.socketPath === null || this.options.env['HQ_FRONT'] === 'off') return;
    this.commands = new CommandThread({ dir: this.identity.dir, apiSocketPath: this.socketPath, warn: (line) => this.log.warn(line) });
    this.commands.start();
  }

  private writeAccess(): void {
    const { options } = this;
    writeAccess(this.identity, {
      hosts: this.hosts,
      workerHosts: this.workerHosts,
      clientPort: this.clientPort,
      workerPort: this.workers?.port ?? 0,
      socketPath: this.socketPath,
      clientAuth: !options.disableClientAuth,
      workerAuth: !options.disableWorkerAuth,
      startedAtMs: this.startedAtMs,
    });
  }

  private async finish(end: End): Promise<number> {
    if (end.kind === 'fatal') {
      const error = toHqError(end.error);
      this.log.fatal(
        { code: error.code, ...(error.code === 'HQ_E_INTERNAL' ? { err: end.error } : {}) },
        `${error.message}. ${error.hint}`,
      );
      await this.abandon();
      return 1;
    }
    this.log.info(`the server ends: ${end.reason}`);
    await this.server.shutdown(end.mode, STOP_WORKERS_TIMEOUT_MS);
    await this.closeListeners();
    clearAccess(this.identity);
    return 0;
  }

  /** After a failure: workers keep what they have, and the directory is given free. */
  private async abandon(): Promise<void> {
    this.server.gateway.close();
    await this.closeListeners();
    await this.journal.close().catch(() => undefined);
    clearAccess(this.identity);
  }

  private async closeListeners(): Promise<void> {
    await this.commands?.close();
    this.commands = null;
    await Promise.all([...this.clients.map((listener) => listener.close()), this.workers?.close()]);
    this.clients = [];
    this.workers = null;
  }

  private describe(): ReturnType<ConstructorParameters<typeof HqServer>[0]['describe']> {
    return {
      serverUid: this.identity.uid,
      serverDir: this.identity.dir,
      version: VERSION,
      protocol: PROTOCOL_TEXT,
      pid: process.pid,
      hostname: hostname(),
      startedAtMs: this.startedAtMs,
      journalPath: this.identity.journalPath,
      clientHost: this.hosts[0] ?? hostname(),
      clientPort: this.clientPort,
      workerHost: this.workerHosts[0] ?? hostname(),
      workerPort: this.workers?.port ?? 0,
      socketPath: this.socketPath,
    };
  }
}

/** The command that started this process: the front beside the script, where there is one, else the script itself. */
function hqExecutable(): string {
  const script = resolve(process.argv[1] ?? 'hq');
  const front = join(dirname(script), 'hq');
  return existsSync(front) ? front : script;
}

/** Listens on the port that was asked for; else on the previous one, so that peers find the server again; else on a free one. */
async function onPort<T>(asked: number | undefined, previous: number | null, open: (port: number) => Promise<T>): Promise<T> {
  if (asked !== undefined) return open(asked);
  if (previous !== null) {
    try {
      return await open(previous);
    } catch (error) {
      if (!(error instanceof HqError) || error.code !== 'HQ_E_PORT') throw error;
    }
  }
  return open(0);
}
