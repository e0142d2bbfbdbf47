/** Workers: configuration given at registration and what the API tells about them. */
import * as z from 'zod';
import { workerResources } from './resources.ts';
import { workerId } from './task.ts';

/** What a worker does when the server's connection breaks. */
export const onServerLost = z.enum(['reconnect', 'stop', 'finish-running']);
export type OnServerLost = z.infer<typeof onServerLost>;

/** How a worker keeps tasks to the memory that they have requested. Those of older versions, also in journals, do not say it: they sample. */
export const memoryGuard = z
  .enum(['off', 'proc', 'cgroup-v1', 'cgroup-v2'])
  .describe('proc: by samples out of /proc; cgroup-v1, cgroup-v2: by control groups of this version, without gaps; missing: proc');

/** Sent in the hello; times in milliseconds. */
export const workerConfiguration = z.object({
  resources: workerResources,
  hostname: z.string().min(1).max(253),
  group: z.string().min(1),
  pid: z.int().min(1),
  workDir: z.string(),
  heartbeatMs: z.number().min(150),
  idleTimeoutMs: z.number().positive().nullable(),
  timeLimitMs: z.number().positive().nullable().describe('lifetime of the worker from its start'),
  startedAtMs: z.number(),
  onServerLost,
  minUtilization: z.number().min(0).max(1).default(0),
  memoryGuard: memoryGuard.optional(),
  overviewIntervalMs: z.number().min(0).optional().describe('of --overview-interval; missing: as it is by default'),
  allocation: z
    .object({ manager: z.string().min(1).describe('PBS, Slurm, local or the name of a plugin'), id: z.string() })
    .nullable()
    .default(null),
  listenAddress: z.string().default(''),
  version: z.string(),
});
export type WorkerConfiguration = z.infer<typeof workerConfiguration>;

/** Why a worker is gone. */
export const workerEnd = z.enum(['STOPPED', 'CONNECTION LOST', 'HEARTBEAT LOST', 'IDLE TIMEOUT', 'TIME LIMIT REACHED']);
export type WorkerEnd = z.infer<typeof workerEnd>;

/** One worker. */
export const workerInfo = z.object({
  id: workerId,
  configuration: workerConfiguration,
  state: z.enum(['running', 'reconnecting', 'offline']).describe('reconnecting: its connection broke, its tasks are kept'),
  connectedAtMs: z.number(),
  endedAtMs: z.number().nullable(),
  endReason: workerEnd.nullable(),
  runningTasks: z.int(),
  assignedTasks: z.int().describe('running ones included'),
  stoppingTasks: z
    .int()
    .optional()
    .describe('tasks that were canceled and whose processes may still be there: the worker has not confirmed their end; left out: none'),
  lastTaskStarted: z.object({ jobId: z.int(), taskId: z.int(), atMs: z.number() }).nullable(),
});
export type WorkerInfo = z.infer<typeof workerInfo>;
