/**
 * Autoallocation: asks batch systems for allocations while tasks wait, and gives them back. Owns the queues; called by the API, and by the server
 * for everything that happens to workers. Nothing of it costs anything while there is no queue.
 */
import type { Core } from '../../core/core.ts';
import { whatIf } from '../../core/query.ts';
import type { WorkerEnd } from '../../protocol/schema/worker.ts';
import type { Restored } from '../journal/types.ts';
import type { Recorder } from '../recorder.ts';
import type { TurnLoop } from '../turnLoop.ts';
import type { WorkerEntry } from '../workerRegistry.ts';
import { endOfWorkers, isActive, isQueued, workerCame, workerWent } from './allocation.ts';
import { Allocator } from './allocator.ts';
import type { BatchSystem } from './batchSystem.ts';
import { BatchSystems } from './batchSystems.ts';
import { type LiveAllocation, type LiveQueue, QueueBook } from './book.ts';
import { endText } from './endText.ts';
import { afterEnd, FAILURE_LIMITS, type FailureCount, type FailureLimits, judge, reasonToPause } from './failures.ts';
import { Pace, type PaceTimes, paceTimes } from './pace.ts';
import { decide, questionOf } from './policy.ts';
import { drainMs } from './queue.ts';
import { dropDirectories, type RequestSource } from './request.ts';
import { WorkerDrains } from './workerDrains.ts';

/** What the service may do to workers. */
export interface WorkerControl {
  /** All workers that are there or may come back. */
  all(): readonly WorkerEntry[];
  stop(entry: WorkerEntry): void;
  /** Its processes are gone: it is lost for this reason, at once, or as soon as its connection breaks. */
  gone(entry: WorkerEntry, reason: WorkerEnd): void;
}

export interface AllocationServiceOptions extends RequestSource {
  readonly core: Core;
  readonly loop: TurnLoop;
  readonly recorder: Recorder;
  readonly workers: WorkerControl;
  readonly restored: Pick<Restored, 'queues' | 'allocations' | 'maxQueueId'>;
  /** Has the `HQ_AUTOALLOC_…` variables, and is that of the commands. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Unix milliseconds. */
  readonly now: () => number;
  log(line: string): void;
  /** For tests; default: `openBatchSystem`. */
  readonly openSystem?: (name: string) => BatchSystem;
}

export class AllocationService {
  readonly book: QueueBook;
  readonly allocator: Allocator;
  readonly systems: BatchSystems;
  private readonly o: AllocationServiceOptions;
  private readonly times: PaceTimes;
  private readonly limits: FailureLimits;
  private readonly pace: Pace;
  private readonly drains: WorkerDrains;
  private closed = false;

  constructor(options: AllocationServiceOptions) {
    this.o = options;
    const { core, loop, recorder, restored, now } = options;
    this.times = paceTimes(options.env);
    this.limits = { ...FAILURE_LIMITS, allocations: this.times.maxAllocationFails ?? FAILURE_LIMITS.allocations };
    this.book = new QueueBook({ recorder, restored });
    this.systems = new BatchSystems({ ...options, onChange: (name) => this.pace.pollSoon(name) });
    this.pace = new Pace({
      times: this.times,
      schedule: () => this.schedule(),
      poll: (name) => this.allocator.poll(name),
      intervalOf: (name) => this.systems.get(name).pollIntervalMs,
    });
    this.drains = new WorkerDrains({ core, loop, recorder, now });
    this.allocator = new Allocator({
      ...{ loop, now, book: this.book, serverUid: options.serverUid, serverDir: options.serverDir, hqPath: options.hqPath },
      systemOf: (name) => this.systems.get(name),
      log: (line) => options.log(line),
      onAccepted: (queue, live) => this.onAccepted(queue, live),
      onRefused: (queue) => this.pauseIfBroken(queue),
      onEnded: (queue, live) => this.onEnded(queue, live),
      onUncertain: (name) => this.pace.pollSoon(name),
    });
  }

  /** Takes up what the previous server has left: its workers are matched again, the batch systems are asked for their allocations. */
  start(): void {
    for (const { queue, live } of this.book.active()) {
      this.adopt(queue, live, { isNew: false });
      this.pace.pollSoon(queue.record.params.system);
    }
    this.wake();
  }

  /** Something has changed that may ask for workers, or need fewer. */
  wake(): void {
    if (!this.book.isEmpty && !this.closed) this.pace.wake();
  }

  /** Within a turn: a new worker has registered. */
  workerCame(entry: WorkerEntry): void {
    const { allocation, resources } = entry.configuration;
    if (allocation === null || this.book.isEmpty) return;
    const found = this.book.ofBatchId(allocation.manager, allocation.id);
    if (found === undefined) return;
    const { queue, live } = found;
    this.attach(queue, live, entry);
    this.book.changeAllocation(live, workerCame(live.record, this.o.now()));
    this.book.changeQueue(queue, { knownResources: resources });
  }

  /** A worker does not answer: perhaps its allocation has ended. */
  workerAway(entry: WorkerEntry): void {
    const found = this.book.ofWorker(entry.id);
    if (found !== undefined) this.pace.pollSoon(found.queue.record.params.system);
  }

  /** Within a turn: a worker is gone. */
  workerWent(entry: WorkerEntry, reason: WorkerEnd): void {
    this.drains.forget(entry.id);
    const found = this.book.ofWorker(entry.id);
    if (found === undefined) return;
    const { queue, live } = found;
    live.workerIds.delete(entry.id);
    this.book.changeAllocation(live, workerWent(live.record, { reason, lifeMs: this.o.now() - entry.connectedAtMs }));
    this.pace.pollSoon(queue.record.params.system);
  }

  /** Cancels what has not started. The next server keeps the queues. */
  async cancelQueued(): Promise<void> {
    this.closed = true;
    await this.cancelAll(({ live }) => isQueued(live.record));
  }

  /** Cancels all that is left, asks once more what became of it, and ends. */
  async cancelAndClose(): Promise<void> {
    const systems = new Set(this.book.active().map(({ queue }) => queue.record.params.system));
    await this.cancelAll(() => true);
    for (const name of systems) await this.allocator.poll(name);
    await this.o.loop.transact(() => undefined);
    await this.close();
  }

  /** Leaves the allocations alone: the next server finds them. */
  async close(): Promise<void> {
    this.closed = true;
    this.pace.close();
    this.drains.close();
    this.systems.close();
    await this.allocator.close();
  }

  private maySubmit({ record }: LiveQueue): boolean {
    return record.state !== 'paused' && record.failures.restsUntilMs <= this.o.now();
  }

  private async cancelAll(wanted: (one: { queue: LiveQueue; live: LiveAllocation }) => boolean): Promise<void> {
    const cancelled = this.book.active().filter(wanted);
    if (cancelled.length === 0) return;
    await this.o.loop.transact(() => this.allocator.cancel(cancelled, 'server-stop'));
    await this.allocator.canceled();
  }

  private schedule(): void {
    if (this.closed || this.book.isEmpty) return;
    const nowMs = this.o.now();
    const question = questionOf(this.book.facts(nowMs), nowMs);
    const { actions, useless } = decide(question, whatIf(this.o.core, question), { nowMs, cancelAfterMs: this.times.cancelAfterMs });
    this.noteUseless(useless, nowMs);
    for (const { queue, live } of this.book.active()) if (this.maySubmit(queue)) this.allocator.resume(queue, live);
    this.stopDrained();
    if (actions.length > 0) {
      this.o.loop.post(() => {
        for (const action of actions) {
          const queue = this.book.get(action.queueId);
          if (queue === undefined) continue;
          const live = action.kind === 'submit' ? undefined : queue.allocations.get(action.number);
          if (action.kind === 'submit') this.allocator.begin(queue, action.workers);
          else if (live !== undefined) this.giveUp(queue, live, action.reason);
        }
      });
    }
    this.pace.scheduled({
      nextMs: this.nextLookMs(nowMs),
      systems: new Set(this.book.active().map(({ queue }) => queue.record.params.system)),
    });
  }

  /** When something is due though nothing happens: the end of a rest, the end of an allocation's usefulness. */
  private nextLookMs(nowMs: number): number {
    const rests = this.book.all().map(({ record }) => record.failures.restsUntilMs);
    const useless = this.book
      .active()
      .flatMap(({ live }) => (live.uselessSinceMs === null ? [] : [live.uselessSinceMs + this.times.cancelAfterMs]));
    return Math.min(...[...rests, ...useless].filter((atMs) => atMs > nowMs), Number.POSITIVE_INFINITY) - nowMs;
  }

  private noteUseless(useless: readonly (readonly [number, number])[], nowMs: number): void {
    const keys = new Set(useless.map((pair) => pair.join(' ')));
    for (const { live } of this.book.active()) {
      const isUseless = keys.has(`${live.record.queueId} ${live.record.number}`);
      live.uselessSinceMs = isUseless ? (live.uselessSinceMs ?? nowMs) : null;
    }
  }

  /** An allocation that would never start says something of its queue. */
  private giveUp(queue: LiveQueue, live: LiveAllocation, reason: 'useless' | 'hopeless'): void {
    this.allocator.cancel([{ queue, live }], reason);
    if (reason === 'hopeless') {
      this.countEnd(queue, {
        verdict: 'bad',
        error: `allocation ${live.record.batchId} would never start: ${live.record.statusText ?? ''}`,
      });
    }
  }

  /** Workers that get nothing more and have nothing left give their nodes back. */
  private stopDrained(): void {
    for (const entry of this.o.workers.all()) {
      const worker = this.o.core.workers.get(entry.id);
      if (worker?.draining === true && worker.rows.size === 0 && worker.gang === null && !worker.stopping) this.o.workers.stop(entry);
    }
  }

  /** Its id is known only now: a worker of it may be there already. */
  private onAccepted(queue: LiveQueue, live: LiveAllocation): void {
    this.adopt(queue, live, { isNew: true });
    this.pace.pollSoon(queue.record.params.system);
  }

  private adopt(queue: LiveQueue, live: LiveAllocation, { isNew }: { isNew: boolean }): void {
    for (const entry of this.o.workers.all()) {
      const { allocation } = entry.configuration;
      if (allocation === null || live.workerIds.has(entry.id)) continue;
      if (this.book.ofBatchId(allocation.manager, allocation.id)?.live !== live) continue;
      if (isNew) this.workerCame(entry);
      else this.attach(queue, live, entry);
    }
  }

  private attach(queue: LiveQueue, live: LiveAllocation, entry: WorkerEntry): void {
    live.workerIds.add(entry.id);
    const { timeLimitMs, startedAtMs } = entry.configuration;
    if (queue.record.state === 'draining') this.drains.now(entry.id);
    else if (timeLimitMs !== null) this.drains.at(entry.id, startedAtMs + timeLimitMs - drainMs(queue.record.params));
  }

  /** Within a turn: what its workers still had is confirmed to be over. */
  private onEnded(queue: LiveQueue, live: LiveAllocation): void {
    const reason = endOfWorkers(live.record);
    for (const entry of this.o.workers.all()) {
      if (!live.workerIds.has(entry.id)) continue;
      // Counted before the end is judged: those that were there to its end were of use.
      this.book.changeAllocation(live, workerWent(live.record, { reason, lifeMs: this.o.now() - entry.connectedAtMs }));
      this.o.workers.gone(entry, reason);
    }
    live.workerIds.clear();
    const { record } = live;
    const { wasOfUse, outcome, cancel, batchId } = record;
    this.o.log(`allocation ${batchId ?? record.number} of queue ${queue.record.id} has ended: ${endText(record)}`);
    const verdict = judge({ outcome: outcome ?? 'vanished', canceledByUs: cancel !== null, wasOfUse });
    this.countEnd(queue, { verdict, error: `allocation ${batchId}: ${endText(record)}` });
    const ended = this.book
      .all()
      .flatMap(({ allocations }) => [...allocations.values()].map((one) => one.record).filter((one) => !isActive(one)));
    void dropDirectories(ended.sort((a, b) => (a.endedAtMs ?? 0) - (b.endedAtMs ?? 0))).catch((error: Error) =>
      this.o.log(`a directory of an ended allocation could not be removed: ${error.message}`),
    );
    this.dropIfDone(queue);
    this.wake();
  }

  private countEnd(queue: LiveQueue, o: { verdict: 'good' | 'neutral' | 'bad'; error: string }): void {
    const failures: FailureCount = afterEnd(queue.record.failures, { ...o, nowMs: this.o.now() });
    if (failures !== queue.record.failures) this.book.changeQueue(queue, { failures });
    this.pauseIfBroken(queue);
  }

  private pauseIfBroken(queue: LiveQueue): void {
    const pausedReason = reasonToPause(queue.record.failures, this.limits);
    if (pausedReason === null || queue.record.state !== 'active') return;
    this.o.log(`queue ${queue.record.id} is paused: ${pausedReason}`);
    this.book.changeQueue(queue, { state: 'paused', pausedReason });
  }

  /** Within a turn: workers of a removed queue get nothing new. */
  drainQueue(queue: LiveQueue): void {
    for (const live of queue.allocations.values()) for (const workerId of live.workerIds) this.drains.now(workerId);
    this.wake();
  }

  /** A removed queue is gone with its last allocation. */
  dropIfDone(queue: LiveQueue): void {
    const isDone = [...queue.allocations.values()].every(({ record }) => !isActive(record));
    if (queue.record.state === 'draining' && isDone) this.book.dropQueue(queue);
  }
}
