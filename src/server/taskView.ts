/** What the API shows of a task: its submitted specification joined with the journal's row. Pure. */
import { isAbsolute, join } from 'node:path';
import { fillPlaceholders } from '../common/placeholders.ts';
import type { StdioSpec, TaskDetail, TaskInfo, TaskSpec } from '../protocol/schema/task.ts';
import { redactEnv } from './journal/redact.ts';
import type { TaskRow } from './journal/types.ts';
import { currentSpecAt, depsAt, entryAt, labelAt, type SubmitRecord, wireBody } from './specs.ts';

/** State of a task that has no row of its own. */
export interface BulkEnd {
  readonly state: 'canceled' | 'aborted';
  readonly atMs: number;
  readonly error: string | null;
}

/** One task as listed. `row` null: it never was given to a worker. */
export function taskInfo(record: SubmitRecord, index: number, known: { row: TaskRow | null; bulk: BulkEnd | null }): TaskInfo {
  const id = record.ids.at(index) as number;
  const { row, bulk } = known;
  const state = row === null || row.state === 'assigned' ? 'waiting' : row.state;
  const shown = state === 'waiting' && bulk !== null ? bulk.state : state;
  const started = row !== null && row.startedAtMs !== null;
  const paths = started ? resolvedPaths(record, index, { id, instance: row.instance }) : { cwd: null, stdout: null, stderr: null };
  return {
    jobId: record.jobId,
    id,
    label: labelAt(record, index),
    state: shown,
    instance: row?.instance ?? 0,
    workers: started && row.workerId !== null ? [row.workerId] : [],
    startedAtMs: row?.startedAtMs ?? null,
    finishedAtMs: row?.finishedAtMs ?? bulk?.atMs ?? null,
    ...paths,
    error: row?.error ?? bulk?.error ?? null,
    failure: row?.failure ?? null,
    exitCode: row?.exitCode ?? null,
    signal: row?.signal ?? null,
    usage: row?.usage ?? null,
  };
}

/** One task with everything that was submitted for it; secret values are redacted. */
export function taskDetail(record: SubmitRecord, index: number, known: { row: TaskRow | null; bulk: BulkEnd | null }): TaskDetail {
  return {
    ...taskInfo(record, index, known),
    spec: redactSpec(currentSpecAt(record, index)),
    deps: depsAt(record, index),
    afterOk: record.submit.afterOk ?? [],
    entry: entryAt(record, index),
  };
}

/** Values of the variables named in `secretEnv` never leave the server but to the worker that runs the task. */
export function redactSpec(spec: TaskSpec): TaskSpec {
  return redactEnv(spec, new Set(spec.secretEnv));
}

function resolvedPaths(
  record: SubmitRecord,
  index: number,
  task: { id: number; instance: number },
): { cwd: string; stdout: string | null; stderr: string | null } {
  const body = wireBody(record, index);
  const values: Record<string, string> = { TASK_ID: String(task.id), INSTANCE_ID: String(task.instance) };
  const cwd = fillPlaceholders(body.cwd, values);
  values['CWD'] = cwd;
  const channel = (spec: StdioSpec | undefined): string | null => {
    if (spec === null) return null;
    if (spec === undefined) return '<stream>';
    const path = fillPlaceholders(spec.path, values);
    return isAbsolute(path) ? path : join(cwd, path);
  };
  return { cwd, stdout: channel(body.stdout), stderr: channel(body.stderr) };
}
