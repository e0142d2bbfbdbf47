/** Puts what the journal kept back into the core, the job store and the worker registry. Called once by a starting server. */
import { IntArray } from '../common/intArray.ts';
import type { Core } from '../core/core.ts';
import { onRestoreDone, onRestoreSubmit, onRestoreWorker } from '../core/reactor/onRestore.ts';
import { onJobCreated } from '../core/reactor/onSubmit.ts';
import { parseIds } from './jobService.ts';
import type { JobStore } from './jobStore.ts';
import { countSecretTasks } from './jobStore.ts';
import type { BulkRow, Restored, SubmitRow, TaskRow, WorkerRow } from './journal/types.ts';
import { analyseSubmit } from './submitCheck.ts';
import { type WorkerEntry, type WorkerRegistry, workerSpec } from './workerRegistry.ts';

export interface RestoreTarget {
  readonly core: Core;
  readonly store: JobStore;
  readonly registry: WorkerRegistry;
  readonly serverUid: string;
  readonly nowMs: number;
}

/** @returns the workers that may still live and are expected to return */
export function restore(restored: Restored, target: RestoreTarget): WorkerEntry[] {
  const entries = restored.workers.map((row) => restoreWorker(row, target));
  for (const { job, submits, tasks, bulk } of restored.jobs) {
    const live = {
      jobId: job.jobId,
      header: job.header,
      submittedAtMs: job.submittedAtMs,
      submits: [],
      cancelReason: job.cancelReason,
      finishedAtMs: job.finishedAtMs,
    };
    target.store.add(live);
    onJobCreated(target.core, { jobId: job.jobId, open: job.open, maxFails: job.header.maxFails ?? null });
    for (const submit of submits) restoreSubmit(submit, { ...target, jobId: job.jobId, tasks, bulk });
  }
  onRestoreDone(target.core);
  return entries;
}

function restoreWorker(row: WorkerRow, target: RestoreTarget): WorkerEntry {
  const entry: WorkerEntry = {
    id: row.workerId,
    session: row.session,
    configuration: row.configuration,
    connectedAtMs: row.connectedAtMs,
    connection: null,
    lastSeq: row.ackedSeq,
    lossTimer: null,
    stopRequested: false,
    lastTaskStarted: null,
  };
  target.registry.add(entry);
  onRestoreWorker(target.core, workerSpec(row.workerId, row.configuration), target.nowMs);
  return entry;
}

function restoreSubmit(row: SubmitRow, o: RestoreTarget & { jobId: number; tasks: readonly TaskRow[]; bulk: readonly BulkRow[] }): void {
  const ids = parseIds(row.taskIds);
  const { jobId } = o;
  const base = { jobId, submitIndex: row.submitIndex, ids, submit: row.submit, serverUid: o.serverUid, sharedBody: null };
  const tasks = o.tasks.filter((task) => ids.has(task.taskId));
  const ended = o.bulk.map(({ taskIds, state }) => ({ ids: IntArray.from([...parseIds(taskIds)].filter((id) => ids.has(id))), state }));
  const open = ids.length - tasks.filter((task) => !['waiting', 'assigned', 'running'].includes(task.state)).length;
  const record = { ...base, secretTasksLeft: open === 0 ? 0 : countSecretTasks(base) };
  o.store.get(jobId)?.live.submits.push(record);
  const event = { jobId, submitIndex: row.submitIndex, ids, ...analyseSubmit(row.submit), nowMs: row.atMs };
  onRestoreSubmit(o.core, { event, tasks, ended });
}
