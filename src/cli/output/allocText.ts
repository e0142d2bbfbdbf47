/** Allocation queues in words: rows of tables, and sentences for why nothing is submitted. */
import { assertNever } from '../../common/assert.ts';
import { formatDuration } from '../../common/duration.ts';
import type { AllocationInfo, QueueExplanation, QueueInfo, QueueObstacle } from '../../protocol/schema/allocation.ts';
import type { QueueForTask } from '../../protocol/schema/explain.ts';
import { summarizeResources } from './resourceText.ts';
import { type Cell, localTime } from './tables.ts';

export const QUEUE_HEADERS = [
  ...['ID', 'State', 'Backlog size', 'Max workers per alloc', 'Max worker count', 'Timelimit', 'Manager'],
  ...['Worker resources', 'Name', 'Args'],
] as const;

export function queueRow({ id, state, params, manager, knownResources }: QueueInfo): Cell[] {
  return [
    ...[id, state.toUpperCase(), params.backlog, params.maxWorkersPerAlloc],
    // The original prints 0 where there is no limit.
    params.maxWorkerCount ?? 0,
    ...[formatDuration(params.timeLimitMs), manager],
    ...[knownResources === null ? '' : summarizeResources(knownResources), params.name ?? '', params.additionalArgs.join(' ')],
  ];
}

/** @returns what a person should know of a queue beyond its row; empty when there is nothing */
export function queueNote({ id, state, pausedReason, lastError, restsUntilMs }: QueueInfo): string {
  if (state === 'paused') return `Queue ${id} is paused: ${pausedReason ?? 'somebody asked for it'}. Go on with: hq alloc resume ${id}`;
  if (state === 'draining') return `Queue ${id} is removed; its last allocations run to their end.`;
  if (lastError === null) return '';
  return `Queue ${id}: ${lastError}${restsUntilMs === null ? '' : `; nothing is submitted before ${localTime(restsUntilMs)}`}`;
}

export const ALLOCATION_HEADERS = ['ID', 'State', 'Working directory', 'Worker count', 'Queue time', 'Start time', 'Finish time', 'Detail'];

export function allocationRow(one: AllocationInfo): Cell[] {
  const time = (atMs: number | null): string => (atMs === null ? '' : localTime(atMs));
  const times = [time(one.queuedAtMs), time(one.startedAtMs), time(one.endedAtMs)];
  return [one.id ?? '', one.state.toUpperCase(), one.workdir, one.workers, ...times, one.detail ?? ''];
}

/** @returns lines: what keeps the queue, what it would ask for, then one for each of its allocations */
export function queueExplanationLines({ queueId, obstacle, wantedWorkers, allocations }: QueueExplanation): string[] {
  const wanted =
    wantedWorkers === 0 ? 'no task waits that more workers of it could run' : `tasks that wait would use ${workers(wantedWorkers)} more`;
  const kept = obstacle === null ? '' : `; ${obstacleText(obstacle)}`;
  return [
    `Queue ${queueId}: ${wanted}${kept}.`,
    ...allocations.map(({ number, id, sentence, useful, estimatedStartMs }) => {
      const start = estimatedStartMs === null ? '' : `; it is expected to start at ${localTime(estimatedStartMs)}`;
      return `Allocation ${id ?? `number ${number}`}: ${sentence}${start}${useful ? '' : '; nothing waits for it'}.`;
    }),
  ];
}

/** What an allocation queue does about a task, as one sentence. */
export function queueForTaskText(queue: QueueForTask): string {
  const name = `Allocation queue ${queue.queueId}${queue.name === null ? '' : ` (${queue.name})`}`;
  if (!queue.fits) return `${name}: its workers could not run it.`;
  const onTheWay = [...(queue.queued > 0 ? [`${queue.queued} queued`] : []), ...(queue.running > 0 ? [`${queue.running} running`] : [])];
  const has = onTheWay.length === 0 ? 'has no allocation' : `has ${onTheWay.join(' and ')} allocations`;
  const unsure = queue.isKnown ? '' : '; what its workers provide is not known yet';
  return `${name} ${has}${queue.obstacle === null ? '' : `; ${obstacleText(queue.obstacle)}`}${unsure}. See: hq alloc explain ${queue.queueId}`;
}

export function obstacleText(obstacle: QueueObstacle): string {
  switch (obstacle.kind) {
    case 'paused':
      return `it is paused: ${obstacle.reason ?? 'somebody asked for it'}`;
    case 'draining':
      return 'it is removed';
    case 'resting':
      return `it rests until ${localTime(obstacle.untilMs)}${obstacle.error === null ? '' : `: ${obstacle.error}`}`;
    case 'backlog':
      return `${obstacle.queued} of its allocations wait in the batch system, and its backlog is ${obstacle.backlog}`;
    case 'max-workers':
      return `it has ${workers(obstacle.workers)}, and its maximum is ${obstacle.most}`;
    default:
      return assertNever(obstacle, 'obstacle');
  }
}

function workers(count: number): string {
  return `${count} worker${count === 1 ? '' : 's'}`;
}
