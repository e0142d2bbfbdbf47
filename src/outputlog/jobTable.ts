/**
 * What the files of one job hold, merged: which records belong to which task and instance. The reader fills it from the files and asks it.
 * Records are columns of numbers, so that a log of a million tasks fits into a client's memory.
 */
import { CHANNELS, type Channel, OUTCOMES, type Outcome, type RecordHeader, TYPE_DATA, TYPE_END } from './format.ts';

/** Kind of an end record; the kind of a data record is the position of its channel in CHANNELS. */
const END = 2;
const NONE = -1;

/** One task, seen at its highest instance; older ones are superseded. */
export interface TaskInfo {
  readonly id: number;
  readonly instance: number;
  /** Whether the instance has ended, in whatever way. */
  readonly finished: boolean;
  readonly outcome: Outcome | undefined;
  /** ms since 1970. */
  readonly endedMs: number | undefined;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly superseded: { readonly instances: number; readonly stdoutBytes: number; readonly stderrBytes: number };
}

/** Where a record lies. `file` is the number that it was added with, sizes in bytes. */
export interface RecordRef {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  readonly taskId: number;
  readonly instance: number;
  readonly channel: Channel;
  readonly timeMs: number;
}

interface TaskRow {
  instance: number;
  readonly first: number;
  last: number;
}

export class JobTable {
  private readonly tasks = new Map<number, TaskRow>();
  private count = 0;
  private kind = new Uint8Array(256);
  private code = new Uint8Array(256);
  private file = new Uint32Array(256);
  private task = new Uint32Array(256);
  private instance = new Uint32Array(256);
  private length = new Uint32Array(256);
  private offset = new Float64Array(256);
  private timeMs = new Float64Array(256);
  /** Next record of the same task, or NONE. */
  private next = new Int32Array(256);

  /** Adds a data or end record of a file; other types are ignored. */
  add(file: number, header: RecordHeader): void {
    const kind = kindOf(header);
    if (kind === undefined) return;
    const row = this.count++;
    if (row === this.kind.length) this.grow();
    this.kind[row] = kind;
    this.code[row] = header.code;
    this.file[row] = file;
    this.task[row] = header.taskId;
    this.instance[row] = header.instance;
    this.length[row] = header.length;
    this.offset[row] = header.offset;
    this.timeMs[row] = header.timeMs;
    this.next[row] = NONE;
    this.link(row, header);
  }

  taskIds(): number[] {
    return [...this.tasks.keys()].sort((a, b) => a - b);
  }

  has(taskId: number): boolean {
    return this.tasks.has(taskId);
  }

  /** Whether the highest instance has ended; false for an unknown task. */
  isFinished(taskId: number): boolean {
    return this.endRow(taskId) !== NONE;
  }

  /** @returns undefined for an unknown task */
  info(taskId: number): TaskInfo | undefined {
    const task = this.tasks.get(taskId);
    if (task === undefined) return undefined;
    const current = [0, 0];
    const old = [0, 0];
    const oldInstances = new Set<number>();
    for (let row = task.first; row !== NONE; row = this.next[row] as number) {
      const isCurrent = this.instance[row] === task.instance;
      if (!isCurrent) oldInstances.add(this.instance[row] as number);
      const sizes = isCurrent ? current : old;
      const kind = this.kind[row] as number;
      if (kind !== END) sizes[kind] = (sizes[kind] as number) + (this.length[row] as number);
    }
    const end = this.endRow(taskId);
    return {
      id: taskId,
      instance: task.instance,
      finished: end !== NONE,
      outcome: end === NONE ? undefined : OUTCOMES[this.code[end] as number],
      endedMs: end === NONE ? undefined : this.timeMs[end],
      stdoutBytes: current[0] as number,
      stderrBytes: current[1] as number,
      superseded: { instances: oldInstances.size, stdoutBytes: old[0] as number, stderrBytes: old[1] as number },
    };
  }

  /** What the highest instance of a task printed on a channel, in the order written; nothing for an unknown task. */
  *chunks(taskId: number, channel: Channel): Generator<RecordRef> {
    const task = this.tasks.get(taskId);
    if (task === undefined) return;
    const kind = CHANNELS.indexOf(channel);
    for (let row = task.first; row !== NONE; row = this.next[row] as number) {
      if (this.kind[row] === kind && this.instance[row] === task.instance) yield this.ref(row);
    }
  }

  /** Where the end record of the highest instance lies, undefined while there is none. */
  end(taskId: number): RecordRef | undefined {
    const row = this.endRow(taskId);
    return row === NONE ? undefined : this.ref(row);
  }

  /** Rows of all that highest instances printed, ordered by time, then by file and offset; `ref` and `timeOf` take them. */
  rowsByTime(wanted: { channel?: Channel | undefined; tasks?: ReadonlySet<number> | undefined }): Uint32Array {
    const kind = wanted.channel === undefined ? undefined : CHANNELS.indexOf(wanted.channel);
    const rows = new Uint32Array(this.count);
    let used = 0;
    for (let row = 0; row < this.count; row++) {
      if (this.kind[row] === END || (kind !== undefined && this.kind[row] !== kind)) continue;
      const taskId = this.task[row] as number;
      if (wanted.tasks !== undefined && !wanted.tasks.has(taskId)) continue;
      if (this.tasks.get(taskId)?.instance === this.instance[row]) rows[used++] = row;
    }
    const { timeMs } = this;
    return rows.subarray(0, used).sort((a, b) => (timeMs[a] as number) - (timeMs[b] as number) || a - b);
  }

  timeOf(row: number): number {
    return this.timeMs[row] as number;
  }

  ref(row: number): RecordRef {
    return {
      file: this.file[row] as number,
      offset: this.offset[row] as number,
      length: this.length[row] as number,
      taskId: this.task[row] as number,
      instance: this.instance[row] as number,
      channel: CHANNELS[this.kind[row] as number] ?? 'stdout',
      timeMs: this.timeMs[row] as number,
    };
  }

  private endRow(taskId: number): number {
    const task = this.tasks.get(taskId);
    let end = NONE;
    for (let row = task?.first ?? NONE; row !== NONE; row = this.next[row] as number) {
      if (this.kind[row] === END && this.instance[row] === task?.instance) end = row;
    }
    return end;
  }

  private link(row: number, header: RecordHeader): void {
    const task = this.tasks.get(header.taskId);
    if (task === undefined) {
      this.tasks.set(header.taskId, { instance: header.instance, first: row, last: row });
      return;
    }
    this.next[task.last] = row;
    task.last = row;
    if (header.instance > task.instance) task.instance = header.instance;
  }

  private grow(): void {
    const size = this.count * 2;
    this.kind = copied(this.kind, new Uint8Array(size));
    this.code = copied(this.code, new Uint8Array(size));
    this.file = copied(this.file, new Uint32Array(size));
    this.task = copied(this.task, new Uint32Array(size));
    this.instance = copied(this.instance, new Uint32Array(size));
    this.length = copied(this.length, new Uint32Array(size));
    this.offset = copied(this.offset, new Float64Array(size));
    this.timeMs = copied(this.timeMs, new Float64Array(size));
    this.next = copied(this.next, new Int32Array(size));
  }
}

/** A code that this version does not know (a third channel, say) is left out. */
function kindOf(header: RecordHeader): number | undefined {
  if (header.type === TYPE_END) return END;
  return header.type === TYPE_DATA && header.code < CHANNELS.length ? header.code : undefined;
}

function copied<T extends { set(from: T): void }>(from: T, into: T): T {
  into.set(from);
  return into;
}
