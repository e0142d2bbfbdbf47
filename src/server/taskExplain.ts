/** Answers why a task is not running: the core knows of tasks that have not ended, the journal of the others. Called by the server's API. */
import type { Core } from '../core/core.ts';
import { explainRow } from '../core/explain/explain.ts';
import { type Job, rowOf, segmentOf } from '../core/jobTable.ts';
import { isEnded } from '../core/reactor/transitions.ts';
import { HqError } from '../protocol/errors.ts';
import type { TaskExplanation } from '../protocol/schema/explain.ts';
import type { Submit } from '../protocol/schema/task.ts';
import type { QueueApi } from './autoalloc/queueApi.ts';
import { storedAwaited } from './awaited.ts';
import type { JobQueries } from './jobQueries.ts';
import type { JobStore } from './jobStore.ts';
import { depsAt } from './specs.ts';

export interface TaskExplainOptions {
  readonly core: Core;
  readonly store: JobStore;
  readonly queries: Pick<JobQueries, 'taskDetail'>;
  readonly queues: Pick<QueueApi, 'forClass'>;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_TASK_NOT_FOUND */
export async function explainTask(o: TaskExplainOptions, jobId: number, taskId: number): Promise<TaskExplanation> {
  const job = o.store.get(jobId)?.core;
  const row = job === undefined ? -1 : rowOf(job, taskId);
  if (job !== undefined && row < 0) throw new HqError('HQ_E_TASK_NOT_FOUND', { task: taskId, job: jobId });
  if (job !== undefined && !isEnded(o.core.tasks.state[row] as number)) {
    const explained = explainRow(o.core, row, o.now());
    const queues = explained.queue === null ? [] : o.queues.forClass(o.core.classes.get(o.core.tasks.requestClass[row] as number));
    return { jobId, taskId, dependencies: dependenciesOf(o.store, job, taskId), ...explained, queues };
  }
  const { state, instance, error, deps, afterOk } = await o.queries.taskDetail(jobId, taskId);
  const base = { jobId, taskId, state, instance, dependencies: new Set(deps).size + awaitedCount({ afterOk }) };
  return { ...base, reason: { kind: 'ended', error }, queue: null, queues: [], variants: [] };
}

function dependenciesOf(store: JobStore, job: Job, taskId: number): number {
  const segment = segmentOf(job, taskId);
  const record = segment === undefined ? undefined : store.record(job.id, segment.submitIndex);
  return record === undefined ? 0 : new Set(depsAt(record, record.ids.indexOf(taskId))).size + awaitedCount(record.submit);
}

function awaitedCount(submit: Pick<Submit, 'afterOk'>): number {
  return storedAwaited(submit).reduce((sum, { taskIds }) => sum + taskIds.length, 0);
}
