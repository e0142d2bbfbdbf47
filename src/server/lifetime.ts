/**
 * When an embedded server ends by itself. Bridges hold leases; with the last lease ended cleanly and no task unfinished the server ends at
 * once, otherwise after an idle time without leases and tasks. A server without `--exit-when-idle` never ends by itself.
 *
 * Modes: `held` (a lease or an unfinished task) -> `idle` (timer runs) -> `ended`.
 */

export interface LifetimeOptions {
  /** Null: never ends by itself. */
  readonly exitWhenIdleMs: number | null;
  /** True while a task waits or runs. */
  hasUnfinishedTasks(): boolean;
  /** Called once. */
  exit(reason: string): void;
}

export class Lifetime {
  private readonly o: LifetimeOptions;
  private readonly leases = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;
  private ended = false;

  constructor(options: LifetimeOptions) {
    this.o = options;
    this.review(false);
  }

  /** Number of leases held now. */
  get leaseCount(): number {
    return this.leases.size;
  }

  /** A bridge opened an event stream under this name; it may have several. */
  open(lease: string): void {
    this.leases.set(lease, (this.leases.get(lease) ?? 0) + 1);
    this.review(false);
  }

  /** A stream of the lease ended: `clean` when the bridge said so, false when its connection broke. */
  close(lease: string, clean: boolean): void {
    const left = (this.leases.get(lease) ?? 1) - 1;
    if (left > 0) this.leases.set(lease, left);
    else this.leases.delete(lease);
    this.review(clean);
  }

  /** Something happened that may have begun or ended idleness: a submit, the end of a job. */
  review(lastLeaseEndedCleanly: boolean): void {
    if (this.o.exitWhenIdleMs === null || this.ended) return;
    const idle = this.leases.size === 0 && !this.o.hasUnfinishedTasks();
    if (idle && lastLeaseEndedCleanly) return this.end('its last user has finished');
    if (!idle) this.clear();
    else this.timer ??= setTimeout(() => this.end('it has been idle'), this.o.exitWhenIdleMs);
  }

  /** The server ends for another reason: the clock stands still from now on. */
  stop(): void {
    this.ended = true;
    this.clear();
  }

  private end(reason: string): void {
    this.stop();
    this.o.exit(reason);
  }

  private clear(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}
