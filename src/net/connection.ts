/**
 * A framed connection over TLS or TCP, the same on both sides: the listener accepts one, a worker connects one. All sends of one turn leave in
 * one write; the owner learns of frames, of an emptied queue and, exactly once, of the end.
 */
import type { Socket } from 'node:net';
import { HqError } from '../protocol/errors.ts';
import { encodeFrame, FrameParser } from '../protocol/framing.ts';
import { FRAME_LIMIT_BYTES, HELLO_FRAME_LIMIT_BYTES } from '../protocol/messages/worker.ts';

/**
 * Why a connection ended. `local`: this side closed it; `peer`: the other side did, cleanly between two frames; `lost`: a socket error or an end
 * within a frame; `protocol`: the peer sent something invalid; `timeout`: no hello in time, or silence for longer than allowed.
 */
export interface CloseReason {
  readonly kind: 'local' | 'peer' | 'lost' | 'protocol' | 'timeout';
  /** One line for a log or an error message. */
  readonly detail: string;
}

/** What the owner of a connection hears. */
export interface ConnectionHandlers {
  /** Body of one frame, which may be kept. An HqError thrown here ends the connection as `protocol`. */
  onFrame(body: Buffer): void;
  /** Called once, always, and nothing after it. */
  onClose(reason: CloseReason): void;
  /** Everything sent has been handed to the operating system; only called after `queuedBytes` was above zero. */
  onDrain?(): void;
}

export interface ConnectionOptions {
  /** Time from the connection to `accepted()`, milliseconds. */
  readonly handshakeTimeoutMs?: number;
  /** Largest frame before `accepted()`; default 64 KiB, for peers that have not proved who they are. */
  readonly frameLimitBytes?: number;
}

/** How long the peer may take from the connection to `accepted()`, milliseconds. The original uses 15 s per step. */
export const HANDSHAKE_TIMEOUT_MS = 15_000;

/** After a closing write the peer gets this long to read it and to hang up, milliseconds. */
const LINGER_MS = 2_000;

/** Keep-alive probes start after this silence, milliseconds; they find peers whose host has vanished. */
const KEEP_ALIVE_MS = 30_000;

/** Made by `connectEndpoint` (connect.ts) and `listen` (listen.ts), or over any socket that stands. */
export class Connection {
  /** `1.2.3.4:5678`, for messages. */
  readonly peer: string;
  private readonly socket: Socket;
  private readonly parser: FrameParser;
  private handlers: ConnectionHandlers | undefined;
  private batch: Buffer[] = [];
  private batchBytes = 0;
  private flushPlanned = false;
  private closing: CloseReason | undefined;
  private ended = false;
  private handshakeTimer: NodeJS.Timeout | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private lastReadMs = performance.now();

  private constructor(socket: Socket, options: ConnectionOptions) {
    const handshakeTimeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    this.socket = socket;
    this.parser = new FrameParser(options.frameLimitBytes ?? HELLO_FRAME_LIMIT_BYTES);
    this.peer = `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.handshakeTimer = setTimeout(
      () => this.finish({ kind: 'timeout', detail: `no hello within ${handshakeTimeoutMs / 1000} s` }),
      handshakeTimeoutMs,
    );
    socket.on('error', (error) => this.finish({ kind: 'lost', detail: error.message }));
    socket.on('end', () => this.onEnd());
    socket.on('close', () => this.finish({ kind: 'lost', detail: 'the connection was closed' }));
  }

  /** Wraps an established socket (TLS handshake done). Nothing is read before `start`. */
  static over(socket: Socket, options: ConnectionOptions = {}): Connection {
    return new Connection(socket, options);
  }

  /** Begins to read; frames that were sent earlier are delivered now. */
  start(handlers: ConnectionHandlers): void {
    this.handlers = handlers;
    if (this.ended) {
      const reason = this.closing as CloseReason;
      queueMicrotask(() => handlers.onClose(reason));
      return;
    }
    this.socket.on('data', (chunk: Buffer) => this.onData(chunk));
    this.socket.on('drain', () => {
      if (!this.ended && this.queuedBytes === 0) this.handlers?.onDrain?.();
    });
  }

  /** The hello was accepted: frames up to 32 MiB from now on, and no more handshake timeout. */
  accepted(): void {
    this.parser.setLimit(FRAME_LIMIT_BYTES);
    clearTimeout(this.handshakeTimer);
    this.handshakeTimer = undefined;
  }

  /** Ends the connection as `timeout` when nothing arrives for this long; null switches it off. */
  setIdleTimeout(ms: number | null): void {
    clearTimeout(this.idleTimer);
    this.idleTimer = undefined;
    if (ms === null || this.ended) return;
    this.lastReadMs = performance.now();
    this.armIdleTimer(ms, ms);
  }

  /** Milliseconds since the last byte arrived. */
  get silentMs(): number {
    return performance.now() - this.lastReadMs;
  }

  /** Bytes sent but not yet taken by the operating system: backpressure for owners that can wait. */
  get queuedBytes(): number {
    return this.batchBytes + this.socket.writableLength;
  }

  get isOpen(): boolean {
    return this.closing === undefined;
  }

  /**
   * Queues one frame; sends after the end are dropped (`onClose` has told or will tell).
   * @throws HqError HQ_E_PROTOCOL when the body is larger than any peer accepts
   */
  send(body: Uint8Array): void {
    if (this.closing !== undefined) return;
    const frame = encodeFrame(body);
    this.batch.push(frame);
    this.batchBytes += frame.length;
    if (this.flushPlanned) return;
    this.flushPlanned = true;
    process.nextTick(() => this.flush());
  }

  /** Sends what is queued, then hangs up; a peer that does not follow is cut off. Frames that still arrive are ignored. */
  close(detail = 'closed'): void {
    if (this.closing !== undefined) return;
    this.flush();
    this.closing = { kind: 'local', detail };
    this.socket.end();
    this.socket.resume();
    setTimeout(() => this.socket.destroy(), LINGER_MS).unref();
  }

  /** Hangs up at once; what is queued may be lost. */
  destroy(detail = 'closed'): void {
    this.finish({ kind: 'local', detail });
  }

  /** Writes what is queued now instead of at the end of the turn; for owners that are about to do something slow. */
  flush(): void {
    this.flushPlanned = false;
    if (this.batch.length === 0 || this.closing !== undefined) return;
    const bytes = this.batch.length === 1 ? (this.batch[0] as Buffer) : Buffer.concat(this.batch, this.batchBytes);
    this.batch = [];
    this.batchBytes = 0;
    this.socket.write(bytes);
  }

  private onData(chunk: Buffer): void {
    if (this.closing !== undefined) return;
    this.lastReadMs = performance.now();
    this.parser.push(chunk);
    try {
      for (let body = this.parser.next(); body !== undefined; body = this.parser.next()) {
        this.handlers?.onFrame(body);
        if (this.closing !== undefined) return;
      }
    } catch (error) {
      if (!(error instanceof HqError)) throw error;
      this.finish({ kind: 'protocol', detail: error.message });
    }
  }

  private onEnd(): void {
    if (this.parser.atFrameEnd) this.finish({ kind: 'peer', detail: 'the peer closed the connection' });
    else this.finish({ kind: 'lost', detail: 'the connection ended within a frame' });
  }

  private armIdleTimer(ms: number, delayMs: number): void {
    this.idleTimer = setTimeout(() => {
      // After a stall of this process bytes may lie unread in the socket: one round of the event loop reads them first.
      setImmediate(() => {
        if (this.ended || this.idleTimer === undefined) return;
        const left = ms - this.silentMs;
        if (left > 0) this.armIdleTimer(ms, left);
        else this.finish({ kind: 'timeout', detail: `nothing was received for ${ms / 1000} s` });
      });
    }, delayMs);
  }

  /** The first reason counts; everything is released before the owner hears of it. */
  private finish(reason: CloseReason): void {
    if (this.ended) return;
    this.ended = true;
    this.closing ??= reason;
    clearTimeout(this.handshakeTimer);
    clearTimeout(this.idleTimer);
    this.batch = [];
    this.batchBytes = 0;
    this.socket.destroy();
    this.handlers?.onClose(this.closing);
  }
}
