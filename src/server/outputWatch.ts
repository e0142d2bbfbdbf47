/** Waits for changes of one task, for a reader that follows its output. Made by the output service, which reviews it after each turn. */
export class TaskWatch {
  private readonly stateOf: () => string;
  private readonly signal: AbortSignal;
  private seen: string;
  private wake: () => void = () => {};

  /** @param signal ends every waiting */
  constructor(stateOf: () => string, signal: AbortSignal) {
    this.stateOf = stateOf;
    this.signal = signal;
    this.seen = stateOf();
  }

  /** Whether the task is another than at the last call (the first time: than at the beginning). */
  changed(): boolean {
    const now = this.stateOf();
    const changed = now !== this.seen;
    this.seen = now;
    return changed;
  }

  /** Wakes who waits when there is something new. */
  review(): void {
    if (this.stateOf() !== this.seen) this.wake();
  }

  /** Resolves at a change that `changed` has not told yet, at the signal, or after `timeoutMs`. */
  wait(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.signal.removeEventListener('abort', done);
        this.wake = () => {};
        resolve();
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(done, timeoutMs);
      this.wake = done;
      this.signal.addEventListener('abort', done);
      if (this.signal.aborted) done();
      else this.review();
    });
  }
}
