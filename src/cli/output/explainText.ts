/** Sentences for why a task is not running: one that says what is the matter, one on what to change, and what is in the way on each worker. */
import { assertNever } from '../../common/assert.ts';
import { formatDuration } from '../../common/duration.ts';
import { formatSize } from '../../common/size.ts';
import type { Obstacle, TaskExplanation, VariantExplained, WaitReason } from '../../protocol/schema/explain.ts';
import { localTime } from './tables.ts';

const BYTES_PER_MIB = 2 ** 20;

/** @returns what keeps the task from running, as one sentence */
export function summaryOf(explanation: TaskExplanation): string {
  const name = `Task ${explanation.taskId} of job ${explanation.jobId}`;
  const { reason, state } = explanation;
  switch (reason.kind) {
    case 'ended':
      return `${name} is ${state.toUpperCase()}${reason.error === null ? '' : `: ${reason.error}`}`;
    case 'running':
      return `${name} runs on worker ${reason.workerIds.join(', ')}.`;
    case 'sent':
      return `${name} ${reason.queued ? 'is queued on' : 'is on its way to'} worker ${reason.workerId}, which starts it${reason.queued ? ' when a task before it ends' : ''}.`;
    case 'dependencies':
      return `${name} waits for ${count(reason.unfinished, 'other task')}: ${dependencyText(reason, explanation.jobId)}.`;
    case 'delayed':
      return `${name} has failed and is run again at ${localTime(reason.untilMs)} (retry ${reason.retry} of ${reason.maxRetries}).`;
    case 'no-worker':
      return `${name} waits, because no worker is connected.`;
    case 'impossible':
      return `${name} can run on no connected worker: ${reason.details.join('; ')}.`;
    case 'occupied':
      return `${name} waits for a worker that is free for it${aheadText(explanation)}.`;
    case 'turn':
      return `${name} is about to start${aheadText(explanation)}.`;
    default:
      return assertNever(reason, 'reason');
  }
}

/** @returns what to change, as one sentence; empty when there is nothing to do */
export function adviceOf(explanation: TaskExplanation): string {
  const { reason } = explanation;
  switch (reason.kind) {
    case 'dependencies':
      return `Ask about the first of them with: hq task explain ${reason.tasks[0]?.jobId ?? explanation.jobId} ${reason.tasks[0]?.taskId ?? ''}`.trim();
    case 'no-worker':
      if (explanation.queues.some(({ fits }) => fits)) return 'Allocation queues bring workers when the batch system has room for them.';
      return 'Start one with: hq worker start; or let a batch system bring some with: hq alloc add';
    case 'impossible':
      if (explanation.queues.some(({ fits }) => fits)) return 'Workers of an allocation queue could run it, when they come.';
      return 'Start a worker that provides what is missing, or cancel the task and submit it with a smaller request.';
    case 'occupied':
      return occupiedAdvice(explanation.variants);
    case 'ended':
    case 'running':
    case 'sent':
    case 'delayed':
    case 'turn':
      return '';
    default:
      return assertNever(reason, 'reason');
  }
}

/** What would help soonest. */
function occupiedAdvice(variants: readonly VariantExplained[]): string {
  const kinds = new Set(variants.flatMap(({ workers }) => workers.flatMap((one) => one.obstacles.map(({ kind }) => kind))));
  if (kinds.has('busy') || kinds.has('scattered'))
    return 'It starts when tasks there end; more workers, a smaller request or a higher --priority bring it forward.';
  if (kinds.has('nodes')) return 'It starts when enough workers of one group are idle; more workers or fewer --nodes bring it forward.';
  if (kinds.has('reserved'))
    return 'It starts when the task that has waited for longer has its place; a higher --priority brings it forward.';
  if (kinds.has('gang')) return 'It starts when the multi-node task ends; more workers bring it forward.';
  if (kinds.has('lifetime')) return 'Start a worker with a longer --time-limit, or submit with a smaller --time-request.';
  if (kinds.has('utilization')) return 'Submit more tasks, or start a worker without a least utilization.';
  return 'It starts when a worker comes back; or start another one with: hq worker start';
}

/** @returns rows of a table: workers, variant, what is in the way */
export function workerRows(variants: readonly VariantExplained[]): [workers: string, request: string, obstacles: string][] {
  return variants.flatMap(({ request, workers }) =>
    workers.map(({ workerIds, count: number, obstacles }): [string, string, string] => {
      const who = number === 1 ? workerIds : `${workerIds} (${number} workers)`;
      return [
        who,
        request === '' ? 'nothing' : request,
        obstacles.length === 0 ? 'could start it' : obstacles.map(obstacleText).join('\n'),
      ];
    }),
  );
}

function obstacleText(obstacle: Obstacle): string {
  switch (obstacle.kind) {
    case 'missing':
      return `has no '${obstacle.resource}'`;
    case 'too-little': {
      const { resource, requested, total } = obstacle;
      return `has ${amountText(resource, total)} of '${resource}' in total, ${amountText(resource, requested)} needed`;
    }
    case 'busy':
      return busyText(obstacle);
    case 'scattered': {
      const { resource, free, requested } = obstacle;
      return `has ${amountText(resource, free)} of '${resource}' free, but not together; ${amountText(resource, requested)} needed`;
    }
    case 'lifetime':
      return `ends in ${formatDuration(obstacle.leftMs)}, ${formatDuration(obstacle.neededMs)} needed`;
    case 'stopping':
      return 'is stopping';
    case 'draining':
      return `takes nothing new${obstacle.leftMs === null ? '' : `, it ends in ${formatDuration(obstacle.leftMs)}`}`;
    case 'reconnecting':
      return 'has lost its connection and may come back';
    case 'reserved':
      return `is kept for ${obstacle.forTask === null ? 'another task' : taskText(obstacle.forTask)}, which has waited for long`;
    case 'gang':
      return `belongs to the multi-node task ${taskText(obstacle.task)}`;
    case 'utilization':
      return `asks for ${Math.round(obstacle.least * 100)} % of its CPUs to be used, and what waits would use less`;
    case 'nodes':
      return `group '${obstacle.group}' has ${obstacle.idle} idle of ${count(obstacle.size, 'worker')}, ${obstacle.needed} needed`;
    default:
      return assertNever(obstacle, 'obstacle');
  }
}

function busyText(obstacle: Extract<Obstacle, { kind: 'busy' }>): string {
  const { resource, free, requested, holders, largest } = obstacle;
  const held = largest.map((one) => `${taskText(one)}: ${amountText(resource, one.amount)}`);
  if (holders > largest.length) held.push(`${holders - largest.length} more`);
  const who = held.length === 0 ? '' : ` (held by ${held.join(', ')})`;
  return `has ${amountText(resource, free)} of '${resource}' free, ${amountText(resource, requested)} needed${who}`;
}

function aheadText({ queue }: TaskExplanation): string {
  const ahead = queue === null ? 0 : queue.higher + queue.others + queue.same;
  if (queue === null || ahead === 0) return '; no ready task comes before it';
  const parts = [
    ...(queue.higher > 0 ? [`${count(queue.higher, 'task')} of higher priority`] : []),
    ...(queue.others > 0 ? [`${count(queue.others, 'task')} of other requests`] : []),
    ...(queue.same > 0 ? [`${count(queue.same, 'task')} of the same request`] : []),
  ];
  const last = parts.pop();
  return `; before it ${ahead === 1 ? 'comes' : 'come'} ${parts.length === 0 ? last : `${parts.join(', ')} and ${last}`}`;
}

function dependencyText({ unfinished, tasks }: Extract<WaitReason, { kind: 'dependencies' }>, own: number): string {
  const shown = tasks.map(({ jobId, taskId, state }) => `${jobId === own ? '' : `${jobId}.`}${taskId} (${state.toUpperCase()})`);
  if (unfinished > tasks.length) shown.push(`${unfinished - tasks.length} more`);
  return shown.join(', ');
}

/** `mem` is counted in MiB. */
function amountText(resource: string, amount: number): string {
  return resource === 'mem' ? formatSize(amount * BYTES_PER_MIB) : String(amount);
}

function taskText({ jobId, taskId }: { jobId: number; taskId: number }): string {
  return `${jobId}@${taskId}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
