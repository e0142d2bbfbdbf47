/**
 * Frames: a 32-bit little-endian length followed by that many bytes. Pure on buffers; `net/connection.ts` feeds the parser with what a
 * socket delivers, and spool files hold the same frames one after another.
 */
import { HqError } from './errors.ts';
import { FRAME_LIMIT_BYTES, HELLO_FRAME_LIMIT_BYTES } from './messages/worker.ts';

/** Size of the length in front of every frame. */
export const FRAME_HEADER_BYTES = 4;

/** First allocation for a frame that arrives in pieces; it doubles as bytes really arrive, so that a length alone reserves no memory. */
const FIRST_BODY_BYTES = 64 * 1024;

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * @param body bytes of one message
 * @returns header and body in one buffer
 * @throws HqError HQ_E_PROTOCOL when the body is larger than any peer accepts
 */
export function encodeFrame(body: Uint8Array): Buffer {
  checkSize(body.length, FRAME_LIMIT_BYTES);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * Cuts a byte stream back into frames. Call `push` with each chunk, then `next` until it answers undefined; the limit may be raised
 * between two frames of one chunk. After an exception the parser is of no more use.
 */
export class FrameParser {
  private limitBytes: number;
  /** Input not looked at yet: `input` from `at`, then `queue`. */
  private input: Buffer = NOTHING;
  private at = 0;
  private readonly queue: Buffer[] = [];
  /** Header of the frame being read; complete when `headerHave` is 4. */
  private readonly header: Buffer = Buffer.alloc(FRAME_HEADER_BYTES);
  private headerHave = 0;
  /** Bytes of a frame that does not lie in one chunk. */
  private body: Buffer = NOTHING;
  private bodyHave = 0;

  /** @param limitBytes largest body that is accepted */
  constructor(limitBytes: number = HELLO_FRAME_LIMIT_BYTES) {
    this.limitBytes = limitBytes;
  }

  /** Applies to every frame whose header has not been read yet. */
  setLimit(bytes: number): void {
    this.limitBytes = bytes;
  }

  /** True when no byte of an unfinished frame is held: the stream may end here. */
  get atFrameEnd(): boolean {
    return this.headerHave === 0 && this.available() === 0;
  }

  /** Takes bytes as they came from the peer; the chunk must not be changed afterwards. */
  push(chunk: Buffer): void {
    if (chunk.length > 0) this.queue.push(chunk);
  }

  /**
   * @returns the body of the next complete frame (it may share memory with a chunk), or undefined when more input is needed
   * @throws HqError HQ_E_PROTOCOL when the header announces more than the limit; nothing of such a frame is kept
   */
  next(): Buffer | undefined {
    while (this.headerHave < FRAME_HEADER_BYTES) {
      if (!this.refill()) return undefined;
      this.header[this.headerHave++] = this.input[this.at++] as number;
      if (this.headerHave === FRAME_HEADER_BYTES) checkSize(this.header.readUInt32LE(0), this.limitBytes);
    }
    const length = this.header.readUInt32LE(0);
    if (this.bodyHave === 0 && (length === 0 || (this.refill() && this.input.length - this.at >= length))) {
      const whole = this.input.subarray(this.at, this.at + length);
      this.at += length;
      this.headerHave = 0;
      return whole;
    }
    while (this.bodyHave < length) {
      if (!this.refill()) return undefined;
      this.copyBody(length);
    }
    const assembled = this.body.subarray(0, length);
    this.body = NOTHING;
    this.bodyHave = 0;
    this.headerHave = 0;
    return assembled;
  }

  private copyBody(length: number): void {
    const count = Math.min(length - this.bodyHave, this.input.length - this.at);
    if (this.bodyHave + count > this.body.length) {
      const size = Math.min(length, Math.max(FIRST_BODY_BYTES, this.body.length * 2, this.bodyHave + count));
      const larger = Buffer.allocUnsafe(size);
      this.body.copy(larger, 0, 0, this.bodyHave);
      this.body = larger;
    }
    this.input.copy(this.body, this.bodyHave, this.at, this.at + count);
    this.bodyHave += count;
    this.at += count;
  }

  /** Makes sure that `input` has an unread byte; false when there is none. */
  private refill(): boolean {
    if (this.at < this.input.length) return true;
    const following = this.queue.shift();
    this.input = following ?? NOTHING;
    this.at = 0;
    return following !== undefined;
  }

  private available(): number {
    let bytes = this.input.length - this.at;
    for (const chunk of this.queue) bytes += chunk.length;
    return bytes;
  }
}

function checkSize(bytes: number, limitBytes: number): void {
  if (bytes > limitBytes)
    throw new HqError('HQ_E_PROTOCOL', { detail: `a frame of ${bytes} bytes is larger than the limit of ${limitBytes} bytes` });
}
