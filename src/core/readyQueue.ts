/**
 * Rows that could start now, per request class and priority, oldest first. Rows of a submit that become ready together stay one
 * range, so that a million-task array is one entry. Entries of tasks that are no longer ready (canceled) are skipped when they come up.
 */
import { READY, type TaskTable } from './taskTable.ts';

/** Free places made in front at least, when something is put there and there is none. */
const FRONT_ROOM = 16;

/**
 * FIFO of row ranges, each of one job. `size` counts ready rows exactly, entries may be stale: a row that is no longer ready, or that was
 * given to another job meanwhile (whose own entry is further back).
 */
class Bucket {
  readonly requestClass: number;
  readonly priority: number;
  size = 0;
  private starts: number[] = [];
  private counts: number[] = [];
  private jobs: number[] = [];
  private head = 0;

  constructor(requestClass: number, priority: number) {
    this.requestClass = requestClass;
    this.priority = priority;
  }

  push(jobId: number, row: number, count: number): void {
    const last = this.starts.length - 1;
    const isNext = last >= this.head && (this.starts[last] as number) + (this.counts[last] as number) === row;
    if (isNext && this.jobs[last] === jobId) {
      this.counts[last] = (this.counts[last] as number) + count;
      return;
    }
    this.starts.push(row);
    this.counts.push(count);
    this.jobs.push(jobId);
  }

  pushFront(jobId: number, row: number): void {
    if (this.head === 0) this.makeRoom();
    this.head -= 1;
    this.starts[this.head] = row;
    this.counts[this.head] = 1;
    this.jobs[this.head] = jobId;
  }

  /** First row that is really ready, or -1; stale entries before it are dropped. */
  peek(tasks: TaskTable): number {
    while (this.head < this.starts.length) {
      const row = this.starts[this.head] as number;
      if (this.jobs[this.head] === tasks.jobId[row] && this.isLive(tasks, row)) return row;
      this.advance();
    }
    this.compact();
    return -1;
  }

  /** Number of ready rows before this one. Cost: that number; for questions of people. */
  before(tasks: TaskTable, row: number): number {
    let ahead = 0;
    for (let at = this.head; at < this.starts.length; at += 1) {
      const start = this.starts[at] as number;
      for (let next = start; next < start + (this.counts[at] as number); next += 1) {
        if (this.jobs[at] !== tasks.jobId[next] || !this.isLive(tasks, next)) continue;
        if (next === row) return ahead;
        ahead += 1;
      }
    }
    return ahead;
  }

  advance(): void {
    this.counts[this.head] = (this.counts[this.head] as number) - 1;
    this.starts[this.head] = (this.starts[this.head] as number) + 1;
    if (this.counts[this.head] === 0) this.head += 1;
    if (this.head > 1024 && this.head * 2 > this.starts.length) this.compact();
  }

  private isLive(tasks: TaskTable, row: number): boolean {
    return tasks.state[row] === READY && tasks.requestClass[row] === this.requestClass && tasks.priority[row] === this.priority;
  }

  private compact(): void {
    this.starts.splice(0, this.head);
    this.counts.splice(0, this.head);
    this.jobs.splice(0, this.head);
    this.head = 0;
  }

  /** In proportion to the length, so that putting many rows in front costs little each. */
  private makeRoom(): void {
    this.head = Math.max(FRONT_ROOM, this.starts.length >> 1);
    const room = new Array<number>(this.head).fill(0);
    this.starts = room.concat(this.starts);
    this.counts = room.concat(this.counts);
    this.jobs = room.concat(this.jobs);
  }
}

/** The task of a class that starts first. */
export interface Head {
  readonly requestClass: number;
  readonly jobId: number;
  readonly taskId: number;
}

export class ReadyQueues {
  /** Buckets that hold ready rows, by priority, then class. */
  private readonly byPriority = new Map<number, Map<number, Bucket>>();
  /** Priorities in `byPriority`, highest first. */
  private priorities: number[] = [];
  private total = 0;

  /** Number of ready rows. */
  get size(): number {
    return this.total;
  }

  /** Makes `count` rows of one class and priority ready, behind the others. */
  push(tasks: TaskTable, row: number, count = 1): void {
    const bucket = this.bucketOf(tasks, row);
    bucket.push(tasks.jobId[row] as number, row, count);
    this.added(bucket, count);
  }

  /** Makes a row ready before all others of its class and priority: it was out already and came back. */
  pushFront(tasks: TaskTable, row: number): void {
    const bucket = this.bucketOf(tasks, row);
    bucket.pushFront(tasks.jobId[row] as number, row);
    this.added(bucket, 1);
  }

  /** A row stops being ready without having been taken (canceled); its entry is skipped later. */
  remove(tasks: TaskTable, row: number): void {
    this.shrink(this.bucketOf(tasks, row));
  }

  /** Takes the first row of a bucket; -1 when it is empty. The caller changes the row's state at once. */
  take(tasks: TaskTable, priority: number, requestClass: number): number {
    const bucket = this.byPriority.get(priority)?.get(requestClass);
    const row = bucket?.peek(tasks) ?? -1;
    if (bucket === undefined || row < 0) return -1;
    bucket.advance();
    this.shrink(bucket);
    return row;
  }

  /** The first row of a bucket, which stays; -1 when it is empty. */
  first(tasks: TaskTable, priority: number, requestClass: number): number {
    return this.byPriority.get(priority)?.get(requestClass)?.peek(tasks) ?? -1;
  }

  /** Number of rows of its class and priority that start before a ready row. Cost: that number. */
  positionOf(tasks: TaskTable, row: number): number {
    return this.bucketOf(tasks, row).before(tasks, row);
  }

  /** Priorities with ready rows, highest first. */
  activePriorities(): readonly number[] {
    return this.priorities;
  }

  /** The first row of each request class with ready rows of this priority, in no particular order. */
  heads(tasks: TaskTable, priority: number): Head[] {
    const heads: Head[] = [];
    for (const bucket of this.byPriority.get(priority)?.values() ?? []) {
      const row = bucket.peek(tasks);
      if (row >= 0)
        heads.push({ requestClass: bucket.requestClass, jobId: tasks.jobId[row] as number, taskId: tasks.taskId[row] as number });
    }
    return heads;
  }

  /** Number of request classes with ready rows of this priority. */
  classCount(priority: number): number {
    return this.byPriority.get(priority)?.size ?? 0;
  }

  /** Request classes with ready rows of this priority, in no particular order. */
  classesOf(priority: number): Iterable<number> {
    return this.byPriority.get(priority)?.keys() ?? [];
  }

  /** Number of ready rows of one class and priority. */
  count(priority: number, requestClass: number): number {
    return this.byPriority.get(priority)?.get(requestClass)?.size ?? 0;
  }

  private bucketOf(tasks: TaskTable, row: number): Bucket {
    const [priority, requestClass] = [tasks.priority[row] as number, tasks.requestClass[row] as number];
    let buckets = this.byPriority.get(priority);
    if (buckets === undefined) {
      buckets = new Map();
      this.byPriority.set(priority, buckets);
      this.priorities = [...this.priorities, priority].sort((a, b) => b - a);
    }
    let bucket = buckets.get(requestClass);
    if (bucket === undefined) {
      bucket = new Bucket(requestClass, priority);
      buckets.set(requestClass, bucket);
    }
    return bucket;
  }

  private added(bucket: Bucket, count: number): void {
    bucket.size += count;
    this.total += count;
  }

  private shrink(bucket: Bucket): void {
    bucket.size -= 1;
    this.total -= 1;
    if (bucket.size > 0) return;
    const buckets = this.byPriority.get(bucket.priority);
    buckets?.delete(bucket.requestClass);
    if (buckets?.size !== 0) return;
    this.byPriority.delete(bucket.priority);
    this.priorities = this.priorities.filter((priority) => priority !== bucket.priority);
  }
}
