/**
 * Turns records into bytes at the end of a log file and remembers their headers for the index. The writer fills it;
 * nothing here touches the disk except through FileTail.
 */
import { crc32 } from '../common/crc32.ts';
import type { FileTail } from './fileTail.ts';
import { encodeRecordHeader, HEADER_BYTES, MAX_DATA_BYTES, type RecordHeader, TYPE_INDEX, TYPE_TRAILER, writeUInt64 } from './format.ts';
import { encodeIndexEntry, encodeIndexHead, INDEX_ENTRY_BYTES, INDEX_HEAD_BYTES, TRAILER_PAYLOAD_BYTES } from './indexFormat.ts';

/** An index record is written after this many others: bounds the writer's memory to 400 KB per file, however long the job is. */
const ENTRIES_PER_INDEX = 16_384;
const INITIAL_ENTRIES = 64;

/** What the caller says of a record; place, length and checksum follow from the payload. */
export interface RecordFields {
  readonly type: number;
  readonly code: number;
  readonly taskId: number;
  readonly instance: number;
  readonly timeMs: number;
}

const NO_TASK: RecordFields = { type: 0, code: 0, taskId: 0, instance: 0, timeMs: 0 };

export class RecordSink {
  readonly tail: FileTail;
  private entries: Buffer = Buffer.allocUnsafe(INITIAL_ENTRIES * INDEX_ENTRY_BYTES);
  private entryCount = 0;
  private firstRecord: number;
  private previousIndex: number;
  /** End of the last trailer put in, 0 when none was. */
  private trailerEnd = 0;

  /** `previousIndex`: offset of the index that a continued file ended with, else 0. */
  constructor(tail: FileTail, previousIndex: number) {
    this.tail = tail;
    this.firstRecord = tail.end;
    this.previousIndex = previousIndex;
  }

  /** One record whose payload is `data`. */
  put(fields: RecordFields, data: Uint8Array): void {
    const at = this.begin(data.length);
    this.tail.buffer.set(data, at);
    this.finish(fields, data.length);
  }

  /** @returns where in `tail.buffer` the payload goes; `finish` must follow before anything else */
  begin(length: number): number {
    return this.tail.reserve(HEADER_BYTES + length) + HEADER_BYTES;
  }

  /** Frames the payload of `length` bytes (at most what was begun) that the caller has put in place. */
  finish(fields: RecordFields, length: number): void {
    const header = this.frame(fields, length);
    if ((this.entryCount + 1) * INDEX_ENTRY_BYTES > this.entries.length) this.growEntries();
    encodeIndexEntry(this.entries, this.entryCount * INDEX_ENTRY_BYTES, header);
    this.entryCount++;
    if (this.entryCount >= ENTRIES_PER_INDEX) this.putIndex();
  }

  /** Makes the file a closed one: index and trailer. Does nothing when they are already the last thing in it. */
  putFooter(): void {
    if (this.trailerEnd === this.tail.end) return;
    if (this.entryCount > 0) this.putIndex();
    const at = this.begin(TRAILER_PAYLOAD_BYTES);
    writeUInt64(this.tail.buffer, at, this.previousIndex);
    this.frame({ ...NO_TASK, type: TYPE_TRAILER }, TRAILER_PAYLOAD_BYTES);
    this.trailerEnd = this.tail.end;
    this.firstRecord = this.tail.end;
  }

  private putIndex(): void {
    const offset = this.tail.end;
    const length = INDEX_HEAD_BYTES + this.entryCount * INDEX_ENTRY_BYTES;
    const at = this.begin(length);
    const { previousIndex, firstRecord, entryCount } = this;
    encodeIndexHead(this.tail.buffer, at, { previousIndex, firstRecord, entries: entryCount });
    this.entries.copy(this.tail.buffer, at + INDEX_HEAD_BYTES, 0, entryCount * INDEX_ENTRY_BYTES);
    this.frame({ ...NO_TASK, type: TYPE_INDEX }, length);
    this.previousIndex = offset;
    this.firstRecord = this.tail.end;
    this.entryCount = 0;
  }

  private frame(fields: RecordFields, length: number): RecordHeader {
    const { buffer, end } = this.tail;
    const at = this.tail.reserve(0);
    const start = at + HEADER_BYTES;
    const header: RecordHeader = {
      offset: end,
      type: fields.type,
      code: fields.code,
      taskId: fields.taskId,
      instance: fields.instance,
      timeMs: fields.timeMs,
      length,
      payloadCrc: crc32(buffer, { start, end: start + length }),
    };
    encodeRecordHeader(buffer, at, header);
    this.tail.commit(HEADER_BYTES + length);
    return header;
  }

  private growEntries(): void {
    const larger = Buffer.allocUnsafe(this.entries.length * 2);
    this.entries.copy(larger);
    this.entries = larger;
  }
}

/** Cuts data into pieces of the size of one data record. */
export function* pieces(data: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += MAX_DATA_BYTES) yield data.subarray(at, at + MAX_DATA_BYTES);
}
