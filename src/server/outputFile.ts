/**
 * A task's output file, read while it may still be written. Only asynchronous calls: a slow file system delays the reader, never the
 * scheduler. Used by the output service.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { HqError } from '../protocol/errors.ts';

/** One read; a few of these are in flight per reader, so hundreds of readers cost little memory. */
const PIECE_BYTES = 64 * 1024;

export class OutputFile {
  readonly path: string;
  /** When it was opened. */
  readonly sizeBytes: number;
  /** Offset of the next byte to read. */
  position = 0;
  private readonly handle: FileHandle;

  private constructor(path: string, handle: FileHandle, sizeBytes: number) {
    this.path = path;
    this.handle = handle;
    this.sizeBytes = sizeBytes;
  }

  /**
   * @returns undefined when there is no such file
   * @throws HqError HQ_E_FILE when it is no regular file or cannot be read
   */
  static async open(path: string): Promise<OutputFile | undefined> {
    let handle: FileHandle;
    try {
      // Without waiting: a pipe in its place would block until somebody writes.
      handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw fileError(path, error);
    }
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new Error('it is not a regular file');
      return new OutputFile(path, handle, stat.size);
    } catch (error) {
      await handle.close();
      throw fileError(path, error);
    }
  }

  /** Goes to the last `bytes` of what the file held when it was opened. */
  seekTail(bytes: number): void {
    this.position = Math.max(0, this.sizeBytes - bytes);
  }

  /**
   * @param end  the byte after the last one wanted; default: all there is. With it, a file that has become shorter just ends; without it,
   *   reading starts anew, because the next instance of the task writes the same file from its beginning
   * @returns the next piece; undefined when there is none at the moment
   * @throws HqError HQ_E_FILE
   */
  async read(end = Number.POSITIVE_INFINITY): Promise<Buffer | undefined> {
    const length = Math.min(PIECE_BYTES, end - this.position);
    if (length <= 0) return undefined;
    try {
      // Fresh for every piece: the previous one may still wait in a socket.
      const buffer = Buffer.allocUnsafeSlow(length);
      let { bytesRead } = await this.handle.read(buffer, 0, length, this.position);
      if (bytesRead === 0 && end === Number.POSITIVE_INFINITY && (await this.handle.stat()).size < this.position) {
        this.position = 0;
        ({ bytesRead } = await this.handle.read(buffer, 0, length, 0));
      }
      this.position += bytesRead;
      return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
    } catch (error) {
      throw fileError(this.path, error);
    }
  }

  /** May be called twice, and while a read is under way, which then comes to its end. */
  async close(): Promise<void> {
    await this.handle.close().catch(() => undefined);
  }
}

/** The file system's own words; Node's message repeats the path. */
function fileError(path: string, error: unknown): HqError {
  const detail = error instanceof Error ? error.message.replace(/, \w+( '.*')?$/, '') : String(error);
  return new HqError('HQ_E_FILE', { path, detail }, { cause: error });
}
