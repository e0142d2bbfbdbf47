/**
 * What tasks have printed, for the API: finds out from the task's own record whether that is in a file or in the consolidated log, reads
 * it, and goes on until the task has ended when asked to. Owned by the server.
 */
import { IntArray } from '../common/intArray.ts';
import { HqError } from '../protocol/errors.ts';
import type { TaskDetail } from '../protocol/schema/task.ts';
import type { OutputOptions } from './api/facade.ts';
import type { JobQueries } from './jobQueries.ts';
import { OutputClient } from './outputClient.ts';
import { OutputFile } from './outputFile.ts';
import { TaskWatch } from './outputWatch.ts';

/** How long a person notices no delay, and a file system does not mind being asked. */
const POLL_MS = 200;
/** In a task's description: this channel is in the consolidated log. */
const IN_LOG = '<stream>';

export interface OutputServiceOptions {
  readonly queries: Pick<JobQueries, 'taskDetail' | 'jobDetail'>;
  readonly serverUid: string;
  /** A text that changes whenever a task's state or instance does; answered from memory. */
  stateOf(jobId: number, taskId: number): string;
}

/** One request. */
interface Wanted extends OutputOptions {
  readonly jobId: number;
  readonly taskId: number;
  readonly watch: TaskWatch;
}

export class OutputService {
  private readonly o: OutputServiceOptions;
  private readonly logs = new OutputClient();
  private readonly watches = new Set<TaskWatch>();

  constructor(options: OutputServiceOptions) {
    this.o = options;
  }

  /** See `ServerFacade.taskOutput`. */
  async taskOutput(jobId: number, taskId: number, options: OutputOptions): Promise<AsyncIterable<Uint8Array>> {
    const { channel, follow, signal } = options;
    // Before the first look, so that no later change is missed.
    const watch = new TaskWatch(() => this.o.stateOf(jobId, taskId), signal);
    const wanted = { ...options, jobId, taskId, watch };
    const task = await this.o.queries.taskDetail(jobId, taskId);
    const what = `${channel} of task ${taskId} of job ${jobId}`;
    if (task.spec[channel] === null) throw new HqError('HQ_E_LOG', { detail: `the ${what} is not kept: it was submitted that way` });
    if (task.startedAtMs === null && (!follow || hasEnded(task))) {
      const never = hasEnded(task) ? 'never started' : 'has not started';
      throw new HqError('HQ_E_LOG', { detail: `task ${taskId} of job ${jobId} ${never}: it has no output` });
    }
    const streamed = task.spec[channel] === undefined ? await this.streamOf(jobId, taskId) : null;
    if (streamed !== null) return this.readLog(wanted, { task, path: streamed });
    return this.readFile(wanted, task);
  }

  /** To be called after every turn that changed something. */
  review(): void {
    for (const watch of this.watches) watch.review();
  }

  /** Ends what is under way. */
  close(): Promise<void> {
    return this.logs.close();
  }

  private async readLog(wanted: Wanted, { task, path }: { task: TaskDetail; path: string }): Promise<AsyncIterable<Uint8Array>> {
    const { jobId, taskId, channel, follow, tailBytes, signal } = wanted;
    const ended = hasEnded(task);
    const request = { path, serverUid: this.o.serverUid, jobId, taskId, channel, tailBytes: tailBytes ?? null, follow, ended };
    const stream = await this.logs.open(request, signal);
    if (!follow) return stream;
    if (ended) stream.taskEnded();
    else {
      // When nothing more can be found out about the task (the journal has failed), the reader gets what is there.
      const end = (): void => stream.taskEnded();
      void this.untilEnd(wanted, task).then(end, end);
    }
    return stream;
  }

  /** Resolves when the task has ended or nobody wants to know any more. */
  private async untilEnd(wanted: Wanted, task: TaskDetail): Promise<void> {
    await this.watching(wanted, async () => {
      let now = task;
      while (!hasEnded(now) && !wanted.signal.aborted) {
        if (wanted.watch.changed()) now = await this.look(wanted, now);
        else await wanted.watch.wait();
      }
    });
  }

  private async readFile(wanted: Wanted, task: TaskDetail): Promise<AsyncIterable<Uint8Array>> {
    const { channel, follow, tailBytes, signal } = wanted;
    const path = pathOf(task, wanted);
    const file = path === null ? undefined : await OutputFile.open(path);
    if (file === undefined && (!follow || hasEnded(task))) throw missing(task, channel, path);
    // Also when nobody ever begins to iterate.
    signal.addEventListener('abort', () => void file?.close(), { once: true });
    if (signal.aborted) await file?.close();
    if (tailBytes !== undefined) file?.seekTail(tailBytes);
    if (follow) return this.followFile(wanted, { task, file });
    return file === undefined ? nothing() : whole(file, signal);
  }

  /** What is in the file, and what is added to it, also by further instances of the task, which write another file or the same one anew. */
  private async *followFile(wanted: Wanted, first: { task: TaskDetail; file: OutputFile | undefined }): AsyncGenerator<Uint8Array> {
    const { signal, watch } = wanted;
    let { task, file } = first;
    let instance = task.instance;
    this.watches.add(watch);
    try {
      while (!signal.aborted) {
        // The task is looked at before the file, so that the last look at the file comes after its end.
        if (watch.changed()) task = await this.look(wanted, task);
        const path = pathOf(task, wanted);
        const ended = hasEnded(task);
        if (path !== null && (file === undefined || ended || task.instance !== instance)) {
          const next = await reopened(path, task.instance === instance ? file : undefined);
          if (next !== undefined) {
            // A file that was not there at the beginning has no old part to leave out.
            await file?.close();
            file = next;
            instance = task.instance;
          }
        }
        while (file !== undefined && !signal.aborted) {
          const piece = await file.read();
          if (piece === undefined) break;
          yield piece;
        }
        if (ended) return;
        if (path === null && file !== undefined) {
          // The instance that wrote it is over, and its last bytes are read: what the next one writes is another output.
          await file.close();
          file = undefined;
        }
        await watch.wait(POLL_MS);
      }
    } catch (error) {
      // The file was closed under a read because nobody wants it any more.
      if (!signal.aborted) throw error;
    } finally {
      this.watches.delete(watch);
      await file?.close();
    }
  }

  private async watching(wanted: Wanted, action: () => Promise<void>): Promise<void> {
    this.watches.add(wanted.watch);
    try {
      await action();
    } finally {
      this.watches.delete(wanted.watch);
    }
  }

  /** The task now. One whose job has been forgotten meanwhile has ended. */
  private async look({ jobId, taskId }: Wanted, before: TaskDetail): Promise<TaskDetail> {
    try {
      return await this.o.queries.taskDetail(jobId, taskId);
    } catch (error) {
      if (error instanceof HqError && error.code === 'HQ_E_JOB_NOT_FOUND') return { ...before, state: 'finished' };
      throw error;
    }
  }

  /** The directory of the consolidated log that a task without an output file of its own writes to; null: it has one. */
  private async streamOf(jobId: number, taskId: number): Promise<string | null> {
    const { submits } = await this.o.queries.jobDetail(jobId);
    const submit = submits.find(({ taskIds }) => {
      const ids = IntArray.parse(taskIds);
      return typeof ids !== 'string' && ids.has(taskId);
    });
    return submit?.stream ?? null;
  }
}

function hasEnded({ state }: TaskDetail): boolean {
  return state !== 'waiting' && state !== 'running';
}

/** Null while the task waits: what is known of its paths then belongs to no instance that has begun to write. */
function pathOf(task: TaskDetail, { channel, follow }: OutputOptions): string | null {
  if (follow && task.state === 'waiting') return null;
  return task[channel] === IN_LOG ? null : task[channel];
}

/**
 * A fresh descriptor: a network file system shows what another host wrote for certain only to who opens the file after it was closed.
 * @param before the same file as read so far; undefined to begin anew
 */
async function reopened(path: string, before: OutputFile | undefined): Promise<OutputFile | undefined> {
  const next = await OutputFile.open(path);
  if (next !== undefined && before !== undefined) next.position = before.position;
  return next;
}

/** What was there when the file was opened: a task that writes faster than the reader takes must not keep it for ever. */
async function* whole(file: OutputFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const piece = await file.read(file.sizeBytes);
      if (piece === undefined || signal.aborted) return;
      yield piece;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await file.close();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function missing(task: TaskDetail, channel: 'stdout' | 'stderr', path: string | null): HqError {
  const spec = task.spec[channel];
  const of = `the ${channel} of task ${task.id} of job ${task.jobId}`;
  if (path === null) return new HqError('HQ_E_LOG', { detail: `${of} is not known: the task has not started` });
  if (task.state === 'finished' && spec?.onClose === 'rm-if-finished')
    return new HqError('HQ_E_LOG', { detail: `${of} was removed when the task finished: it was submitted that way` });
  return new HqError('HQ_E_FILE', { path, detail: 'no such file or directory' });
}
