/**
 * Reads an output log: a stream directory, or the log of one job. `hq output-log` is built on it, and so is whatever else shows what tasks printed.
 * Opening reads who wrote which file; a job's records are looked up when the job is first asked for; output is given out in pieces.
 */
import { HqError } from '../protocol/errors.ts';
import { LogFinder } from './find.ts';
import { type Channel, HEADER_BYTES } from './format.ts';
import { JobTable, type RecordRef, type TaskInfo } from './jobTable.ts';
import type { LogFile } from './logFile.ts';
import { damagedNotice, incompleteNotice, type Notice, type OnNotice, skippedNotice } from './notice.ts';
import { addTo, emptySummary, type Summary } from './summary.ts';

export type { Channel, Outcome } from './format.ts';
export type { TaskInfo } from './jobTable.ts';
export type { Notice, OnNotice } from './notice.ts';
export type { Summary } from './summary.ts';

export interface OpenLogOptions {
  /** Only logs of this server. Needed when the directory holds those of several. */
  readonly serverUid?: string | undefined;
  /** Only files named for this job: faster in a directory with many. */
  readonly jobId?: number | undefined;
  /** Told of everything that is damaged, cut off or skipped; `text` is a line to show. Default: nobody is. */
  readonly onNotice?: OnNotice | undefined;
}

export interface CatOptions {
  /** Tasks in the order wanted. Default: all, by id. */
  readonly tasks?: Iterable<number> | undefined;
  /** Give what is there of tasks that have not ended, instead of an error. */
  readonly allowUnfinished?: boolean | undefined;
}

export interface ShowOptions {
  readonly jobId?: number | undefined;
  readonly channel?: Channel | undefined;
  readonly tasks?: ReadonlySet<number> | undefined;
}

/** One piece of what a task printed, at most 64 KiB. */
export interface OutputChunk {
  readonly jobId: number;
  readonly taskId: number;
  readonly instance: number;
  readonly channel: Channel;
  /** ms since 1970. */
  readonly timeMs: number;
  readonly data: Buffer;
}

/** A task as `export` prints it. */
export interface ExportedTask {
  readonly id: number;
  readonly finished: boolean;
  /** Bytes that are not UTF-8 are replaced. */
  readonly stdout: string;
}

interface Job {
  readonly files: LogFile[];
  table: JobTable | undefined;
}

export class OutputLog {
  /** As given to `open`. */
  readonly path: string;
  /** The job of the file given to `open`, undefined for a directory. */
  readonly impliedJob: number | undefined;
  readonly serverUid: string | undefined;
  readonly nFiles: number;
  private readonly finder: LogFinder;
  private readonly onNotice: OnNotice;
  private readonly byJob = new Map<number, Job>();

  private constructor(path: string, finder: LogFinder, onNotice: OnNotice) {
    this.path = path;
    this.finder = finder;
    this.onNotice = onNotice;
    this.impliedJob = finder.impliedJob;
    this.serverUid = finder.serverUids()[0];
    this.nFiles = finder.files.length;
    for (const file of finder.files) {
      const job = this.byJob.get(file.identity.jobId);
      if (job === undefined) this.byJob.set(file.identity.jobId, { files: [file], table: undefined });
      else job.files.push(file);
    }
  }

  /**
   * @param path a stream directory, or one log file; `job-N.log` (and `job-N-UID.log`) stands for the files of all workers of the job
   * Throws HQ_E_LOG when there is no log, the file is none, or several servers wrote there and `serverUid` does not choose; HQ_E_FILE when
   * the path cannot be read.
   */
  static open(path: string, options: OpenLogOptions = {}): OutputLog {
    const onNotice = options.onNotice ?? ((): void => {});
    const onSkip = (file: string, detail: string): void => onNotice(skippedNotice(file, detail));
    const finder = new LogFinder(path, { serverUid: options.serverUid, jobId: options.jobId, onSkip });
    if (!finder.exists()) throw new HqError('HQ_E_FILE', { path, detail: 'no such file or directory' });
    finder.update();
    if (finder.files.length === 0) {
      const of = options.serverUid === undefined ? '' : ` of server ${options.serverUid}`;
      throw new HqError('HQ_E_LOG', { detail: `No log files${of} found in ${path}` });
    }
    return new OutputLog(path, finder, onNotice);
  }

  /** Ids of the jobs that have a log, ascending. */
  jobs(): number[] {
    return [...this.byJob.keys()].sort((a, b) => a - b);
  }

  /** Counts over all jobs, with the key names of the JSON output. Sizes in bytes. */
  summary(): Summary {
    const summary = emptySummary(this.nFiles, this.byJob.size);
    for (const task of this.everyTask()) addTo(summary, task);
    return summary;
  }

  /** The tasks of a job by id. Throws HQ_E_LOG when there is no such job. */
  tasks(jobId: number): TaskInfo[] {
    const table = this.table(jobId);
    return table.taskIds().map((id) => infoOf(table, id));
  }

  /** One task. Throws HQ_E_LOG when there is no such job or task. */
  task(jobId: number, taskId: number): TaskInfo {
    return infoOf(this.table(jobId), taskId);
  }

  /**
   * What tasks printed on one channel, task after task, in pieces of at most 64 KiB.
   * Throws HQ_E_LOG, before the first piece, when a job or task does not exist or has not ended.
   */
  *cat(jobId: number, channel: Channel, options: CatOptions = {}): Generator<Buffer> {
    const table = this.table(jobId);
    const ids = options.tasks === undefined ? table.taskIds() : [...options.tasks];
    for (const id of ids) {
      if (!table.has(id)) throw taskNotFound(id);
      if (!options.allowUnfinished && !table.isFinished(id)) throw unfinished(id);
    }
    for (const id of ids) yield* this.pieces(jobId, id, channel);
  }

  /** Everything that tasks printed, ordered by time; equal times in the order written. Throws HQ_E_LOG for an unknown job. */
  *show(options: ShowOptions = {}): Generator<OutputChunk> {
    const jobIds = options.jobId === undefined ? this.jobs() : [options.jobId];
    const rows = jobIds.map((jobId) => ({ jobId, rows: this.table(jobId).rowsByTime(options), at: 0 }));
    for (;;) {
      const jobs = rows.filter((job) => job.at < job.rows.length);
      if (jobs.length === 0) return;
      const timeOf = (job: (typeof rows)[number]): number => this.table(job.jobId).timeOf(job.rows[job.at] as number);
      const first = jobs.reduce((a, b) => (timeOf(b) < timeOf(a) ? b : a));
      const second = Math.min(...jobs.filter((job) => job !== first).map(timeOf));
      // Goes on with the same job as long as it is ahead of the others: with one job this loop runs once.
      for (; first.at < first.rows.length && timeOf(first) <= second; first.at++) {
        const ref = this.table(first.jobId).ref(first.rows[first.at] as number);
        const data = this.read(first.jobId, ref);
        if (data === undefined) continue;
        const { taskId, instance, channel, timeMs } = ref;
        yield { jobId: first.jobId, taskId, instance, channel, timeMs, data };
      }
    }
  }

  /** Tasks with their whole stdout, one at a time. Throws HQ_E_LOG, before the first one, for an unknown job or task. */
  *export(jobId: number, options: { tasks?: Iterable<number> | undefined } = {}): Generator<ExportedTask> {
    const table = this.table(jobId);
    const ids = options.tasks === undefined ? table.taskIds() : [...options.tasks];
    for (const id of ids) if (!table.has(id)) throw taskNotFound(id);
    for (const id of ids) {
      const stdout = Buffer.concat([...this.pieces(jobId, id, 'stdout')]).toString('utf8');
      yield { id, finished: table.isFinished(id), stdout };
    }
  }

  /** Reads everything and checks every checksum. @returns what is wrong, also told to `onNotice` */
  verify(): Notice[] {
    const found: Notice[] = [];
    const note: OnNotice = (notice) => {
      found.push(notice);
      this.onNotice(notice);
    };
    for (const file of this.finder.files) file.verify(note);
    return found;
  }

  /** Closes the files. */
  close(): void {
    this.finder.close();
  }

  /** What the highest instance of a task printed; says when it is less than its end record promises. */
  private *pieces(jobId: number, taskId: number, channel: Channel): Generator<Buffer> {
    const table = this.table(jobId);
    let bytes = 0;
    for (const ref of table.chunks(taskId, channel)) {
      const data = this.read(jobId, ref);
      if (data === undefined) continue;
      bytes += data.length;
      yield data;
    }
    const end = table.end(taskId);
    if (end === undefined) return;
    const file = this.fileOf(jobId, end);
    const lacking = (file.endSizes(end.offset, end.length)?.[channel] ?? 0) - bytes;
    if (lacking > 0) this.onNotice(incompleteNotice({ file: file.path, offset: end.offset, taskId, bytes: lacking }));
  }

  private *everyTask(): Generator<TaskInfo> {
    for (const jobId of this.byJob.keys()) {
      const table = this.table(jobId);
      for (const id of table.taskIds()) yield infoOf(table, id);
    }
  }

  private read(jobId: number, ref: RecordRef): Buffer | undefined {
    const file = this.fileOf(jobId, ref);
    const data = file.payload(ref.offset, ref.length);
    if (data === undefined) this.onNotice(damagedNotice(file.path, ref.offset, HEADER_BYTES + ref.length));
    return data;
  }

  private fileOf(jobId: number, ref: RecordRef): LogFile {
    const file = this.byJob.get(jobId)?.files[ref.file];
    if (file === undefined) throw new HqError('HQ_E_INTERNAL', { detail: `no file ${ref.file} of job ${jobId}` });
    return file;
  }

  private table(jobId: number): JobTable {
    const job = this.byJob.get(jobId);
    if (job === undefined) throw new HqError('HQ_E_LOG', { detail: `Job ${jobId} not found` });
    if (job.table !== undefined) return job.table;
    const table = new JobTable();
    for (const [number, file] of job.files.entries()) file.visit({ record: (header) => table.add(number, header) }, this.onNotice);
    job.table = table;
    return table;
  }
}

function infoOf(table: JobTable, taskId: number): TaskInfo {
  const info = table.info(taskId);
  if (info === undefined) throw taskNotFound(taskId);
  return info;
}

function taskNotFound(taskId: number): HqError {
  return new HqError('HQ_E_LOG', { detail: `Task ${taskId} not found` });
}

function unfinished(taskId: number): HqError {
  return new HqError('HQ_E_LOG', { detail: `Stream for task ${taskId} is not finished` });
}
