/**
 * Finds the records of a log file: through its indexes where they are intact, by walking the file elsewhere. Called when a log is opened
 * for reading; the writer asks for the trailer of a file that it continues.
 */
import {
  decodeRecordHeader,
  HEADER_BYTES,
  MAGIC,
  payloadIsIntact,
  type RecordHeader,
  readUInt64,
  TYPE_INDEX,
  TYPE_TRAILER,
} from './format.ts';
import { decodeIndexEntry, decodeIndexHead, INDEX_ENTRY_BYTES, INDEX_HEAD_BYTES, indexIsContiguous, TRAILER_BYTES } from './indexFormat.ts';
import { type ReadAt, RecordScanner } from './scan.ts';

/** @returns offset of the last index when the file ends with a trailer (it is closed), else undefined */
export function readTrailer(readAt: ReadAt, size: number): number | undefined {
  const offset = size - TRAILER_BYTES;
  if (offset < MAGIC.length) return undefined;
  const bytes = readAt(offset, TRAILER_BYTES);
  const header = decodeRecordHeader(bytes, 0, offset);
  if (header?.type !== TYPE_TRAILER || !payloadIsIntact(header, bytes.subarray(HEADER_BYTES))) return undefined;
  return readUInt64(bytes, HEADER_BYTES);
}

/** A stretch [start, end) of the file whose records an index describes; the index itself is its last record. */
interface Segment {
  readonly start: number;
  readonly end: number;
  readonly indexOffset: number;
}

export interface RecordVisitor {
  /** An intact record header; of an end record also the payload where the file was walked. Types other than data and end come along. */
  record(header: RecordHeader, payload: Buffer | undefined): void;
  /** Bytes that are no intact record. */
  damaged(offset: number, bytes: number): void;
}

/**
 * Visits the records of the first `size` bytes of a file in the order in which they lie there. Payloads of data are not read (and so not checked).
 * @returns the offset after the last complete record; less than `size` when the file ends within one. Throws errors of the file system
 */
export function visitRecords(readAt: ReadAt, size: number, visitor: RecordVisitor): number {
  let at = MAGIC.length;
  for (const segment of readSegments(readAt, size)) {
    // What no index describes: a trailer before the file was continued, or a stretch whose index is damaged.
    const walked = walk(readAt, { from: at, to: segment.start, visitor });
    if (walked < segment.start) visitor.damaged(walked, segment.start - walked);
    visitSegment(readAt, segment, visitor);
    at = segment.end;
  }
  return walk(readAt, { from: at, to: size, visitor });
}

function walk(readAt: ReadAt, o: { from: number; to: number; visitor: RecordVisitor }): number {
  const onDamage = (offset: number, bytes: number): 'continue' => {
    o.visitor.damaged(offset, bytes);
    return 'continue';
  };
  const scanner = new RecordScanner({ readAt, from: o.from, to: o.to, onDamage });
  for (let header = scanner.next(); header !== undefined; header = scanner.next()) o.visitor.record(header, scanner.payload);
  return scanner.position;
}

/** The described stretches in ascending order; what lies before a damaged index is missing from them. */
function readSegments(readAt: ReadAt, size: number): Segment[] {
  const segments: Segment[] = [];
  let offset = readTrailer(readAt, size) ?? 0;
  while (offset > 0) {
    const payload = readIndex(readAt, offset, size);
    const head = payload && decodeIndexHead(payload);
    if (payload === undefined || head === undefined || !indexIsContiguous(payload, head, offset)) break;
    segments.push({ start: head.firstRecord, end: offset + HEADER_BYTES + payload.length, indexOffset: offset });
    offset = head.previousIndex;
  }
  return segments.reverse();
}

function readIndex(readAt: ReadAt, offset: number, size: number): Buffer | undefined {
  const header = decodeRecordHeader(readAt(offset, HEADER_BYTES), 0, offset);
  if (header?.type !== TYPE_INDEX || offset + HEADER_BYTES + header.length > size) return undefined;
  const payload = readAt(offset + HEADER_BYTES, header.length);
  return payloadIsIntact(header, payload) ? payload : undefined;
}

function visitSegment(readAt: ReadAt, segment: Segment, visitor: RecordVisitor): void {
  const from = segment.indexOffset + HEADER_BYTES;
  const payload = readAt(from, segment.end - from);
  let offset = segment.start;
  for (let at = INDEX_HEAD_BYTES; at < payload.length; at += INDEX_ENTRY_BYTES) {
    const header = decodeIndexEntry(payload, at, offset);
    visitor.record(header, undefined);
    offset += HEADER_BYTES + header.length;
  }
}
