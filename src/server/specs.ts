/**
 * What was submitted for the tasks of the jobs in memory: the source of the bodies sent to workers and of everything shown about a task
 * beyond its state. One record per submit; arrays keep one specification for all their tasks.
 */
import { isAbsolute, join, resolve } from 'node:path';
import type { IntArray } from '../common/intArray.ts';
import { fillPlaceholders } from '../common/placeholders.ts';
import { parseRequest } from '../common/requestText.ts';
import type { TaskChange } from '../core/jobTable.ts';
import type { RequestClass } from '../core/requestClasses.ts';
import type { WireBody } from '../protocol/messages/worker.ts';
import type { StdioSpec, Submit, TaskPatch, TaskSpec } from '../protocol/schema/task.ts';
import { taskSpec } from '../protocol/schema/task.ts';
import { parseIds } from './ids.ts';
import type { StoredSubmit } from './journal/types.ts';

/** One submit of a job. */
export interface SubmitRecord {
  readonly jobId: number;
  readonly submitIndex: number;
  readonly ids: IntArray;
  /** Replaced when something of its tasks is changed. */
  submit: StoredSubmit;
  readonly serverUid: string;
  /** Is any task of it the script of a workflow manager? */
  readonly hasWrapper: boolean;
  /** Unfinished tasks of a submit with secret variables; when it falls to 0 their values are deleted from the journal. */
  secretTasksLeft: number;
  /** The one body of an array, made at its first assignment. */
  sharedBody: WireBody | null;
}

const DEFAULTS = taskSpec.parse({ command: ['-'] });

/** @returns a record of a submit whose secrets, if there are any, nobody waits to delete */
export function makeRecord(o: Pick<SubmitRecord, 'jobId' | 'submitIndex' | 'ids' | 'submit' | 'serverUid'>): SubmitRecord {
  return { ...o, hasWrapper: hasWrapper(o.submit), secretTasksLeft: 0, sharedBody: null };
}

/** Fields of a graph's task over the shared ones over the defaults; variables are merged. */
export function mergeSpec(shared: TaskPatch, task: TaskPatch & { id?: unknown; deps?: unknown }): TaskSpec {
  const { id: _id, deps: _deps, ...patch } = task;
  const merged = { ...DEFAULTS, ...shared, ...patch } as TaskSpec;
  merged.env = { ...shared.env, ...patch.env };
  merged.secretEnv = [...(shared.secretEnv ?? []), ...(patch.secretEnv ?? [])];
  return merged;
}

/** The complete specification of the task at `index` of a submit. */
export function specAt(record: SubmitRecord, index: number): TaskSpec {
  const { tasks } = record.submit;
  if (tasks.kind === 'array') return tasks.spec;
  const task = tasks.tasks[index];
  return task === undefined ? DEFAULTS : mergeSpec(tasks.shared, task);
}

/** The same as it is now, after all that was changed since. */
export function currentSpecAt(record: SubmitRecord, index: number): TaskSpec {
  const { modifications = [] } = record.submit;
  const taskId = record.ids.at(index) as number;
  return modifications.reduce(
    (spec, { taskIds, change }) => (parseIds(taskIds).has(taskId) ? changed(spec, change) : spec),
    specAt(record, index),
  );
}

function changed({ timeLimitMs: old, ...spec }: TaskSpec, { timeLimitMs = old ?? null, ...change }: TaskChange): TaskSpec {
  return { ...spec, ...change, ...(timeLimitMs === null ? {} : { timeLimitMs }) };
}

export function labelAt(record: SubmitRecord, index: number): string | null {
  const { tasks } = record.submit;
  return (tasks.kind === 'array' ? tasks.spec.label : (tasks.tasks[index]?.label ?? tasks.shared.label)) ?? null;
}

export function entryAt(record: SubmitRecord, index: number): string | null {
  const { tasks } = record.submit;
  return tasks.kind === 'array' ? (tasks.entries?.[index] ?? null) : null;
}

export function depsAt(record: SubmitRecord, index: number): number[] {
  const { tasks } = record.submit;
  return tasks.kind === 'array' ? [] : (tasks.tasks[index]?.deps ?? []);
}

/** Absolute directory of the consolidated log, or null. */
export function streamDir(record: SubmitRecord): string | null {
  const { submitDir, stream } = record.submit;
  if (stream === undefined) return null;
  const filled = fillPlaceholders(stream, placeholders(record));
  return isAbsolute(filled) ? filled : resolve(submitDir, filled);
}

/** Does any task of the submit carry secret variables? */
export function hasSecrets(submit: Submit): boolean {
  const { tasks } = submit;
  if (tasks.kind === 'array') return tasks.spec.secretEnv.length > 0;
  return (tasks.shared.secretEnv?.length ?? 0) > 0 || tasks.tasks.some((task) => (task.secretEnv?.length ?? 0) > 0);
}

function hasWrapper({ tasks }: Submit): boolean {
  if (tasks.kind === 'array') return tasks.spec.wrapper !== undefined;
  return tasks.shared.wrapper !== undefined || tasks.tasks.some(({ wrapper }) => wrapper !== undefined);
}

/** What the worker needs to run the task at `index`; the same object for every task of an array. */
export function wireBody(record: SubmitRecord, index: number): WireBody {
  if (record.sharedBody !== null) return record.sharedBody;
  const body = makeBody(record, specAt(record, index));
  if (record.submit.tasks.kind === 'array') record.sharedBody = body;
  return body;
}

/** Bodies with other requests, limits or priorities than the submitted ones, by the body, the request's class and the priority. */
const otherBodies = new WeakMap<WireBody, Map<string, WireBody>>();

/**
 * The body of a task that asks for something else than was submitted for it; the same object for every task of an array that asks for the same.
 * @param body as submitted
 */
export function bodyWith(body: WireBody, { id, request, timeLimitMs }: RequestClass, priority: number): WireBody {
  let known = otherBodies.get(body);
  if (known === undefined) {
    known = new Map();
    otherBodies.set(body, known);
  }
  const key = `${id} ${priority}`;
  let other = known.get(key);
  if (other === undefined) {
    other = { ...body, request: request.variants, priority, timeLimitMs: Number.isFinite(timeLimitMs) ? timeLimitMs : null };
    known.set(key, other);
  }
  return other;
}

function makeBody(record: SubmitRecord, spec: TaskSpec): WireBody {
  const { submitDir } = record.submit;
  const stream = streamDir(record);
  const fill = (text: string): string => fillPlaceholders(text, placeholders(record));
  const cwd = fill(spec.cwd ?? submitDir);
  return {
    command: spec.command,
    env: spec.env,
    cwd: isAbsolute(cwd) ? cwd : join(submitDir, cwd),
    stdout: fillChannel(spec.stdout, { fill, stream, channel: 'stdout', jobId: record.jobId }),
    stderr: fillChannel(spec.stderr, { fill, stream, channel: 'stderr', jobId: record.jobId }),
    stdin: spec.stdin === undefined ? null : Buffer.from(spec.stdin, 'base64'),
    submitDir,
    stream,
    timeLimitMs: spec.timeLimitMs ?? null,
    priority: spec.priority,
    request: parseRequest(spec.request).variants,
    ...(spec.pin === undefined ? {} : { pin: spec.pin }),
    ...(spec.taskDir === true ? { taskDir: true } : {}),
    ...(spec.warm === undefined ? {} : { warm: spec.warm }),
    ...(spec.wrapper === undefined ? {} : { wrapper: spec.wrapper }),
  };
}

/** Without a specification a channel goes to the stream (undefined on the wire), else to HyperQueue's default file. */
function fillChannel(
  spec: StdioSpec | undefined,
  o: { fill: (text: string) => string; stream: string | null; channel: 'stdout' | 'stderr'; jobId: number },
): StdioSpec | undefined {
  if (spec === null) return null;
  if (spec !== undefined) return { path: o.fill(spec.path), onClose: spec.onClose };
  return o.stream !== null ? undefined : { path: `%{CWD}/job-${o.jobId}/%{TASK_ID}.${o.channel}`, onClose: 'keep' };
}

function placeholders(record: SubmitRecord): Record<string, string> {
  return { JOB_ID: String(record.jobId), SUBMIT_DIR: record.submit.submitDir, SERVER_UID: record.serverUid };
}
