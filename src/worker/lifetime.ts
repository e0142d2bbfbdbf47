/**
 * When a worker's life ends by itself: its time limit, too long without tasks, too long without its server. Owned by the worker; every limit fires
 * at most once.
 */
import type { Deadline, Deadlines } from './deadlines.ts';

/** How long a worker keeps tasks and results for a server that is gone, when it has no time limit of its own, milliseconds. */
export const SERVER_LOST_TIMEOUT_MS: number = 60 * 60 * 1000;

export interface LifetimeOptions {
  readonly deadlines: Deadlines;
  /** Remaining life from now on, milliseconds; null without a limit. */
  readonly timeLimitMs: number | null;
  /** So long before the time limit `onTimeLimitNear` is called; null: never. */
  readonly warnBeforeMs: number | null;
  onTimeLimitNear(): void;
  onTimeLimit(): void;
  onIdleTimeout(): void;
  onServerLostTimeout(): void;
}

export class Lifetime {
  private readonly options: LifetimeOptions;
  private readonly end: Deadline | undefined;
  private readonly warning: Deadline | undefined;
  private idleTimeoutMs: number | null = null;
  private idle: Deadline | undefined;
  private lost: Deadline | undefined;

  constructor(options: LifetimeOptions) {
    this.options = options;
    const { deadlines, timeLimitMs, warnBeforeMs } = options;
    this.end = timeLimitMs === null ? undefined : deadlines.after(Math.max(0, timeLimitMs), () => options.onTimeLimit());
    const warnMs = timeLimitMs === null || warnBeforeMs === null ? null : Math.max(0, timeLimitMs - warnBeforeMs);
    this.warning = warnMs === null ? undefined : deadlines.after(warnMs, () => options.onTimeLimitNear());
  }

  /** Known once the server has answered; null: a worker may be idle for ever. */
  setIdleTimeout(ms: number | null): void {
    this.idleTimeoutMs = ms;
  }

  /** Tells whether the worker has anything to do; called after every change. */
  setIdle(isIdle: boolean): void {
    if (!isIdle) {
      this.options.deadlines.cancel(this.idle);
      this.idle = undefined;
    } else if (this.idleTimeoutMs !== null && this.idle === undefined) {
      this.idle = this.options.deadlines.after(this.idleTimeoutMs, () => this.options.onIdleTimeout());
    }
  }

  /** Tells whether the server is there; several losses in a row count from the first. */
  setServerLost(isLost: boolean): void {
    if (!isLost) {
      this.options.deadlines.cancel(this.lost);
      this.lost = undefined;
    } else if (this.lost === undefined && this.options.timeLimitMs === null) {
      // With a time limit that limit ends the waiting.
      this.lost = this.options.deadlines.after(SERVER_LOST_TIMEOUT_MS, () => this.options.onServerLostTimeout());
    }
  }

  /** Nothing fires any more. */
  cancel(): void {
    for (const deadline of [this.end, this.warning, this.idle, this.lost]) this.options.deadlines.cancel(deadline);
  }
}
