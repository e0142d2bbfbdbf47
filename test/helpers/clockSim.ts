/**
 * A simulated core whose tasks take time on a simulated clock: workers hear and report at once, everything that ends in the same millisecond is one turn.
 * For property tests of what the scheduler promises over a whole run.
 */
import { onUpdates } from '../../src/core/reactor/onUpdates.ts';
import type { AttemptFailure } from '../../src/protocol/messages/worker.ts';
import { CoreSim, FAILURE, type SimTask, type SimWorker } from './coreSim.ts';

/** Far more than any run here has. */
const MOMENTS = 20_000;

/** How one attempt of a task goes. */
export interface Attempt {
  readonly ms: number;
  readonly fails: boolean;
}

export class ClockSim extends CoreSim {
  /** When each start (`job.task.instance`) happened, simulated milliseconds. */
  readonly startedAtMs = new Map<string, number>();
  /** On which worker each start happened. */
  readonly workerOf = new Map<string, number>();
  private readonly attemptOf: (task: SimTask) => Attempt;
  private readonly running = new Map<SimTask, { worker: SimWorker; endsAtMs: number; failure: AttemptFailure | null }>();
  private readonly events: { atMs: number; apply: () => void }[] = [];

  constructor(attemptOf: (task: SimTask) => Attempt) {
    super();
    this.attemptOf = attemptOf;
  }

  /** Something that happens at a time from now on. */
  at(atMs: number, apply: () => void): void {
    this.events.push({ atMs, apply });
    this.events.sort((a, b) => a.atMs - b.atMs);
  }

  /** Time passes until the condition holds, or nothing more can happen. @throws Error when that is not so after many moments: it goes round in circles */
  runToEnd(o: { until?: () => boolean } = {}): void {
    for (let moment = 0; moment < MOMENTS; moment += 1) {
      this.settle();
      if (o.until?.() === true) return;
      const ends = [...this.running.values()].map(({ endsAtMs }) => endsAtMs);
      const nextMs = Math.min(...ends, this.core.wakeAtMs, this.events[0]?.atMs ?? Number.POSITIVE_INFINITY);
      if (nextMs === Number.POSITIVE_INFINITY) return;
      this.nowMs = Math.max(this.nowMs, nextMs);
      while ((this.events[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.nowMs) this.events.shift()?.apply();
      this.endDue();
      if (this.nowMs >= this.core.wakeAtMs) this.turn(() => this.askPlan());
    }
    throw new Error(`not at its end after ${MOMENTS} moments`);
  }

  override lose(worker: SimWorker, reason: Parameters<CoreSim['lose']>[1] = 'CONNECTION LOST'): void {
    for (const [task, { worker: holder }] of this.running) if (holder === worker) this.running.delete(task);
    super.lose(worker, reason);
  }

  protected override startFitting(worker: SimWorker): void {
    super.startFitting(worker);
    for (const task of worker.tasks) {
      if (!task.running || this.running.has(task)) continue;
      const { ms, fails } = this.attemptOf(task);
      this.startedAtMs.set(task.key, this.nowMs);
      this.workerOf.set(task.key, worker.id);
      this.running.set(task, { worker, endsAtMs: this.nowMs + ms, failure: fails ? FAILURE : null });
    }
  }

  /** Everybody hears and reports until nothing is under way. */
  private settle(): void {
    for (;;) {
      const workers = [...this.workers.values()].filter(({ connected }) => connected);
      for (const worker of workers) this.receive(worker);
      const news = workers.filter(({ outgoing }) => outgoing.length > 0);
      if (news.length === 0) return;
      this.reportTogether(news);
    }
  }

  private endDue(): void {
    const due = [...this.running].filter(([, { endsAtMs }]) => endsAtMs <= this.nowMs);
    for (const [task, { worker, failure }] of due) {
      this.running.delete(task);
      this.end(worker, task, failure);
    }
    const workers = new Set(due.map(([, { worker }]) => worker));
    if (workers.size > 0) this.reportTogether([...workers]);
  }

  private reportTogether(workers: readonly SimWorker[]): void {
    this.turn(() => {
      for (const worker of workers) {
        const updates = worker.outgoing;
        worker.outgoing = [];
        onUpdates(this.core, this, { workerId: worker.id, updates, room: this.roomOf(worker), nowMs: this.nowMs });
      }
    });
  }
}
