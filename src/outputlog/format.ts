/**
 * The bytes of an output log: pure encoding and decoding on Buffers. The writer (in the worker) and the readers (in the client) call it;
 * docs/output-log.md says the same in prose, hq_bridge/outputlog.py in Python. All integers are little-endian, all sizes are bytes.
 *
 *   file    = magic (8) record*
 *   record  = record header (36) payload (length)
 */
import { crc32 } from '../common/crc32.ts';

export const FORMAT_VERSION = 1;

/** First bytes of a file. 0x89 and the line feed show a transfer that stripped bit 7 or rewrote line ends; the last byte is the version. */
export const MAGIC: Buffer = Buffer.from([0x89, 0x48, 0x51, 0x4c, 0x4f, 0x47, 0x0a, FORMAT_VERSION]);

/** First bytes of a record. 0xf5 and 0xfa occur in no UTF-8 text, so a search after damage has few false candidates. */
export const MARKER: Buffer = Buffer.from([0xf5, 0x48, 0x51, 0xfa]);
const MARKER_WORD = MARKER.readUInt32LE(0);

export const HEADER_BYTES = 36;

/** A data record carries at most this much, so that one flipped bit costs no more; the 36 bytes of frame are then 0.05 %. */
export const MAX_DATA_BYTES = 65_536;

/** A header that claims more than this is not believed. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** Record types. Readers step over types that they do not know. */
export const TYPE_IDENTITY = 1;
export const TYPE_DATA = 2;
export const TYPE_END = 3;
export const TYPE_INDEX = 4;
export const TYPE_TRAILER = 5;

export type Channel = 'stdout' | 'stderr';
/** The code of a data record is the position of its channel here. */
export const CHANNELS: readonly Channel[] = ['stdout', 'stderr'];

export type Outcome = 'finished' | 'failed' | 'canceled' | 'stopped';
/** The code of an end record is the position of its outcome here. `stopped`: the task will be run again as a later instance. */
export const OUTCOMES: readonly Outcome[] = ['finished', 'failed', 'canceled', 'stopped'];

/**
 * What the 36 bytes before a payload say:
 *    0 marker (4) |  4 type (1) |  5 code (1) |  6 zero (2) |  8 task id (4) | 12 instance (4) | 16 time, ms since 1970 (8)
 *   24 length of the payload (4) | 28 CRC-32 of the payload (4) | 32 CRC-32 of bytes 0-31 (4)
 * The last CRC starts from the low 32 bits of the record's offset in the file. A log that a task prints into a log therefore does not look
 * like records of the outer one.
 */
export interface RecordHeader {
  /** Of the first byte of the record, from the start of the file. */
  readonly offset: number;
  readonly type: number;
  readonly code: number;
  readonly taskId: number;
  readonly instance: number;
  readonly timeMs: number;
  readonly length: number;
  readonly payloadCrc: number;
}

/** Writes the 36 bytes at `at`. `header.offset` must be where they will lie in the file. */
export function encodeRecordHeader(target: Buffer, at: number, header: RecordHeader): void {
  target.writeUInt32LE(MARKER_WORD, at);
  target[at + 4] = header.type;
  target[at + 5] = header.code;
  target[at + 6] = 0;
  target[at + 7] = 0;
  target.writeUInt32LE(header.taskId, at + 8);
  target.writeUInt32LE(header.instance, at + 12);
  writeUInt64(target, at + 16, header.timeMs);
  target.writeUInt32LE(header.length, at + 24);
  target.writeUInt32LE(header.payloadCrc, at + 28);
  target.writeUInt32LE(headerCrc(target, at, header.offset), at + 32);
}

/**
 * Reads the 36 bytes at `at` of `source`, which lie at `offset` of the file.
 * @returns undefined when they are not an intact record header of exactly that offset
 */
export function decodeRecordHeader(source: Buffer, at: number, offset: number): RecordHeader | undefined {
  if (at + HEADER_BYTES > source.length || source.readUInt32LE(at) !== MARKER_WORD) return undefined;
  if (source.readUInt32LE(at + 32) !== headerCrc(source, at, offset)) return undefined;
  const length = source.readUInt32LE(at + 24);
  if (length > MAX_PAYLOAD_BYTES) return undefined;
  return {
    offset,
    type: source[at + 4] as number,
    code: source[at + 5] as number,
    taskId: source.readUInt32LE(at + 8),
    instance: source.readUInt32LE(at + 12),
    timeMs: readUInt64(source, at + 16),
    length,
    payloadCrc: source.readUInt32LE(at + 28),
  };
}

function headerCrc(bytes: Buffer, at: number, offset: number): number {
  return crc32(bytes, { start: at, end: at + 32, seed: offset >>> 0 });
}

/** Whether `payload` is what the header's checksum was made from. */
export function payloadIsIntact(header: RecordHeader, payload: Buffer): boolean {
  return payload.length === header.length && crc32(payload, { start: 0, end: payload.length }) === header.payloadCrc;
}

/** Whose records a file holds: the payload (JSON) of the identity record, which stands twice at the start of every file. */
export interface Identity {
  readonly serverUid: string;
  readonly jobId: number;
  readonly workerId: number;
  /** 128 random bits of the writing worker process, as text. */
  readonly session: string;
  /** When the file was made, ms since 1970. */
  readonly startedMs: number;
}

export function encodeIdentity(identity: Identity): Buffer {
  return Buffer.from(JSON.stringify({ version: FORMAT_VERSION, ...identity }));
}

/** @returns undefined when the payload does not have the fields of an identity; unknown fields are ignored */
export function decodeIdentity(payload: Buffer): Identity | undefined {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { serverUid, jobId, workerId, session, startedMs } = value as Record<string, unknown>;
  if (typeof serverUid !== 'string' || typeof session !== 'string') return undefined;
  if (typeof jobId !== 'number' || typeof workerId !== 'number' || typeof startedMs !== 'number') return undefined;
  return { serverUid, jobId, workerId, session, startedMs };
}

/** Payload of an end record: bytes written for the instance, stdout (8) and stderr (8). A reader that has fewer knows that some are lost. */
export const END_BYTES = 16;

export function encodeEnd(target: Buffer, at: number, sizes: { stdout: number; stderr: number }): void {
  writeUInt64(target, at, sizes.stdout);
  writeUInt64(target, at + 8, sizes.stderr);
}

export function decodeEnd(payload: Buffer): { stdout: number; stderr: number } {
  return { stdout: readUInt64(payload, 0), stderr: readUInt64(payload, 8) };
}

export function writeUInt64(target: Buffer, at: number, value: number): void {
  target.writeUInt32LE(value >>> 0, at);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** Exact up to 2^53, which is 9 PB and the year 287396. */
export function readUInt64(source: Buffer, at: number): number {
  return source.readUInt32LE(at) + source.readUInt32LE(at + 4) * 0x1_0000_0000;
}
