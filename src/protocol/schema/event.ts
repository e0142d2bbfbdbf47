/**
 * Events: everything that happens, in order, with a sequence number that survives restarts of the server. The journal keeps them;
 * clients follow them as server-sent events. Adding a kind is compatible, changing one is not.
 */
import * as z from 'zod';
import { allocationState, queueId } from './allocation.ts';
import { failureKind, jobId, taskId, taskUsage, workerId } from './task.ts';
import { workerConfiguration, workerEnd } from './worker.ts';

const task = { jobId, taskId, instance: z.int().min(0) };
const allocation = { queueId, number: z.int().min(1) };
const ids = z.string().describe('task ids like 1-10,20');

/** The part of an event that says what happened. */
export const eventBody = z.discriminatedUnion('type', [
  z.object({ type: z.literal('server-start'), serverUid: z.string(), version: z.string(), pid: z.int() }),
  z.object({ type: z.literal('server-stop') }),
  z.object({ type: z.literal('worker-connected'), workerId, configuration: workerConfiguration }),
  z.object({ type: z.literal('worker-disconnected'), workerId }).describe('its tasks are kept until it reconnects or is lost'),
  z.object({ type: z.literal('worker-reconnected'), workerId }),
  z.object({ type: z.literal('worker-lost'), workerId, reason: workerEnd }),
  z
    .object({ type: z.literal('worker-notice'), workerId, message: z.string() })
    .describe('what its user may want to know: why jobs are not started by a warm runner; each once per worker'),
  z.object({ type: z.literal('job-created'), jobId, name: z.string(), open: z.boolean() }),
  z.object({ type: z.literal('job-closed'), jobId }),
  z.object({ type: z.literal('job-canceled'), jobId, reason: z.string().nullable() }),
  z.object({ type: z.literal('job-idle'), jobId }).describe('an open job has no unfinished task'),
  z.object({ type: z.literal('job-completed'), jobId }).describe('closed and every task has ended'),
  z.object({ type: z.literal('job-forgotten'), jobId }),
  z.object({ type: z.literal('tasks-submitted'), jobId, ids }),
  z.object({ type: z.literal('task-started'), ...task, workerId, variant: z.int().min(0) }),
  z.object({ type: z.literal('task-finished'), ...task, usage: taskUsage.nullable() }),
  z.object({
    type: z.literal('task-failed'),
    ...task,
    error: z.string(),
    failure: failureKind,
    exitCode: z.int().nullable(),
    signal: z.string().nullable(),
    usage: taskUsage.nullable(),
  }),
  z
    .object({
      type: z.literal('task-restarted'),
      ...task,
      cause: z.enum(['retry', 'worker-lost', 'worker-stopped', 'superseded']),
      error: z.string().nullable(),
    })
    .describe('instance is the one that ended; the task waits for its next one'),
  z.object({ type: z.literal('queue-created'), queueId, name: z.string().nullable(), system: z.string() }),
  z.object({ type: z.literal('queue-paused'), queueId, reason: z.string().nullable() }).describe('reason null: somebody asked for it'),
  z.object({ type: z.literal('queue-resumed'), queueId }),
  z.object({ type: z.literal('queue-removed'), queueId }).describe('its last allocations may still run to their end'),
  z.object({ type: z.literal('allocation-queued'), ...allocation, id: z.string(), workers: z.int() }),
  z.object({ type: z.literal('allocation-started'), ...allocation, id: z.string() }),
  z
    .object({ type: z.literal('allocation-ended'), ...allocation, id: z.string().nullable(), state: allocationState, detail: z.string() })
    .describe('id null: the batch system never had it; detail says why, e.g. that it was refused, or not needed any more'),
  z
    .object({ type: z.literal('task-notify'), ...task, workerId, message: z.string() })
    .describe('a message of the task, sent with `hq task notify`'),
  z.object({ type: z.literal('tasks-canceled'), jobId, ids }),
  z.object({ type: z.literal('tasks-aborted'), jobId, ids, reason: z.string() }),
]);
export type EventBody = z.infer<typeof eventBody>;

/** All that changes the states of tasks; the counts of a job change with nothing else. */
export const TASK_EVENT_TYPES = [
  'tasks-submitted',
  'task-started',
  'task-finished',
  'task-failed',
  'task-restarted',
  'tasks-canceled',
  'tasks-aborted',
] as const satisfies readonly EventBody['type'][];

/** An event as clients see it. `seq` grows by one per event; `timeMs` is Unix time in milliseconds on the server. */
export const hqEvent = z.intersection(z.object({ seq: z.int().min(1), timeMs: z.number() }), eventBody);
export type HqEvent = { seq: number; timeMs: number } & EventBody;
