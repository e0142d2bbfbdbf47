/**
 * The growing end of a log file: bytes are collected in memory and written in one go. The writer puts its records here.
 * Every write names its position, so a write that failed half-way is simply done again from there: the file is at any time a prefix of
 * what was put in, whatever the disk does.
 */
import { writeSync } from 'node:fs';

/** `fs.writeSync` with a position; tests put a full disk in its place. */
export type WriteAt = (fd: number, buffer: Buffer, from: number, length: number, position: number) => number;

/** Holds some hundred small records; a worker may have a file open for each of hundreds of jobs. */
const INITIAL_BYTES = 64 * 1024;
/** A buffer that grew beyond this for one large piece is given back after it has been written. */
const KEEP_BYTES = 2 * 1024 * 1024;

export class FileTail {
  buffer: Buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  private readonly fd: number;
  private readonly writeAt: WriteAt;
  /** Unwritten bytes are buffer[head, tail); buffer[head] belongs at `position` of the file. */
  private head = 0;
  private tail = 0;
  private position: number;

  constructor(fd: number, position: number, writeAt: WriteAt = writeSync) {
    this.fd = fd;
    this.position = position;
    this.writeAt = writeAt;
  }

  /** Offset in the file of the next byte put in. */
  get end(): number {
    return this.position + this.tail - this.head;
  }

  get pendingBytes(): number {
    return this.tail - this.head;
  }

  /** Makes room for `length` bytes. @returns where in `buffer` to put them, valid until the next call; `commit` makes them count */
  reserve(length: number): number {
    if (this.tail + length > this.buffer.length) this.makeRoom(length);
    return this.tail;
  }

  commit(length: number): void {
    this.tail += length;
  }

  /** Writes all that is pending. Throws the error of the file system; what was not written stays pending. */
  flush(): void {
    while (this.head < this.tail) {
      const written = this.writeAt(this.fd, this.buffer, this.head, this.tail - this.head, this.position);
      if (written === 0) throw new Error('the file system took 0 bytes');
      this.head += written;
      this.position += written;
    }
    this.head = 0;
    this.tail = 0;
    if (this.buffer.length > KEEP_BYTES) this.buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  }

  private makeRoom(length: number): void {
    const pending = this.tail - this.head;
    let size = this.buffer.length;
    while (size < pending + length) size *= 2;
    const target = size === this.buffer.length ? this.buffer : Buffer.allocUnsafe(size);
    this.buffer.copy(target, 0, this.head, this.tail);
    this.buffer = target;
    this.head = 0;
    this.tail = pending;
  }
}
