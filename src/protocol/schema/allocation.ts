/** Allocation queues: what is asked for, what the API tells of queues and their allocations. Times in milliseconds. */
import * as z from 'zod';
import { QUEUE_NAME } from '../resourceTerms.ts';
import { workerResources } from './resources.ts';
import { onServerLost } from './worker.ts';

/** Queues count from 1. */
export const queueId = z.int().min(1).max(0xffff_ffff);

/** Text of one line: it becomes part of a script. */
const line = z.string().regex(/^[^\r\n\0]*$/, 'must not contain a line break');
const shellText = line.min(1);

/** Options of the workers, as they are typed after `hq worker start`. */
export const queueWorkerOptions = z.strictObject({
  cpus: line.min(1).optional().describe('like --cpus'),
  resources: z.array(line.min(1)).default([]).describe('like --resource, NAME=DESC'),
  coupling: line.min(1).optional().describe('like --coupling'),
  group: line.min(1).optional().describe('like --group; default: the id of the allocation'),
  hyperThreading: z.boolean().default(true),
  detectResources: line.optional().describe('like --detect-resources; default: all'),
  overviewIntervalMs: z.number().min(0).optional().describe('like --overview-interval'),
  minUtilization: z.number().min(0).max(1).default(0),
});

/** A signal for running tasks some time before their worker ends. */
export const signalBeforeEnd = z.strictObject({ signal: z.string().regex(/^SIG[A-Z0-9]+$/), beforeMs: z.number().positive() });

/** What a queue is made of. */
export const queueParams = z.strictObject({
  system: z.string().min(1).max(4_096).describe('slurm, pbs, local, gridengine, or plugin: and the path of a module'),
  name: z.string().regex(QUEUE_NAME, 'only letters, digits, _, . and -').optional().describe('part of job names and of the directory'),
  timeLimitMs: z.number().positive().describe('time limit of an allocation'),
  backlog: z.int().min(1).max(1_000_000).default(1).describe('most allocations that wait in the batch system at a time'),
  maxWorkersPerAlloc: z.int().min(1).max(1_000_000).default(1).describe('most nodes of an allocation; each runs one worker'),
  maxWorkerCount: z.int().min(1).max(0xffff_ffff).optional().describe('most workers, queued and running; default: no limit'),
  additionalArgs: z.array(line).default([]).describe('handed to the batch system word for word'),
  workerTimeLimitMs: z.number().positive().optional().describe('default: the time limit of the allocation'),
  idleTimeoutMs: z.number().positive().default(300_000).describe('a worker without tasks ends after this time'),
  onServerLost: onServerLost.default('reconnect'),
  drainBeforeMs: z
    .number()
    .min(0)
    .optional()
    .describe('a worker gets nothing new for so long before its end; default: 5 minutes, or 10 % of its time limit if that is less'),
  signalBeforeEnd: signalBeforeEnd.optional(),
  workerStartCmd: shellText.optional().describe('shell text that runs on each node before the worker'),
  workerStopCmd: shellText.optional().describe('shell text that runs on each node after the worker'),
  workerWrapCmd: shellText.optional().describe('shell text in front of the worker'),
  worker: queueWorkerOptions.default({ resources: [], hyperThreading: true, minUtilization: 0 }),
});
export type QueueParams = z.infer<typeof queueParams>;

/** POST /v1/queues */
export const createQueue = z.strictObject({
  params: queueParams,
  trial: z.boolean().default(true).describe('first submit an allocation and cancel it at once, to see whether it is accepted'),
});
export type CreateQueue = z.infer<typeof createQueue>;
export type CreateQueueInput = z.input<typeof createQueue>;

export const queueCreated = z.object({
  queueId,
  warnings: z.array(z.string()).describe('sentences: what is not known yet, what the batch system has doubts about'),
});
export type QueueCreated = z.infer<typeof queueCreated>;

/** POST /v1/queues/trial: what a trial has told; nothing is kept. */
export const trialAnswer = z.object({ script: z.string(), warnings: z.array(z.string()) });
export type TrialAnswer = z.infer<typeof trialAnswer>;

const { shape } = queueParams;

/** POST /v1/queues/{id}/modify: what is left out stays; null takes a limit or a command away. */
export const modifyQueue = z
  .strictObject({
    timeLimitMs: shape.timeLimitMs.optional(),
    backlog: shape.backlog.unwrap().optional(),
    maxWorkersPerAlloc: shape.maxWorkersPerAlloc.unwrap().optional(),
    maxWorkerCount: shape.maxWorkerCount.nullable(),
    additionalArgs: shape.additionalArgs.unwrap().optional(),
    workerTimeLimitMs: shape.workerTimeLimitMs.nullable(),
    idleTimeoutMs: shape.idleTimeoutMs.unwrap().optional(),
    drainBeforeMs: shape.drainBeforeMs.nullable(),
    workerStartCmd: shape.workerStartCmd.nullable(),
    workerStopCmd: shape.workerStopCmd.nullable(),
    workerWrapCmd: shape.workerWrapCmd.nullable(),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), 'there is nothing to change');
export type ModifyQueue = z.infer<typeof modifyQueue>;

/** `draining`: removed, its last allocations run to their end. */
export const queueState = z.enum(['active', 'paused', 'draining']);

/** One queue. */
export const queueInfo = z.object({
  id: queueId,
  state: queueState,
  params: queueParams,
  manager: z.string().describe('the batch system by its name for people: Slurm, PBS'),
  workerArgs: z.array(z.string()).describe('options that every worker of it gets, as words of the script'),
  knownResources: workerResources.nullable().describe('of its worker that connected last; null before the first'),
  queued: z.int().describe('allocations that wait in the batch system'),
  running: z.int(),
  workers: z.int().describe('workers of queued and running allocations'),
  pausedReason: z.string().nullable(),
  lastError: z.string().nullable().describe('what was the matter last; null when the last attempt went well'),
  restsUntilMs: z.number().nullable().describe('nothing is submitted before; null: it may be'),
});
export type QueueInfo = z.infer<typeof queueInfo>;

/** The original's four states; `outcome` and `reason` say more. */
export const allocationState = z.enum(['queued', 'running', 'finished', 'failed']);
export type AllocationState = z.infer<typeof allocationState>;

/** One allocation. */
export const allocationInfo = z.object({
  queueId,
  number: z.int().min(1).describe('counts the allocations of the queue'),
  id: z.string().nullable().describe('of the batch system; null while it is being submitted, and when that failed'),
  state: allocationState,
  workers: z.int().min(1).describe('nodes, with one worker each'),
  connectedWorkers: z.int().min(0),
  queuedAtMs: z.number(),
  startedAtMs: z.number().nullable(),
  endedAtMs: z.number().nullable(),
  limitAtMs: z.number().nullable().describe('when its time limit ends, as far as it is known'),
  workdir: z.string().describe('has hq-submit.sh, jobid, stdout and stderr'),
  rawState: z.string().nullable().describe("the batch system's word for its state"),
  detail: z.string().nullable().describe('what is known of why it waits or has ended, one sentence'),
  restarts: z.int().min(0),
});
export type AllocationInfo = z.infer<typeof allocationInfo>;

/** How a queue is removed: its running allocations end with their tasks, are canceled, or keep it from being removed. */
export const removeQueue = z.strictObject({ running: z.enum(['drain', 'cancel', 'refuse']).default('drain') });
export type RemoveQueue = z.infer<typeof removeQueue>;

/** What keeps a queue from submitting. */
export const queueObstacle = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('paused'), reason: z.string().nullable() }),
  z.object({ kind: z.literal('draining') }),
  z.object({ kind: z.literal('resting'), untilMs: z.number(), error: z.string().nullable() }),
  z.object({ kind: z.literal('backlog'), queued: z.int(), backlog: z.int() }),
  z.object({ kind: z.literal('max-workers'), workers: z.int(), most: z.int() }),
]);
export type QueueObstacle = z.infer<typeof queueObstacle>;

/** GET /v1/queues/{id}/explain */
export const queueExplanation = z.object({
  queueId,
  obstacle: queueObstacle.nullable().describe('null: it may submit'),
  wantedWorkers: z.int().describe('workers that it would ask for now, without its limits'),
  allocations: z.array(
    z.object({
      number: z.int(),
      id: z.string().nullable(),
      sentence: z.string(),
      useful: z.boolean().describe('false: nothing waits for it; canceled in a moment if it has not started'),
      estimatedStartMs: z.number().nullable(),
    }),
  ),
});
export type QueueExplanation = z.infer<typeof queueExplanation>;
