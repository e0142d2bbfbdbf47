/**
 * A cluster in simulated time: the real scheduler, policy and allocation records, and a batch system that takes its time, refuses, preempts, loses
 * nodes and forgets. For the property tests of autoallocation.
 */
import type { WorkerShape } from '../../src/core/query.ts';
import { whatIf } from '../../src/core/query.ts';
import {
  type AllocationRecord,
  afterStatus,
  comingWorkers,
  isActive,
  isQueued,
  newAllocation,
  notSubmitted,
  submitted,
  workerCame,
  workerWent,
} from '../../src/server/autoalloc/allocation.ts';
import type { AllocationOutcome, BatchJobStatus } from '../../src/server/autoalloc/batchSystem.ts';
import {
  afterEnd,
  afterRefusal,
  afterSubmit,
  FAILURE_LIMITS,
  type FailureCount,
  judge,
  NO_FAILURES,
  reasonToPause,
} from '../../src/server/autoalloc/failures.ts';
import { decide, type QueueFacts, questionOf } from '../../src/server/autoalloc/policy.ts';
import { CoreSim, type SimWorker } from './coreSim.ts';

/** What the batch system does to one allocation; drawn by the test. Times in milliseconds. */
export interface Fate {
  readonly kind: 'refused' | 'breaks' | 'preempted' | 'node failed' | 'forgotten' | 'runs';
  readonly waitsMs: number;
  /** Of the kinds that end early: after so much of its run. */
  readonly endsAfterMs: number;
}

export interface SimQueueOptions {
  readonly has: Readonly<Record<string, number>>;
  readonly backlog: number;
  readonly maxWorkersPerAllocation: number;
  readonly maxWorkers: number;
  readonly timeLimitMs: number;
  readonly idleTimeoutMs: number;
}

interface Held {
  readonly worker: SimWorker;
  readonly cameAtMs: number;
  idleSinceMs: number | null;
}

interface SimAllocation {
  record: AllocationRecord;
  readonly fate: Fate;
  uselessSinceMs: number | null;
  readonly workers: Held[];
}

export interface SimQueue {
  readonly id: number;
  readonly o: SimQueueOptions;
  shape: WorkerShape;
  isActive: boolean;
  failures: FailureCount;
  allocations: SimAllocation[];
  last: number;
}

const CANCEL_AFTER_MS = 30_000;

export class AutoallocSim extends CoreSim {
  readonly queues: SimQueue[];
  /** Longest time that a worker had nothing to do, as a part of its queue's idle timeout. */
  longestIdle = 0;
  submissions = 0;
  /** Submissions that were decided while no task was ready, nor sent ahead to a worker. */
  inVain = 0;
  pauses = 0;
  private readonly fates: () => Fate;
  private readonly endsAtMs = new Map<string, number>();
  private readonly durationMs: (key: string) => number;

  constructor(o: { queues: readonly SimQueueOptions[]; fates: () => Fate; durationMs: (key: string) => number }) {
    super();
    this.fates = o.fates;
    this.durationMs = o.durationMs;
    this.queues = o.queues.map((options, index) => ({
      id: index + 1,
      o: options,
      // Nothing is known before the first worker.
      shape: { resources: new Map(), isOpen: true, lifetimeMs: options.timeLimitMs, minUtilization: 0 },
      isActive: true,
      failures: NO_FAILURES,
      allocations: [],
      last: 0,
    }));
  }

  /** Time passes; everything happens that is due, then the policy acts. */
  step(ms: number): void {
    this.wait(ms);
    for (const queue of this.queues) for (const allocation of queue.allocations) this.advance(queue, allocation);
    for (const worker of this.workers.values()) this.work(worker);
    for (const queue of this.queues) for (const allocation of queue.allocations) this.leaveIdle(queue, allocation);
    this.act();
    for (const queue of this.queues) queue.allocations = queue.allocations.filter(({ record }) => isActive(record));
  }

  /** A person looks at what was paused and lets it go on. */
  resumeAll(): void {
    for (const queue of this.queues) if (!queue.isActive) Object.assign(queue, { isActive: true, failures: NO_FAILURES });
  }

  /** Does nothing happen but time? */
  isAsleep(): boolean {
    return this.workers.size === 0 && this.queues.every(({ allocations }) => allocations.length === 0);
  }

  facts(): QueueFacts[] {
    return this.queues.map((queue) => ({
      id: queue.id,
      isActive: queue.isActive,
      backlog: queue.o.backlog,
      maxWorkersPerAllocation: queue.o.maxWorkersPerAllocation,
      maxWorkers: queue.o.maxWorkers,
      shape: queue.shape,
      restsUntilMs: queue.failures.restsUntilMs,
      allocations: queue.allocations
        .filter(({ record }) => isActive(record))
        .map(({ record, uselessSinceMs }) => ({
          number: record.number,
          phase: isQueued(record) ? 'queued' : 'running',
          workers: record.workers,
          coming: comingWorkers(record),
          queuedAtMs: record.queuedAtMs,
          hopelessSinceMs: record.hopelessSinceMs,
          uselessSinceMs,
          isEnding: record.cancel !== null,
        })),
    }));
  }

  private act(): void {
    const { nowMs } = this;
    const question = questionOf(this.facts(), nowMs);
    const { actions, useless } = decide(question, whatIf(this.core, question), { nowMs, cancelAfterMs: CANCEL_AFTER_MS });
    for (const queue of this.queues) {
      for (const allocation of queue.allocations) {
        const isUseless = useless.some(([id, number]) => id === queue.id && number === allocation.record.number);
        allocation.uselessSinceMs = isUseless ? (allocation.uselessSinceMs ?? nowMs) : null;
      }
    }
    // Looked at before anything is submitted: workers that come at once take what waited.
    const isAsked = this.core.ready.size > 0 || [...this.workers.values()].some(({ tasks }) => tasks.length > 0);
    for (const action of actions) {
      const queue = this.queues[action.queueId - 1] as SimQueue;
      if (action.kind === 'submit') {
        if (!isAsked) this.inVain += 1;
        this.submitTo(queue, action.workers);
      } else {
        const allocation = queue.allocations.find(({ record }) => record.number === action.number) as SimAllocation;
        allocation.record = { ...allocation.record, cancel: action.reason };
        this.settle(queue, allocation, 'canceled');
      }
    }
  }

  private submitTo(queue: SimQueue, workers: number): void {
    if (!queue.isActive || queue.failures.restsUntilMs > this.nowMs) return;
    queue.last += 1;
    this.submissions += 1;
    const fate = this.fates();
    const identity = { queueId: queue.id, number: queue.last, comment: `c${queue.last}`, directory: '/', workers };
    const record = newAllocation({ ...identity, nowMs: this.nowMs });
    if (fate.kind === 'refused') {
      this.setFailures(queue, afterRefusal(queue.failures, { error: 'refused', nowMs: this.nowMs }));
      queue.allocations.push({ record: notSubmitted(record, this.nowMs), fate, uselessSinceMs: null, workers: [] });
      return;
    }
    queue.failures = afterSubmit(queue.failures);
    queue.allocations.push({ record: submitted(record, `${queue.id}-${queue.last}`), fate, uselessSinceMs: null, workers: [] });
  }

  private advance(queue: SimQueue, allocation: SimAllocation): void {
    const { fate, record } = allocation;
    if (!isActive(record)) return;
    if (isQueued(record)) {
      if (this.nowMs - record.queuedAtMs < fate.waitsMs) return;
      if (fate.kind === 'forgotten') return this.settle(queue, allocation, null);
      if (fate.kind === 'breaks') return this.settle(queue, allocation, 'failed');
      this.start(queue, allocation);
      return;
    }
    const ranMs = this.nowMs - (record.startedAtMs as number);
    if (ranMs >= queue.o.timeLimitMs) return this.settle(queue, allocation, 'timed out');
    if ((fate.kind === 'preempted' || fate.kind === 'node failed') && ranMs >= fate.endsAfterMs) this.settle(queue, allocation, fate.kind);
  }

  private start(queue: SimQueue, allocation: SimAllocation): void {
    const { nowMs } = this;
    for (let i = 0; i < allocation.record.workers; i += 1) {
      const group = `${queue.id}-${allocation.record.number}`;
      const worker = this.addWorker({ ...queue.o.has }, queue.o.timeLimitMs, { group });
      allocation.workers.push({ worker, cameAtMs: nowMs, idleSinceMs: null });
      allocation.record = workerCame(allocation.record, nowMs);
    }
    const resources = new Map(Object.entries(queue.o.has).map(([name, amount]) => [name, amount * 10_000]));
    queue.shape = { ...queue.shape, resources, isOpen: false };
  }

  /** Tasks start, and end when their time has come. */
  private work(worker: SimWorker): void {
    this.receive(worker);
    for (const task of worker.tasks.filter(({ running }) => running)) {
      const endsAtMs = this.endsAtMs.get(task.key);
      if (endsAtMs === undefined) this.endsAtMs.set(task.key, this.nowMs + this.durationMs(task.key));
      else if (endsAtMs <= this.nowMs) this.end(worker, task);
    }
    if (worker.outgoing.length > 0) this.report(worker);
    this.receive(worker);
  }

  private leaveIdle(queue: SimQueue, allocation: SimAllocation): void {
    for (const held of [...allocation.workers]) {
      // The others of a multi-node task have nothing of their own.
      const isIdle = held.worker.tasks.length === 0 && this.core.workers.get(held.worker.id)?.gang === null;
      if (!isIdle) held.idleSinceMs = null;
      else held.idleSinceMs ??= this.nowMs;
      const idleMs = held.idleSinceMs === null ? 0 : this.nowMs - held.idleSinceMs;
      this.longestIdle = Math.max(this.longestIdle, idleMs / queue.o.idleTimeoutMs);
      if (idleMs >= queue.o.idleTimeoutMs) this.loseHeld(allocation, held, 'IDLE TIMEOUT');
    }
    if (!isQueued(allocation.record) && isActive(allocation.record) && allocation.workers.length === 0)
      this.settle(queue, allocation, 'finished');
  }

  private loseHeld(
    allocation: SimAllocation,
    held: Held,
    reason: 'IDLE TIMEOUT' | 'TIME LIMIT REACHED' | 'STOPPED' | 'CONNECTION LOST',
  ): void {
    allocation.workers.splice(allocation.workers.indexOf(held), 1);
    allocation.record = workerWent(allocation.record, { reason, lifeMs: this.nowMs - held.cameAtMs });
    this.lose(held.worker, reason);
  }

  /** @param outcome null: the batch system does not know it any more */
  private settle(queue: SimQueue, allocation: SimAllocation, outcome: AllocationOutcome | null): void {
    const reason = outcome === 'timed out' ? 'TIME LIMIT REACHED' : outcome === 'node failed' ? 'CONNECTION LOST' : 'STOPPED';
    for (const held of [...allocation.workers]) this.loseHeld(allocation, held, reason);
    const base = { reason: null, startMs: allocation.record.startedAtMs, endMs: this.nowMs, restarts: 0, comment: null, rawState: 'X' };
    const status: BatchJobStatus = outcome === null ? { ...base, state: 'vanished' } : { ...base, state: 'ended', outcome, exitCode: null };
    allocation.record = afterStatus(allocation.record, status, { nowMs: this.nowMs, text: 'x' });
    const { wasOfUse, cancel } = allocation.record;
    const verdict = judge({ outcome: outcome ?? 'vanished', canceledByUs: cancel !== null, wasOfUse });
    this.setFailures(queue, afterEnd(queue.failures, { verdict, error: 'ended', nowMs: this.nowMs }));
  }

  private setFailures(queue: SimQueue, failures: FailureCount): void {
    queue.failures = failures;
    if (queue.isActive && reasonToPause(failures, FAILURE_LIMITS) !== null) {
      queue.isActive = false;
      this.pauses += 1;
    }
  }
}
