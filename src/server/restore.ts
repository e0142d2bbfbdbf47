/** Puts what the journal kept back into the core, the job store and the worker registry. Called once by a starting server. */
import { IntArray } from '../common/intArray.ts';
import type { Core } from '../core/core.ts';
import { onRestoreDone, onRestoreSubmit, onRestoreWorker } from '../core/reactor/onRestore.ts';
import { onJobCreated } from '../core/reactor/onSubmit.ts';
import { storedAwaited } from './awaited.ts';
import { parseIds } from './ids.ts';
import type { JobStore } from './jobStore.ts';
import { countSecretTasks } from './jobStore.ts';
import type { Restored, SubmitRow, TaskRow, WorkerRow } from './journal/types.ts';
import { makeRecord } from './specs.ts';
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
    const ended = bulk.map(({ taskIds, state }) => ({ ids: parseIds(taskIds), state }));
    for (const submit of submits) restoreSubmit(submit, { ...target, jobId: job.jobId, tasks, ended });
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
    welcomed: null,
    lastSeq: row.ackedSeq,
    // What the previous process committed may not be on disk yet.
    durableSeq: 0,
    lossTimer: null,
    stopRequested: false,
    protocolMinor: 0,
    lastTaskStarted: null,
    endReason: null,
  };
  target.registry.add(entry);
  onRestoreWorker(target.core, workerSpec(row.workerId, row.configuration), target.nowMs);
  return entry;
}

interface BulkEnd {
  readonly ids: IntArray;
  readonly state: 'canceled' | 'aborted';
}

function restoreSubmit(row: SubmitRow, o: RestoreTarget & { jobId: number; tasks: readonly TaskRow[]; ended: readonly BulkEnd[] }): void {
  const ids = parseIds(row.taskIds);
  const { jobId } = o;
  const record = makeRecord({ jobId, submitIndex: row.submitIndex, ids, submit: row.submit, serverUid: o.serverUid });
  o.store.get(jobId)?.live.submits.push(record);
  const event = {
    jobId,
    submitIndex: row.submitIndex,
    ids,
    ...analyseSubmit(row.submit),
    awaited: storedAwaited(row.submit),
    nowMs: row.atMs,
  };
  const ended = o.ended.flatMap((end) => within(end, ids));
  const changes = (row.submit.modifications ?? []).map(({ taskIds, change }) => ({ ids: parseIds(taskIds), change }));
  const unfinished = onRestoreSubmit(o.core, { event, tasks: rowsOf(o.tasks, ids), ended, changes });
  record.secretTasksLeft = countSecretTasks(record, unfinished);
}

/** Rows of these tasks out of all rows of the job, which are sorted by id: a job may have thousands of submits. */
function rowsOf(rows: readonly TaskRow[], ids: IntArray): TaskRow[] {
  const found: TaskRow[] = [];
  for (const { start, count, step } of ids.ranges) {
    const end = start + (count - 1) * step;
    for (let at = firstFrom(rows, start); at < rows.length && (rows[at] as TaskRow).taskId <= end; at += 1) {
      const row = rows[at] as TaskRow;
      if ((row.taskId - start) % step === 0) found.push(row);
    }
  }
  return found;
}

/** Index of the first row with an id of at least this. */
function firstFrom(rows: readonly TaskRow[], id: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as TaskRow).taskId < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The part of a common end that concerns these tasks, if any. */
function within({ ids, state }: BulkEnd, wanted: IntArray): BulkEnd[] {
  const least = (array: IntArray): number => array.ranges.reduce((min, range) => Math.min(min, range.start), Number.POSITIVE_INFINITY);
  if (ids.max() < least(wanted) || least(ids) > wanted.max()) return [];
  const common = IntArray.from([...ids].filter((id) => wanted.has(id)));
  return common.length === 0 ? [] : [{ ids: common, state }];
}
