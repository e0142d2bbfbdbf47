/**
 * One channel of one task out of the consolidated log of its job: what is there, its last bytes, or what comes until the task has ended.
 * Reads synchronously and may have to walk a big log, so it runs in the output thread (`outputHost.ts`), never beside the scheduler.
 * The only module of the server that reads logs.
 */
import { LogFinder } from '../outputlog/find.ts';
import { followOutputLog } from '../outputlog/follow.ts';
import { JobTable } from '../outputlog/jobTable.ts';
import { HqError } from '../protocol/errors.ts';
import type { OutputChannel } from './api/facade.ts';

export interface LogRequest {
  /** Absolute path of the stream directory. */
  readonly path: string;
  readonly serverUid: string;
  readonly jobId: number;
  readonly taskId: number;
  readonly channel: OutputChannel;
  /** Only the last bytes of what is there at the beginning. */
  readonly tailBytes: number | null;
  /** Goes on until `LogControl.isDone`. */
  readonly follow: boolean;
  /** The task has ended: a log without it is an error, not a log that has still to come. */
  readonly ended: boolean;
}

/** How the reader of a followed log is told what happens. */
export interface LogControl {
  readonly signal: AbortSignal;
  /** The task has ended; all of its output is in the log. */
  isDone(): boolean;
  /** Waits between two looks. */
  wait(): Promise<void>;
}

/**
 * Damaged records are left out. Of several instances the highest one counts; a higher one that comes while the log is followed is added.
 * @returns pieces of at most 64 KiB; leaving the iteration closes the files
 * @throws HqError HQ_E_LOG, HQ_E_FILE when there is nothing to read, before anything is returned
 */
export function openTaskLog(request: LogRequest, control: LogControl): AsyncGenerator<Buffer> | Generator<Buffer> {
  const records = TaskRecords.open(request);
  if (!request.follow) return records.pieces(request.tailBytes);
  try {
    const { instance } = records;
    const skipBytes = request.tailBytes === null ? 0 : Math.max(0, records.intactBytes() - request.tailBytes);
    return follow(request, { control, instance, skipBytes });
  } finally {
    records.close();
  }
}

/** Where the records of one task lie, over the files of all workers. */
class TaskRecords {
  private readonly finder: LogFinder;
  private readonly request: LogRequest;
  private readonly table = new JobTable();

  private constructor(finder: LogFinder, request: LogRequest) {
    this.finder = finder;
    this.request = request;
    for (const [number, file] of finder.files.entries()) {
      if (file.identity.jobId !== request.jobId) continue;
      const record = (header: Parameters<JobTable['add']>[1]): void => {
        if (header.taskId === request.taskId) this.table.add(number, header);
      };
      file.visit({ record }, () => {});
    }
  }

  static open(request: LogRequest): TaskRecords {
    const { path, serverUid, jobId, taskId, ended } = request;
    const finder = new LogFinder(path, { serverUid, jobId, growing: true });
    try {
      finder.update();
      if (ended && !finder.exists()) throw new HqError('HQ_E_FILE', { path, detail: 'no such file or directory' });
      const records = new TaskRecords(finder, request);
      if (ended && !records.table.has(taskId))
        throw new HqError('HQ_E_LOG', { detail: `the log in ${path} holds nothing of task ${taskId} of job ${jobId}` });
      return records;
    } catch (error) {
      finder.close();
      throw error;
    }
  }

  /** The highest one; 0 while there is none. */
  get instance(): number {
    return this.table.info(this.request.taskId)?.instance ?? 0;
  }

  /** Size of everything that can be read. */
  intactBytes(): number {
    let bytes = 0;
    for (const piece of this.read(0)) bytes += piece.length;
    return bytes;
  }

  /** Closes the files at its end. */
  *pieces(tailBytes: number | null): Generator<Buffer> {
    try {
      const { taskId, channel } = this.request;
      const info = this.table.info(taskId);
      const total = (channel === 'stdout' ? info?.stdoutBytes : info?.stderrBytes) ?? 0;
      yield* this.read(tailBytes === null ? 0 : Math.max(0, total - tailBytes));
    } finally {
      this.close();
    }
  }

  close(): void {
    this.finder.close();
  }

  private *read(skipBytes: number): Generator<Buffer> {
    let left = skipBytes;
    for (const { file, offset, length } of this.table.chunks(this.request.taskId, this.request.channel)) {
      if (left >= length) {
        left -= length;
        continue;
      }
      const data = this.finder.files[file]?.payload(offset, length);
      if (data !== undefined) yield data.subarray(left);
      left = 0;
    }
  }
}

interface Start {
  readonly control: LogControl;
  readonly instance: number;
  readonly skipBytes: number;
}

async function* follow(request: LogRequest, { control, instance, skipBytes }: Start): AsyncGenerator<Buffer> {
  const { path, serverUid, jobId, taskId, channel } = request;
  const { signal } = control;
  const options = { serverUid, jobId, channel, tasks: new Set([taskId]), signal, isDone: control.isDone, wait: control.wait };
  let left = skipBytes;
  for await (const event of followOutputLog(path, options)) {
    if (event.kind !== 'data' || event.jobId !== jobId || event.instance < instance) continue;
    if (event.instance > instance) left = 0;
    const skipped = Math.min(left, event.data.length);
    left -= skipped;
    if (skipped < event.data.length) yield event.data.subarray(skipped);
  }
}
