/**
 * An HTTP answer as it arrives, in pieces of any size, until it is whole. Pure; for `socketTransport.ts`, whose only peer is hq's own server: an answer is as
 * long as it says or goes on to the end of the connection, and never comes in chunks, because it was asked for as HTTP/1.0.
 */
import type { TransportAnswer } from './transport.ts';

const HEAD_END = '\r\n\r\n';
/** Node's own limit for the headers of an answer. */
const HEAD_MAX_BYTES = 16_384;

export class WholeAnswer {
  private pieces: Buffer[] = [];
  private bytes = 0;
  /** `end` of the head and `total` of everything are bytes; the total is infinite where only the end of the connection tells it. */
  private head:
    | { readonly status: number; readonly headers: Record<string, string>; readonly end: number; readonly total: number }
    | undefined;

  /**
   * Takes the next bytes.
   * @returns the answer when it is complete
   * @throws Error when this is no such answer
   */
  push(piece: Buffer): TransportAnswer | undefined {
    this.pieces.push(piece);
    this.bytes += piece.length;
    if (this.head === undefined) this.readHead();
    return this.head !== undefined && this.bytes >= this.head.total ? this.answer(this.head) : undefined;
  }

  /**
   * The connection has ended.
   * @returns the answer
   * @throws Error when part of it is missing
   */
  end(): TransportAnswer {
    if (this.head?.total !== Number.POSITIVE_INFINITY) throw new Error('the connection ended before the answer');
    return this.answer(this.head);
  }

  private answer({ status, headers, end, total }: NonNullable<WholeAnswer['head']>): TransportAnswer {
    return { status, headers, body: oneBody(Buffer.concat(this.pieces).subarray(end, total)) };
  }

  private readHead(): void {
    const seen = this.pieces.length === 1 ? (this.pieces[0] as Buffer) : Buffer.concat(this.pieces);
    this.pieces = [seen];
    const at = seen.indexOf(HEAD_END);
    if (at < 0 && this.bytes <= HEAD_MAX_BYTES) return;
    const [statusLine = '', ...lines] = seen.toString('latin1', 0, Math.max(at, 0)).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1]);
    if (!(status >= 200)) throw new Error('the answer is not HTTP');
    const headers = Object.fromEntries(lines.map(fieldOf));
    const end = at + HEAD_END.length;
    this.head = { status, headers, end, total: end + bodyBytes(status, headers['content-length']) };
  }
}

function bodyBytes(status: number, length: string | undefined): number {
  if (status === 204) return 0;
  if (length === undefined) return Number.POSITIVE_INFINITY;
  if (!/^\d{1,15}$/.test(length)) throw new Error('the answer does not say how long it is');
  return Number(length);
}

/** @returns name in small letters, and value */
function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  if (colon < 1) throw new Error('a header of the answer is not valid');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

function oneBody(bytes: Buffer): TransportAnswer['body'] {
  return {
    async *[Symbol.asyncIterator]() {
      if (bytes.length > 0) yield bytes;
    },
    destroy: () => undefined,
  };
}
