/**
 * Rows that wait for the time of their next attempt: a binary heap by that time in plain arrays, one for all tasks, so that no task needs a
 * timer of its own. Entries of tasks that no longer wait for it (canceled) stay until they come up. Filled by the reactor, emptied by the planner.
 */
import { DELAYED, type TaskTable } from './taskTable.ts';

export class DelayedRows {
  private readonly dueMs: number[] = [];
  private readonly rows: number[] = [];
  /** Job and instance tell whether the row is still the one that was put here. */
  private readonly jobs: number[] = [];
  private readonly instances: number[] = [];

  /** @param dueMs Unix milliseconds. The row's state, job and instance columns are set already. */
  add(tasks: TaskTable, row: number, dueMs: number): void {
    this.dueMs.push(dueMs);
    this.rows.push(row);
    this.jobs.push(tasks.jobId[row] as number);
    this.instances.push(tasks.instance[row] as number);
    this.rise(this.rows.length - 1);
  }

  /** When the first row is due, Unix milliseconds; Infinity when none waits. */
  nextMs(tasks: TaskTable): number {
    while (this.rows.length > 0 && !this.isLive(tasks, 0)) this.removeFirst();
    return this.dueMs[0] ?? Number.POSITIVE_INFINITY;
  }

  /** Removes and returns the rows that are due, the earliest first. */
  takeDue(tasks: TaskTable, nowMs: number): number[] {
    const due: number[] = [];
    while (this.nextMs(tasks) <= nowMs) {
      due.push(this.rows[0] as number);
      this.removeFirst();
    }
    return due;
  }

  /** When a row is due; undefined when it does not wait here. Cost: linear, for questions of people. */
  dueOf(tasks: TaskTable, row: number): number | undefined {
    const at = this.rows.findIndex((candidate, index) => candidate === row && this.isLive(tasks, index));
    return this.dueMs[at];
  }

  /** Number of rows that wait. Cost: linear, for the check of invariants. */
  countLive(tasks: TaskTable): number {
    return this.rows.reduce((count, _, at) => count + (this.isLive(tasks, at) ? 1 : 0), 0);
  }

  private isLive(tasks: TaskTable, at: number): boolean {
    const row = this.rows[at] as number;
    return tasks.state[row] === DELAYED && tasks.jobId[row] === this.jobs[at] && tasks.instance[row] === this.instances[at];
  }

  private removeFirst(): void {
    this.swap(0, this.rows.length - 1);
    for (const column of this.columns()) column.pop();
    this.sink(0);
  }

  private rise(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if ((this.dueMs[parent] as number) <= (this.dueMs[at] as number)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private sink(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < this.rows.length && (this.dueMs[left] as number) < (this.dueMs[least] as number)) least = left;
      if (right < this.rows.length && (this.dueMs[right] as number) < (this.dueMs[least] as number)) least = right;
      if (least === at) return;
      this.swap(at, least);
      at = least;
    }
  }

  private swap(a: number, b: number): void {
    for (const column of this.columns()) {
      const kept = column[a] as number;
      column[a] = column[b] as number;
      column[b] = kept;
    }
  }

  private columns(): number[][] {
    return [this.dueMs, this.rows, this.jobs, this.instances];
  }
}
