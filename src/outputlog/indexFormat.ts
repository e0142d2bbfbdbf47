/**
 * The index of an output log: a copy of the record headers of one stretch of the file, so that a reader of a closed log need not walk it.
 * The writer adds one every few thousand records and one at close, followed by a trailer; the reader walks them backwards from the trailer.
 */
import { HEADER_BYTES, type RecordHeader, readUInt64, writeUInt64 } from './format.ts';

/**
 * Payload of an index record, all offsets from the start of the file:
 *   0 offset of the previous index, 0 when there is none (8) | 8 offset of the first record described (8)
 *   16 number of entries (4) | 20 zero (4) | 24 entries
 * The described records follow each other without a gap and end where the index record begins.
 */
export const INDEX_HEAD_BYTES = 24;

/** Entry: 0 type (1) | 1 code (1) | 2 zero (2) | 4 task id (4) | 8 instance (4) | 12 payload length (4) | 16 time, ms since 1970 (8). */
export const INDEX_ENTRY_BYTES = 24;

/** Payload of the trailer, the last record of a closed log: offset of the last index (8). */
export const TRAILER_PAYLOAD_BYTES = 8;

/** What a reader must look at, at the very end of a file, to know whether it is closed. */
export const TRAILER_BYTES: number = HEADER_BYTES + TRAILER_PAYLOAD_BYTES;

export interface IndexHead {
  readonly previousIndex: number;
  readonly firstRecord: number;
  readonly entries: number;
}

export function encodeIndexHead(target: Buffer, at: number, head: IndexHead): void {
  writeUInt64(target, at, head.previousIndex);
  writeUInt64(target, at + 8, head.firstRecord);
  target.writeUInt32LE(head.entries, at + 16);
  target.writeUInt32LE(0, at + 20);
}

/** @returns undefined when the payload cannot be an index */
export function decodeIndexHead(payload: Buffer): IndexHead | undefined {
  if (payload.length < INDEX_HEAD_BYTES) return undefined;
  const head = { previousIndex: readUInt64(payload, 0), firstRecord: readUInt64(payload, 8), entries: payload.readUInt32LE(16) };
  return payload.length === INDEX_HEAD_BYTES + head.entries * INDEX_ENTRY_BYTES ? head : undefined;
}

export function encodeIndexEntry(target: Buffer, at: number, header: RecordHeader): void {
  target[at] = header.type;
  target[at + 1] = header.code;
  target[at + 2] = 0;
  target[at + 3] = 0;
  target.writeUInt32LE(header.taskId, at + 4);
  target.writeUInt32LE(header.instance, at + 8);
  target.writeUInt32LE(header.length, at + 12);
  writeUInt64(target, at + 16, header.timeMs);
}

/** What an entry says of its record; `offset` is where the record lies, which the caller knows from the entries before. */
export function decodeIndexEntry(payload: Buffer, at: number, offset: number): RecordHeader {
  return {
    offset,
    type: payload[at] as number,
    code: payload[at + 1] as number,
    taskId: payload.readUInt32LE(at + 4),
    instance: payload.readUInt32LE(at + 8),
    timeMs: readUInt64(payload, at + 16),
    length: payload.readUInt32LE(at + 12),
    payloadCrc: 0,
  };
}

/** Whether the entries describe exactly the bytes between the first record and the index record at `indexOffset`. */
export function indexIsContiguous(payload: Buffer, head: IndexHead, indexOffset: number): boolean {
  let at = head.firstRecord;
  for (let entry = INDEX_HEAD_BYTES; entry < payload.length; entry += INDEX_ENTRY_BYTES) {
    at += HEADER_BYTES + payload.readUInt32LE(entry + 12);
  }
  return at === indexOffset && head.previousIndex < Math.max(head.firstRecord, 1);
}
