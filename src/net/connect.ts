/**
 * Opens a framed connection to the endpoint of an access file: every host in turn, TLS against exactly the certificate that the file holds,
 * or plain TCP when it holds none. Called by the worker's session.
 */
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from '../protocol/accessFile.ts';
import { HqError } from '../protocol/errors.ts';
import { FRAME_LIMIT_BYTES } from '../protocol/messages/worker.ts';
import { Connection } from './connection.ts';

/** Time per address, milliseconds: an address that swallows packets must not hold up the next one. */
const ATTEMPT_TIMEOUT_MS = 5_000;

export interface ConnectOptions {
  /** The access file, for the error message. */
  readonly accessPath: string;
  readonly attemptTimeoutMs?: number;
  /** Ends the attempt; the promise then rejects as if the last address had failed. */
  readonly signal?: AbortSignal;
}

/**
 * @returns an established connection, not yet started
 * @throws HqError HQ_E_SERVER_UNREACHABLE with the reason of every address
 */
export async function connectEndpoint(endpoint: Endpoint, options: ConnectOptions): Promise<Connection> {
  const failures: string[] = [];
  for (const host of endpoint.hosts) {
    if (options.signal?.aborted) break;
    try {
      // The other side has proved who it is, so its first frame may be large (a welcome names every wanted task).
      return Connection.over(await connectHost(endpoint, host, options), { frameLimitBytes: FRAME_LIMIT_BYTES });
    } catch (error) {
      failures.push(`${host}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const address = `${endpoint.hosts.join(', ')} port ${endpoint.port}`;
  throw new HqError('HQ_E_SERVER_UNREACHABLE', { path: options.accessPath, address, detail: failures.join('; ') || 'interrupted' });
}

function connectHost(endpoint: Endpoint, host: string, options: ConnectOptions): Promise<Socket> {
  const timeoutMs = options.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS;
  return new Promise((resolve, reject) => {
    const socket =
      endpoint.certificate === null ? connectTcp({ host, port: endpoint.port }) : connectPinned(endpoint.certificate, host, endpoint.port);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
      socket.removeListener('error', settle);
      if (error === undefined) {
        resolve(socket);
        return;
      }
      socket.on('error', () => {}); // a second error of a socket that is given up
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => settle(new Error('interrupted'));
    const timer = setTimeout(() => settle(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    options.signal?.addEventListener('abort', onAbort);
    socket.once('error', settle);
    socket.once('close', () => settle(new Error('the connection was closed')));
    socket.once(endpoint.certificate === null ? 'connect' : 'secureConnect', () => settle());
  });
}

function connectPinned(certificate: string, host: string, port: number): Socket {
  const pinned = new X509Certificate(certificate).raw;
  return connectTls({
    host,
    port,
    ca: [certificate],
    minVersion: 'TLSv1.3',
    // Host names say nothing here (addresses change, tunnels); that it is this very certificate says everything.
    checkServerIdentity: (_host, peer) =>
      peer.raw.equals(pinned) ? undefined : new Error('the server has another certificate than the access file'),
  });
}
