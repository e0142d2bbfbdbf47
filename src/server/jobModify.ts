/** Changes priority and limits of a job's unfinished tasks, and how many may fail. One step of the turn loop; called by the job service. */
import type { Core } from '../core/core.ts';
import { type Job, type Selection, selectTasks, type TaskChange } from '../core/jobTable.ts';
import { onMaxFails, onModify } from '../core/reactor/onModify.ts';
import { HqError } from '../protocol/errors.ts';
import type { ModifyAnswer, ModifyRequest } from '../protocol/schema/job.ts';
import { parseIds } from './ids.ts';
import type { LiveJob } from './jobStore.ts';
import type { Recorder } from './recorder.ts';

/** @throws HqError HQ_E_ARRAY, HQ_E_TASK_NOT_FOUND; nothing is changed then */
export function modifyJob(
  o: { core: Core; recorder: Recorder; nowMs: number },
  { live, core: job }: { live: LiveJob; core: Job },
  request: ModifyRequest,
): ModifyAnswer {
  const { taskIds: typed, maxFails, ...fields } = request;
  const selection = selectTasks(job, typed === undefined ? null : parseIds(typed));
  if (typeof selection === 'number') throw new HqError('HQ_E_TASK_NOT_FOUND', { task: selection, job: job.id });
  const change = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as TaskChange;
  const answer = Object.keys(change).length === 0 ? { modified: 0, withWorker: 0 } : modifyTasks(o, { live, job, selection, change });
  if (maxFails !== undefined) setMaxFails(o, { live, job, maxFails });
  return answer;
}

function modifyTasks(
  { core, recorder }: { core: Core; recorder: Recorder },
  { live, job, selection, change }: { live: LiveJob; job: Job; selection: Selection; change: TaskChange },
): ModifyAnswer {
  const { changed, count, withWorker } = onModify(core, recorder, { job, selection, change });
  for (const { segment, ids } of changed) {
    const record = live.submits[segment.submitIndex];
    if (record === undefined) continue;
    const modification = { taskIds: ids.toString(), change };
    job.changes.push({ ids, change });
    record.submit = { ...record.submit, modifications: [...(record.submit.modifications ?? []), modification] };
    recorder.entry({ kind: 'tasks-modified', jobId: job.id, submitIndex: segment.submitIndex, modification });
  }
  return { modified: count, withWorker };
}

function setMaxFails(
  { core, recorder, nowMs }: { core: Core; recorder: Recorder; nowMs: number },
  { live, job, maxFails }: { live: LiveJob; job: Job; maxFails: number | null },
): void {
  const { maxFails: _old, ...header } = live.header;
  live.header = maxFails === null ? header : { ...header, maxFails };
  recorder.entry({ kind: 'job-modified', jobId: job.id, header: live.header });
  onMaxFails(core, recorder, { job, maxFails, nowMs });
}
