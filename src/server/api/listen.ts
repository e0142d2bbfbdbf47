/**
 * Listeners of the HTTP API: a Unix socket, TLS on TCP with the client token, or plain TCP on loopback without one. Hostile bytes end
 * here: what is no request is answered with 400 and cut off. Called by the server's main function once per listener.
 */
import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, isIP, type Socket } from 'node:net';
import { HqError } from '../../protocol/errors.ts';
import { rawErrorAnswer, sendError } from './answers.ts';
import type { ApiApp } from './app.ts';
import { type Guard, openGuard, plainGuard, tokenGuard } from './guard.ts';
import { type ApiLimits, DEFAULT_LIMITS } from './limits.ts';
import type { ApiLogger } from './logger.ts';
import { prepareSocketFile, protectSocketFile } from './socketFile.ts';

/** `cert`, `key` (PEM) and `token` come together; all null: no authentication, plain, loopback only. Port 0: any free one. */
export type ListenTarget =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number; readonly cert: string; readonly key: string; readonly token: string }
  | { readonly host: string; readonly port: number; readonly cert: null; readonly key: null; readonly token: null };

export interface Listening {
  /** The TCP port; null on a Unix socket. */
  readonly port: number | null;
  /** Open connections at the moment. */
  readonly connections: number;
  /**
   * Takes no more connections, ends event streams, lets running requests finish for `graceMs` (default 2 s) and cuts the rest off.
   * A Unix socket's file is removed.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

export interface ListenOptions {
  readonly app: ApiApp;
  readonly target: ListenTarget;
  readonly logger: ApiLogger;
  readonly limits?: Partial<ApiLimits>;
}

/** What is open at the moment. A socket is there from its first packet, before any handshake. */
interface OpenParts {
  readonly sockets: Set<Socket>;
  readonly answers: Set<ServerResponse>;
}

/** How long requests that run at the end of the server may take to be answered. */
const CLOSE_GRACE_MS = 2_000;

/** @throws HqError HQ_E_SERVER_DIR (socket), HQ_E_PORT (TCP), HQ_E_USAGE (no authentication on an address that others reach) */
export async function listenApi({ app, target, logger, limits: given }: ListenOptions): Promise<Listening> {
  const limits = { ...DEFAULT_LIMITS, ...given };
  const closing = new AbortController();
  // Every open answer listens, and takes its listener away when it ends: their number says nothing of a leak.
  setMaxListeners(0, closing.signal);
  const server = makeServer(target, limits);
  const open: OpenParts = { sockets: new Set(), answers: new Set() };
  const listener = requestListener({ app, guard: guardOf(target), closing: closing.signal, logger, answers: open.answers });
  server.on('connection', (socket) => track(open.sockets, socket));
  server.on('request', listener);
  // An expectation other than 100-continue may be ignored; Node would answer it without a word.
  server.on('checkExpectation', listener);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuseBytes({ error, socket, limits }));
  server.on('tlsClientError', (error: Error, socket: Socket) => {
    logger.debug({ detail: error.message }, 'a TLS handshake failed');
    socket.destroy();
  });
  server.maxConnections = limits.connections;
  await listening(server, target);
  // After this, an error of the listening socket (e.g. out of file descriptors in accept) must not end the process.
  server.on('error', (error) => logger.error({ err: error }, 'the API listener failed'));
  const address = server.address() as AddressInfo | string;
  let closed: Promise<void> | undefined;
  return {
    port: typeof address === 'string' ? null : address.port,
    get connections() {
      return open.sockets.size;
    },
    close: ({ graceMs = CLOSE_GRACE_MS } = {}) => {
      closing.abort();
      closed ??= close(server, { open, graceMs });
      return closed;
    },
  };
}

function makeServer(target: ListenTarget, limits: ApiLimits): Server {
  const options: ServerOptions = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleMs,
    // How late a timeout may be noticed.
    connectionsCheckingInterval: Math.max(50, Math.min(limits.headersTimeoutMs / 4, 5_000)),
    keepAlive: true,
    noDelay: true,
    requireHostHeader: false,
  };
  if ('socketPath' in target || target.cert === null) return createServer(options);
  const { cert, key } = target;
  return createTlsServer({ ...options, cert, key, minVersion: 'TLSv1.2', handshakeTimeout: limits.headersTimeoutMs });
}

function guardOf(target: ListenTarget): Guard {
  if ('socketPath' in target) return openGuard;
  if (target.token !== null) return tokenGuard(target.token);
  if (!isLoopback(target.host))
    throw new HqError('HQ_E_USAGE', { detail: `without authentication the server listens on loopback only, not on ${target.host}` });
  return plainGuard;
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

interface ListenerParts {
  readonly app: ApiApp;
  readonly guard: Guard;
  readonly closing: AbortSignal;
  readonly logger: ApiLogger;
  readonly answers: Set<ServerResponse>;
}

function requestListener({ app, guard, closing, logger, answers }: ListenerParts) {
  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    if (closing.aborted) outgoing.setHeader('connection', 'close');
    track(answers, outgoing);
    // A client that leaves in mid-answer is no event; without a listener it would end the process.
    outgoing.on('error', (error) => logger.debug({ detail: error.message }, 'an answer could not be delivered'));
    // What is left of a body that was refused: the sender reads the answer only when it has sent all. Its time is limited, as for any request.
    outgoing.once('finish', () => incoming.resume());
    const refused = guard(incoming.headers);
    if (refused === null) return void app({ incoming, outgoing, closing });
    const challenge: Record<string, string> = refused.code === 'HQ_E_AUTH' ? { 'www-authenticate': 'Bearer' } : {};
    sendError(outgoing, refused, { connection: 'close', ...challenge });
  };
}

/** Answers what is no HTTP request, if the sender still listens, and cuts it off. */
function refuseBytes({ error, socket, limits }: { error: NodeJS.ErrnoException; socket: Socket; limits: ApiLimits }): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const detail =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? `the headers are larger than ${limits.headerBytes} bytes`
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 'it did not arrive in time'
        : 'this is not HTTP';
  socket.end(rawErrorAnswer(new HqError('HQ_E_REQUEST', { detail }), 'Bad Request'), () => socket.destroy());
}

function listening(server: Server, target: ListenTarget): Promise<void> {
  if ('socketPath' in target) prepareSocketFile(target.socketPath);
  return new Promise((resolve, reject) => {
    server.once('error', (error: Error) => {
      reject(
        'socketPath' in target
          ? new HqError('HQ_E_SERVER_DIR', { path: target.socketPath, detail: error.message }, { cause: error })
          : new HqError('HQ_E_PORT', { host: target.host, port: target.port, detail: error.message }, { cause: error }),
      );
    });
    server.listen('socketPath' in target ? { path: target.socketPath } : { host: target.host, port: target.port }, () => {
      if ('socketPath' in target) protectSocketFile(target.socketPath);
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function close(server: Server, { open, graceMs }: { open: OpenParts; graceMs: number }): Promise<void> {
  return new Promise((resolve) => {
    const cutOff = setTimeout(() => {
      for (const socket of open.sockets) socket.destroy();
    }, graceMs);
    server.close(() => {
      clearTimeout(cutOff);
      resolve();
    });
    for (const answer of open.answers) {
      if (!answer.headersSent) answer.setHeader('connection', 'close');
    }
    server.closeIdleConnections();
  });
}

/** Keeps `item` in `set` until it closes. */
function track<Item extends Socket | ServerResponse>(set: Set<Item>, item: Item): void {
  set.add(item);
  item.once('close', () => set.delete(item));
}
