/**
 * Follows an output log while it grows: what is in it, then what is added, also in files that further workers make later.
 * `hq output-log … --follow` and the web page call it. Files are looked at again and again, because change notifications of a file system
 * do not come from other hosts.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LogFinder } from './find.ts';
import { CHANNELS, type Channel, HEADER_BYTES, MAGIC, OUTCOMES, type Outcome, type RecordHeader, TYPE_DATA, TYPE_END } from './format.ts';
import type { LogFile } from './logFile.ts';
import { cutNotice, damagedNotice, type OnNotice } from './notice.ts';
import type { OutputChunk } from './reader.ts';
import { RecordScanner } from './scan.ts';

/** How long a person notices no delay, and a file system does not mind being asked. */
const POLL_MS = 200;
/** A network file system may show a page before an earlier one: bytes near the end are called damaged only when they stay so for this many looks. */
const PATIENT_LOOKS = 5;
/** What lies farther than this before the end of a file has settled. */
const UNSETTLED_BYTES = 4 * 1024 * 1024;

export interface FollowOptions {
  readonly serverUid?: string | undefined;
  readonly jobId?: number | undefined;
  readonly channel?: Channel | undefined;
  readonly tasks?: ReadonlySet<number> | undefined;
  /** Ends the iteration (without an error) soon after it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Whether nothing more will be written. Asked before each look, so that the last look comes after the answer `true`. */
  readonly isDone?: (() => boolean | Promise<boolean>) | undefined;
  readonly onNotice?: OnNotice | undefined;
  /** Waits between two looks; default 200 ms, ended early by `signal`. Tests let files grow here. */
  readonly wait?: (() => Promise<void>) | undefined;
}

/** An instance of a task has ended. */
export interface OutputEnd {
  readonly jobId: number;
  readonly taskId: number;
  readonly instance: number;
  readonly outcome: Outcome;
  /** ms since 1970. */
  readonly timeMs: number;
}

export type FollowEvent = ({ readonly kind: 'data' } & OutputChunk) | ({ readonly kind: 'end' } & OutputEnd);

/**
 * Yields what the log at `path` (a stream directory or a log file; it need not exist yet) holds and what is added to it.
 * Of one task everything comes in the order written; output of an instance that comes after that of a higher one is left out.
 * Throws HQ_E_LOG when several servers wrote there and `serverUid` does not choose, or the file is no log; HQ_E_FILE when it cannot be read.
 */
export async function* followOutputLog(path: string, options: FollowOptions = {}): AsyncGenerator<FollowEvent, void> {
  const { signal, serverUid, jobId } = options;
  const wait = options.wait ?? (() => delay(POLL_MS, undefined, { signal }).catch(() => {}));
  const finder = new LogFinder(path, { serverUid, jobId, growing: true });
  const files: FollowedFile[] = [];
  const highest = new HighestInstances();
  try {
    while (!signal?.aborted) {
      const done = (await options.isDone?.()) ?? false;
      for (const file of finder.update()) files.push(new FollowedFile(file, options, highest));
      for (const file of files) {
        for (const event of file.look(done)) {
          yield event;
          if (signal?.aborted) return;
        }
      }
      if (done) return;
      await wait();
    }
  } finally {
    finder.close();
  }
}

/** The highest instance seen of every task, over the files of all workers. */
class HighestInstances {
  private readonly jobs = new Map<number, Map<number, number>>();

  /** @returns false when a higher instance of the task has been seen before */
  accept(jobId: number, taskId: number, instance: number): boolean {
    const tasks = this.jobs.get(jobId) ?? new Map<number, number>();
    this.jobs.set(jobId, tasks);
    if (instance < (tasks.get(taskId) ?? 0)) return false;
    tasks.set(taskId, instance);
    return true;
  }
}

/** One file and how far it has been read. */
class FollowedFile {
  private readonly file: LogFile;
  private readonly options: FollowOptions;
  private readonly highest: HighestInstances;
  private position = MAGIC.length;
  /** Bytes that look damaged, and in how many looks they did. */
  private suspect = { offset: -1, looks: 0 };
  private stopped = false;

  constructor(file: LogFile, options: FollowOptions, highest: HighestInstances) {
    this.file = file;
    this.options = options;
    this.highest = highest;
  }

  /** What is new since the last look. `last`: nobody will look again, so nothing is put off. */
  *look(last: boolean): Generator<FollowEvent> {
    const to = this.file.size;
    this.stopped = false;
    const onDamage = (offset: number, bytes: number): 'continue' | 'stop' => this.judge({ offset, bytes, to, last });
    const scanner = new RecordScanner({ readAt: this.file.readAt, from: this.position, to, onDamage });
    for (let header = scanner.next(); header !== undefined; header = scanner.next()) {
      const event = this.eventOf(header, { to, last });
      if (this.stopped) return;
      this.position = scanner.position;
      if (event !== undefined) yield event;
    }
    this.position = scanner.position;
    if (last && this.position < to) this.options.onNotice?.(cutNotice(this.file.path, this.position, to - this.position));
  }

  private eventOf(header: RecordHeader, look: { to: number; last: boolean }): FollowEvent | undefined {
    const { taskId, instance, timeMs, offset, length } = header;
    const { jobId } = this.file.identity;
    if ((header.type !== TYPE_DATA && header.type !== TYPE_END) || !this.isWanted(header)) return undefined;
    if (header.type === TYPE_END) {
      const outcome = OUTCOMES[header.code];
      return outcome && { kind: 'end', jobId, taskId, instance, outcome, timeMs };
    }
    const channel = CHANNELS[header.code];
    if (channel === undefined || (this.options.channel ?? channel) !== channel) return undefined;
    const data = this.file.payload(offset, length);
    if (data === undefined) {
      this.judge({ offset, bytes: HEADER_BYTES + length, ...look });
      return undefined;
    }
    return { kind: 'data', jobId, taskId, instance, channel, timeMs, data };
  }

  private isWanted({ taskId, instance }: RecordHeader): boolean {
    if (this.options.tasks !== undefined && !this.options.tasks.has(taskId)) return false;
    return this.highest.accept(this.file.identity.jobId, taskId, instance);
  }

  /** Whether damaged bytes are given up, or looked at again next time. */
  private judge(o: { offset: number; bytes: number; to: number; last: boolean }): 'continue' | 'stop' {
    const looks = this.suspect.offset === o.offset ? this.suspect.looks + 1 : 1;
    this.suspect = { offset: o.offset, looks };
    const settled = o.last || looks >= PATIENT_LOOKS || o.offset + o.bytes < o.to - UNSETTLED_BYTES;
    this.stopped = !settled;
    if (!settled) return 'stop';
    this.options.onNotice?.(damagedNotice(this.file.path, o.offset, o.bytes));
    return 'continue';
  }
}
