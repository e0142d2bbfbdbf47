/**
 * All unfinished jobs' tasks as columns: one typed array per property, one row per task, rows of one submit next to each other.
 * Written by the reactor and the planner, read by everything in the core.
 */

/** Row states. The public state `waiting` covers BLOCKED, READY, SENT and DELAYED. */
export const BLOCKED = 0;
/** In a ready queue. */
export const READY = 1;
/** Given to a worker, not known to have started. */
export const SENT = 2;
export const RUNNING = 3;
/** Failed, and its next attempt may not start yet. */
export const DELAYED = 4;
export const FINISHED = 5;
export const FAILED = 6;
export const CANCELED = 7;
export const ABORTED = 8;

/** How a worker holds a row: not at all; with its resources reserved; queued ahead of need; being taken back. */
export const HOLD_NONE = 0;
export const HOLD_RESERVED = 1;
export const HOLD_PREFILLED = 2;
export const HOLD_RETRACTING = 3;

/** Values of the crashLimit column with a meaning of their own. */
export const CRASH_NEVER_RESTART = 0;
export const CRASH_UNLIMITED = 0xffff;

const FIRST_CAPACITY_ROWS = 1024;

/** A larger table gives memory back when most of it is no longer used. */
const KEEP_CAPACITY_ROWS = 65_536;

interface FreeRange {
  base: number;
  count: number;
}

/** Columns and the allocation of row ranges. Arrays are replaced when the table grows: never keep a reference to one. */
export class TaskTable {
  state: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_CAPACITY_ROWS);
  hold: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_CAPACITY_ROWS);
  jobId: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);
  taskId: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);
  /** Interned resource request. */
  requestClass: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);
  priority: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY_ROWS);
  /** Instance id of the running attempt, or of the next one. */
  instance: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);
  /** Worker that holds the row; 0 for none. */
  worker: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);
  /** Variant of the request that was reserved. */
  variant: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_CAPACITY_ROWS);
  unfinishedDeps: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);
  /** Index of the first dependent in the edge list, plus one; 0 for none. */
  firstDependent: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);
  crashes: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_CAPACITY_ROWS);
  crashLimit: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_CAPACITY_ROWS);
  retries: Uint16Array<ArrayBuffer> = new Uint16Array(FIRST_CAPACITY_ROWS);
  /** Interned policy; 0 for tasks that are not run again. */
  retryPolicy: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_ROWS);

  /** Rows whose memory was given back so far, all together. */
  givenBackRows = 0;
  private capacity = FIRST_CAPACITY_ROWS;
  private used = 0;
  /** Sorted by base, never adjacent. */
  private readonly freeRanges: FreeRange[] = [];

  /** Highest row ever used plus one. */
  get rowCount(): number {
    return this.used;
  }

  /** Rows for which there is memory. */
  get capacityRows(): number {
    return this.capacity;
  }

  /** @returns the first of `count` consecutive rows, all zero. */
  allocate(count: number): number {
    const index = this.freeRanges.findIndex((range) => range.count >= count);
    if (index >= 0) {
      const range = this.freeRanges[index] as FreeRange;
      const base = range.base;
      range.base += count;
      range.count -= count;
      if (range.count === 0) this.freeRanges.splice(index, 1);
      this.clear(base, count);
      return base;
    }
    const base = this.used;
    this.used += count;
    if (this.used > this.capacity) this.resize(Math.max(this.capacity * 2, this.used));
    return base;
  }

  /** Gives rows back; nothing may refer to them any more but stale ready-queue entries, which check the state. */
  free(base: number, count: number): void {
    this.clear(base, count);
    // Rows look ended, so that a stale queue entry is skipped.
    this.state.fill(FINISHED, base, base + count);
    const at = this.freeRanges.findIndex((range) => range.base > base);
    const index = at < 0 ? this.freeRanges.length : at;
    this.freeRanges.splice(index, 0, { base, count });
    this.mergeAt(index + 1);
    this.mergeAt(index);
    this.cutTail();
  }

  /** The end of the table is free: forgotten, and its memory given back when it is most of it. */
  private cutTail(): void {
    const last = this.freeRanges.at(-1);
    if (last === undefined || last.base + last.count !== this.used) return;
    this.freeRanges.pop();
    this.state.fill(BLOCKED, last.base, this.used);
    this.used = last.base;
    if (this.capacity <= KEEP_CAPACITY_ROWS || this.used >= this.capacity / 4) return;
    const before = this.capacity;
    this.resize(Math.max(KEEP_CAPACITY_ROWS, this.used * 2));
    this.givenBackRows += before - this.capacity;
  }

  /** Number of rows not in use below `rowCount`. */
  get freeRows(): number {
    return this.freeRanges.reduce((sum, range) => sum + range.count, 0);
  }

  private mergeAt(index: number): void {
    const [left, right] = [this.freeRanges[index - 1], this.freeRanges[index]];
    if (left === undefined || right === undefined || left.base + left.count !== right.base) return;
    left.count += right.count;
    this.freeRanges.splice(index, 1);
  }

  private columns(): { fill(value: number, start: number, end: number): unknown }[] {
    return [
      this.state,
      this.hold,
      this.jobId,
      this.taskId,
      this.requestClass,
      this.priority,
      this.instance,
      this.worker,
      this.variant,
      this.unfinishedDeps,
      this.firstDependent,
      this.crashes,
      this.crashLimit,
      this.retries,
      this.retryPolicy,
    ];
  }

  private clear(base: number, count: number): void {
    for (const column of this.columns()) column.fill(0, base, base + count);
  }

  private resize(capacity: number): void {
    const bytes = (old: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => copyInto(old, new Uint8Array(capacity));
    const shorts = (old: Uint16Array<ArrayBuffer>): Uint16Array<ArrayBuffer> => copyInto(old, new Uint16Array(capacity));
    const words = (old: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => copyInto(old, new Uint32Array(capacity));
    this.state = bytes(this.state);
    this.hold = bytes(this.hold);
    this.variant = bytes(this.variant);
    this.jobId = words(this.jobId);
    this.taskId = words(this.taskId);
    this.requestClass = words(this.requestClass);
    this.priority = copyInto(this.priority, new Int32Array(capacity));
    this.instance = words(this.instance);
    this.worker = words(this.worker);
    this.unfinishedDeps = words(this.unfinishedDeps);
    this.firstDependent = words(this.firstDependent);
    this.crashes = shorts(this.crashes);
    this.crashLimit = shorts(this.crashLimit);
    this.retries = shorts(this.retries);
    this.retryPolicy = words(this.retryPolicy);
    this.capacity = capacity;
  }
}

function copyInto<T extends { set(source: T): void; subarray(start: number, end: number): T; readonly length: number }>(
  source: T,
  target: T,
): T {
  target.set(source.length > target.length ? source.subarray(0, target.length) : source);
  return target;
}
