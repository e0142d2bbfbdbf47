/**
 * Output of one channel of one task in a fresh node-local file: never used twice and without a name, so that a process left over from one task
 * cannot write into the output of another. Made by launchers, copied into the consolidated log by `Streams`.
 */
import { closeSync, constants, fstatSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import { errorWords } from '../failureText.ts';

/** What has been written so far. */
export interface Captured {
  /** Bytes. */
  readonly size: number;
  /** An open file to read from by position, or the bytes themselves. */
  readonly source: number | Uint8Array;
}

export interface Capture {
  /** @returns undefined when nothing has been written; throws errors of the file system */
  look(): Captured | undefined;
  /** Gives the file back; `look` must not be called any more. */
  close(): void;
}

const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND | constants.O_NOFOLLOW;

/** A file that this process opens and the task inherits. */
export class FileCapture implements Capture {
  readonly fd: number;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * @param directory node-local directory of the worker
   * @param number never used before in this directory
   * @throws HqError HQ_E_LOG_WRITE
   */
  static make(directory: string, number: number): FileCapture {
    const path = join(directory, `stream-${number}`);
    try {
      const fd = openSync(path, FLAGS, 0o600);
      unlinkSync(path);
      return new FileCapture(fd);
    } catch (error) {
      throw captureError(directory, error);
    }
  }

  look(): Captured | undefined {
    return { size: fstatSync(this.fd).size, source: this.fd };
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** @returns what a task fails with when there is no file for its output */
export function captureError(directory: string, cause: unknown): HqError {
  return new HqError('HQ_E_LOG_WRITE', { path: directory, detail: errorWords(cause) }, { cause });
}
