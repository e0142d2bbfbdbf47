/** Allocation queues as plain data, for tests of the API and of the command line; every changing call is recorded. */
import { HqError } from '../../src/protocol/errors.ts';
import {
  type AllocationInfo,
  type CreateQueue,
  createQueue,
  type ModifyQueue,
  type QueueCreated,
  type QueueExplanation,
  type QueueInfo,
  type QueueParams,
  type RemoveQueue,
  type TrialAnswer,
} from '../../src/protocol/schema/allocation.ts';
import type { QueueFacade } from '../../src/server/api/facade.ts';

/** A queue of Slurm, four hours. */
export function queue(id: number, given: Partial<QueueInfo> = {}): QueueInfo {
  return {
    id,
    state: 'active',
    params: createQueue.parse({ params: { system: 'slurm', timeLimitMs: 14_400_000, additionalArgs: ['--partition=general'] } }).params,
    manager: 'Slurm',
    workerArgs: [],
    knownResources: null,
    queued: 0,
    running: 0,
    workers: 0,
    pausedReason: null,
    lastError: null,
    restsUntilMs: null,
    ...given,
  };
}

export function allocation(number: number, given: Partial<AllocationInfo> = {}): AllocationInfo {
  return {
    queueId: 1,
    number,
    id: String(100 + number),
    state: 'queued',
    workers: 1,
    connectedWorkers: 0,
    queuedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    startedAtMs: null,
    endedAtMs: null,
    limitAtMs: null,
    workdir: `/srv/hq/001/autoalloc/1/00${number}`,
    rawState: 'PENDING',
    detail: null,
    restarts: 0,
    ...given,
  };
}

export class FakeQueues implements QueueFacade {
  queues: QueueInfo[] = [];
  all: AllocationInfo[] = [];
  explanation: Omit<QueueExplanation, 'queueId'> = { obstacle: null, wantedWorkers: 0, allocations: [] };
  warnings: string[] = [];
  /** Thrown by every trial. */
  trialError: HqError | null = null;
  private readonly record: (...call: unknown[]) => void;

  /** @param record told of every call that changes something: method and arguments */
  constructor(record: (...call: unknown[]) => void) {
    this.record = record;
  }

  async create(request: CreateQueue): Promise<QueueCreated> {
    this.record('createQueue', request);
    if (request.trial && this.trialError !== null) throw this.trialError;
    return { queueId: this.queues.length + 1, warnings: this.warnings };
  }

  async modify(queueId: number, change: ModifyQueue): Promise<void> {
    this.known(queueId);
    this.record('modifyQueue', queueId, change);
  }

  async trial(params: QueueParams): Promise<TrialAnswer> {
    this.record('tryQueue', params);
    if (this.trialError !== null) throw this.trialError;
    return { script: '#!/bin/bash\n', warnings: this.warnings };
  }

  list(): QueueInfo[] {
    return this.queues;
  }

  allocations(queueId: number): AllocationInfo[] {
    this.known(queueId);
    return this.all.filter((one) => one.queueId === queueId);
  }

  allocation(id: string): AllocationInfo {
    const found = this.all.find((one) => one.id === id);
    if (found === undefined) throw new HqError('HQ_E_ALLOCATION_NOT_FOUND', { allocation: id });
    return found;
  }

  async pause(queueId: number): Promise<void> {
    this.record('pauseQueue', queueId);
    this.known(queueId);
  }

  async resume(queueId: number): Promise<void> {
    this.record('resumeQueue', queueId);
    this.known(queueId);
  }

  async remove(queueId: number, request: RemoveQueue): Promise<void> {
    this.record('removeQueue', queueId, request);
    this.known(queueId);
  }

  async explain(queueId: number): Promise<QueueExplanation> {
    this.known(queueId);
    return { queueId, ...this.explanation };
  }

  private known(queueId: number): void {
    if (!this.queues.some(({ id }) => id === queueId)) throw new HqError('HQ_E_QUEUE_NOT_FOUND', { queue: queueId });
  }
}
