/** Requests over a Unix socket, or over plain TCP to a server without authentication. `node:http` alone: it is there in 4 ms. */
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { CONNECT_TIMEOUT_MS, IDLE_MS, type Transport, type TransportAnswer, TransportError, type TransportRequest } from './transport.ts';

export type HttpPlace = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export class HttpTransport implements Transport {
  readonly address: string;
  readonly isSocket: boolean;
  private readonly place: HttpPlace;
  private readonly agent: Agent;
  private readonly ownsAgent: boolean;
  /** What is under way. */
  private readonly requests = new Set<ClientRequest>();

  /** @param agent holds connections beyond the life of this transport; default: an own one, which ends with it */
  constructor(place: HttpPlace, agent?: Agent) {
    this.place = place;
    this.ownsAgent = agent === undefined;
    this.agent = agent ?? new Agent({ keepAlive: true, timeout: IDLE_MS });
    this.isSocket = 'socketPath' in place;
    this.address = 'socketPath' in place ? place.socketPath : `${place.host}:${place.port}`;
  }

  request({ method, path, headers, body, signal }: TransportRequest): Promise<TransportAnswer> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      // No name for TLS: Node would work one out, with a pattern whose first use costs a command 5 ms.
      const options = { ...this.place, servername: '', agent: this.agent, method, path, headers: { ...headers, ...length } };
      const request = httpRequest(options);
      this.requests.add(request);
      let connected = false;
      const tooLong = setTimeout(() => request.destroy(new Error('no connection within 5 s')), CONNECT_TIMEOUT_MS);
      const onConnected = () => {
        connected = true;
        clearTimeout(tooLong);
      };
      const onAbort = () => request.destroy(new Error('aborted'));
      signal?.addEventListener('abort', onAbort);
      request.once('socket', (socket) => (socket.connecting ? socket.once('connect', onConnected) : onConnected()));
      request.on('error', (error) => reject(signal?.aborted ? signal.reason : new TransportError(connected ? 'cut' : 'connect', error)));
      request.once('response', (response: IncomingMessage) => {
        resolve({ status: response.statusCode as number, headers: response.headers, body: response });
      });
      request.once('close', () => {
        clearTimeout(tooLong);
        this.requests.delete(request);
        signal?.removeEventListener('abort', onAbort);
      });
      request.end(body ?? undefined);
    });
  }

  close(): void {
    for (const request of this.requests) request.destroy();
    if (this.ownsAgent) this.agent.destroy();
  }
}
