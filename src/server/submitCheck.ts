/**
 * Checks a submit against the job it goes into and works out ids, scheduling traits and dependencies, without changing anything.
 * Called by the job service before the submit is written to the journal, by `hq job validate`, and for traits when a server restores it.
 */
import { constants } from 'node:os';
import { IntArray } from '../common/intArray.ts';
import { parseRequest, refuseOverlaps } from '../common/requestText.ts';
import type { TaskTraits } from '../core/reactor/onSubmit.ts';
import { NO_RETRIES, type RetryOn, type RetryPolicy } from '../core/retryPolicy.ts';
import { HqError } from '../protocol/errors.ts';
import type { ResourceRequest } from '../protocol/schema/resources.ts';
import type { GraphTask, Submit, TaskPatch, TaskSpec } from '../protocol/schema/task.ts';
import { mergeSpec } from './specs.ts';
import { refuseLargeTasks } from './taskSize.ts';

/** Most tasks of one array: memory for their columns (about 40 bytes each) is taken at once, and what does not fit would end the server. */
const MAX_ARRAY_TASKS = 10_000_000;

/** Exit code of a shell whose program was ended by signal 0, so to say. */
const SIGNAL_CODE = 128;

/** Ids are unsigned 32-bit integers everywhere. */
const MAX_TASK_ID = 0xffff_ffff;

/** All that `traitsOf` looks at. */
const TRAIT_FIELDS = [
  'request',
  'pin',
  'priority',
  'crashLimit',
  'maxRetries',
  'retryDelayMs',
  'retryOn',
  'retryMemFactor',
  'timeLimitMs',
] as const satisfies readonly (keyof TaskPatch)[];
type TraitSpec = Pick<TaskSpec, (typeof TRAIT_FIELDS)[number]>;

/** What is already in the job. */
export interface JobIds {
  readonly jobId: number;
  /** -1 for a job without tasks. */
  readonly maxTaskId: number;
  has(taskId: number): boolean;
}

/** A submit that may be applied as it is. */
export interface CheckedSubmit {
  readonly ids: IntArray;
  readonly traits: readonly TaskTraits[];
  /** Empty when no task has dependencies. */
  readonly deps: readonly (readonly number[])[];
}

/** @throws HqError HQ_E_ARRAY, HQ_E_REQUEST, HQ_E_TASK_EXISTS, HQ_E_DEPENDENCY, HQ_E_RESOURCE_REQUEST */
export function checkSubmit(submit: Submit, job: JobIds): CheckedSubmit {
  const { tasks } = submit;
  refuseLargeTasks(submit);
  if (tasks.kind === 'array') {
    const ids = arrayIds(tasks, job);
    refuseTaken(ids, job);
    return { ids, ...analyseNew(submit) };
  }
  const ids = graphIds(tasks.tasks, job);
  refuseTaken(ids, job);
  refuseBadDeps(tasks.tasks, ids, job);
  return { ids, ...analyseNew(submit) };
}

/** What a submit of an earlier version may ask for, and a new one may not, is refused here. */
function analyseNew(submit: Submit): Omit<CheckedSubmit, 'ids'> {
  const analysed = analyseSubmit(submit);
  for (const { request } of analysed.traits) refuseOverlaps(request);
  return analysed;
}

/** Traits and dependencies of a submit that was checked before (it comes out of the journal). */
export function analyseSubmit(submit: Submit): Omit<CheckedSubmit, 'ids'> {
  const { tasks } = submit;
  if (tasks.kind === 'array') return { traits: [traitsOf(tasks.spec)], deps: [] };
  const hasDeps = tasks.tasks.some((task) => (task.deps?.length ?? 0) > 0);
  return {
    traits: graphTraits(tasks),
    deps: hasDeps ? tasks.tasks.map((task) => [...new Set(task.deps ?? [])]) : [],
  };
}

/** Tasks that say nothing of their own about these fields share one object. */
function graphTraits({ shared, tasks }: { shared: TaskPatch; tasks: readonly GraphTask[] }): TaskTraits[] {
  let common: TaskTraits | undefined;
  return tasks.map((task) => {
    if (TRAIT_FIELDS.some((field) => task[field] !== undefined)) return traitsOf(mergeSpec(shared, task));
    common ??= traitsOf(mergeSpec(shared, {}));
    return common;
  });
}

function traitsOf(spec: TraitSpec): TaskTraits {
  const request = parseRequest(spec.request);
  refuseUselessPin(spec, request);
  return {
    request,
    priority: spec.priority,
    crashLimit: spec.crashLimit,
    retry: retryPolicyOf(spec),
    timeLimitMs: spec.timeLimitMs ?? null,
  };
}

function retryPolicyOf({ maxRetries, retryDelayMs, retryOn, retryMemFactor }: TraitSpec): RetryPolicy {
  if (maxRetries === 0) return NO_RETRIES;
  return { maxRetries, delayMs: retryDelayMs ?? 0, on: retryOn === undefined ? null : retryOnOf(retryOn), memFactor: retryMemFactor ?? 1 };
}

/** A code above 128 is what a shell makes of a signal: it stands for a task that was ended by it, too. */
function retryOnOf(reasons: NonNullable<TaskSpec['retryOn']>): RetryOn {
  const codes = reasons.filter((reason) => typeof reason === 'number');
  const signals = Object.entries(constants.signals).flatMap(([name, number]) => (codes.includes(number + SIGNAL_CODE) ? [name] : []));
  return { codes, signals, kinds: reasons.filter((reason) => typeof reason !== 'number') };
}

function refuseUselessPin({ pin }: TraitSpec, { variants }: ResourceRequest): void {
  if (pin === undefined || variants.every(({ entries }) => entries.some(({ name }) => name === 'cpus'))) return;
  throw new HqError('HQ_E_REQUEST', { detail: `pin '${pin}' binds a task to CPUs, but a variant of its request has none` });
}

function arrayIds(tasks: { ids?: string | undefined; entries?: string[] | undefined }, job: JobIds): IntArray {
  if (tasks.ids === undefined) return IntArray.range(job.maxTaskId + 1, tasks.entries?.length ?? 1);
  const ids = IntArray.parse(tasks.ids);
  if (typeof ids === 'string') throw new HqError('HQ_E_ARRAY', { input: tasks.ids, detail: ids });
  if (ids.length > MAX_ARRAY_TASKS) {
    throw new HqError('HQ_E_ARRAY', {
      input: tasks.ids,
      detail: `${ids.length} tasks are more than ${MAX_ARRAY_TASKS}, the most in one array`,
    });
  }
  if (tasks.entries !== undefined && tasks.entries.length !== ids.length) {
    throw new HqError('HQ_E_REQUEST', { detail: `${tasks.entries.length} entries are given for ${ids.length} task ids` });
  }
  return ids;
}

function graphIds(tasks: readonly GraphTask[], job: JobIds): IntArray {
  const taken = new Set<number>();
  for (const { id } of tasks) {
    if (id === undefined) continue;
    if (taken.has(id)) throw new HqError('HQ_E_TASK_EXISTS', { task: id, job: job.jobId });
    taken.add(id);
  }
  let next = Math.max(job.maxTaskId, maxOf(taken)) + 1;
  return IntArray.from(
    tasks.map(({ id }) => {
      if (id !== undefined) return id;
      next += 1;
      return next - 1;
    }),
  );
}

function maxOf(values: Iterable<number>): number {
  let max = -1;
  for (const value of values) if (value > max) max = value;
  return max;
}

function refuseTaken(ids: IntArray, job: JobIds): void {
  if (ids.length === 0) throw new HqError('HQ_E_EMPTY_SUBMIT');
  // Explicit ids are within bounds; the next free ones are not once the highest has been used.
  if (ids.max() > MAX_TASK_ID)
    throw new HqError('HQ_E_REQUEST', { detail: `no task id above ${MAX_TASK_ID} is left: give ids explicitly` });
  // Ids above everything that the job has are free without a look at each.
  if (ids.ranges.every((range) => range.start > job.maxTaskId)) return;
  for (const id of ids) if (job.has(id)) throw new HqError('HQ_E_TASK_EXISTS', { task: id, job: job.jobId });
}

function refuseBadDeps(tasks: readonly GraphTask[], ids: IntArray, job: JobIds): void {
  if (tasks.every((task) => (task.deps?.length ?? 0) === 0)) return;
  const idAt = [...ids];
  const indexOf = new Map(idAt.map((id, index) => [id, index]));
  tasks.forEach((task, index) => {
    const missing = task.deps?.find((dep) => !indexOf.has(dep) && !job.has(dep));
    if (missing === undefined) return;
    throw new HqError('HQ_E_DEPENDENCY', { task: idAt[index] as number, detail: `it depends on task ${missing}, which does not exist` });
  });
  refuseCycles(tasks, indexOf, idAt);
}

/** Kahn's algorithm over the edges inside this submit; what is left over lies on a cycle or behind one. */
function refuseCycles(tasks: readonly GraphTask[], indexOf: ReadonlyMap<number, number>, idAt: readonly number[]): void {
  const dependents: number[][] = tasks.map(() => []);
  const open = tasks.map((task, index) => {
    const inside = (task.deps ?? []).map((dep) => indexOf.get(dep)).filter((dep) => dep !== undefined);
    for (const dep of inside) dependents[dep]?.push(index);
    return inside.length;
  });
  const stack = open.flatMap((count, index) => (count === 0 ? [index] : []));
  let done = 0;
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    done += 1;
    for (const dependent of dependents[index] as number[]) {
      open[dependent] = (open[dependent] as number) - 1;
      if (open[dependent] === 0) stack.push(dependent);
    }
  }
  if (done === tasks.length) return;
  const task = idAt[open.findIndex((count) => count > 0)] as number;
  throw new HqError('HQ_E_DEPENDENCY', { task, detail: 'it is part of a dependency cycle' });
}
