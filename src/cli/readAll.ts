/** Reads a stream to its end. Used for `--stdin`. */
import type { Readable } from 'node:stream';

/** @throws the signal's reason when it is aborted first */
export async function readAll(stream: Readable, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    signal.throwIfAborted();
    chunks.push(Buffer.from(chunk as Uint8Array));
  }
  return Buffer.concat(chunks);
}
