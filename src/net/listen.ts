/**
 * Listens for framed connections over TLS or plain TCP. Called by the server's worker gateway and by tests.
 */
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { HqError } from '../protocol/errors.ts';
import { Connection, HANDSHAKE_TIMEOUT_MS } from './connection.ts';

export interface ListenOptions {
  /** Address to bind, e.g. `0.0.0.0`. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** PEM texts; null: plain TCP. */
  readonly tls: { readonly key: string; readonly certificate: string } | null;
  /** Time for the TLS handshake, and again for the hello, milliseconds. */
  readonly handshakeTimeoutMs?: number;
  /** An established connection; the owner calls `start` on it in the same turn. */
  onConnection(connection: Connection): void;
  /** A connection that ended before it was established, e.g. a failed TLS handshake; one line for a log. */
  onRefused?(detail: string): void;
}

export interface Listener {
  readonly host: string;
  /** The port in use. */
  readonly port: number;
  /** Stops listening and cuts connections that are not established; established ones belong to their owner. */
  close(): Promise<void>;
}

/**
 * @returns the listener, once it listens
 * @throws HqError HQ_E_PORT when the address or port cannot be bound
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const handshakeTimeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
  const pending = new Set<Socket>();
  const server = makeServer(options, handshakeTimeoutMs, (socket) => {
    for (const raw of pending) if (raw.remotePort === socket.remotePort && raw.remoteAddress === socket.remoteAddress) pending.delete(raw);
    options.onConnection(Connection.over(socket, { handshakeTimeoutMs }));
  });
  if (options.tls !== null) {
    // The raw socket below TLS: cut on close when its handshake is still under way.
    server.on('connection', (socket: Socket) => {
      pending.add(socket);
      socket.once('close', () => pending.delete(socket));
    });
    server.on('tlsClientError', (error: Error, socket: Socket) => {
      options.onRefused?.(error.message);
      socket.destroy();
    });
  }
  await bind(server, options);
  // Running out of file descriptors shows up here; the connections that exist go on.
  server.on('error', (error) => options.onRefused?.(error.message));
  return {
    host: options.host,
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of pending) socket.destroy();
        // The callback waits for established connections too, which live on under their owner: what counts is that nothing new comes.
        server.close();
        setImmediate(resolve);
      }),
  };
}

function makeServer(options: ListenOptions, handshakeTimeoutMs: number, onSocket: (socket: Socket) => void): Server {
  if (options.tls === null) return createTcpServer(onSocket);
  const { key, certificate } = options.tls;
  return createTlsServer({ key, cert: certificate, minVersion: 'TLSv1.3', handshakeTimeout: handshakeTimeoutMs }, onSocket);
}

function bind(server: Server, { host, port }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const detail = error.code === 'EADDRINUSE' ? 'it is in use' : error.message;
      reject(new HqError('HQ_E_PORT', { host, port, detail }, { cause: error }));
    };
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.removeListener('error', onError);
      resolve();
    });
  });
}
