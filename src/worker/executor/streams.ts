/**
 * Output of streamed tasks: each channel is a fresh node-local file that the task appends to, and what it holds is copied into the job's
 * consolidated log every second and at the task's end. Called by the executor.
 */
import type { Channel, Outcome } from '../../outputlog/format.ts';
import { LogWriteError } from '../../outputlog/writeError.ts';
import { type OpenOptions, OutputLogWriter } from '../../outputlog/writer.ts';
import type { HeldTask } from '../heldTask.ts';
import type { Capture, Captured } from './capture.ts';

/** A log whose job has had no task here for this long is closed, milliseconds; the next task opens it again. */
const CLOSE_AFTER_MS = 30_000;

/** The log of one job on this worker. */
export interface JobLog {
  readonly key: string;
  readonly writer: OutputLogWriter;
  tasks: number;
  /** Monotonic, milliseconds; when `tasks` became 0. */
  idleSinceMs: number;
  dirty: boolean;
}

interface ChannelFile {
  readonly channel: Channel;
  readonly capture: Capture;
  /** Bytes copied so far. */
  taken: number;
}

/** The streamed channels of one started task. */
export interface TaskStream {
  readonly task: HeldTask;
  readonly log: JobLog;
  readonly files: readonly ChannelFile[];
}

export interface StreamsOptions {
  /** Makes the file of a channel. Throws HqError HQ_E_LOG_WRITE. */
  makeCapture(): Capture;
  readonly serverUid: string;
  readonly workerId: number;
  readonly session: string;
  /** Default: the writer of the consolidated log. */
  readonly openWriter?: (options: OpenOptions) => OutputLogWriter;
}

export class Streams {
  private readonly options: StreamsOptions;
  private readonly logs = new Map<string, JobLog>();
  private readonly open = new Set<TaskStream>();

  constructor(options: StreamsOptions) {
    this.options = options;
  }

  /**
   * Makes the files of a task that is about to start.
   * @throws HqError HQ_E_LOG_WRITE when the log or a file cannot be made; nothing is left behind
   */
  begin(task: HeldTask, channels: readonly Channel[], nowMs: number): TaskStream {
    const log = this.logOf(task, nowMs);
    const files: ChannelFile[] = [];
    try {
      for (const channel of channels) files.push({ channel, capture: this.options.makeCapture(), taken: 0 });
    } catch (error) {
      for (const { capture } of files) capture.close();
      throw error;
    }
    log.tasks += 1;
    const stream = { task, log, files };
    this.open.add(stream);
    return stream;
  }

  /** The task will not be started: nothing of it is in the log. */
  abandon(stream: TaskStream): void {
    this.forget(stream);
    for (const { capture } of stream.files) capture.close();
  }

  /** Where a channel of the task goes; undefined when this channel is not streamed. */
  captureOf(stream: TaskStream, channel: Channel): Capture | undefined {
    return stream.files.find((file) => file.channel === channel)?.capture;
  }

  /**
   * Copies the rest and adds the end record; `flush` must follow before the end is reported. The files are gone afterwards in any case.
   * @throws LogWriteError when the log cannot take it
   */
  end(stream: TaskStream, outcome: Outcome, timeMs: number): void {
    const { task, log } = stream;
    this.forget(stream);
    log.dirty = true;
    try {
      copy(stream, timeMs);
      log.writer.end({ taskId: task.task, instance: task.instance, outcome, timeMs });
    } finally {
      for (const { capture } of stream.files) capture.close();
    }
  }

  /** Writes every changed log. @returns the errors of those that could not be written, by stream's log */
  flush(): Map<JobLog, LogWriteError> {
    const errors = new Map<JobLog, LogWriteError>();
    for (const log of this.logs.values()) {
      if (!log.dirty) continue;
      try {
        log.writer.flush();
        log.dirty = false;
      } catch (error) {
        if (!(error instanceof LogWriteError)) throw error;
        errors.set(log, error);
      }
    }
    return errors;
  }

  /** Once per second: copies what running tasks have printed and closes logs that nobody uses. A log that cannot be written now is tried again later. */
  sweep(timeMs: number): void {
    for (const stream of this.open) {
      try {
        if (copy(stream, timeMs)) stream.log.dirty = true;
      } catch (error) {
        // At the end of the task it must succeed; until then the disk may have room again.
        if (!(error instanceof LogWriteError)) throw error;
      }
    }
    this.flush();
    for (const log of this.logs.values()) if (log.tasks === 0 && performance.now() - log.idleSinceMs > CLOSE_AFTER_MS) this.close(log);
  }

  /** Closes every log; for the end of the worker, when no task is left. */
  closeAll(): void {
    for (const log of this.logs.values()) this.close(log);
  }

  private forget(stream: TaskStream): void {
    this.open.delete(stream);
    stream.log.tasks -= 1;
    stream.log.idleSinceMs = performance.now();
  }

  private close(log: JobLog): void {
    this.logs.delete(log.key);
    try {
      log.writer.close();
    } catch (error) {
      if (!(error instanceof LogWriteError)) throw error;
      log.writer.abandon();
    }
  }

  private logOf(task: HeldTask, nowMs: number): JobLog {
    const dir = task.body.stream ?? '';
    const key = `${task.job} ${dir}`;
    let log = this.logs.get(key);
    if (log === undefined) {
      const { serverUid, workerId, session } = this.options;
      const open = this.options.openWriter ?? ((o: OpenOptions) => OutputLogWriter.open(o));
      const writer = open({ dir, jobId: task.job, serverUid, workerId, session, nowMs });
      log = { key, writer, tasks: 0, idleSinceMs: performance.now(), dirty: false };
      this.logs.set(key, log);
    }
    return log;
  }
}

/** @returns true when there was something new */
function copy({ task, log, files }: TaskStream, timeMs: number): boolean {
  let any = false;
  for (const file of files) {
    const found = look(file.capture, log);
    if (found === undefined) continue;
    const { size, source } = found;
    // A task may cut its own output (`> /dev/stderr` in a shell does); what it writes then begins anew.
    if (size < file.taken) file.taken = 0;
    if (size === file.taken) continue;
    any = true;
    const record = { taskId: task.task, instance: task.instance, timeMs, channel: file.channel };
    if (typeof source !== 'number') {
      log.writer.append({ ...record, data: source.subarray(file.taken) });
      file.taken = size;
      continue;
    }
    try {
      file.taken += log.writer.appendRange({ ...record, fd: source, start: file.taken, end: size });
    } catch (error) {
      if (error instanceof LogWriteError) file.taken += error.takenBytes;
      throw error;
    }
  }
  return any;
}

/** What cannot be read is lost to the log, which fails the task in the same way. */
function look(capture: Capture, log: JobLog): Captured | undefined {
  try {
    return capture.look();
  } catch (error) {
    throw new LogWriteError(log.writer.path, error);
  }
}
