/**
 * When the allocation service acts: decisions soon after something has changed, but not more often than a tick, and now and then anyway; questions to batch
 * systems at their interval while they have allocations of ours, or soon when there is something to learn. Owned by the allocation service.
 */

import { HqError } from '../../protocol/errors.ts';

/** Milliseconds; `paceTimes` reads them from the variables that HyperQueue has, too. */
export interface PaceTimes {
  /** Shortest time between two decisions. */
  readonly tickMs: number;
  /** Longest. */
  readonly maxDelayMs: number;
  /** Time between two polls; null: what the batch system prefers. */
  readonly refreshMs: number | null;
  /** Queued allocations that would get no work are canceled after this time. */
  readonly cancelAfterMs: number;
  /** Failed allocations in a row that pause a queue; null: the default. */
  readonly maxAllocationFails: number | null;
}

const TICK_MS = 5_000;
const MAX_DELAY_MS = 30_000;
const CANCEL_AFTER_MS = 30_000;

/** Several things that happen at once are answered by one decision, milliseconds. */
const GATHER_MS = 20;

/** A poll that something asks for comes after so long: what happened is told by the batch system only a moment later, milliseconds. */
const POLL_SOON_MS = 1_000;

/** @throws HqError HQ_E_USAGE for a value that is no positive whole number; an empty one counts as none */
export function paceTimes(env: Readonly<Record<string, string | undefined>>): PaceTimes {
  const read = (name: string): number | null => {
    const text = env[name] ?? '';
    if (text === '') return null;
    if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
    throw new HqError('HQ_E_USAGE', { detail: `invalid value '${text}' for ${name}: a whole number above zero is expected` });
  };
  return {
    tickMs: read('HQ_AUTOALLOC_SCHEDULE_TICK_INTERVAL_MS') ?? TICK_MS,
    maxDelayMs: read('HQ_AUTOALLOC_MAX_SCHEDULE_DELAY_MS') ?? MAX_DELAY_MS,
    refreshMs: read('HQ_AUTOALLOC_REFRESH_INTERVAL_MS'),
    cancelAfterMs: read('HQ_AUTOALLOC_CANCEL_DELAY_MS') ?? CANCEL_AFTER_MS,
    maxAllocationFails: read('HQ_AUTOALLOC_MAX_ALLOCATION_FAILS'),
  };
}

export interface PaceOptions {
  readonly times: PaceTimes;
  schedule(): void;
  /** @returns false when the batch system did not answer */
  poll(name: string): Promise<boolean>;
  /** Milliseconds. */
  intervalOf(name: string): number;
}

export class Pace {
  private readonly o: PaceOptions;
  private timer: NodeJS.Timeout | undefined;
  /** When the timer fires, milliseconds of the monotonic clock. */
  private dueMs = Number.POSITIVE_INFINITY;
  private lastMs = Number.NEGATIVE_INFINITY;
  private readonly polls = new Map<string, { readonly timer: NodeJS.Timeout; readonly atMs: number }>();
  private closed = false;

  constructor(options: PaceOptions) {
    this.o = options;
  }

  /** A decision is worth it. */
  wake(): void {
    this.arm(Math.max(performance.now() + Math.min(GATHER_MS, this.o.times.tickMs), this.lastMs + this.o.times.tickMs));
  }

  /**
   * A decision was made.
   * @param o.nextMs from now: when the next one is due though nothing happens
   * @param o.systems those with allocations of ours
   */
  scheduled(o: { readonly nextMs: number; readonly systems: ReadonlySet<string> }): void {
    const { times } = this.o;
    this.arm(performance.now() + Math.min(times.maxDelayMs, Math.max(times.tickMs, o.nextMs)));
    for (const name of o.systems) if (!this.polls.has(name)) this.pollIn(name, times.refreshMs ?? this.o.intervalOf(name));
  }

  pollSoon(name: string): void {
    this.pollIn(name, Math.min(POLL_SOON_MS, this.o.times.refreshMs ?? POLL_SOON_MS));
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const { timer } of this.polls.values()) clearTimeout(timer);
    this.polls.clear();
  }

  private arm(dueMs: number): void {
    if (this.closed || this.dueMs <= dueMs) return;
    clearTimeout(this.timer);
    this.dueMs = dueMs;
    this.timer = setTimeout(
      () => {
        this.dueMs = Number.POSITIVE_INFINITY;
        this.lastMs = performance.now();
        this.o.schedule();
      },
      Math.max(0, Math.ceil(dueMs - performance.now())),
    ).unref();
  }

  private pollIn(name: string, delayMs: number): void {
    const atMs = performance.now() + delayMs;
    const planned = this.polls.get(name);
    if (this.closed || (planned !== undefined && planned.atMs <= atMs)) return;
    clearTimeout(planned?.timer);
    const timer = setTimeout(() => void this.pollNow(name), delayMs).unref();
    this.polls.set(name, { timer, atMs });
  }

  private async pollNow(name: string): Promise<void> {
    this.polls.delete(name);
    await this.o.poll(name);
    this.wake();
  }
}
