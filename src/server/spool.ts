/**
 * Results that dying workers could not deliver: files of frames in the identity's spool directory, read at start and every few seconds,
 * applied like frames of a connection and deleted once they are on disk.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { HqError, toHqError } from '../protocol/errors.ts';
import { FrameParser } from '../protocol/framing.ts';
import { FRAME_LIMIT_BYTES, type FromWorker } from '../protocol/messages/worker.ts';
import { decodeFromWorker } from '../protocol/messages/workerCodec.ts';

/** `<worker id>-<session>.spool`; a file is complete when it has this name (workers rename it into place). */
const SPOOL_NAME = /^\d+-([0-9a-f]{32})\.spool$/;
/** A dead worker's results may arrive this much later, milliseconds; a listing of an empty directory costs a few microseconds. */
const SCAN_INTERVAL_MS = 5_000;

export interface SpoolOptions {
  readonly directory: string;
  /** Applies the messages of a session; calls `done` when they are on disk. Unknown sessions are done at once. */
  deliver(session: string, messages: readonly FromWorker[], done: () => void): void;
  log(line: string): void;
}

export class Spool {
  private readonly o: SpoolOptions;
  private readonly underWay = new Set<string>();
  private readonly timer: NodeJS.Timeout;
  private unreadable = false;

  /** @throws the file system's error when the directory cannot be made */
  constructor(options: SpoolOptions) {
    this.o = options;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.timer = setInterval(() => this.scan(), SCAN_INTERVAL_MS);
    this.timer.unref();
    this.scan();
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** Reads what is there; also asked for when a worker is known to be gone. */
  scan(): void {
    for (const name of this.names()) {
      const session = SPOOL_NAME.exec(name)?.[1];
      if (session !== undefined && !this.underWay.has(name)) this.read(name, session);
    }
  }

  /** A file system may fail for a while: said once, and tried again with the next scan. */
  private names(): string[] {
    try {
      const names = readdirSync(this.o.directory);
      this.unreadable = false;
      return names;
    } catch (error) {
      if (!this.unreadable) this.o.log(`the spool directory ${this.o.directory} cannot be read: ${(error as Error).message}`);
      this.unreadable = true;
      return [];
    }
  }

  private read(name: string, session: string): void {
    const path = join(this.o.directory, name);
    this.underWay.add(name);
    try {
      this.o.deliver(session, parseFrames(readFileSync(path)), () => this.remove(name, path));
    } catch (thrown) {
      // What cannot be read may be readable later. What is no spool file is left for a person to look at, and not tried again.
      if (!(thrown instanceof HqError)) this.underWay.delete(name);
      this.o.log(`the spool file ${path} cannot be used: ${toHqError(thrown).message}`);
    }
  }

  /** One that cannot be deleted stays known: its session has ended, and nothing of it would be applied again. */
  private remove(name: string, path: string): void {
    try {
      rmSync(path, { force: true });
      this.underWay.delete(name);
    } catch (error) {
      this.o.log(`the spool file ${path} was read, but cannot be deleted: ${(error as Error).message}`);
    }
  }
}

/** @throws HqError HQ_E_PROTOCOL when the bytes are not frames of a worker */
function parseFrames(bytes: Buffer): FromWorker[] {
  const parser = new FrameParser();
  parser.setLimit(FRAME_LIMIT_BYTES);
  parser.push(bytes);
  const messages: FromWorker[] = [];
  for (let body = parser.next(); body !== undefined; body = parser.next()) messages.push(decodeFromWorker(body));
  return messages;
}
