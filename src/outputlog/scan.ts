/**
 * Walks the records of an output log, from a file that may be growing, cut off or damaged. The reader, the follower and a writer that
 * re-opens its file call it. After damage it goes on at the next bytes that are an intact record header of their own offset.
 */
import { readSync } from 'node:fs';
import { decodeRecordHeader, HEADER_BYTES, MARKER, payloadIsIntact, type RecordHeader, TYPE_DATA, TYPE_INDEX } from './format.ts';

/** One read gets this much while records are small, so that a log of tiny records costs few system calls. */
const LARGE_WINDOW_BYTES = 256 * 1024;
/** One read gets this much after a jump over a large payload, so that walking a log of large records does not read all of it. */
const SMALL_WINDOW_BYTES = 4 * 1024;

/** Gives bytes [offset, offset + length) of a file, fewer when it ends before. Throws the error of the file system. */
export type ReadAt = (offset: number, length: number) => Buffer;

/** A stretch of a file held in memory. */
export class FileWindow {
  buffer: Buffer = Buffer.alloc(0);
  private readonly readAt: ReadAt;
  private start = 0;
  private windowBytes = SMALL_WINDOW_BYTES;

  constructor(readAt: ReadAt) {
    this.readAt = readAt;
  }

  /**
   * Makes bytes [offset, offset + length) available, as far as the file has them.
   * @returns where in `buffer` they begin, or -1 when the file ends before `offset + length`; earlier positions become invalid
   */
  locate(offset: number, length: number): number {
    const at = offset - this.start;
    if (at >= 0 && at + length <= this.buffer.length) return at;
    const jumped = offset > this.start + this.buffer.length;
    this.windowBytes = jumped ? SMALL_WINDOW_BYTES : Math.min(this.windowBytes * 4, LARGE_WINDOW_BYTES);
    this.buffer = this.readAt(offset, Math.max(length, this.windowBytes));
    this.start = offset;
    return length <= this.buffer.length ? 0 : -1;
  }

  /** @returns offset of the next marker in [from, to), or `to` when there is none */
  findMarker(from: number, to: number): number {
    let offset = from;
    while (offset + MARKER.length <= to) {
      const at = this.locate(offset, MARKER.length);
      if (at < 0) return to;
      const found = this.buffer.indexOf(MARKER, at);
      if (found >= 0) return Math.min(offset + found - at, to);
      // The last three bytes may be the beginning of a marker.
      offset += this.buffer.length - at - MARKER.length + 1;
    }
    return to;
  }
}

/** Reads from an open file by position; its own position is neither used nor moved. */
export function readerOf(fd: number): ReadAt {
  return (offset, length) => {
    const buffer = Buffer.allocUnsafe(length);
    let have = 0;
    while (have < length) {
      const got = readSync(fd, buffer, have, length - have, offset + have);
      if (got === 0) break;
      have += got;
    }
    return have === length ? buffer : buffer.subarray(0, have);
  };
}

export interface ScanOptions {
  readonly readAt: ReadAt;
  /** First byte to look at; a record should begin there. */
  readonly from: number;
  /** The byte after the last one to look at. */
  readonly to: number;
  /** Told of a stretch that is no intact record. `stop` ends the scan before it (so that it can be tried again later). */
  readonly onDamage: (offset: number, bytes: number) => 'continue' | 'stop';
}

/** Gives the intact records of a stretch of a file, one by one. */
export class RecordScanner {
  /** Everything before this offset has been given out or reported as damaged. */
  position: number;
  /** Payload of the record given last; undefined for data and index records, which are large and read only on demand. */
  payload: Buffer | undefined;
  private readonly window: FileWindow;
  private readonly options: ScanOptions;

  constructor(options: ScanOptions) {
    this.options = options;
    this.position = options.from;
    this.window = new FileWindow(options.readAt);
  }

  /** @returns the next record, or undefined when the rest of the stretch (from `position` on) holds no complete one */
  next(): RecordHeader | undefined {
    for (;;) {
      const header = this.findHeader();
      if (header === undefined) return undefined;
      const end = header.offset + HEADER_BYTES + header.length;
      if (end > this.options.to) return undefined;
      if (this.loadPayload(header)) {
        this.position = end;
        return header;
      }
      if (this.options.onDamage(header.offset, end - header.offset) === 'stop') return undefined;
      this.position = end;
    }
  }

  /** Moves `position` to the next intact header, reporting what lies between. A rest without any stays before `position`. */
  private findHeader(): RecordHeader | undefined {
    const { to, onDamage } = this.options;
    let offset = this.position;
    while (offset + HEADER_BYTES <= to) {
      const at = this.window.locate(offset, HEADER_BYTES);
      if (at < 0) return undefined;
      const header = decodeRecordHeader(this.window.buffer, at, offset);
      if (header !== undefined) {
        if (offset > this.position && onDamage(this.position, offset - this.position) === 'stop') return undefined;
        this.position = offset;
        return header;
      }
      offset = this.window.findMarker(offset + 1, to);
    }
    return undefined;
  }

  private loadPayload(header: RecordHeader): boolean {
    this.payload = undefined;
    if (header.type === TYPE_DATA || header.type === TYPE_INDEX) return true;
    const at = this.window.locate(header.offset + HEADER_BYTES, header.length);
    if (at < 0) return false;
    this.payload = this.window.buffer.subarray(at, at + header.length);
    return payloadIsIntact(header, this.payload);
  }
}
