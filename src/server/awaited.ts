/**
 * What a submit waits for (`afterOk`): jobs in memory become dependencies, jobs that have ended are looked up in the journal. Called by the job
 * service before a submit changes anything, and for the stored form when a server restores it.
 */
import { IntArray } from '../common/intArray.ts';
import type { Awaited, TaskName } from '../core/gates.ts';
import { type Job, rowOf } from '../core/jobTable.ts';
import { HqError } from '../protocol/errors.ts';
import type { AfterOk, Submit } from '../protocol/schema/task.ts';
import { parseIds } from './ids.ts';
import type { JobStore } from './jobStore.ts';
import type { Journal } from './journal/types.ts';

/** Tasks looked up in the journal at once. */
const PAGE_TASKS = 20_000;

/** What is known of the awaited tasks of one entry, whose job has ended. */
interface EndedTasks {
  readonly ids: IntArray;
  /** The first of them that did not finish; null: all have. */
  readonly unsuccessful: number | null;
}

/** By the index of their entry. */
export type EndedEntries = ReadonlyMap<number, EndedTasks>;

export interface Waits {
  /** As it is stored: with the ids of all awaited tasks, because an open job may get more later. Undefined: it waits for nothing. */
  readonly afterOk: readonly AfterOk[] | undefined;
  /** Those of jobs in memory. */
  readonly awaited: readonly Awaited[];
  readonly unsuccessful: TaskName | null;
  /** Sentences. */
  readonly warnings: readonly string[];
}

export const NO_WAITS: Waits = { afterOk: undefined, awaited: [], unsuccessful: null, warnings: [] };

/** The dependencies of a stored submit. */
export function storedAwaited({ afterOk = [] }: Pick<Submit, 'afterOk'>): Awaited[] {
  return afterOk.map(({ job, tasks = '' }) => ({ jobId: job, taskIds: parseIds(tasks) }));
}

interface WaitLookup {
  readonly store: JobStore;
  readonly journal: Pick<Journal, 'job' | 'submits' | 'taskRows'>;
  /** Highest job id given out so far. */
  readonly lastJobId: number;
}

/**
 * Looks up the entries whose jobs are not in memory: they have ended, and do not change any more.
 * @throws HqError HQ_E_AFTER_OK, HQ_E_ARRAY
 */
export async function lookUpEnded(afterOk: readonly AfterOk[], o: WaitLookup): Promise<EndedEntries> {
  const ended = new Map<number, EndedTasks>();
  for (const [index, entry] of afterOk.entries()) if (o.store.get(entry.job) === undefined) ended.set(index, await endedTasks(entry, o));
  return ended;
}

async function endedTasks({ job, tasks }: AfterOk, { journal, lastJobId }: WaitLookup): Promise<EndedTasks> {
  const row = await journal.job(job);
  if (row === null) {
    const detail = job > lastJobId ? 'there is no such job' : 'it was forgotten, so that nobody knows whether its tasks have finished';
    throw new HqError('HQ_E_AFTER_OK', { input: String(job), detail });
  }
  const all = new IntArray((await journal.submits(job)).flatMap(({ taskIds }) => [...parseIds(taskIds).ranges]));
  const ids = tasks === undefined ? all : parseIds(tasks);
  if (tasks !== undefined) refuseUnknown(job, ids, (id) => all.has(id));
  const allFinished = row.stats.finished === row.taskCount;
  return { ids, unsuccessful: allFinished ? null : await firstUnfinished(job, ids, journal) };
}

async function firstUnfinished(job: number, ids: IntArray, journal: WaitLookup['journal']): Promise<number | null> {
  const wanted = [...ids];
  for (let at = 0; at < wanted.length; at += PAGE_TASKS) {
    const page = wanted.slice(at, at + PAGE_TASKS);
    const rows = await journal.taskRows(job, { ids: IntArray.from(page).toString(), limit: page.length });
    const finished = new Set(rows.filter(({ state }) => state === 'finished').map(({ taskId }) => taskId));
    const missing = page.find((id) => !finished.has(id));
    if (missing !== undefined) return missing;
  }
  return null;
}

/**
 * To be called in the step that makes the submit.
 * @param jobId of the job that the submit goes into
 * @returns null when a job has left memory since `ended` was looked up: look again
 * @throws HqError HQ_E_AFTER_OK, HQ_E_ARRAY
 */
export function resolveWaits(
  afterOk: readonly AfterOk[],
  o: { ended: EndedEntries; store: JobStore; jobId: number | undefined },
): Waits | null {
  const stored: AfterOk[] = [];
  const awaited: Awaited[] = [];
  const warnings: string[] = [];
  let unsuccessful: TaskName | null = null;
  for (const [index, entry] of afterOk.entries()) {
    const past = o.ended.get(index);
    const job = o.store.get(entry.job)?.core;
    if (past === undefined && job === undefined) return null;
    const taskIds = past?.ids ?? liveIds(entry, job as Job);
    stored.push({ job: entry.job, tasks: taskIds.toString() });
    if (past === undefined) awaited.push({ jobId: entry.job, taskIds });
    else if (past.unsuccessful !== null) unsuccessful ??= { jobId: entry.job, taskId: past.unsuccessful };
    if (past === undefined && job?.open === true && entry.tasks === undefined && entry.job !== o.jobId)
      warnings.push(`Job ${entry.job} is open: tasks that are added to it from now on are not waited for`);
  }
  if (unsuccessful !== null)
    warnings.push(`Task ${unsuccessful.taskId} of job ${unsuccessful.jobId} did not finish: the tasks that wait for it are aborted`);
  return { afterOk: stored, awaited, unsuccessful, warnings };
}

function liveIds({ job: id, tasks }: AfterOk, job: Job): IntArray {
  if (tasks !== undefined) {
    const ids = parseIds(tasks);
    refuseUnknown(id, ids, (taskId) => rowOf(job, taskId) >= 0);
    return ids;
  }
  if (job.taskCount === 0) throw new HqError('HQ_E_AFTER_OK', { input: String(id), detail: 'it has no tasks yet' });
  return new IntArray(job.segments.flatMap(({ ids }) => [...ids.ranges]));
}

function refuseUnknown(job: number, ids: IntArray, has: (id: number) => boolean): void {
  for (const id of ids) if (!has(id)) throw new HqError('HQ_E_AFTER_OK', { input: `${job}.${id}`, detail: 'there is no such task' });
}
