/**
 * What the queries select and how a raw row becomes what the server sees. Rows cross from the journal's thread raw, as arrays, and are
 * decoded on the server's thread.
 */
import type { TaskUsage } from '../../protocol/schema/task.ts';
import type { WorkerConfiguration, WorkerEnd } from '../../protocol/schema/worker.ts';
import { failureOf, stateOf } from './codes.ts';
import { unpackBytes } from './pack.ts';
import type { BulkRow, JobHeader, JobRow, SubmitRow, TaskRow, WorkerRow } from './types.ts';

/** A row as the database gives it: columns in the order of the select. */
export type RawRow = readonly (number | string | Uint8Array | null)[];

export const JOB_COLUMNS = `id, header, is_open, cancel_reason, submitted_at_ms, running, finished, failed, canceled, aborted, waiting,
  task_count, finished_at_ms, completed`;

export function jobRowOf(raw: RawRow): JobRow {
  const [jobId, header, open, cancelReason, submittedAtMs, running, finished, failed, canceled, aborted, waiting, ...rest] = raw as [
    ...[number, Uint8Array, number, string | null, number, number, number, number, number, number, number],
    ...[number, number | null, number],
  ];
  const [taskCount, finishedAtMs, completed] = rest;
  return {
    jobId,
    header: unpackBytes(header) as JobHeader,
    open: open === 1,
    cancelReason,
    submittedAtMs,
    stats: { running, finished, failed, canceled, aborted, waiting },
    taskCount,
    finishedAtMs,
    completed: completed === 1,
  };
}

export const SUBMIT_COLUMNS = 'idx, task_ids, at_ms, payload';

export function submitRowOf(raw: RawRow): SubmitRow {
  const [submitIndex, taskIds, atMs, payload] = raw as [number, string, number, Uint8Array];
  return { submitIndex, taskIds, atMs, submit: unpackBytes(payload) as SubmitRow['submit'] };
}

/** The task id comes first: the paging of task rows relies on it. */
export const TASK_COLUMNS = `task, state, instance, worker, variant, crashes, retries, started_at_ms, finished_at_ms,
  wall_ms, user_ms, system_ms, max_rss_bytes, failure, error, exit_code, signal`;

export function taskRowOf(raw: RawRow): TaskRow {
  const [taskId, state, instance, workerId, variant, crashes, retries, startedAtMs, finishedAtMs, ...end] = raw as [
    ...[number, number, number, number | null, number, number, number, number | null, number | null],
    ...[number | null, number | null, number | null, number | null, number | null, string | null, number | null, string | null],
  ];
  const [wallMs, userMs, systemMs, maxRssBytes, failure, error, exitCode, signal] = end;
  const usage: TaskUsage | null = wallMs === null ? null : { wallMs, userMs, systemMs, maxRssBytes };
  return {
    ...{ taskId, state: stateOf(state), instance, workerId, variant, crashes, retries, startedAtMs, finishedAtMs },
    ...{ error, failure: failure === null ? null : failureOf(failure), exitCode, signal, usage },
  };
}

export const BULK_COLUMNS = 'task_ids, state, at_ms, error';

export function bulkRowOf(raw: RawRow): BulkRow {
  const [taskIds, state, atMs, error] = raw as [string, number, number, string | null];
  return { taskIds, state: stateOf(state) as BulkRow['state'], atMs, error };
}

export const WORKER_COLUMNS = `id, session, configuration, coalesce((SELECT seq FROM worker_seqs WHERE worker = id), 0), connected_at_ms,
  ended_at_ms, end_reason`;

export function workerRowOf(raw: RawRow): WorkerRow {
  const [workerId, session, configuration, ackedSeq, connectedAtMs, endedAtMs, endReason] = raw as [
    ...[number, string, Uint8Array, number, number, number | null, WorkerEnd | null],
  ];
  return {
    ...{ workerId, session, configuration: unpackBytes(configuration) as WorkerConfiguration },
    ...{ ackedSeq, connectedAtMs, endedAtMs, endReason },
  };
}
