/** The events of a server that is faked: what was published so far, and readers that wait for more. For the facades that stand behind the command line and the API. */
import type { EventBody, HqEvent } from '../../src/protocol/schema/event.ts';
import type { EventFilter } from '../../src/server/api/facade.ts';

/** Events handed over at once, at most. */
const PAGE_EVENTS = 500;

export class FakeEvents {
  readonly all: HqEvent[] = [];
  private readonly timeMs: number;
  private waiters: (() => void)[] = [];
  private stopped = false;

  /** @param timeMs of every event, Unix milliseconds */
  constructor(timeMs: number) {
    this.timeMs = timeMs;
  }

  publish(...bodies: EventBody[]): void {
    for (const body of bodies) this.all.push({ seq: this.all.length + 1, timeMs: this.timeMs, ...body });
    this.wake();
  }

  /** Ends all readers as a stopping server does. */
  stop(): void {
    this.stopped = true;
    this.wake();
  }

  /** Ends when its signal is aborted, when the readers were stopped, or, unless it follows, behind the last event. */
  async *read({ after, follow, jobIds, types, signal }: EventFilter): AsyncGenerator<readonly HqEvent[]> {
    let position = after ?? this.all.length;
    while (!signal.aborted) {
      if (position < this.all.length) {
        const page = this.all.slice(position, position + PAGE_EVENTS);
        position += page.length;
        const ofJobs = page.filter((event) => jobIds === undefined || ('jobId' in event && jobIds.includes(event.jobId)));
        const chosen = ofJobs.filter((event) => types === undefined || types.includes(event.type));
        if (chosen.length > 0) yield chosen;
      } else if (!follow || this.stopped) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.waiters.push(resolve);
          signal.addEventListener('abort', () => resolve(), { once: true });
          if (signal.aborted) resolve();
        });
      }
    }
  }

  private wake(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }
}
