/**
 * One command that is run for a front: its arguments and environment come in, output and exit code go out, over one connection. Made by
 * `listener.ts`, on the thread for commands.
 */
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { encodeFrame, FrameParser } from '../../protocol/framing.ts';
import * as frames from '../../protocol/frontFrames.ts';
import { VERSION } from '../../protocol/version.ts';
import { internalErrorText } from '../internalError.ts';
import type { CliIo } from '../io.ts';
import { runAccepted } from '../program.ts';

/** Time for the hello, milliseconds: it is written in one go by a process on this host. */
const HELLO_TIMEOUT_MS = 10_000;
/** Output is cut into frames of this size, so that a front never needs more memory. */
const OUTPUT_BYTES = 64 * 1024;
/** The API takes no larger request, so what is beyond is dropped: the submit is refused in any case. */
const INPUT_MAX_BYTES = 256 * 2 ** 20;
/** What Node reads by itself: with another value than this process has, output could differ. */
const NODES_OWN = /^(TZ|NODE_.*)$/;

export class Session {
  private readonly socket: Socket;
  private readonly agent: Agent;
  private readonly parser = new FrameParser(frames.HELLO_LIMIT_BYTES);
  private readonly ended = new AbortController();
  private readonly hello: NodeJS.Timeout;
  private input: Input | null = null;
  /** Takes the beginning of the file that was asked for. */
  private wanted: ((start: Buffer) => void) | null = null;

  /** @param agent carries the requests of all sessions */
  constructor(socket: Socket, agent: Agent) {
    this.socket = socket;
    this.agent = agent;
    this.hello = setTimeout(() => socket.destroy(), HELLO_TIMEOUT_MS);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    // Its end is told by `close`.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(this.hello);
      // As for a command whose terminal has gone.
      this.ended.abort('SIGHUP');
    });
  }

  private receive(chunk: Buffer): void {
    this.parser.push(chunk);
    try {
      for (let body = this.parser.next(); body !== undefined && this.socket.writable; body = this.parser.next()) this.take(body);
    } catch {
      // No frame of a front: nobody is there who could be told.
      this.socket.destroy();
    }
  }

  private take(body: Buffer): void {
    if (this.input === null) return this.begin(frames.parseHello(body));
    if (body[0] === frames.INPUT) this.input.add(body.subarray(1));
    else if (body[0] === frames.FILE_START) this.wanted?.(Buffer.from(body.subarray(1)));
    else if (body[0] === frames.SIGNAL) this.ended.abort(body.toString('latin1', 1));
    else this.socket.destroy();
  }

  private begin(hello: frames.Hello | null): void {
    clearTimeout(this.hello);
    this.parser.setLimit(frames.INPUT_LIMIT_BYTES + 1);
    if (hello === null || hello.version !== VERSION || !sameForNode(hello.env)) return this.refuse();
    this.input = new Input(() => this.send(frames.WANT_INPUT, Buffer.alloc(0)));
    const io: CliIo = {
      cwd: hello.cwd,
      env: hello.env,
      stdin: this.input,
      stdout: this.output(frames.STDOUT, hello.isTty[1], hello.columns[0]),
      stderr: this.output(frames.STDERR, hello.isTty[2], hello.columns[1]),
      signal: this.ended.signal,
      readFileStart: (path) => this.askFor(path),
      agent: this.agent,
    };
    void this.run(hello.argv, io);
  }

  private async run(argv: readonly string[], io: CliIo): Promise<void> {
    let code: number | null;
    try {
      code = await runAccepted(argv, io, (effect) => this.accepts(effect));
    } catch (error) {
      io.stderr.write(internalErrorText(error));
      code = 1;
    }
    if (code === null) return this.refuse();
    await Promise.all([finished(io.stdout), finished(io.stderr)]);
    this.finish(frames.EXIT, Buffer.of(code));
  }

  private askFor(path: string): Promise<Buffer> {
    this.send(frames.WANT_FILE, Buffer.from(path));
    return new Promise((resolve) => {
      this.wanted = resolve;
    });
  }

  private accepts(effect: frames.Effect | null): boolean {
    if (effect !== null) this.send(frames.BEGUN, Buffer.from(frames.EFFECT_LETTERS[effect]));
    return effect !== null;
  }

  private refuse(): void {
    this.finish(frames.NOT_FOR_ME, Buffer.alloc(0));
  }

  /** The last frame; a front that does not hang up is not waited for. */
  private finish(kind: number, data: Uint8Array): void {
    this.socket.end(frame(kind, data), () => this.socket.destroy());
  }

  private send(kind: number, data: Uint8Array, sent?: () => void): void {
    if (this.socket.writable) this.socket.write(frame(kind, data), sent);
    else sent?.();
  }

  /** A stream that takes more when the front has taken what was written. */
  private output(kind: number, isTTY: boolean, columns: number): Writable & { isTTY?: boolean; columns?: number } {
    const stream = new Writable({
      decodeStrings: true,
      write: (chunk: Buffer, _encoding, done) => {
        for (let at = 0; at + OUTPUT_BYTES < chunk.length; at += OUTPUT_BYTES) this.send(kind, chunk.subarray(at, at + OUTPUT_BYTES));
        this.send(kind, chunk.subarray(Math.floor(Math.max(0, chunk.length - 1) / OUTPUT_BYTES) * OUTPUT_BYTES), () => done());
      },
    });
    return isTTY ? Object.assign(stream, { isTTY, ...(columns > 0 && { columns }) }) : stream;
  }
}

/** Standard input of the front, asked for when the command begins to read it. */
class Input extends Readable {
  private readonly want: () => void;
  private asked = false;
  private bytes = 0;

  constructor(want: () => void) {
    super();
    this.want = want;
  }

  /** @param piece an empty one is the end */
  add(piece: Uint8Array): void {
    this.bytes += piece.length;
    if (piece.length === 0) this.push(null);
    else if (this.bytes <= INPUT_MAX_BYTES) this.push(piece);
  }

  override _read(): void {
    if (this.asked) return;
    this.asked = true;
    this.want();
  }
}

function frame(kind: number, data: Uint8Array): Buffer {
  return encodeFrame(Buffer.concat([Buffer.of(kind), data]));
}

function finished(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.end(() => resolve());
  });
}

function sameForNode(env: Readonly<Record<string, string>>): boolean {
  const names = [...Object.keys(env), ...Object.keys(process.env)].filter((name) => NODES_OWN.test(name));
  return names.every((name) => env[name] === process.env[name]);
}
