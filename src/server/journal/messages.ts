/** What travels between the server's thread and the journal's. Types only; buffers are transferred, the rest is small. */
import type { ErrorCode, ErrorData } from '../../protocol/errors.ts';
import type { EncodedBatch } from './batchCodec.ts';
import type { Query } from './journalReader.ts';

/** The first message to the thread. */
export interface HostOptions {
  readonly path: string;
  readonly serverUid?: string | undefined;
  readonly flushMs?: number | undefined;
}

export type ToJournal =
  | { readonly type: 'batch'; readonly ticket: number; readonly batch: EncodedBatch }
  | { readonly type: 'query'; readonly id: number; readonly query: Query }
  | { readonly type: 'prune'; readonly id: number; readonly beforeMs: number }
  | { readonly type: 'backup'; readonly id: number; readonly path: string }
  | { readonly type: 'close'; readonly id: number };

export type FromJournal =
  /** Packed `RestorePart`, in order; `ready` comes after the last one. */
  | { readonly type: 'restored'; readonly part: Uint8Array<ArrayBuffer> }
  | { readonly type: 'ready' }
  /** The thread ends after this. */
  | { readonly type: 'refused'; readonly error: SentError }
  | { readonly type: 'progress'; readonly committed: number; readonly durable: number }
  | { readonly type: 'failed'; readonly tickets: readonly number[]; readonly error: SentError }
  /** `rows`: packed `RawRow[]`; null for orders without an answer. */
  | { readonly type: 'answer'; readonly id: number; readonly rows: Uint8Array<ArrayBuffer> | null }
  | { readonly type: 'no-answer'; readonly id: number; readonly error: SentError };

/** An `HqError` between threads: cloning would make a plain error of it. */
export interface SentError {
  readonly code: ErrorCode;
  readonly data: ErrorData;
}
