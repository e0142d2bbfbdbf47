/** What the API asks of allocation queues: make, show, pause, resume, remove, explain. Every change is one step of the turn loop; answers wait for the disk. */
import type { Core } from '../../core/core.ts';
import { couldRun, type Offer, whatIf } from '../../core/query.ts';
import type { RequestClass } from '../../core/requestClasses.ts';
import { HqError } from '../../protocol/errors.ts';
import type {
  AllocationInfo,
  CreateQueue,
  ModifyQueue,
  QueueCreated,
  QueueExplanation,
  QueueInfo,
  QueueObstacle,
  QueueParams,
  RemoveQueue,
  TrialAnswer,
} from '../../protocol/schema/allocation.ts';
import type { QueueForTask } from '../../protocol/schema/explain.ts';
import type { TurnLoop } from '../turnLoop.ts';
import { isActive, isQueued } from './allocation.ts';
import { allocationInfo, type LiveQueue, queueInfo } from './book.ts';
import { NO_FAILURES } from './failures.ts';
import { decide, obstacleOf, questionOf } from './policy.ts';
import { givenResources, shapeOf, workerLimitMs } from './queue.ts';
import { type RequestSource, tryQueue } from './request.ts';
import type { AllocationService } from './service.ts';

export interface QueueApiOptions {
  readonly core: Core;
  readonly loop: TurnLoop;
  readonly service: AllocationService;
  readonly source: RequestSource;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export class QueueApi {
  private readonly o: QueueApiOptions;
  private trials = 0;

  constructor(options: QueueApiOptions) {
    this.o = options;
  }

  /** @throws HqError HQ_E_QUEUE_PARAMS, HQ_E_RESOURCE_DESCRIPTOR, HQ_E_BATCH_SYSTEM, HQ_E_ALLOC_TRIAL; nothing is kept then */
  async create({ params, trial }: CreateQueue): Promise<QueueCreated> {
    const { loop, service } = this.o;
    const warnings = [...this.check(params), ...(trial ? (await this.trial(params)).warnings : [])];
    const queueId = await loop.transact(() =>
      service.book.addQueue({ params, state: 'active', pausedReason: null, failures: NO_FAILURES, knownResources: null, lastNumber: 0 }),
    );
    service.wake();
    return { queueId, warnings };
  }

  /** Submits and cancels at once. @throws as `create` */
  async trial(params: QueueParams): Promise<TrialAnswer> {
    this.check(params);
    this.trials += 1;
    const number = Math.floor(this.o.now() / 1_000) * 1_000 + (this.trials % 1_000);
    return tryQueue(this.o.service.systems.get(params.system), this.o.source, { params, number });
  }

  list(): QueueInfo[] {
    const { service, now } = this.o;
    return service.book.all().map((queue) => queueInfo(queue, service.systems.titleOf(queue.record.params.system), now()));
  }

  /** @throws HqError HQ_E_QUEUE_NOT_FOUND */
  allocations(queueId: number): AllocationInfo[] {
    return [...this.queue(queueId).allocations.values()].map(allocationInfo);
  }

  /** @param id of the batch system @throws HqError HQ_E_ALLOCATION_NOT_FOUND */
  allocation(id: string): AllocationInfo {
    const all = this.o.service.book.all().flatMap(({ allocations }) => [...allocations.values()]);
    const found = all.findLast(({ record }) => record.batchId === id);
    if (found === undefined) throw new HqError('HQ_E_ALLOCATION_NOT_FOUND', { allocation: id });
    return allocationInfo(found);
  }

  /**
   * Allocations that are submitted from now on are other ones; what is queued or runs stays.
   * @throws HqError HQ_E_QUEUE_NOT_FOUND, HQ_E_QUEUE_REMOVED, HQ_E_QUEUE_PARAMS; nothing is changed then
   */
  async modify(queueId: number, change: ModifyQueue): Promise<void> {
    await this.change(queueId, (queue) => {
      const given = Object.entries(change).filter(([, value]) => value !== undefined);
      const merged = Object.entries({ ...queue.record.params, ...Object.fromEntries(given) }).filter(([, value]) => value !== null);
      const params = Object.fromEntries(merged) as QueueParams;
      this.check(params);
      this.o.service.book.changeQueue(queue, { params });
    });
    this.o.service.wake();
  }

  /** Submits nothing any more; what is queued or runs stays. @throws HqError HQ_E_QUEUE_NOT_FOUND, HQ_E_QUEUE_REMOVED */
  pause(queueId: number): Promise<void> {
    return this.change(queueId, (queue) => {
      if (queue.record.state !== 'paused') this.o.service.book.changeQueue(queue, { state: 'paused', pausedReason: null });
    });
  }

  /** Goes on, as if nothing had failed. @throws HqError HQ_E_QUEUE_NOT_FOUND, HQ_E_QUEUE_REMOVED */
  async resume(queueId: number): Promise<void> {
    await this.change(queueId, (queue) => {
      this.o.service.book.changeQueue(queue, { state: 'active', pausedReason: null, failures: NO_FAILURES });
    });
    this.o.service.wake();
  }

  /** What is queued is canceled; `running` says what becomes of the rest. @throws HqError HQ_E_QUEUE_NOT_FOUND, HQ_E_QUEUE_RUNNING */
  remove(queueId: number, { running }: RemoveQueue): Promise<void> {
    const { loop, service } = this.o;
    return loop.transact(() => {
      const queue = this.queue(queueId);
      const active = [...queue.allocations.values()].filter(({ record }) => isActive(record));
      const started = active.filter(({ record }) => !isQueued(record));
      if (running === 'refuse' && started.length > 0) {
        const allocations = started.map(({ record }) => record.batchId ?? `number ${record.number}`).join(', ');
        throw new HqError('HQ_E_QUEUE_RUNNING', { queue: queueId, allocations });
      }
      if (queue.record.state !== 'draining') service.book.changeQueue(queue, { state: 'draining', pausedReason: null });
      const canceled = running === 'cancel' ? active : active.filter(({ record }) => isQueued(record));
      service.allocator.cancel(
        canceled.map((live) => ({ queue, live })),
        'removed',
      );
      service.drainQueue(queue);
      service.dropIfDone(queue);
    });
  }

  /** @throws HqError HQ_E_QUEUE_NOT_FOUND */
  async explain(queueId: number): Promise<QueueExplanation> {
    const { core, service, now } = this.o;
    const queue = this.queue(queueId);
    const nowMs = now();
    const active = [...queue.allocations.values()].filter(({ record }) => isActive(record));
    const starts = await this.estimates(queue);
    const question = questionOf(service.book.facts(nowMs), nowMs);
    const { useless } = decide(question, whatIf(core, question), { nowMs, cancelAfterMs: Number.POSITIVE_INFINITY });
    return {
      queueId,
      obstacle: this.obstacle(queue),
      wantedWorkers: this.wanted(queue),
      allocations: active.map(({ record, workerIds }) => ({
        number: record.number,
        id: record.batchId,
        sentence:
          workerIds.size > 0
            ? `it runs ${workerIds.size} of ${record.workers} workers`
            : (record.statusText ?? (record.batchId === null ? 'it is being submitted' : 'the batch system has not been asked yet')),
        useful: !useless.some(([id, number]) => id === queueId && number === record.number),
        estimatedStartMs: (record.batchId === null ? undefined : starts.get(record.batchId)) ?? null,
      })),
    };
  }

  /** What keeps the queue from submitting now. */
  obstacle({ record }: LiveQueue): QueueObstacle | null {
    if (record.state === 'draining') return { kind: 'draining' };
    const { service, now } = this.o;
    const facts = service.book.facts(now()).find(({ id }) => id === record.id);
    const found = facts === undefined ? null : obstacleOf(facts, now());
    switch (found?.kind) {
      case undefined:
        return null;
      case 'paused':
        return { kind: 'paused', reason: record.pausedReason };
      case 'resting':
        return { kind: 'resting', untilMs: found.untilMs, error: record.failures.lastError };
      case 'backlog':
        return { kind: 'backlog', queued: found.queued, backlog: record.params.backlog };
      case 'max-workers':
        return { kind: 'max-workers', workers: found.workers, most: record.params.maxWorkerCount ?? found.workers };
    }
  }

  /** What each queue does about tasks of a class that wait. */
  forClass(requestClass: RequestClass): QueueForTask[] {
    const fitting = new Set(this.queuesFor(requestClass));
    return this.o.service.book.all().map((queue) => {
      const { id, params } = queue.record;
      const active = [...queue.allocations.values()].filter((live) => isActive(live.record));
      const queued = active.filter((live) => isQueued(live.record)).length;
      return {
        queueId: id,
        name: params.name ?? null,
        fits: fitting.has(queue),
        isKnown: !shapeOf(queue.record).isOpen,
        obstacle: this.obstacle(queue),
        ...{ queued, running: active.length - queued },
      };
    });
  }

  /** Could a worker that a queue brings run a task of the class, as far as is known? */
  couldCome(requestClass: RequestClass): boolean {
    return this.queuesFor(requestClass).length > 0;
  }

  /** Queues whose workers could run a task of the class, as far as is known. */
  private queuesFor(requestClass: RequestClass): LiveQueue[] {
    const { core, service } = this.o;
    return service.book
      .all()
      .filter(({ record }) => record.state !== 'draining')
      .filter(({ record }) =>
        couldRun(core, requestClass, { shape: shapeOf(record), maxWorkersPerAllocation: record.params.maxWorkersPerAlloc }),
      );
  }

  /** Workers that would get something, had the queue no limits; those on their way are not among them. */
  private wanted({ record }: LiveQueue): number {
    const { core, service, now } = this.o;
    const most = Number.MAX_SAFE_INTEGER;
    const shape = shapeOf(record);
    // As the policy counts them: without those that have stayed away for too long.
    const facts = service.book.facts(now()).find(({ id }) => id === record.id);
    const expected = (facts?.allocations ?? []).filter(({ isEnding }) => !isEnding).map(({ coming }) => ({ shape, workers: coming }));
    const offer: Offer = {
      ...{ shape, late: [], maxAllocations: most, maxWorkers: most },
      maxWorkersPerAllocation: record.params.maxWorkersPerAlloc,
    };
    const answer = whatIf(core, { expected, offers: [offer] });
    return (answer.offers[0]?.allocations ?? []).reduce((sum, workers) => sum + workers, 0);
  }

  private async estimates({ record, allocations }: LiveQueue): Promise<ReadonlyMap<string, number>> {
    const ids = [...allocations.values()].flatMap((live) => (isQueued(live.record) ? (live.record.batchId ?? []) : []));
    if (ids.length === 0) return new Map();
    try {
      return await this.o.service.systems.get(record.params.system).estimateStarts(ids);
    } catch {
      // Without an answer there is no estimate; the rest of the explanation is known here.
      return new Map();
    }
  }

  /** @returns sentences about what is not known */
  private check(params: QueueParams): string[] {
    const limitMs = workerLimitMs(params);
    if (limitMs > params.timeLimitMs) {
      throw new HqError('HQ_E_QUEUE_PARAMS', { detail: 'the time limit of the workers is longer than that of the allocation' });
    }
    if (params.drainBeforeMs !== undefined && params.drainBeforeMs >= limitMs) {
      throw new HqError('HQ_E_QUEUE_PARAMS', { detail: 'workers that get nothing new from their start on would be of no use' });
    }
    if ((params.maxWorkerCount ?? Number.POSITIVE_INFINITY) < params.maxWorkersPerAlloc) {
      throw new HqError('HQ_E_QUEUE_PARAMS', { detail: 'the maximum worker count is less than the workers of one allocation' });
    }
    givenResources(params);
    this.o.service.systems.get(params.system);
    if (params.worker.cpus !== undefined) return [];
    return [
      'what its workers provide is known only when the first one has connected; until then it asks for one allocation at a time, or give --cpus',
    ];
  }

  private change(queueId: number, change: (queue: LiveQueue) => void): Promise<void> {
    return this.o.loop.transact(() => {
      const queue = this.queue(queueId);
      if (queue.record.state === 'draining') throw new HqError('HQ_E_QUEUE_REMOVED', { queue: queueId });
      change(queue);
    });
  }

  private queue(queueId: number): LiveQueue {
    const queue = this.o.service.book.get(queueId);
    if (queue === undefined) throw new HqError('HQ_E_QUEUE_NOT_FOUND', { queue: queueId });
    return queue;
  }
}
