/**
 * Many deadlines behind one timer: time limits and grace periods of tasks, the end of the worker's life. A Node timer per task would cost more
 * than the rest of its bookkeeping.
 */

/** Longest delay that Node's timers can express, milliseconds; later deadlines are looked at again then. */
const MAX_DELAY_MS = 2_147_483_647;

/** One deadline; `cancel` it through the `Deadlines` that made it. */
export interface Deadline {
  readonly atMs: number;
  /** Undefined once it has fired or was cancelled. */
  action: (() => void) | undefined;
}

/** A binary heap by time. Cancelled entries stay until their time has come or half of the heap is dead. */
export class Deadlines {
  private heap: Deadline[] = [];
  private cancelled = 0;
  private timer: NodeJS.Timeout | undefined;
  private timerAtMs = Number.POSITIVE_INFINITY;

  /**
   * @param delayMs from now; Infinity never fires
   * @param action called once, never before the time, in order of time
   */
  after(delayMs: number, action: () => void): Deadline {
    const deadline: Deadline = { atMs: performance.now() + delayMs, action };
    if (deadline.atMs === Number.POSITIVE_INFINITY) return deadline;
    this.heap.push(deadline);
    this.siftUp(this.heap.length - 1);
    this.arm();
    return deadline;
  }

  cancel(deadline: Deadline | undefined): void {
    if (deadline?.action === undefined) return;
    deadline.action = undefined;
    if (deadline.atMs === Number.POSITIVE_INFINITY) return;
    this.cancelled += 1;
    if (this.cancelled * 2 <= this.heap.length) return;
    this.heap = this.heap.filter((one) => one.action !== undefined).sort((a, b) => a.atMs - b.atMs);
    this.cancelled = 0;
    this.arm();
  }

  /** Drops everything; nothing fires any more. */
  clear(): void {
    for (const one of this.heap) one.action = undefined;
    this.heap = [];
    this.cancelled = 0;
    this.arm();
  }

  private arm(): void {
    const first = this.heap[0];
    const atMs = first === undefined ? Number.POSITIVE_INFINITY : first.atMs;
    if (atMs === this.timerAtMs) return;
    clearTimeout(this.timer);
    this.timerAtMs = atMs;
    this.timer = undefined;
    if (first !== undefined)
      this.timer = setTimeout(() => this.fire(), Math.min(MAX_DELAY_MS, Math.max(0, Math.ceil(atMs - performance.now()))));
  }

  private fire(): void {
    this.timerAtMs = Number.POSITIVE_INFINITY;
    const now = performance.now();
    for (let first = this.heap[0]; first !== undefined && (first.atMs <= now || first.action === undefined); first = this.heap[0]) {
      this.pop();
      const { action } = first;
      if (action === undefined) {
        this.cancelled -= 1;
        continue;
      }
      first.action = undefined;
      action();
    }
    this.arm();
  }

  private pop(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    let at = 0;
    for (;;) {
      const left = at * 2 + 1;
      let least = at;
      if (this.time(left) < this.time(least)) least = left;
      if (this.time(left + 1) < this.time(least)) least = left + 1;
      if (least === at) return;
      this.swap(at, least);
      at = least;
    }
  }

  private siftUp(start: number): void {
    for (let at = start; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (this.time(parent) <= this.time(at)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private time(at: number): number {
    return this.heap[at]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  private swap(a: number, b: number): void {
    const one = this.heap[a] as Deadline;
    this.heap[a] = this.heap[b] as Deadline;
    this.heap[b] = one;
  }
}
