/**
 * One client's way to its server: chooses an address, authenticates, turns failures into the errors of the table. Finds the server again
 * after a restart by reading the access file anew. Used by `client.ts` and the event reader.
 */
import { existsSync } from 'node:fs';
import type { Agent } from 'node:http';
import { hostname } from 'node:os';
import type { ServerDirOptions } from '../common/serverDir.ts';
import { ERRORS, type ErrorCode, HqError } from '../protocol/errors.ts';
import type { ErrorBody } from '../protocol/schema/error.ts';
import { type FoundAccess, readAccess } from './access.ts';
import { SocketTransport } from './socketTransport.ts';
import { type Transport, type TransportAnswer, TransportError, type TransportRequest } from './transport.ts';

export interface CallOptions {
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

type Candidate = () => Transport | Promise<Transport>;

export class Connection {
  private readonly options: ServerDirOptions;
  private found: FoundAccess;
  private readonly agent: Agent | undefined;
  /** The one in use, and all that may still carry an answer. */
  private transport: Transport | null = null;
  private readonly transports = new Set<Transport>();

  private constructor(options: ServerDirOptions, found: FoundAccess, agent: Agent | undefined) {
    this.options = options;
    this.found = found;
    this.agent = agent;
  }

  /** Reads the access file; the server itself is first asked by the first call. @throws HqError HQ_E_NO_SERVER, HQ_E_ACCESS_FILE */
  static async open(options: ServerDirOptions, agent?: Agent): Promise<Connection> {
    return new Connection(options, await readAccess(options), agent);
  }

  get access(): FoundAccess {
    return this.found;
  }

  /**
   * Makes a call and reads its answer.
   * @returns the parsed JSON; undefined for an answer without a body
   * @throws HqError the server's own, or HQ_E_NO_SERVER, HQ_E_SERVER_UNREACHABLE, HQ_E_SERVER_GONE, HQ_E_AUTH, HQ_E_PROTOCOL
   */
  async call(method: TransportRequest['method'], path: string, options: CallOptions = {}): Promise<unknown> {
    const answer = await this.sendFor(method, path, { ...options, whole: true });
    const text = await this.readText(answer, options.signal);
    return text === '' ? undefined : parseAnswer(text, answer.status);
  }

  /** Like `call`, but hands over the body unread. The caller has to read or destroy it. */
  send(method: TransportRequest['method'], path: string, options: CallOptions = {}): Promise<TransportAnswer> {
    return this.sendFor(method, path, { ...options, whole: false });
  }

  private async sendFor(
    method: TransportRequest['method'],
    path: string,
    { body, signal, whole }: CallOptions & { whole: boolean },
  ): Promise<TransportAnswer> {
    const json = body === undefined ? null : JSON.stringify(body);
    const answer = await this.deliver((token) => ({
      method,
      path,
      headers: {
        ...(json !== null && { 'content-type': 'application/json' }),
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      body: json,
      signal,
      whole,
    }));
    if (answer.status >= 200 && answer.status < 300) return answer;
    throw this.serverError(await this.readText(answer, signal), answer.status);
  }

  /** The body of an answer, destroyed when the iteration is left; a cut connection becomes an error of the table. */
  async *pieces(answer: TransportAnswer, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    try {
      yield* answer.body;
    } catch (error) {
      throw this.bodyError(error, signal);
    }
  }

  /** Cuts off what is under way. */
  close(): void {
    for (const transport of this.transports) transport.close();
    this.transports.clear();
    this.transport = null;
  }

  /** Reads what a cut connection means for somebody who waits for this body. */
  bodyError(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted) return signal.reason;
    return error instanceof HqError ? error : gone(new TransportError('cut', error));
  }

  private async deliver(make: (token: string | null) => TransportRequest): Promise<TransportAnswer> {
    let cut: TransportError | null = null;
    if (this.transport !== null) {
      const answer = await this.attempt(this.transport, make);
      if (!(answer instanceof TransportError)) return answer;
      if (answer.phase === 'cut') cut = answer;
      // A kept connection may just have been closed by the other side, e.g. while this process was suspended. Reading twice does no harm.
      if (cut !== null && make(null).method !== 'GET') throw gone(cut);
      // The server has moved, or is gone: look again. Other answers may still be on their way, so the old connections stay open.
      this.transport = null;
      this.found = await readAccess(this.options);
    }
    const failures: { transport: Transport; error: TransportError }[] = [];
    for (const candidate of this.candidates()) {
      const transport = await candidate();
      this.transports.add(transport);
      const answer = await this.attempt(transport, make);
      if (!(answer instanceof TransportError)) {
        this.transport ??= transport;
        return answer;
      }
      transport.close();
      this.transports.delete(transport);
      if (answer.phase === 'cut') throw gone(answer);
      failures.push({ transport, error: answer });
      // The socket's file is there and nobody listens: the server process is dead, its TCP port is closed, too.
      if (transport.isSocket && answer.refused) break;
    }
    throw cut === null ? this.unreachable(failures) : gone(cut);
  }

  /** @returns the answer, or how the connection failed */
  private async attempt(transport: Transport, make: (token: string | null) => TransportRequest): Promise<TransportAnswer | TransportError> {
    try {
      return await transport.request(make(transport.isSocket ? null : this.found.access.client.token));
    } catch (error) {
      if (error instanceof TransportError) return error;
      throw error;
    }
  }

  private candidates(): Candidate[] {
    const { socket, client } = this.found.access;
    const list: Candidate[] = [];
    if (socket !== null && socket.hostname === hostname() && existsSync(socket.path)) list.push(() => this.onSocket(socket.path));
    const { certificate, token, port } = client;
    if (certificate === null && token !== null) {
      throw new HqError('HQ_E_ACCESS_FILE', {
        path: this.found.file,
        detail: 'it has a token but no certificate; a token is never sent without TLS',
      });
    }
    for (const host of client.hosts) {
      if (certificate === null) list.push(async () => new (await import('./httpTransport.ts')).HttpTransport({ host, port }));
      else list.push(async () => new (await import('./tlsTransport.ts')).TlsTransport({ host, port, certificate }));
    }
    return list;
  }

  /** Somebody who holds connections open has many requests. */
  private async onSocket(path: string): Promise<Transport> {
    if (this.agent === undefined) return new SocketTransport(path);
    return new (await import('./httpTransport.ts')).HttpTransport({ socketPath: path }, this.agent);
  }

  private unreachable(failures: readonly { transport: Transport; error: TransportError }[]): HqError {
    const path = this.found.serverDir;
    const isHere = this.found.access.hostname === hostname();
    const last = failures.at(-1);
    if (last === undefined || (isHere && failures.every(({ error }) => error.refused)))
      return new HqError('HQ_E_NO_SERVER', { path }, { cause: last?.error });
    const address = failures.map(({ transport }) => transport.address).join(', ');
    return new HqError('HQ_E_SERVER_UNREACHABLE', { path, address, detail: last.error.message }, { cause: last.error });
  }

  private async readText(answer: TransportAnswer, signal: AbortSignal | undefined): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.pieces(answer, signal)) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
  }

  private serverError(text: string, status: number): HqError {
    // The server cannot know which file the token came from.
    if (status === 401) return new HqError('HQ_E_AUTH', { path: this.found.file });
    const { error } = (parseAnswer(text, status) ?? {}) as Partial<ErrorBody>;
    if (error === undefined) return new HqError('HQ_E_PROTOCOL', { detail: `the answer has status ${status} and no error` });
    if (error.code in ERRORS) return new HqError(error.code as ErrorCode, error.data);
    return new HqError('HQ_E_PROTOCOL', { detail: `${error.message} (${error.code}, of a newer server)` });
  }
}

function gone(cut: TransportError): HqError {
  return new HqError('HQ_E_SERVER_GONE', { detail: cut.message }, { cause: cut });
}

function parseAnswer(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HqError('HQ_E_PROTOCOL', { detail: `the answer with status ${status} is not JSON` }, { cause: error });
  }
}
