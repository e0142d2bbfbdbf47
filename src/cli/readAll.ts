/** Reads a stream to its end. Used for `--stdin`. */
import { addAbortSignal, type Readable } from 'node:stream';

/** @throws an AbortError when the signal is aborted first; the stream is closed then, so that it keeps no process alive */
export async function readAll(stream: Readable, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of addAbortSignal(signal, stream)) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
