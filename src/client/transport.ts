/** What carries requests to a server: the interface of the two transports (`httpTransport.ts`, `tlsTransport.ts`) and their one error. */

export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string | null;
  readonly signal: AbortSignal | undefined;
  /** The body is read to its end before anything is done with it. */
  readonly whole: boolean;
}

export interface TransportAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Ends early with an error when the connection is cut. */
  readonly body: AsyncIterable<Uint8Array> & { destroy(): unknown };
}

/** Keeps connections open between requests; idle ones do not keep the process alive. */
export interface Transport {
  /** For messages: a path or host:port. */
  readonly address: string;
  /** A Unix socket: no token is sent. */
  readonly isSocket: boolean;
  /** @throws TransportError; the signal's reason when it is aborted */
  request(request: TransportRequest): Promise<TransportAnswer>;
  /** Closes all connections, also those in use. */
  close(): void;
}

/** `connect`: nothing was sent, another address may be tried. `cut`: the server may or may not have acted. */
export class TransportError extends Error {
  readonly phase: 'connect' | 'cut';
  /** Nobody listens there (refused, or no such socket). */
  readonly refused: boolean;

  constructor(phase: 'connect' | 'cut', cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    // An AggregateError of several addresses has a code but no message.
    super(message || code || 'unknown error', { cause });
    this.name = 'TransportError';
    this.phase = phase;
    this.refused = code === 'ECONNREFUSED' || code === 'ENOENT';
  }
}

/** A server that does not answer the connection request within this time is taken for unreachable: a dead host gives no answer at all. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Idle connections are closed after this time, before the server does it (75 s), so that no request meets a closing connection. */
export const IDLE_MS = 30_000;
/** How long a silent TCP connection waits before it asks whether the other host is still there. */
export const TCP_KEEP_ALIVE_MS = 30_000;
