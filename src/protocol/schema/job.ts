/** Jobs: creation, listing and details. A job is a set of tasks with an id, open while more tasks may be added. */
import * as z from 'zod';
import { jobId, submit, taskId, taskPatch, taskState } from './task.ts';

/** A name that fits into one cell of a table. */
export const jobName = z
  .string()
  .min(1)
  .max(4096)
  .regex(/^[^\n\t]*$/, 'a job name has no line break or tab');

/** POST /v1/jobs */
export const createJob = z.strictObject({
  name: jobName.describe('shown in lists'),
  open: z.boolean().default(false).describe('true: more tasks may be added until the job is closed'),
  maxFails: z.int().min(0).optional().describe('when more tasks than this have failed, the remaining ones are aborted'),
  labels: z.record(z.string(), z.string()).default({}).describe('free key-value pairs, e.g. the workflow run'),
  submit: submit.optional().describe('the first tasks; a job that is not open needs them'),
});
export type CreateJob = z.infer<typeof createJob>;
export type CreateJobInput = z.input<typeof createJob>;

/** Answer to a creation or an added submit. */
export const submitted = z.object({
  jobId,
  taskIds: z.string().describe('ids of the new tasks in the order of the request, like 1-10,20'),
  warnings: z.array(z.string()).describe('e.g. a resource that no worker has'),
});
export type Submitted = z.infer<typeof submitted>;

/** Number of tasks in each state. */
export const taskStats = z.object({
  running: z.int(),
  finished: z.int(),
  failed: z.int(),
  canceled: z.int(),
  aborted: z.int(),
  waiting: z.int(),
});
export type TaskStats = z.infer<typeof taskStats>;

/** One job in a list. */
export const jobInfo = z.object({
  id: jobId,
  name: z.string(),
  isOpen: z.boolean(),
  cancelReason: z.string().nullable(),
  taskCount: z.int(),
  stats: taskStats,
  maxFails: z.int().nullable(),
  labels: z.record(z.string(), z.string()),
  submittedAtMs: z.number(),
  finishedAtMs: z.number().nullable().describe('when the last task ended; null while one is waiting or running'),
});
export type JobInfo = z.infer<typeof jobInfo>;

/** One submit of a job with its tasks in compressed form. */
export const submitInfo = z.object({
  submitDir: z.string(),
  stream: z.string().nullable().describe('resolved directory of the consolidated log'),
  kind: z.enum(['array', 'graph']),
  taskIds: z.string(),
  specs: z.array(z.unknown()).describe('TaskSpec: one for an array; for a graph one per task, at most 1,000'),
});
export type SubmitInfo = z.infer<typeof submitInfo>;

/** GET /v1/jobs/{id} */
export const jobDetail = jobInfo.extend({ taskIds: z.string(), submits: z.array(submitInfo) });
export type JobDetail = z.infer<typeof jobDetail>;

export { type JobState, jobState } from '../jobState.ts';

/** POST /v1/jobs/{id}/cancel; without taskIds every unfinished task. */
export const cancelRequest = z.strictObject({ taskIds: z.string().optional(), reason: z.string().max(200).optional() });
export type CancelRequest = z.infer<typeof cancelRequest>;

export const cancelAnswer = z.object({
  canceled: z.int().describe('tasks that this request canceled'),
  alreadyDone: z.int().describe('selected tasks that had ended before'),
});
export type CancelAnswer = z.infer<typeof cancelAnswer>;

/** POST /v1/jobs/{id}/modify; what is left out stays as it is. */
export const modifyRequest = z
  .strictObject({
    taskIds: z.string().optional().describe('only these tasks, like 1-10,20; left out: all that the job has now'),
    priority: taskPatch.shape.priority,
    timeLimitMs: z.number().positive().nullable().optional().describe('milliseconds; null: no limit'),
    crashLimit: taskPatch.shape.crashLimit,
    maxRetries: taskPatch.shape.maxRetries,
    maxFails: z.int().min(0).nullable().optional().describe('of the job; null: no limit'),
  })
  .superRefine(({ taskIds, maxFails, ...change }, context) => {
    const ofTasks = Object.values(change).some((value) => value !== undefined);
    if (!ofTasks && maxFails === undefined) context.addIssue({ code: 'custom', message: 'there is nothing to change' });
    if (!ofTasks && taskIds !== undefined)
      context.addIssue({ code: 'custom', path: ['taskIds'], message: 'maxFails is of the whole job, and nothing else is changed' });
  });
export type ModifyRequest = z.infer<typeof modifyRequest>;

export const modifyAnswer = z.object({
  modified: z.int().describe('selected tasks that had not ended'),
  withWorker: z.int().describe('those of them that a worker has: they get it with their next attempt'),
});
export type ModifyAnswer = z.infer<typeof modifyAnswer>;

/** GET /v1/jobs/{id}/tasks?ids=&states=&after=&limit= */
export const taskQuery = z.object({
  ids: z.string().optional().describe('like 1-10,20'),
  states: z.array(taskState).optional(),
  after: taskId.optional().describe('only ids after this one, for paging'),
  limit: z.int().min(1).max(100_000).default(100_000),
});
export type TaskQuery = z.infer<typeof taskQuery>;
