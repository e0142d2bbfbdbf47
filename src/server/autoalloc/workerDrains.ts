/** When workers of allocations stop getting anything new: some time before their end, or at once. One timer per worker. Owned by the allocation service. */
import type { Core } from '../../core/core.ts';
import { onWorkerDraining } from '../../core/reactor/onWorker.ts';
import type { Recorder } from '../recorder.ts';
import { LONGEST_TIMER_MS, type TurnLoop } from '../turnLoop.ts';

export interface WorkerDrainsOptions {
  readonly core: Core;
  readonly loop: TurnLoop;
  readonly recorder: Recorder;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export class WorkerDrains {
  private readonly o: WorkerDrainsOptions;
  private readonly timers = new Map<number, NodeJS.Timeout>();

  constructor(options: WorkerDrainsOptions) {
    this.o = options;
  }

  /** @param atMs Unix milliseconds */
  at(workerId: number, atMs: number): void {
    this.forget(workerId);
    const leftMs = atMs - this.o.now();
    const isFar = leftMs > LONGEST_TIMER_MS;
    const timer = setTimeout(() => (isFar ? this.at(workerId, atMs) : this.now(workerId)), Math.min(Math.max(0, leftMs), LONGEST_TIMER_MS));
    this.timers.set(workerId, timer.unref());
  }

  now(workerId: number): void {
    this.forget(workerId);
    this.o.loop.post(() => onWorkerDraining(this.o.core, this.o.recorder, workerId));
  }

  forget(workerId: number): void {
    clearTimeout(this.timers.get(workerId));
    this.timers.delete(workerId);
  }

  close(): void {
    for (const workerId of [...this.timers.keys()]) this.forget(workerId);
  }
}
