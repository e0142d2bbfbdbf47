/**
 * Writes the output of one job's tasks on one worker into one file. The worker opens one per (stream directory, job), appends what tasks
 * print, flushes before it reports a task as finished, and closes it when the job has no more tasks here.
 * Everything is synchronous and buffered: a task costs no promise and no system call of its own.
 */
import { closeSync, fdatasyncSync, fstatSync, readSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { claimFile, continuationOf } from './claim.ts';
import { FileTail, type WriteAt } from './fileTail.ts';
import type { Channel, Identity, Outcome } from './format.ts';
import {
  CHANNELS,
  END_BYTES,
  encodeEnd,
  encodeIdentity,
  MAGIC,
  MAX_DATA_BYTES,
  OUTCOMES,
  TYPE_DATA,
  TYPE_END,
  TYPE_IDENTITY,
} from './format.ts';
import { MAX_IDENTITY_BYTES } from './identity.ts';
import { plainName } from './names.ts';
import { pieces, RecordSink } from './recordSink.ts';
import { LogWriteError } from './writeError.ts';

/** With this much pending, the next record has to wait for a flush: bounds the memory of a worker on a full disk. */
const PENDING_LIMIT_BYTES = 1024 * 1024;

export interface OpenOptions {
  /** Stream directory; made when missing. */
  readonly dir: string;
  readonly jobId: number;
  readonly serverUid: string;
  readonly workerId: number;
  /** 128 random bits of this worker process, as text: tells its own file from that of an earlier process. */
  readonly session: string;
  /** Time now, ms since 1970. */
  readonly nowMs: number;
}

interface TaskRef {
  readonly taskId: number;
  readonly instance: number;
  /** When it was printed or ended, ms since 1970. */
  readonly timeMs: number;
}

export interface AppendRecord extends TaskRef {
  readonly channel: Channel;
  readonly data: Uint8Array;
}

export interface EndRecord extends TaskRef {
  readonly outcome: Outcome;
}

export interface RangeRecord extends TaskRef {
  readonly channel: Channel;
  /** Open file to copy from, bytes [start, end). Its own position is neither used nor moved. */
  readonly fd: number;
  readonly start: number;
  readonly end: number;
}

/** Bytes accepted for one instance whose end has not come yet. */
interface OpenInstance {
  readonly instance: number;
  stdout: number;
  stderr: number;
  /** Another unfinished instance of the same task; rare. */
  next: OpenInstance | undefined;
}

/** Files that a writer of this process holds. A second writer on one would overwrite the first. */
const held = new Set<string>();

export class OutputLogWriter {
  readonly path: string;
  private readonly fd: number;
  private readonly tail: FileTail;
  private readonly sink: RecordSink;
  private readonly heldAs: string;
  private readonly open = new Map<number, OpenInstance>();
  private closed = false;

  private constructor(o: { path: string; fd: number; tail: FileTail; sink: RecordSink; heldAs: string }) {
    this.path = o.path;
    this.fd = o.fd;
    this.tail = o.tail;
    this.sink = o.sink;
    this.heldAs = o.heldAs;
  }

  /**
   * Makes the file, or continues the one that this worker process made before. `writeAt` replaces fs.writeSync in tests.
   * Throws LogWriteError; a file that could be made but not begun is removed again.
   */
  static open(o: OpenOptions, writeAt?: WriteAt): OutputLogWriter {
    const identity: Identity = { serverUid: o.serverUid, jobId: o.jobId, workerId: o.workerId, session: o.session, startedMs: o.nowMs };
    let path = join(o.dir, plainName(o.jobId));
    try {
      const claim = claimFile(o.dir, identity);
      path = claim.path;
      return new OutputLogWriter({ ...claim, ...prepare({ ...claim, identity, writeAt }) });
    } catch (error) {
      throw new LogWriteError(path, error);
    }
  }

  /** Bytes taken but not yet in the file. */
  get pendingBytes(): number {
    return this.tail.pendingBytes;
  }

  /**
   * Takes what a task printed; it is copied. Long data becomes several records.
   * Throws LogWriteError when too much is pending and cannot be written; the data is then not taken.
   */
  append(r: AppendRecord): void {
    if (r.data.length === 0) return;
    this.makeRoom(0);
    const fields = { type: TYPE_DATA, code: CHANNELS.indexOf(r.channel), taskId: r.taskId, instance: r.instance, timeMs: r.timeMs };
    if (r.data.length <= MAX_DATA_BYTES) this.sink.put(fields, r.data);
    else for (const piece of pieces(r.data)) this.sink.put(fields, piece);
    this.instanceOf(r)[r.channel] += r.data.length;
  }

  /**
   * Takes bytes [start, end) of a file, 64 KiB at a time, writing in between when much is pending.
   * @returns the bytes taken: fewer than asked when the file is shorter. Throws LogWriteError, also when the source cannot be read; its
   * `takenBytes` says how many were taken before, so that the caller can go on after them
   */
  appendRange(r: RangeRecord): number {
    const fields = { type: TYPE_DATA, code: CHANNELS.indexOf(r.channel), taskId: r.taskId, instance: r.instance, timeMs: r.timeMs };
    let at = r.start;
    while (at < r.end) {
      this.makeRoom(at - r.start);
      const length = Math.min(r.end - at, MAX_DATA_BYTES);
      const target = this.sink.begin(length);
      const got = this.readSource(r, { target, length, at });
      if (got === 0) break;
      this.sink.finish(fields, got);
      this.instanceOf(r)[r.channel] += got;
      at += got;
    }
    return at - r.start;
  }

  /** Takes the end of an instance, with the sizes of what was taken for it. Throws like `append`. */
  end(r: EndRecord): void {
    this.makeRoom(0);
    const sizes = this.forget(r);
    const target = this.sink.begin(END_BYTES);
    encodeEnd(this.tail.buffer, target, sizes);
    const fields = { type: TYPE_END, code: OUTCOMES.indexOf(r.outcome), taskId: r.taskId, instance: r.instance, timeMs: r.timeMs };
    this.sink.finish(fields, END_BYTES);
  }

  /** Writes everything pending. Throws LogWriteError; what is not written stays pending and the next flush goes on there. */
  flush(): void {
    this.makeRoomBelow(0, 0);
  }

  /** Flushes and waits for the disk; on a network file system this makes it visible on other hosts, as closing does. Throws LogWriteError. */
  sync(): void {
    this.flush();
    try {
      fdatasyncSync(this.fd);
    } catch (error) {
      throw new LogWriteError(this.path, error);
    }
  }

  /** Flushes, adds the index, closes the file. When it throws LogWriteError because of a full disk, the writer is still open: close it again. */
  close(): void {
    if (this.closed) return;
    // First the records: on a full disk they matter, the index does not.
    this.flush();
    this.sink.putFooter();
    this.flush();
    try {
      this.abandon();
    } catch (error) {
      // A network file system may find out only now.
      throw new LogWriteError(this.path, error);
    }
  }

  /** Gives the file up without writing what is pending. For a worker that ends although the disk is full. */
  abandon(): void {
    if (this.closed) return;
    this.closed = true;
    held.delete(this.heldAs);
    closeSync(this.fd);
  }

  private readSource(r: RangeRecord, o: { target: number; length: number; at: number }): number {
    try {
      return readSync(r.fd, this.tail.buffer, o.target, o.length, o.at);
    } catch (error) {
      throw new LogWriteError(this.path, error, o.at - r.start);
    }
  }

  private makeRoom(takenBytes: number): void {
    this.makeRoomBelow(PENDING_LIMIT_BYTES, takenBytes);
  }

  private makeRoomBelow(limit: number, takenBytes: number): void {
    if (this.closed) throw new LogWriteError(this.path, new Error('it is closed'), takenBytes);
    if (this.tail.pendingBytes <= limit) return;
    try {
      this.tail.flush();
    } catch (error) {
      throw new LogWriteError(this.path, error, takenBytes);
    }
  }

  private instanceOf(r: TaskRef): OpenInstance {
    const first = this.open.get(r.taskId);
    for (let one = first; one !== undefined; one = one.next) if (one.instance === r.instance) return one;
    const made: OpenInstance = { instance: r.instance, stdout: 0, stderr: 0, next: first };
    this.open.set(r.taskId, made);
    return made;
  }

  /** @returns the sizes of an instance, which is no longer open afterwards */
  private forget(r: TaskRef): { stdout: number; stderr: number } {
    const first = this.open.get(r.taskId);
    if (first === undefined) return { stdout: 0, stderr: 0 };
    if (first.instance === r.instance) {
      if (first.next === undefined) this.open.delete(r.taskId);
      else this.open.set(r.taskId, first.next);
      return first;
    }
    for (let one = first; one.next !== undefined; one = one.next) {
      if (one.next.instance !== r.instance) continue;
      const found = one.next;
      one.next = found.next;
      return found;
    }
    return { stdout: 0, stderr: 0 };
  }
}

/** Begins a new file with magic and identity, or a continued one after its last record. Closes the file when that fails. */
function prepare(o: { fd: number; path: string; size: number; identity: Identity; writeAt: WriteAt | undefined }): {
  tail: FileTail;
  sink: RecordSink;
  heldAs: string;
} {
  const { dev, ino } = fstatSync(o.fd);
  const heldAs = `${dev}:${ino}`;
  try {
    if (held.has(heldAs)) throw new Error('this process has it open already');
    const tail = new FileTail(o.fd, o.size, o.writeAt);
    const sink = o.size === 0 ? beginFile(tail, o.identity) : continueFile(tail, o);
    tail.flush();
    held.add(heldAs);
    return { tail, sink, heldAs };
  } catch (error) {
    closeSync(o.fd);
    if (o.size === 0 && !held.has(heldAs)) unlinkSync(o.path);
    throw error;
  }
}

function beginFile(tail: FileTail, identity: Identity): RecordSink {
  const payload = encodeIdentity(identity);
  if (payload.length > MAX_IDENTITY_BYTES) throw new Error('server uid and session are too long');
  const at = tail.reserve(MAGIC.length);
  MAGIC.copy(tail.buffer, at);
  tail.commit(MAGIC.length);
  const sink = new RecordSink(tail, 0);
  const fields = { type: TYPE_IDENTITY, code: 0, taskId: 0, instance: 0, timeMs: identity.startedMs };
  // Twice, because without it the whole file would be lost.
  sink.put(fields, payload);
  sink.put(fields, payload);
  return sink;
}

function continueFile(tail: FileTail, o: { fd: number; size: number }): RecordSink {
  const { lastIndex, paddingBytes } = continuationOf(o.fd, o.size);
  const at = tail.reserve(paddingBytes);
  tail.buffer.fill(0, at, at + paddingBytes);
  tail.commit(paddingBytes);
  return new RecordSink(tail, lastIndex);
}
