/**
 * News of tasks that the server has not been sent yet: when they are worth a frame. A frame costs the server, and whoever follows its events, as much
 * as a dozen tasks do, and while other tasks wait here nobody waits for these news. Owned by the worker.
 */
import { type TaskUpdate, UPDATE_FINISHED, UPDATE_STARTED } from '../protocol/messages/worker.ts';

/** What happens together goes together, milliseconds. */
const DELAY_MS = 5;

/** When as many have come within the delay, tasks are so short that news may wait a few delays more: a frame then carries a hundred. */
const MANY = 16;
const DELAYS = 4;

/**
 * So few may wait longer, milliseconds in all, when as many tasks have started as have ended: where nothing has taken the place of a task, the
 * server may know of one that fits, and a task that starts beside the others is news by itself.
 */
const FEW = 12;
const FEW_DELAY_MS = 40;

/** So many are sent at once. */
const MOST = 256;

export class News {
  private readonly send: () => void;
  private updates: TaskUpdate[] = [];
  private timer: NodeJS.Timeout | undefined;
  private delays = 0;
  /** They are few, and wait for the longer time. */
  private patient = false;
  /** Tasks that have started, less those that have ended. */
  private balance = 0;

  /** @param send called when it is time to `take` them; never without any */
  constructor(send: () => void) {
    this.send = send;
  }

  get size(): number {
    return this.updates.length;
  }

  /** @param canWait other tasks wait here, so that nothing depends on these news */
  add(updates: readonly TaskUpdate[], canWait: boolean): void {
    let isOrdinary = canWait;
    for (const update of updates) {
      const [kind] = update;
      this.updates.push(update);
      if (kind === UPDATE_STARTED) this.balance += 1;
      else if (kind === UPDATE_FINISHED) this.balance -= 1;
      else isOrdinary = false;
    }
    if (!isOrdinary || this.updates.length >= MOST || (this.patient && !this.areFew)) this.send();
    else this.timer ??= setTimeout(() => this.onTimer(), DELAY_MS);
  }

  /** @returns all that there are, which from now on are somebody else's */
  take(): readonly TaskUpdate[] {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.delays = 0;
    this.patient = false;
    this.balance = 0;
    const { updates } = this;
    this.updates = [];
    return updates;
  }

  private get areFew(): boolean {
    return this.updates.length < FEW && this.balance === 0;
  }

  private onTimer(): void {
    this.delays += 1;
    if (this.delays === 1 && this.areFew) {
      this.patient = true;
      this.timer = setTimeout(() => this.send(), FEW_DELAY_MS - DELAY_MS);
    } else if (this.delays >= DELAYS || this.updates.length < MANY * this.delays) this.send();
    else this.timer?.refresh();
  }
}
