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
  wall_ms, user_ms, system_ms, max_rss_bytes, failure, error, exit_code, signal, peak_mem_bytes, due_at_ms, gang`;

/** Indexed and in one literal, because a restart does this for every task that was ever touched: spreading costs ten times as much. */
export function taskRowOf(raw: RawRow): TaskRow {
  const wallMs = raw[9] as number | null;
  const failure = raw[13] as number | null;
  return {
    taskId: raw[0] as number,
    state: stateOf(raw[1] as number),
    instance: raw[2] as number,
    workerId: raw[3] as number | null,
    variant: raw[4] as number,
    crashes: raw[5] as number,
    retries: raw[6] as number,
    dueAtMs: raw[18] as number | null,
    gang: raw[19] === null ? null : String(raw[19]).split(',').map(Number),
    startedAtMs: raw[7] as number | null,
    finishedAtMs: raw[8] as number | null,
    error: raw[14] as string | null,
    failure: failure === null ? null : failureOf(failure),
    exitCode: raw[15] as number | null,
    signal: raw[16] as string | null,
    usage: wallMs === null ? null : usageOf(wallMs, raw),
  };
}

function usageOf(wallMs: number, raw: RawRow): TaskUsage {
  return {
    wallMs,
    userMs: raw[10] as number | null,
    systemMs: raw[11] as number | null,
    maxRssBytes: raw[12] as number | null,
    peakMemBytes: raw[17] as number | null,
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
