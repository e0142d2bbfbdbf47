/**
 * The error of an output log that cannot be written: thrown by the writer, handled by the worker, which keeps the data and tries again.
 */
import { HqError } from '../protocol/errors.ts';

/** `cause` is the error of the file system (its `code` is for example `ENOSPC`), `data.path` the log. */
export class LogWriteError extends HqError {
  /** Of the call that threw: bytes that the log has accepted (written or buffered) and that must not be given to it again. */
  readonly takenBytes: number;

  constructor(path: string, cause: unknown, takenBytes = 0) {
    super('HQ_E_LOG_WRITE', { path, detail: cause instanceof Error ? cause.message : String(cause) }, { cause });
    this.name = 'LogWriteError';
    this.takenBytes = takenBytes;
  }
}
