/**
 * One log file open for reading: whose it is, its records, the payload of one. Used by the reader and the follower;
 * everything that they know of a file descriptor is here.
 */
import { closeSync, constants, fstatSync } from 'node:fs';
import { HqError } from '../protocol/errors.ts';
import { decodeEnd, decodeRecordHeader, HEADER_BYTES, type Identity, MAGIC, payloadIsIntact } from './format.ts';
import { openRegular, readIdentity } from './identity.ts';
import { type RecordVisitor, visitRecords } from './indexChain.ts';
import { cutNotice, damagedNotice, type OnNotice } from './notice.ts';
import { type ReadAt, RecordScanner, readerOf } from './scan.ts';

/** Open file descriptors at a time; a directory may hold a log per job and worker, a process has 1024 or fewer. */
const MAX_OPEN_FILES = 64;
/** A read that continues the last one gets this much, so that reading many small records in file order costs few system calls. */
const READ_AHEAD_BYTES = 256 * 1024;

/** Why a file is no log yet: its writer made it a moment ago, or died then. */
export const BEGUN = 'its beginning has not been written';

const openFiles = new Set<LogFile>();

export class LogFile {
  readonly path: string;
  readonly identity: Identity;
  /** Reads bytes of the file, re-opening it where its descriptor had to make room for another file. */
  readonly readAt: ReadAt = (offset, length) => this.guarded((fd) => readerOf(fd)(offset, length));
  private readonly followLink: boolean;
  private fd: number | undefined;
  private ahead: Buffer = Buffer.alloc(0);
  private aheadStart = 0;
  private lastEnd = 0;

  private constructor(path: string, identity: Identity, followLink: boolean) {
    this.path = path;
    this.identity = identity;
    this.followLink = followLink;
  }

  /**
   * @param followLink whether `path` may be a symbolic link: only for a path that the user typed
   * @returns the file, or in words why it is none; throws errors of the file system
   */
  static open(path: string, followLink: boolean): LogFile | string {
    const fd = openRegular(path, constants.O_RDONLY, followLink);
    if (fd === undefined) return 'it is not a regular file';
    try {
      const identity = readIdentity(fd);
      if (identity === 'newer version') return 'it was written by a newer version of hq';
      if (identity === 'begun') return BEGUN;
      if (identity === 'not a log') return 'it is not an output log';
      return new LogFile(path, identity, followLink);
    } finally {
      closeSync(fd);
    }
  }

  get size(): number {
    return this.guarded((fd) => fstatSync(fd).size);
  }

  private guarded<T>(action: (fd: number) => T): T {
    try {
      return action(this.descriptor());
    } catch (error) {
      throw new HqError('HQ_E_FILE', { path: this.path, detail: error instanceof Error ? error.message : String(error) }, { cause: error });
    }
  }

  private descriptor(): number {
    if (this.fd !== undefined) return this.fd;
    const [oldest] = openFiles;
    if (oldest !== undefined && openFiles.size >= MAX_OPEN_FILES) oldest.close();
    const fd = openRegular(this.path, constants.O_RDONLY, this.followLink);
    if (fd === undefined) throw new Error('it is no longer a regular file');
    openFiles.add(this);
    this.fd = fd;
    return fd;
  }

  /** Visits all records that are in the file now; reports damage and a cut-off end. */
  visit(visitor: Pick<RecordVisitor, 'record'>, onNotice: OnNotice): void {
    const { size } = this;
    const damaged = (offset: number, bytes: number): void => onNotice(damagedNotice(this.path, offset, bytes));
    const end = visitRecords(this.readAt, size, { record: (header, payload) => visitor.record(header, payload), damaged });
    if (end < size) onNotice(cutNotice(this.path, end, size - end));
  }

  /** Walks the whole file without its index and checks every payload. */
  verify(onNotice: OnNotice): void {
    const { size } = this;
    const onDamage = (offset: number, bytes: number): 'continue' => {
      onNotice(damagedNotice(this.path, offset, bytes));
      return 'continue';
    };
    const scanner = new RecordScanner({ readAt: this.readAt, from: MAGIC.length, to: size, onDamage });
    if (!this.readAt(0, MAGIC.length).equals(MAGIC)) onDamage(0, MAGIC.length);
    for (let header = scanner.next(); header !== undefined; header = scanner.next()) {
      const total = HEADER_BYTES + header.length;
      if (scanner.payload === undefined && this.payload(header.offset, header.length) === undefined) onDamage(header.offset, total);
    }
    if (scanner.position < size) onNotice(cutNotice(this.path, scanner.position, size - scanner.position));
  }

  /** @returns the checked payload (valid for ever) of the record of `length` payload bytes at `offset`, or undefined when it is damaged */
  payload(offset: number, length: number): Buffer | undefined {
    const total = HEADER_BYTES + length;
    const at = this.locate(offset, total);
    const header = at < 0 ? undefined : decodeRecordHeader(this.ahead, at, offset);
    const payload = this.ahead.subarray(at + HEADER_BYTES, at + total);
    if (header !== undefined && header.length === length && payloadIsIntact(header, payload)) return payload;
    // What is wrong now may be right later, on a network file system whose pages arrive out of order.
    this.ahead = Buffer.alloc(0);
    return undefined;
  }

  /** Sizes in the end record at `offset`, or undefined when it is damaged. */
  endSizes(offset: number, length: number): { stdout: number; stderr: number } | undefined {
    const payload = this.payload(offset, length);
    return payload && decodeEnd(payload);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
    this.ahead = Buffer.alloc(0);
    openFiles.delete(this);
  }

  private locate(offset: number, length: number): number {
    const inAhead = offset - this.aheadStart;
    const hit = inAhead >= 0 && inAhead + length <= this.ahead.length;
    if (!hit) {
      // Within a record or two of the last read: the caller goes through the file, perhaps with another channel's records in between.
      const onward = offset >= this.lastEnd && offset <= this.lastEnd + 4096;
      this.ahead = this.readAt(offset, onward ? Math.max(length, READ_AHEAD_BYTES) : length);
      this.aheadStart = offset;
    }
    this.lastEnd = offset + length;
    const at = offset - this.aheadStart;
    return at + length <= this.ahead.length ? at : -1;
  }
}
