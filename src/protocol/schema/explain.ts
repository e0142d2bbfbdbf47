/** Why a task is not running: typed reasons, out of which the command line makes sentences. Worked out by `core/explain`. */
import * as z from 'zod';
import { queueId, queueObstacle } from './allocation.ts';
import { resourceName } from './resources.ts';
import { jobId, taskId, taskState, workerId } from './task.ts';

const amount = z.number().min(0);
const taskKey = z.object({ jobId, taskId });

/** What keeps a worker, or a group of workers, from starting the task now. */
export const obstacle = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('missing'), resource: resourceName, requested: amount }).describe('the worker has no such resource'),
  z
    .object({ kind: z.literal('too-little'), resource: resourceName, requested: amount, total: amount })
    .describe('even an unused worker has less'),
  z
    .object({
      kind: z.literal('busy'),
      resource: resourceName,
      requested: amount,
      free: amount,
      holders: z.int().describe('tasks that hold some of it'),
      largest: z.array(taskKey.extend({ amount })).describe('those of them that hold the most, at most three'),
    })
    .describe('less is free now'),
  z
    .object({ kind: z.literal('scattered'), resource: resourceName, requested: amount, free: amount })
    .describe('enough is free in sum, but in parts of indices that are shared, or in groups that the policy does not accept'),
  z
    .object({ kind: z.literal('lifetime'), neededMs: z.number(), leftMs: z.number() })
    .describe('the worker ends too soon for the time request'),
  z.object({ kind: z.literal('stopping') }),
  z
    .object({ kind: z.literal('draining'), leftMs: z.number().nullable() })
    .describe('it gets nothing new: its allocation ends soon, or its queue was removed; leftMs null: it has no time limit'),
  z.object({ kind: z.literal('reconnecting') }).describe('its connection is broken; it may come back'),
  z.object({ kind: z.literal('reserved'), forTask: taskKey.nullable() }).describe('kept free for a task that has waited for long'),
  z.object({ kind: z.literal('gang'), task: taskKey }).describe('it belongs to a running multi-node task'),
  z.object({ kind: z.literal('utilization'), least: z.number() }).describe('what waits would not use enough of its CPUs'),
  z
    .object({ kind: z.literal('nodes'), group: z.string(), needed: z.int(), size: z.int(), idle: z.int() })
    .describe('a multi-node task needs so many idle workers of one group'),
]);
export type Obstacle = z.infer<typeof obstacle>;

/** Workers for which the same holds. */
export const workersExplained = z.object({
  workerIds: z.string().describe('like 1-10,20'),
  count: z.int(),
  obstacles: z.array(obstacle).describe('empty: the task could start there now'),
});
export type WorkersExplained = z.infer<typeof workersExplained>;

export const variantExplained = z.object({ variant: z.int().min(0), request: z.string(), workers: z.array(workersExplained) });
export type VariantExplained = z.infer<typeof variantExplained>;

/** The first thing that keeps the task from running. */
export const waitReason = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ended'), error: z.string().nullable() }),
  z.object({ kind: z.literal('running'), workerIds: z.array(workerId) }),
  z.object({ kind: z.literal('sent'), workerId, queued: z.boolean() }).describe('given to a worker; queued: behind other tasks there'),
  z
    .object({
      kind: z.literal('dependencies'),
      unfinished: z.int(),
      tasks: z.array(taskKey.extend({ state: taskState })).describe('the first ones of them'),
    })
    .describe('waits for other tasks'),
  z
    .object({ kind: z.literal('delayed'), untilMs: z.number(), retry: z.int(), maxRetries: z.int() })
    .describe('failed; waits for its next attempt'),
  z.object({ kind: z.literal('no-worker') }).describe('no worker is connected'),
  z
    .object({ kind: z.literal('impossible'), details: z.array(z.string()) })
    .describe('no connected worker could ever run it; one sentence per cause'),
  z.object({ kind: z.literal('occupied') }).describe('workers that could run it are not free for it now'),
  z.object({ kind: z.literal('turn') }).describe('a worker has room: it starts with the next plan, or others come first'),
]);
export type WaitReason = z.infer<typeof waitReason>;

/** What an allocation queue does about a task that waits. */
export const queueForTask = z.object({
  queueId,
  name: z.string().nullable(),
  fits: z.boolean().describe('its workers could run the task, as far as is known'),
  isKnown: z.boolean().describe('false: what its workers provide is known only when one has connected'),
  obstacle: queueObstacle.nullable().describe('what keeps it from submitting; null: nothing'),
  queued: z.int().describe('allocations that wait in the batch system'),
  running: z.int(),
});
export type QueueForTask = z.infer<typeof queueForTask>;

/** GET /v1/jobs/{id}/tasks/{task}/explain */
export const taskExplanation = z.object({
  jobId,
  taskId,
  state: taskState,
  instance: z.int().min(0),
  dependencies: z.int().describe('tasks that it depends on, ended ones included'),
  reason: waitReason,
  queue: z
    .object({
      priority: z.int(),
      higher: z.int().describe('ready tasks of higher priority'),
      others: z.int().describe('ready tasks of the same priority with other requests that are placed before its own'),
      same: z.int().describe('ready tasks of the same request and priority before it'),
    })
    .nullable()
    .describe('its position; null unless it is ready'),
  queues: z.array(queueForTask).describe('allocation queues; empty unless it waits for a place'),
  variants: z.array(variantExplained).describe('per alternative of its request; empty unless it waits for a place'),
});
export type TaskExplanation = z.infer<typeof taskExplanation>;
