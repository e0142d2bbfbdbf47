/** Jobs in memory: those that are open or have unfinished tasks, with the map from task ids to rows. */
import { IntArray, Runs } from '../common/intArray.ts';
import type { CrashLimit } from '../protocol/schema/task.ts';
import { IdIndex } from './idIndex.ts';
import { ABORTED, CANCELED, FAILED, FINISHED, RUNNING } from './taskTable.ts';

/** Rows of one submit. */
export interface Segment {
  readonly submitIndex: number;
  readonly base: number;
  readonly count: number;
  /** Task ids in row order. */
  readonly ids: IntArray;
  readonly index: IdIndex;
  readonly minId: number;
  readonly maxId: number;
}

/** Number of tasks per public state. */
export interface JobStats {
  waiting: number;
  running: number;
  finished: number;
  failed: number;
  canceled: number;
  aborted: number;
}

/** What may be changed of a task after its submit; what is left out stays. */
export interface TaskChange {
  readonly priority?: number;
  /** Null for no limit. */
  readonly timeLimitMs?: number | null;
  readonly crashLimit?: CrashLimit;
  readonly maxRetries?: number;
}

export interface Job {
  readonly id: number;
  open: boolean;
  /** More failed tasks than this abort the rest; null for no limit. */
  maxFails: number | null;
  /** Sorted by smallest id. */
  readonly segments: Segment[];
  readonly stats: JobStats;
  taskCount: number;
  maxTaskId: number;
  /** Rows that a worker still holds; the job's rows are given back only when this is 0. */
  held: number;
  /** Set once maxFails was exceeded, so that tasks added later are aborted as well. */
  aborted: boolean;
  /** Gates at which tasks of it wait, or have waited. */
  readonly gates: number[];
  /** Changes of tasks in the order in which they were made; tasks that workers had then get them with their next attempt. */
  readonly changes: { readonly ids: IntArray; readonly change: TaskChange }[];
}

/** Public state of a row state. */
export function publicState(state: number): keyof JobStats {
  switch (state) {
    case RUNNING:
      return 'running';
    case FINISHED:
      return 'finished';
    case FAILED:
      return 'failed';
    case CANCELED:
      return 'canceled';
    case ABORTED:
      return 'aborted';
    default:
      return 'waiting';
  }
}

export function createJob(o: { id: number; open: boolean; maxFails: number | null }): Job {
  return {
    id: o.id,
    open: o.open,
    maxFails: o.maxFails,
    segments: [],
    stats: { waiting: 0, running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0 },
    taskCount: 0,
    maxTaskId: -1,
    held: 0,
    aborted: false,
    gates: [],
    changes: [],
  };
}

export function unfinishedCount(job: Job): number {
  return job.stats.waiting + job.stats.running;
}

/** Adds the rows of a submit, keeping segments sorted by their smallest id. */
export function addSegment(job: Job, o: { submitIndex: number; base: number; ids: IntArray }): Segment {
  let minId = Number.POSITIVE_INFINITY;
  for (const range of o.ids.ranges) minId = Math.min(minId, range.start);
  const segment: Segment = { ...o, index: new IdIndex(o.ids), count: o.ids.length, minId, maxId: o.ids.max() };
  let index = job.segments.length;
  while (index > 0 && (job.segments[index - 1] as Segment).minId > minId) index -= 1;
  job.segments.splice(index, 0, segment);
  job.taskCount += segment.count;
  job.maxTaskId = Math.max(job.maxTaskId, segment.maxId);
  return segment;
}

/**
 * Submit that holds a task, or undefined. Cost: logarithmic in the submits when their id ranges do not interleave, else linear.
 */
export function segmentOf(job: Job, taskId: number): Segment | undefined {
  // Last segment that starts at or before the id; earlier ones can only hold it where ranges interleave.
  let low = 0;
  let high = job.segments.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if ((job.segments[mid] as Segment).minId <= taskId) low = mid;
    else high = mid - 1;
  }
  for (let i = low; i >= 0; i -= 1) {
    const segment = job.segments[i];
    if (segment !== undefined && taskId <= segment.maxId && segment.index.indexOf(taskId) >= 0) return segment;
  }
  return undefined;
}

/** Row of a task, or -1. */
export function rowOf(job: Job, taskId: number): number {
  const segment = segmentOf(job, taskId);
  return segment === undefined ? -1 : segment.base + segment.index.indexOf(taskId);
}

/** Tasks of a job by submit, as places among the ids of the submit. */
export type Selection = ReadonlyMap<Segment, IntArray>;

/**
 * @param taskIds null: all tasks that the job has
 * @returns runs, so that a million tasks are a few numbers; the first id that the job does not have, if there is one
 */
export function selectTasks(job: Job, taskIds: IntArray | null): Selection | number {
  if (taskIds === null) return new Map(job.segments.map((segment) => [segment, IntArray.range(0, segment.count)]));
  const places = new Map<Segment, Runs>();
  for (const id of taskIds) {
    const segment = segmentOf(job, id);
    if (segment === undefined) return id;
    let runs = places.get(segment);
    if (runs === undefined) {
      runs = new Runs();
      places.set(segment, runs);
    }
    runs.push(segment.index.indexOf(id));
  }
  return new Map([...places].map(([segment, runs]) => [segment, runs.toArray()]));
}
