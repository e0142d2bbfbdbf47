/** What one task is, as submitted, and what is known of it, as answered by the API. */
import * as z from 'zod';
import { FAILURE_KINDS, RETRY_REASONS } from '../failureTerms.ts';
import { PIN_MODES } from '../resourceTerms.ts';
import { requestSpec } from './resources.ts';

/** Ids count per job (tasks) and per server (jobs, workers). */
export const jobId = z.int().min(1).max(0xffff_ffff);
export const taskId = z.int().min(0).max(0xffff_ffff);
export const workerId = z.int().min(1).max(0xffff_ffff);

/** `waiting` covers every task that has not started, also one already sent to a worker. */
export const taskState = z.enum(['waiting', 'running', 'finished', 'failed', 'canceled', 'aborted']);
export type TaskState = z.infer<typeof taskState>;

/**
 * Where a channel goes: `null` = nowhere; a path, relative to the task's working directory, with placeholders
 * (`%{JOB_ID} %{TASK_ID} %{INSTANCE_ID} %{SUBMIT_DIR} %{CWD} %{SERVER_UID}`).
 * Left out: the job's stream if it has one, else `%{CWD}/job-%{JOB_ID}/%{TASK_ID}.stdout|stderr`.
 */
export const stdioSpec = z.union([
  z.null(),
  z.strictObject({ path: z.string().min(1), onClose: z.enum(['keep', 'rm-if-finished']).default('keep') }),
]);
export type StdioSpec = z.infer<typeof stdioSpec>;

/** How often a task may be lost together with its worker before it fails. */
export const crashLimit = z.union([z.int().min(1), z.literal('never-restart'), z.literal('unlimited')]);
export type CrashLimit = z.infer<typeof crashLimit>;

/** Why an attempt failed; `canceled` when it was ended because it is no longer wanted. */
export const failureKind = z.enum(FAILURE_KINDS);
export type FailureKind = z.infer<typeof failureKind>;

/** Failures after which a task may be run again, beside exit codes. */
export const retryReason = z.enum(RETRY_REASONS);
/** How a task is bound to its CPUs; left out: not at all. */
export const pinMode = z.enum(PIN_MODES);

/** How much of a job's start a warm runner has done before: the imports, or also the parsing of the workflow. */
export const warmLevel = z.enum(['imports', 'snakefile']);

/** Asks workers to start the task as a fork of a process that has done the slow part of the start; it is `command` all the same. */
export const warmSpec = z.strictObject({
  kind: z
    .enum(['snakemake', 'python'])
    .describe('what the task is, a job of Snakemake or a function of the Python API, and with it what a warm runner loads'),
  python: z.string().min(1).describe('interpreter of the command; the package hq_bridge must be installed for it'),
  run: z.string().min(1).max(200).describe('tasks of the same run, directory and environment share a warm runner'),
  level: warmLevel,
  prologue: z.string().optional().describe('python: shell commands that come before the interpreter, which is then text for the shell'),
  shell: z.string().min(1).optional().describe('python: runs the prologue; default: bash'),
  imports: z
    .array(z.string().min(1))
    .max(1000)
    .optional()
    .describe('python: modules that a warm runner loads; left out: installed ones that its first tasks are seen to load'),
});
export type WarmSpec = z.infer<typeof warmSpec>;

/** A workflow manager's script around a command, which records the exit code in a file beside it; see `common/nextflowWrapper.ts`. */
const taskWrapper = z.enum(['nextflow']);
export type TaskWrapper = z.infer<typeof taskWrapper>;

/** Fields of a task without defaults, so that a patch that leaves one out does not bring its default back. */
const taskFields = {
  command: z.array(z.string()).min(1).describe('argument vector; the first element is the program'),
  env: z.record(z.string(), z.string()).describe('environment variables added to those of the worker'),
  secretEnv: z
    .array(z.string())
    .describe('names in env whose values are redacted in every output and deleted from the journal at the end of the task'),
  cwd: z.string().optional().describe('working directory, placeholders allowed; default: the submit directory'),
  stdout: stdioSpec.optional(),
  stderr: stdioSpec.optional(),
  stdin: z.base64().optional().describe('bytes given to the task on its standard input, base64'),
  request: z.array(requestSpec).min(1).max(32).describe('alternatives, the preferred one first'),
  pin: pinMode
    .optional()
    .describe(
      'taskset: the kernel lets the task run on its CPUs only; omp: OpenMP is told to bind threads to them; every alternative needs CPUs',
    ),
  taskDir: z
    .boolean()
    .optional()
    .describe('true: the task has an empty directory of its own on its node, named in HQ_TASK_DIR and removed at its end'),
  priority: z.int().min(-0x8000_0000).max(0x7fff_ffff).describe('higher first'),
  timeLimitMs: z.number().positive().optional().describe('the task is killed after this time, milliseconds'),
  crashLimit,
  maxRetries: z.int().min(0).max(65_535).describe('a failed task is run again up to this many times'),
  retryDelayMs: z.number().min(0).optional().describe('time between a failure and the next attempt, milliseconds'),
  retryOn: z
    .array(z.union([z.int().min(1).max(255), retryReason]))
    .min(1)
    .optional()
    .describe(
      'only these failures are followed by another attempt: exit codes (128 + N stands for the signal N, too) and reasons; default: all',
    ),
  retryMemFactor: z.number().min(1).max(100).optional().describe('the mem request of every variant is multiplied by this at each retry'),
  warm: warmSpec.optional().describe('start the task from a warm runner of its worker, where that is possible; left out: by its command'),
  wrapper: taskWrapper
    .optional()
    .describe(
      "nextflow: the command is Nextflow's .command.run in the working directory; where it ends without having written its .exitcode, hq writes it",
    ),
  label: z.string().max(1024).optional().describe('shown wherever the task is listed, e.g. a rule and its wildcards'),
};

/** Everything that can be said about one task; every field may be shared by many tasks. */
export const taskSpec = z.strictObject({
  ...taskFields,
  env: taskFields.env.default({}),
  secretEnv: taskFields.secretEnv.default([]),
  request: taskFields.request.default([{ nodes: 0, timeRequestMs: 0, weight: 1 }]),
  priority: taskFields.priority.default(0),
  crashLimit: crashLimit.default(5),
  maxRetries: taskFields.maxRetries.default(0),
});
export type TaskSpec = z.infer<typeof taskSpec>;
export type TaskSpecInput = z.input<typeof taskSpec>;

/** Many like tasks. Without ids: 0..n-1 for entries, else the next free id. */
export const taskArray = z.strictObject({
  kind: z.literal('array'),
  ids: z.string().optional().describe('task ids like 1-10,20; the next free id when left out'),
  entries: z.array(z.string()).optional().describe('one per id, in their order; the task finds its own in HQ_ENTRY'),
  spec: taskSpec,
});

/** Some fields of a task; those left out are absent after parsing, too. */
export const taskPatch = z.strictObject(taskFields).partial();
export type TaskPatch = z.infer<typeof taskPatch>;

/** One task of a graph: what differs from the shared fields. */
export const graphTask = taskPatch.extend({
  id: taskId.optional().describe('the next free id when left out'),
  deps: z.array(taskId).optional().describe('ids of tasks of the same job that must finish first'),
});
export type GraphTask = z.infer<typeof graphTask>;

/** Unlike tasks, each a patch over `shared`; `env` and `secretEnv` are merged, everything else is replaced, defaults come last. */
export const taskGraph = z
  .strictObject({ kind: z.literal('graph'), shared: taskPatch.default({}), tasks: z.array(graphTask).min(1) })
  .superRefine((graph, context) => {
    if (graph.shared.command !== undefined) return;
    const index = graph.tasks.findIndex((task) => task.command === undefined);
    if (index >= 0)
      context.addIssue({ code: 'custom', path: ['tasks', index, 'command'], message: 'neither the task nor shared has a command' });
  });

/** Tasks of an earlier submit that must finish first. */
export const afterOk = z.strictObject({
  job: jobId,
  tasks: z.string().optional().describe('task ids like 1-10,20; left out: all tasks that the job has now'),
});
export type AfterOk = z.infer<typeof afterOk>;

/** The tasks of one submit. */
export const submit = z.strictObject({
  strict: z.boolean().default(false).describe('refuse tasks that no connected worker could ever run'),
  submitDir: z.string().regex(/^\//, 'must be an absolute path').describe('absolute path; %{SUBMIT_DIR} and the base of relative paths'),
  stream: z.string().optional().describe('directory of the consolidated log; %{JOB_ID} %{SUBMIT_DIR} %{SERVER_UID} allowed'),
  afterOk: z
    .array(afterOk)
    .min(1)
    .max(1000)
    .optional()
    .describe('tasks of earlier submits that must finish before any of these starts; when one of them does not, all of these are aborted'),
  tasks: z.discriminatedUnion('kind', [taskArray, taskGraph]),
});
export type Submit = z.infer<typeof submit>;
export type SubmitInput = z.input<typeof submit>;

/** What a finished attempt used; null where the worker cannot know it. */
export const taskUsage = z.object({
  wallMs: z.number(),
  userMs: z.number().nullable(),
  systemMs: z.number().nullable(),
  maxRssBytes: z.number().nullable().describe('memory of the largest single process'),
  peakMemBytes: z.number().nullable().describe('memory of all processes together at its highest, as sampled while the task ran'),
});
export type TaskUsage = z.infer<typeof taskUsage>;

/** One task as the API lists it. */
export const taskInfo = z.object({
  jobId,
  id: taskId,
  label: z.string().nullable(),
  state: taskState,
  instance: z.int().min(0).describe('0 for the first attempt'),
  workers: z.array(workerId),
  startedAtMs: z.number().nullable().describe('Unix time of the latest start, milliseconds'),
  finishedAtMs: z.number().nullable(),
  cwd: z.string().nullable().describe('resolved; null before the first start'),
  stdout: z.string().nullable().describe('resolved path, "<stream>" or null for nowhere'),
  stderr: z.string().nullable(),
  error: z.string().nullable(),
  failure: failureKind.nullable(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  usage: taskUsage.nullable(),
});
export type TaskInfo = z.infer<typeof taskInfo>;

/** A task with everything that was submitted for it (secrets redacted). */
export const taskDetail = taskInfo.extend({
  spec: taskSpec,
  deps: z.array(taskId),
  afterOk: z.array(afterOk).describe('tasks of earlier submits that it waits for, with their ids'),
  entry: z.string().nullable(),
});
export type TaskDetail = z.infer<typeof taskDetail>;
