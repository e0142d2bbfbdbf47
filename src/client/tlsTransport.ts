/**
 * Requests with TLS to a server on another host, verified against the one certificate of the access file. Loads undici (more than 100 ms),
 * so this module is imported only when it is needed.
 */

import { X509Certificate } from 'node:crypto';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type buildConnector, Pool } from 'undici';
import {
  CONNECT_TIMEOUT_MS,
  IDLE_MS,
  TCP_KEEP_ALIVE_MS,
  type Transport,
  type TransportAnswer,
  TransportError,
  type TransportRequest,
} from './transport.ts';

export interface TlsPlace {
  readonly host: string;
  readonly port: number;
  /** PEM */
  readonly certificate: string;
}

export class TlsTransport implements Transport {
  readonly address: string;
  readonly isSocket = false;
  private readonly pool: Pool;

  /** @throws Error when the certificate is none */
  constructor(place: TlsPlace) {
    this.address = `${place.host}:${place.port}`;
    const host = place.host.includes(':') ? `[${place.host}]` : place.host;
    this.pool = new Pool(`https://${host}:${place.port}`, {
      connect: connector(place),
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      // A submit of 100,000 tasks is answered when it is on disk, and an event stream may be silent; the caller's signal is the limit.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  async request({ method, path, headers, body, signal }: TransportRequest): Promise<TransportAnswer> {
    signal?.throwIfAborted();
    try {
      const answer = await this.pool.request({ method, path, headers, body, signal: signal ?? null });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error instanceof TransportError ? error : new TransportError('cut', error);
    }
  }

  close(): void {
    this.pool.destroy().catch(() => undefined);
  }
}

/** Our own, because only it knows whether a failure came before anything was sent. */
function connector({ host, port, certificate }: TlsPlace): buildConnector.connector {
  const pinned = new X509Certificate(certificate).raw;
  return (_options, callback) => {
    const socket: TLSSocket = tlsConnect({
      host,
      port,
      ca: certificate,
      // Pinned below; names and addresses change with the network, the certificate does not.
      checkServerIdentity: () => undefined,
      servername: '',
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
    });
    const tooLong = setTimeout(() => socket.destroy(new Error('no connection within 5 s')), CONNECT_TIMEOUT_MS);
    const onError = (error: Error) => {
      clearTimeout(tooLong);
      callback(new TransportError('connect', error), null);
    };
    socket.once('error', onError);
    socket.once('secureConnect', () => {
      clearTimeout(tooLong);
      if (!socket.getPeerX509Certificate()?.raw.equals(pinned)) {
        socket.destroy(new Error("the server's certificate is not the one of the access file"));
        return;
      }
      socket.off('error', onError);
      socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
      socket.setNoDelay(true);
      callback(null, socket);
    });
  };
}
