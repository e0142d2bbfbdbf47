/**
 * Job files: what `hq job submit-file` and `hq job validate` read, in TOML or YAML. Keys and meanings are HyperQueue's; retries, labels and
 * resource ranges are added. Unknown keys are errors everywhere. The document in docs/schema/job-file.json is made out of this.
 */
import * as z from 'zod';
import { parseAfterOk } from '../../common/afterOkText.ts';
import { parseDuration } from '../../common/duration.ts';
import { IntArray } from '../../common/intArray.ts';
import { parseRequest } from '../../common/requestText.ts';
import { HqError } from '../errors.ts';
import { PIN_MODES, QUEUE_NAME } from '../resourceTerms.ts';
import { jobName } from './job.ts';
import { amountText, type RequestSpec, requestSpec, resourceName } from './resources.ts';
import { taskId, taskPatch, taskSpec } from './task.ts';

const { shape } = taskPatch;

const duration = (isPossible: (ms: number) => boolean, expected: string) =>
  z.string().refine((text) => isPossible(parseDuration(text) ?? -1), `${expected} like '90s', '10min' or '1h 30m' is expected`);
const anyDuration = duration((ms) => ms >= 0, 'a duration');
const positiveDuration = duration((ms) => ms > 0, 'a duration above zero');

/** One alternative of a request. Other than where no request is given, a CPU is only had when it is asked for. */
export const jobFileRequest = z.strictObject({
  n_nodes: requestSpec.shape.nodes.describe('above zero: so many whole workers of one group; the first runs the command'),
  time_request: anyDuration.optional().describe('only start on workers that live at least this long'),
  weight: requestSpec.shape.weight,
  resources: z
    .record(resourceName, amountText)
    .optional()
    .describe('amounts by name: 2, 0.5, "all", "4 compact!", "2-8", "4GiB"; what is not named is not asked for'),
});
export type JobFileRequest = z.infer<typeof jobFileRequest>;

/** @returns the alternatives as the API takes them */
export function requestSpecs(requests: readonly JobFileRequest[]): RequestSpec[] {
  return requests.map(({ n_nodes, time_request, weight, resources }) => ({
    resources: resources ?? {},
    nodes: n_nodes,
    timeRequestMs: time_request === undefined ? 0 : (parseDuration(time_request) as number),
    weight,
  }));
}

/** A channel: `"none"`, a path, or a path with what becomes of the file. */
export const jobFileStdio = z.union([
  z.string().min(1),
  z.strictObject({ path: z.string().min(1), on_close: z.enum(['none', 'rm-if-finished']) }),
]);
export type JobFileStdio = z.infer<typeof jobFileStdio>;

/** What `[[task]]` and `[array]` have in common. */
const bodyFields = {
  command: taskSpec.shape.command,
  env: shape.env,
  cwd: z
    .string()
    .min(1)
    .refine((text) => !text.includes('%{CWD}'), "it cannot contain '%{CWD}'")
    .optional()
    .describe('working directory, placeholders allowed; default: where the file is submitted'),
  stdout: jobFileStdio
    .optional()
    .describe('"none", a path, or a table of path and on_close; default: %{CWD}/job-%{JOB_ID}/%{TASK_ID}.stdout'),
  stderr: jobFileStdio.optional().describe('the same for the error output'),
  stdin: z.string().optional().describe('text given to the task on its standard input'),
  request: z.array(jobFileRequest).min(1).max(32).superRefine(refuseBadRequest).optional().describe('alternatives; default: one CPU'),
  queue: z
    .string()
    .regex(QUEUE_NAME, 'a name of letters, digits, _, . and - is expected')
    .optional()
    .describe('name of the only allocation queue whose workers may run it; default: any worker'),
  pin: z.enum(['none', ...PIN_MODES]).optional(),
  task_dir: shape.taskDir,
  time_limit: positiveDuration.optional().describe('the task is killed after this time'),
  priority: shape.priority,
  crash_limit: shape.crashLimit,
  max_retries: shape.maxRetries,
  retry_delay: positiveDuration.optional().describe('time between a failure and the next attempt'),
  retry_on: shape.retryOn,
  retry_mem_factor: shape.retryMemFactor,
  label: shape.label,
};
const body = z.strictObject(bodyFields);
export type JobFileBody = z.infer<typeof body>;

export const jobFileTask = z
  .strictObject({
    id: taskId.optional().describe('default: one more than the highest id so far'),
    deps: z.array(taskId).optional().describe('ids of tasks that must finish first'),
    ...bodyFields,
  })
  .superRefine(refuseUseless);
export type JobFileTask = z.infer<typeof jobFileTask>;

export const jobFileArray = z
  .strictObject({
    ids: z.string().optional().describe('task ids like 1-10,20; default: 0 to the number of entries less one'),
    entries: z.array(z.string()).min(1).optional().describe('one per id, in their order; the task finds its own in HQ_ENTRY'),
    ...bodyFields,
  })
  .superRefine(refuseUseless)
  .superRefine(refuseBadIds);
export type JobFileArray = z.infer<typeof jobFileArray>;

/** A whole file. */
export const jobFile = z
  .strictObject({
    name: jobName.or(z.literal('')).optional().describe('job name; default: the name of the file without its ending'),
    max_fails: z.int().min(0).optional().describe('when more tasks than this have failed, the remaining ones are aborted'),
    stream: z.string().min(1).optional().describe('directory of the consolidated log; %{JOB_ID} %{SUBMIT_DIR} %{SERVER_UID} allowed'),
    after_ok: z
      .array(z.string().superRefine(refuseBadAfterOk))
      .min(1)
      .optional()
      .describe(
        'tasks of earlier submits that must finish first: "3", "last" or "3.1-5"; when one of them does not, all of these are aborted',
      ),
    data_layer: z.boolean().optional().describe('accepted because files of HyperQueue have it; true brings a warning'),
    task: z.array(jobFileTask).min(1).optional().describe('unlike tasks, with dependencies; not together with array'),
    array: jobFileArray.optional().describe('like tasks; not together with task'),
  })
  .superRefine((file, context) => {
    if (file.task === undefined && file.array === undefined)
      context.addIssue({ code: 'custom', message: 'there is neither a task nor an array' });
    if (file.task !== undefined && file.array !== undefined)
      context.addIssue({ code: 'custom', path: ['array'], message: 'task and array cannot be used together' });
    const seen = new Set<number>();
    file.task?.forEach(({ id }, index) => {
      if (id !== undefined && seen.has(id))
        context.addIssue({ code: 'custom', path: ['task', index, 'id'], message: `task ${id} is there twice` });
      if (id !== undefined) seen.add(id);
    });
  });
export type JobFile = z.infer<typeof jobFile>;

function refuseBadAfterOk(text: string, context: z.RefinementCtx): void {
  const parsed = parseAfterOk(text);
  if (typeof parsed === 'string') context.addIssue({ code: 'custom', message: parsed });
}

function refuseBadRequest(requests: readonly JobFileRequest[], context: z.RefinementCtx): void {
  try {
    parseRequest(requestSpecs(requests));
  } catch (error) {
    if (!(error instanceof HqError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
}

/** What is said about retries and CPUs must have an effect. */
function refuseUseless(task: JobFileBody, context: z.RefinementCtx): void {
  const bad = (key: keyof JobFileBody, message: string): void => context.addIssue({ code: 'custom', path: [key], message });
  const asksFor = (name: string): boolean[] => (task.request ?? []).map(({ resources = {} }) => Object.hasOwn(resources, name));
  for (const key of ['retry_delay', 'retry_on', 'retry_mem_factor'] as const) {
    if (task[key] !== undefined && (task.max_retries ?? 0) === 0) bad(key, 'it needs max_retries above zero');
  }
  if (task.retry_mem_factor !== undefined && !asksFor('mem').includes(true)) bad('retry_mem_factor', "it needs a request of 'mem'");
  if (task.queue !== undefined && (task.request ?? []).some(({ n_nodes }) => n_nodes > 0))
    bad('queue', 'a request of n_nodes takes whole workers and cannot name a queue');
  const isPinned = task.pin !== undefined && task.pin !== 'none';
  if (isPinned && asksFor('cpus').includes(false)) bad('pin', "it binds a task to CPUs, so that every request needs 'cpus'");
}

function refuseBadIds({ ids, entries }: { ids?: string | undefined; entries?: string[] | undefined }, context: z.RefinementCtx): void {
  const bad = (message: string, path: string[]): void => context.addIssue({ code: 'custom', path, message });
  if (ids === undefined) {
    if (entries === undefined) bad('ids or entries are needed', []);
    return;
  }
  const parsed = IntArray.parse(ids);
  if (typeof parsed === 'string') bad(parsed, ['ids']);
  else if (entries !== undefined && entries.length !== parsed.length)
    bad(`${entries.length} entries are given for ${parsed.length} ids`, ['entries']);
}
