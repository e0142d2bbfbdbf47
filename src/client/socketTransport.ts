/**
 * Requests over the Unix socket of a server, for commands that live for one or two of them: a connection for each, and no `node:http`, whose loading and
 * first use take a tenth of such a command's time. Bodies that are wanted piece by piece go through `HttpTransport`. Used by `connection.ts`.
 */
import { connect, type Socket } from 'node:net';
import type { HttpTransport } from './httpTransport.ts';
import { CONNECT_TIMEOUT_MS, type Transport, type TransportAnswer, TransportError, type TransportRequest } from './transport.ts';
import { WholeAnswer } from './wholeAnswer.ts';

export class SocketTransport implements Transport {
  readonly address: string;
  readonly isSocket = true;
  /** What is under way. */
  private readonly sockets = new Set<Socket>();
  private streaming: HttpTransport | undefined;

  /** @param path of the socket */
  constructor(path: string) {
    this.address = path;
  }

  async request(request: TransportRequest): Promise<TransportAnswer> {
    if (request.whole) return this.exchange(request);
    const { HttpTransport } = await import('./httpTransport.ts');
    this.streaming ??= new HttpTransport({ socketPath: this.address });
    return this.streaming.request(request);
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy(new Error('closed'));
    this.streaming?.close();
  }

  private exchange(request: TransportRequest): Promise<TransportAnswer> {
    const { signal } = request;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const socket = connect(this.address);
      this.sockets.add(socket);
      const answer = new WholeAnswer();
      let connected = false;
      const tooLong = setTimeout(() => socket.destroy(new Error('no connection within 5 s')), CONNECT_TIMEOUT_MS);
      const onAbort = () => socket.destroy(new Error('aborted'));
      signal?.addEventListener('abort', onAbort);
      socket.once('connect', () => {
        connected = true;
        clearTimeout(tooLong);
        socket.write(requestText(request));
      });
      const read = (next: () => TransportAnswer | undefined): void => {
        try {
          const whole = next();
          if (whole === undefined) return;
          resolve(whole);
          socket.destroy();
        } catch (error) {
          socket.destroy(error as Error);
        }
      };
      socket.on('data', (piece: Buffer) => read(() => answer.push(piece)));
      socket.once('end', () => read(() => answer.end()));
      socket.once('error', (error) => reject(signal?.aborted ? signal.reason : new TransportError(connected ? 'cut' : 'connect', error)));
      socket.once('close', () => {
        clearTimeout(tooLong);
        this.sockets.delete(socket);
        signal?.removeEventListener('abort', onAbort);
      });
    });
  }
}

/** HTTP/1.0: the server gives the length of its answer and ends the connection. Names and values are our own, without line ends. */
function requestText({ method, path, headers, body }: TransportRequest): string {
  const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const fields = Object.entries({ ...headers, ...length }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.0\r\n${fields.join('')}\r\n${body ?? ''}`;
}
