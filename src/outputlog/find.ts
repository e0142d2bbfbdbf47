/**
 * Which files make up the log that a user named: a stream directory, or the log file of one job. The reader asks once,
 * the follower again and again, because further workers make further files.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { HqError } from '../protocol/errors.ts';
import { BEGUN, LogFile } from './logFile.ts';
import { parseLogName } from './names.ts';

export interface FindOptions {
  /** Take only logs of this server. */
  readonly serverUid?: string | undefined;
  /** Take only files named for this job: saves opening thousands of others. */
  readonly jobId?: number | undefined;
  /** The log is being followed: a named file that has only just been made is not an error. */
  readonly growing?: boolean | undefined;
  /** Told of files that are named like a log but are none. */
  readonly onSkip?: ((path: string, detail: string) => void) | undefined;
}

export class LogFinder {
  /** Files found so far. */
  readonly files: LogFile[] = [];
  /** The job of the file that the user named, once it can be read; undefined for a directory. */
  impliedJob: number | undefined;
  private readonly path: string;
  private readonly options: FindOptions;
  private readonly known = new Set<string>();

  constructor(path: string, options: FindOptions) {
    this.path = path;
    this.options = options;
  }

  /**
   * @returns the files that are new since the last call, none while the path does not exist.
   * Throws HQ_E_LOG when there are logs of several servers and none was chosen or the named file is no log, HQ_E_FILE when it cannot be read
   */
  update(): LogFile[] {
    const before = this.files.length;
    try {
      const stat = statSync(this.path, { throwIfNoEntry: false });
      if (stat?.isDirectory()) this.addNames(this.path, { jobId: this.options.jobId, serverUid: this.options.serverUid });
      else if (stat !== undefined) this.addNamed();
    } catch (error) {
      throw error instanceof HqError ? error : fileError(this.path, error);
    }
    return this.files.slice(before);
  }

  exists(): boolean {
    return existsSync(this.path);
  }

  /** The servers whose logs were found, sorted. */
  serverUids(): string[] {
    return [...new Set(this.files.map((file) => file.identity.serverUid))].sort();
  }

  close(): void {
    for (const file of this.files) file.close();
  }

  /** The file that the user named; for the first file of a job also those of the further workers. */
  private addNamed(): void {
    const named = LogFile.open(this.path, true);
    if (named === BEGUN && this.options.growing) return;
    if (typeof named === 'string') {
      throw new HqError('HQ_E_LOG', { detail: `${this.path} cannot be read as an output log: ${named}` });
    }
    const { identity } = named;
    const serverUid = this.options.serverUid ?? identity.serverUid;
    this.impliedJob = identity.jobId;
    if (identity.serverUid === serverUid) this.add(named);
    if (parseLogName(basename(this.path))?.first) this.addNames(dirname(this.path), { jobId: identity.jobId, serverUid });
  }

  private addNames(dir: string, only: { jobId: number | undefined; serverUid: string | undefined }): void {
    for (const name of readdirSync(dir).sort()) {
      const parsed = parseLogName(name);
      if (parsed === undefined || (only.jobId !== undefined && parsed.jobId !== only.jobId)) continue;
      const path = join(dir, name);
      if (this.known.has(path)) continue;
      const file = tryOpen(path);
      if (typeof file === 'string') this.options.onSkip?.(path, file);
      else if (only.serverUid === undefined || file.identity.serverUid === only.serverUid) this.add(file);
      else this.known.add(path);
    }
    const uids = this.serverUids();
    if (uids.length > 1) {
      const detail = `${this.path} holds logs of several servers (${uids.join(', ')}); choose one with --server-uid=UID`;
      throw new HqError('HQ_E_LOG', { detail });
    }
  }

  private add(file: LogFile): void {
    // `dir/job-1.log` and `./dir/job-1.log` are one file; only the form that this class makes itself is compared.
    const path = join(dirname(file.path), basename(file.path));
    if (this.known.has(path)) return;
    this.known.add(path);
    this.files.push(file);
  }
}

function tryOpen(path: string): LogFile | string {
  try {
    return LogFile.open(path, false);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function fileError(path: string, error: unknown): HqError {
  return new HqError('HQ_E_FILE', { path, detail: error instanceof Error ? error.message : String(error) }, { cause: error });
}
