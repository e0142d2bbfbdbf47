/**
 * The queues and allocations that the server knows. The only code that changes them: within a turn, so that journal and events go with the
 * change. Owned by the allocation service.
 */
import type { AllocationInfo, QueueInfo } from '../../protocol/schema/allocation.ts';
import type { Restored } from '../journal/types.ts';
import type { Recorder } from '../recorder.ts';
import { type AllocationRecord, comingWorkers, isActive, isQueued, publicState } from './allocation.ts';
import { endText } from './endText.ts';
import type { QueueFacts } from './policy.ts';
import { type QueueRecord, shapeOf, workerArgs } from './queue.ts';

/** Ended allocations of a queue that are kept in memory, the newest ones. */
const KEPT_ENDED = 1_000;

/** A worker of an allocation that runs for longer and has not connected is not expected any more, milliseconds. */
const CONNECT_MS = 300_000;

/**
 * What is being done about an allocation in `submitting`: `under-way`; `unsent`: the batch system certainly does not have it; `unsure`: it may, and is
 * asked before anything is submitted again.
 */
export type Sending = 'under-way' | 'unsent' | 'unsure';

export interface LiveAllocation {
  record: AllocationRecord;
  sending: Sending;
  uselessSinceMs: number | null;
  /** Of those that are there, or may come back. */
  readonly workerIds: Set<number>;
}

export interface LiveQueue {
  record: QueueRecord;
  /** By number. */
  readonly allocations: Map<number, LiveAllocation>;
}

export class QueueBook {
  private readonly recorder: Recorder;
  private readonly queues = new Map<number, LiveQueue>();
  private lastId: number;

  /** Allocations that were being submitted may be in the batch system. */
  constructor(o: { recorder: Recorder; restored: Pick<Restored, 'queues' | 'allocations' | 'maxQueueId'> }) {
    this.recorder = o.recorder;
    this.lastId = o.restored.maxQueueId;
    for (const record of o.restored.queues) this.queues.set(record.id, { record, allocations: new Map() });
    for (const record of o.restored.allocations) {
      const live: LiveAllocation = { record, sending: 'unsure', uselessSinceMs: null, workerIds: new Set() };
      this.queues.get(record.queueId)?.allocations.set(record.number, live);
    }
    for (const queue of this.queues.values()) forgetOld(queue);
  }

  /** By id, rising. */
  all(): LiveQueue[] {
    return [...this.queues.values()];
  }

  get(queueId: number): LiveQueue | undefined {
    return this.queues.get(queueId);
  }

  allocation(queueId: number, number: number): LiveAllocation | undefined {
    return this.queues.get(queueId)?.allocations.get(number);
  }

  get isEmpty(): boolean {
    return this.queues.size === 0;
  }

  /** All allocations that have not ended, with their queues. */
  active(): { queue: LiveQueue; live: LiveAllocation }[] {
    return this.all().flatMap((queue) =>
      [...queue.allocations.values()].filter(({ record }) => isActive(record)).map((live) => ({ queue, live })),
    );
  }

  /** @param manager as the worker reports it; @returns the allocation that has not ended and has this id there */
  ofBatchId(manager: string, batchId: string): { queue: LiveQueue; live: LiveAllocation } | undefined {
    return this.active().find(({ queue, live }) => live.record.batchId === batchId && isManager(queue.record, manager));
  }

  ofWorker(workerId: number): { queue: LiveQueue; live: LiveAllocation } | undefined {
    return this.active().find(({ live }) => live.workerIds.has(workerId));
  }

  /** Within a turn: a new queue. @returns its id */
  addQueue(record: Omit<QueueRecord, 'id'>): number {
    this.lastId += 1;
    const queue: LiveQueue = { record: { ...record, id: this.lastId }, allocations: new Map() };
    this.queues.set(this.lastId, queue);
    this.recorder.entry({ kind: 'queue', queue: queue.record });
    const { name = null, system } = record.params;
    this.recorder.event({ type: 'queue-created', queueId: this.lastId, name, system });
    return this.lastId;
  }

  /** Within a turn. */
  changeQueue(queue: LiveQueue, change: Partial<QueueRecord>): void {
    const before = queue.record;
    queue.record = { ...before, ...change };
    this.recorder.entry({ kind: 'queue', queue: queue.record });
    const { id, state, pausedReason } = queue.record;
    if (state === before.state) return;
    if (state === 'paused') this.recorder.event({ type: 'queue-paused', queueId: id, reason: pausedReason });
    else this.recorder.event({ type: state === 'active' ? 'queue-resumed' : 'queue-removed', queueId: id });
  }

  /** Within a turn: nothing of it is left. */
  dropQueue(queue: LiveQueue): void {
    const { id, state } = queue.record;
    this.queues.delete(id);
    this.recorder.entry({ kind: 'queue-removed', queueId: id });
    if (state !== 'draining') this.recorder.event({ type: 'queue-removed', queueId: id });
  }

  /** Within a turn: an allocation that is about to be submitted. */
  addAllocation(queue: LiveQueue, record: AllocationRecord): LiveAllocation {
    const live: LiveAllocation = { record, sending: 'under-way', uselessSinceMs: null, workerIds: new Set() };
    queue.allocations.set(record.number, live);
    this.recorder.entry({ kind: 'allocation', allocation: record });
    forgetOld(queue);
    return live;
  }

  /** Within a turn. */
  changeAllocation(live: LiveAllocation, next: AllocationRecord): void {
    const before = live.record;
    if (next === before || JSON.stringify(next) === JSON.stringify(before)) return;
    live.record = next;
    this.recorder.entry({ kind: 'allocation', allocation: next });
    const { queueId, number, batchId: id, workers, phase } = next;
    if (before.batchId === null && id !== null) this.recorder.event({ type: 'allocation-queued', queueId, number, id, workers });
    if (phase === before.phase) return;
    if (phase === 'ended') {
      this.recorder.event({ type: 'allocation-ended', queueId, number, id, state: publicState(next), detail: endText(next) });
    } else if (isQueued(before) && !isQueued(next) && id !== null) this.recorder.event({ type: 'allocation-started', queueId, number, id });
  }

  /** What the policy looks at. @param nowMs Unix milliseconds */
  facts(nowMs: number): QueueFacts[] {
    return this.all().map(({ record, allocations }) => ({
      id: record.id,
      isActive: record.state === 'active',
      backlog: record.params.backlog,
      maxWorkersPerAllocation: record.params.maxWorkersPerAlloc,
      maxWorkers: record.params.maxWorkerCount ?? Number.POSITIVE_INFINITY,
      shape: shapeOf(record),
      restsUntilMs: record.failures.restsUntilMs,
      allocations: [...allocations.values()]
        .filter((live) => isActive(live.record))
        .map(({ record: one, uselessSinceMs }) => ({
          number: one.number,
          phase: isQueued(one) ? ('queued' as const) : ('running' as const),
          workers: one.workers,
          coming: one.startedAtMs !== null && nowMs - one.startedAtMs > CONNECT_MS ? 0 : comingWorkers(one),
          queuedAtMs: one.queuedAtMs,
          hopelessSinceMs: one.hopelessSinceMs,
          uselessSinceMs,
          isEnding: one.cancel !== null || record.state === 'draining',
        })),
    }));
  }
}

/** Does a worker that reports this manager belong to a batch system of the queue's name? A plugin is named by its path there. */
function isManager({ params }: QueueRecord, manager: string): boolean {
  return params.system.includes(':') || params.system.toLowerCase() === manager.toLowerCase();
}

function forgetOld({ allocations }: LiveQueue): void {
  const ended = [...allocations.values()].filter(({ record }) => !isActive(record));
  for (const { record } of ended.slice(0, Math.max(0, ended.length - KEPT_ENDED))) allocations.delete(record.number);
}

/** @param title the batch system's name for people */
export function queueInfo({ record, allocations }: LiveQueue, title: string, nowMs: number): QueueInfo {
  const { id, params, state, knownResources, pausedReason, failures } = record;
  const active = [...allocations.values()].map((live) => live.record).filter(isActive);
  const queued = active.filter(isQueued).length;
  return {
    ...{ id, state, params, knownResources, pausedReason },
    manager: title,
    workerArgs: workerArgs(params),
    queued,
    running: active.length - queued,
    workers: active.reduce((sum, { workers }) => sum + workers, 0),
    lastError: failures.lastError,
    restsUntilMs: failures.restsUntilMs > nowMs ? failures.restsUntilMs : null,
  };
}

/** An allocation as the API shows it. */
export function allocationInfo({ record, workerIds }: LiveAllocation): AllocationInfo {
  const { queueId, number, workers, queuedAtMs, startedAtMs, endedAtMs, limitAtMs, rawState, restarts } = record;
  return {
    ...{ queueId, number, workers, queuedAtMs, startedAtMs, endedAtMs, limitAtMs, rawState, restarts },
    id: record.batchId,
    state: publicState(record),
    connectedWorkers: workerIds.size,
    workdir: record.directory,
    detail: isActive(record) ? record.statusText : endText(record),
  };
}
