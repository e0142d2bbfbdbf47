/**
 * MessagePack as the journal stores and passes it: plain maps, so that any reader of the format can open it. Used by both sides of the
 * journal's thread.
 */
import { Packr } from 'msgpackr';

const packr = new Packr({ useRecords: false });

/** @returns bytes in a buffer of their own, which can be handed to another thread */
export function packBytes(value: unknown): Uint8Array<ArrayBuffer> {
  // A copy of the exact size: msgpackr packs into a large buffer that it uses again.
  return new Uint8Array(packr.pack(value));
}

/**
 * @returns the value; its type is the caller's knowledge of what was packed
 * @throws Error when the bytes are not complete MessagePack
 */
export function unpackBytes(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}
