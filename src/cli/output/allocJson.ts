/** HyperQueue's JSON shapes of allocation queues and allocations. Keys and nullability are a contract with scripts. */
import type { AllocationInfo, QueueInfo } from '../../protocol/schema/allocation.ts';
import { date, seconds } from './jsonText.ts';

/** @param extras false: the original's keys only; it knows two states of a queue */
export function queueJson(queue: QueueInfo, extras: boolean): Record<string, unknown> {
  const { params } = queue;
  return {
    id: queue.id,
    name: params.name ?? null,
    state: queue.state === 'active' ? 'Active' : extras && queue.state === 'draining' ? 'Draining' : 'Paused',
    manager: queue.manager,
    additional_args: params.additionalArgs,
    backlog: params.backlog,
    max_workers_per_alloc: params.maxWorkersPerAlloc,
    timelimit: seconds(params.timeLimitMs),
    max_worker_count: params.maxWorkerCount ?? null,
    worker_args: queue.workerArgs,
    known_worker_resources: queue.knownResources,
    ...(extras
      ? {
          queued: queue.queued,
          running: queue.running,
          workers: queue.workers,
          paused_reason: queue.pausedReason,
          last_error: queue.lastError,
          rests_until: date(queue.restsUntilMs),
        }
      : {}),
  };
}

/** @param extras false: the original's keys only */
export function allocationJson(allocation: AllocationInfo, extras: boolean): Record<string, unknown> {
  return {
    id: allocation.id ?? '',
    target_worker_count: allocation.workers,
    queued_at: date(allocation.queuedAtMs),
    started_at: date(allocation.startedAtMs),
    ended_at: date(allocation.endedAtMs),
    status: allocation.state,
    workdir: allocation.workdir,
    ...(extras
      ? {
          number: allocation.number,
          connected_workers: allocation.connectedWorkers,
          batch_state: allocation.rawState,
          detail: allocation.detail,
          restarts: allocation.restarts,
        }
      : {}),
  };
}
