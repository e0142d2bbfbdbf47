/** JSON of the commands about jobs and tasks, after HyperQueue's documentation and the answers of its version 0.26. */
import * as z from 'zod';
import type { JobState } from '../../protocol/jobState.ts';
import { queueForTask, variantExplained, waitReason } from '../../protocol/schema/explain.ts';
import { crashLimit, taskState } from '../../protocol/schema/task.ts';
import { byJob, count, date, listOf, type Shape, same, seconds, shape, task, taskStats, units } from './parts.ts';

/** One job in lists. */
const info = z.strictObject({
  id: count,
  name: z.string(),
  task_count: count,
  is_open: z.boolean(),
  cancel_reason: z.string().nullable(),
  task_stats: taskStats,
});

const policy = (name: string): z.ZodType => z.strictObject({ [name]: units });
const requested = z.union([z.literal('All'), ...['Compact', 'ForceCompact', 'Tight', 'ForceTight', 'Scatter'].map(policy)]);
const stdio = z.string().nullable();

const entry = shape(
  { resource: z.string(), request: requested },
  { max_amount: units.optional().meta({ description: 'the most that a range like 2-8 takes' }) },
);
const variant = (one: z.ZodType): z.ZodType =>
  z.strictObject({ n_nodes: count, resources: z.array(one), min_time: seconds, weight: units });

function description(variants: z.ZodType): z.ZodRawShape {
  return {
    program: z.strictObject({
      args: z.array(z.string()),
      env: z.record(z.string(), z.string()),
      cwd: z.string(),
      stdout: stdio,
      stderr: stdio,
    }),
    resources: z.array(variants),
    pin_mode: z.enum(['taskset', 'openmp']).nullable(),
    priority: z.int(),
    time_limit: seconds.nullable(),
    task_dir: z.boolean(),
    crash_limit: crashLimit,
  };
}

const retries = {
  max_retries: count,
  retry_delay: seconds.optional(),
  retry_on: z.array(z.union([z.int(), z.string()])).optional(),
  retry_mem_factor: z.number().optional(),
};
const submitOf = (one: z.ZodType): z.ZodType => z.union([z.strictObject({ array: one }), z.strictObject({ graph: z.array(one) })]);
const submit: Shape = {
  now: submitOf(z.strictObject({ ...description(variant(entry.now)), ...retries })),
  original: submitOf(z.strictObject(description(variant(entry.original)))),
};

const detail = (form: 'now' | 'original'): z.ZodRawShape => ({
  info,
  max_fails: count.nullable(),
  started_at: date.meta({ description: 'of the submission' }),
  finished_at: date.nullable(),
  submits: z.array(submit[form]),
  tasks: z.array(task[form]),
});
const details = z.strictObject({
  ...detail('now'),
  id: count,
  name: z.string(),
  state: z.enum(['RUNNING', 'WAITING', 'FAILED', 'ABORTED', 'CANCELED', 'OPENED', 'FINISHED'] satisfies JobState[]),
  labels: z.record(z.string(), z.string()),
  running: count,
  finished: count,
  failed: count,
  canceled: count,
  aborted: count,
  waiting: count,
});

/** `hq job info`: ours is one object where one plain id was asked for. */
export const jobDetails: Shape = { now: z.union([details, z.array(details)]), original: z.array(z.strictObject(detail('original'))) };

export const jobList: Shape = same(z.array(info));

export const jobSummary: Shape = same(
  z.strictObject({
    Running: count,
    Waiting: count,
    Finished: count,
    Failed: count,
    Aborted: count,
    Canceled: count,
    Opened: count.optional().meta({ description: 'only where such a job exists' }),
  }),
);

const submitted = z.strictObject({ id: count.meta({ description: 'of the job' }) });
const preview = (form: 'now' | 'original'): z.ZodType =>
  z.strictObject({
    name: z.string(),
    task_ids: z.string(),
    task_count: count,
    submit: submit[form],
    requests: z.array(
      z.strictObject({ task_ids: z.string(), task_count: count, variants: z.array(variantExplained), queues: z.array(queueForTask) }),
    ),
    more_requests: count,
    warnings: z.array(z.string()),
  });

/** Submits, also with `--dry-run`, which the original does not have. */
export const submitAnswer: Shape = { now: z.union([submitted, preview('now')]), original: z.union([submitted, preview('original')]) };
export const openAnswer: Shape = same(submitted);

export const taskIds: Shape = byJob(same(z.array(count)));
export const taskLists: Shape = byJob(listOf(task));
export const taskDetails: Shape = listOf(task);

const span = z.strictObject({ secs: count, nanos: count });
const blocks = z.union([
  z.strictObject({ Resources: z.strictObject({ resource: z.string(), request_amount: units, worker_amount: units }) }),
  z.strictObject({ Time: z.strictObject({ min_time: span, remaining_time: span.nullable() }) }),
  z.strictObject({ WorkerGroup: z.strictObject({ n_nodes: count, group_size: count }) }),
]);

/** `hq task explain`. */
export const explanation: Shape = shape(
  {
    task_id: z.strictObject({ job_id: count, job_task_id: count }),
    explanation: z.strictObject({
      n_task_deps: count,
      n_waiting_deps: count,
      workers: z.array(
        z.strictObject({
          worker_id: count,
          variants: z.array(z.array(blocks)).meta({ description: 'what is in the way of each variant; an empty list: nothing' }),
        }),
      ),
    }),
  },
  {
    state: taskState,
    instance: count,
    reason: waitReason,
    queue: z.strictObject({ priority: z.int(), higher: count, others: count, same: count }).nullable(),
    queues: z.array(queueForTask),
    variants: z.array(variantExplained),
    summary: z.string(),
    advice: z.string(),
  },
);
