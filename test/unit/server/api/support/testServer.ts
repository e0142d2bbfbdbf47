/** The real API on real sockets in a directory of its own, with the fake facade behind it. Everything is gone after `stop`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientAccess } from '../../../../../src/protocol/accessFile.ts';
import { createApi } from '../../../../../src/server/api/app.ts';
import type { ApiLimits } from '../../../../../src/server/api/limits.ts';
import { type Listening, listenApi } from '../../../../../src/server/api/listen.ts';
import { makeCertificate } from '../../../net/certificate.ts';
import { FakeFacade } from './fakeFacade.ts';

export const TOKEN = 'client-token-of-the-tests';
export const { certificate: CERT, key: KEY } = await makeCertificate();

export class TestServer {
  readonly dir = mkdtempSync(join(tmpdir(), 'hqapi-'));
  readonly socketPath = join(this.dir, 'socket');
  facade = new FakeFacade();
  /** [level, first argument, text] */
  readonly logged: unknown[][] = [];
  private listeners: Listening[] = [];

  get port(): number {
    return this.listeners.map((listener) => listener.port).find((port) => port !== null) as number;
  }

  /** Listens on what is named. */
  async start(
    places: { socket?: boolean; tls?: boolean; plain?: boolean; port?: number; limits?: Partial<ApiLimits> } = { socket: true },
  ): Promise<void> {
    const write =
      (level: string) =>
      (...values: unknown[]) =>
        void this.logged.push([level, ...values]);
    const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
    const limits = places.limits ?? {};
    const app = createApi(this.facade, { logger, limits });
    const { port = 0 } = places;
    if (places.socket) this.listeners.push(await listenApi({ app, logger, limits, target: { socketPath: this.socketPath } }));
    if (places.tls)
      this.listeners.push(
        await listenApi({ app, logger, limits, target: { host: '127.0.0.1', port, cert: CERT, key: KEY, token: TOKEN } }),
      );
    if (places.plain)
      this.listeners.push(
        await listenApi({ app, logger, limits, target: { host: '127.0.0.1', port, cert: null, key: null, token: null } }),
      );
  }

  /** Writes `access.json` as the server does. */
  writeAccess(changes: { client?: Partial<ClientAccess['client']>; socket?: ClientAccess['socket']; hostname?: string } = {}): void {
    const access: ClientAccess = {
      version: '0.1.0',
      protocol: '1.0',
      serverUid: this.facade.info.serverUid,
      pid: process.pid,
      hostname: changes.hostname ?? hostname(),
      startedAtMs: 1,
      client: { hosts: ['127.0.0.1'], port: this.port ?? 1, token: TOKEN, certificate: CERT, ...changes.client },
      socket: changes.socket === undefined ? { path: this.socketPath, hostname: hostname() } : changes.socket,
    };
    writeFileSync(join(this.dir, 'access.json'), JSON.stringify(access), { mode: 0o600 });
  }

  /** Connections that are open at the moment, over all listeners. */
  connectionCount(): number {
    return this.listeners.reduce((sum, listener) => sum + listener.connections, 0);
  }

  async closeListeners(options?: { graceMs?: number }): Promise<void> {
    const { listeners } = this;
    this.listeners = [];
    await Promise.all(listeners.map((listener) => listener.close(options)));
  }

  async stop(): Promise<void> {
    await this.closeListeners({ graceMs: 0 });
    rmSync(this.dir, { recursive: true, force: true });
  }
}
