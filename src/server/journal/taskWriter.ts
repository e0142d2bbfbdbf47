/**
 * Writes the rows of tasks. A task without a row waits as instance 0. Rules for every change: an attempt that has ended is never changed,
 * and `started` and `ended` count only for the instance that is out. Called by `JournalStore` within a transaction.
 */
import type { Database, Statement } from 'better-sqlite3';
import { IntArray } from '../../common/intArray.ts';
import { type Failure, failureCode } from './batchCodec.ts';
import { STATE_CODE } from './codes.ts';

const { waiting, assigned, running, finished } = STATE_CODE;

/** An end without usage and failure. */
export interface TaskEnd {
  readonly jobId: number;
  readonly taskId: number;
  readonly instance: number;
  /** Of `STATE_CODE`. */
  readonly state: number;
  readonly atMs: number;
  /** wallMs, userMs, systemMs, maxRssBytes; null: not known. */
  readonly usage: readonly [number | null, number | null, number | null, number | null];
  readonly failure: Failure | null;
}

export class TaskWriter {
  private readonly assign: Statement;
  private readonly start: Statement;
  private readonly startFresh: Statement;
  private readonly endWell: Statement;
  private readonly endBadly: Statement;
  private readonly enterFresh: Statement;
  private readonly requeue: Statement;
  private readonly bulk: Statement;
  private readonly bulkRows: Statement;

  constructor(db: Database) {
    this.assign = db.prepare(
      `INSERT INTO tasks (job, task, state, instance, worker) VALUES (?, ?, ${assigned}, ?, ?)
       ON CONFLICT DO UPDATE SET state = ${assigned}, instance = excluded.instance, worker = excluded.worker, variant = 0, started_at_ms = NULL
       WHERE state < ${finished} AND (instance < excluded.instance OR (instance = excluded.instance AND state < ${running}))`,
    );
    this.start = db.prepare(
      `UPDATE tasks SET state = ${running}, worker = ?, variant = ?, started_at_ms = ?
       WHERE job = ? AND task = ? AND instance = ? AND state < ${running}`,
    );
    this.startFresh = db.prepare(
      `INSERT OR IGNORE INTO tasks (worker, variant, started_at_ms, job, task, instance, state) VALUES (?, ?, ?, ?, ?, ?, ${running})`,
    );
    this.endWell = db.prepare(
      `UPDATE tasks SET state = ?, finished_at_ms = ?, wall_ms = ?, user_ms = ?, system_ms = ?, max_rss_bytes = ?
       WHERE job = ? AND task = ? AND instance = ? AND state < ${finished}`,
    );
    this.endBadly = db.prepare(
      `UPDATE tasks SET state = ?, finished_at_ms = ?, wall_ms = ?, user_ms = ?, system_ms = ?, max_rss_bytes = ?,
       failure = ?, error = ?, exit_code = ?, signal = ? WHERE job = ? AND task = ? AND instance = ? AND state < ${finished}`,
    );
    this.enterFresh = db.prepare(`INSERT OR IGNORE INTO tasks (job, task, state, instance) VALUES (?, ?, ${waiting}, 0)`);
    this.requeue = db.prepare(
      `INSERT INTO tasks (job, task, state, instance, crashes, retries) VALUES (?, ?, ${waiting}, ?, ?, ?)
       ON CONFLICT DO UPDATE SET state = ${waiting}, instance = excluded.instance, crashes = excluded.crashes, retries = excluded.retries,
       worker = NULL, variant = 0, started_at_ms = NULL WHERE state < ${finished} AND instance <= excluded.instance`,
    );
    this.bulk = db.prepare('INSERT INTO bulk_ends (job, task_ids, state, at_ms, error) VALUES (?, ?, ?, ?, ?)');
    this.bulkRows = db.prepare(
      `UPDATE tasks SET state = ?, finished_at_ms = ?, error = ?
       WHERE job = ? AND task BETWEEN ? AND ? AND (task - ?) % ? = 0 AND state = ${waiting}`,
    );
  }

  assigned(jobId: number, taskId: number, task: { instance: number; workerId: number }): void {
    this.assign.run(jobId, taskId, task.instance, task.workerId);
  }

  started(task: { jobId: number; taskId: number; instance: number; workerId: number; variant: number; atMs: number }): void {
    const { jobId, taskId, instance, workerId, variant, atMs } = task;
    const { changes } = this.start.run(workerId, variant, atMs, jobId, taskId, instance);
    if (changes === 0 && instance === 0) this.startFresh.run(workerId, variant, atMs, jobId, taskId, instance);
  }

  ended(end: TaskEnd): void {
    if (this.tryEnd(end) === 0 && end.instance === 0 && this.enterFresh.run(end.jobId, end.taskId).changes === 1) this.tryEnd(end);
  }

  requeued(jobId: number, taskId: number, next: { instance: number; crashes: number; retries: number }): void {
    this.requeue.run(jobId, taskId, next.instance, next.crashes, next.retries);
  }

  /** Tasks that wait end; a row of such a task says so, too. @throws Error for ids that are no IntArray */
  bulkEnded(end: { jobId: number; taskIds: string; state: 'canceled' | 'aborted'; atMs: number; error: string | null }): void {
    const { jobId, atMs, error } = end;
    const state = STATE_CODE[end.state];
    this.bulk.run(jobId, end.taskIds, state, atMs, error);
    for (const { start, count, step } of parseStored(end.taskIds).ranges) {
      this.bulkRows.run(state, atMs, error, jobId, start, start + (count - 1) * step, start, step);
    }
  }

  private tryEnd({ jobId, taskId, instance, state, atMs, usage, failure }: TaskEnd): number {
    const [wallMs, userMs, systemMs, maxRssBytes] = usage;
    if (failure === null) return this.endWell.run(state, atMs, wallMs, userMs, systemMs, maxRssBytes, jobId, taskId, instance).changes;
    const { error, exitCode, signal } = failure;
    const code = failureCode(failure);
    const { changes } = this.endBadly.run(
      ...[state, atMs, wallMs, userMs, systemMs, maxRssBytes, code, error, exitCode, signal, jobId, taskId, instance],
    );
    return changes;
  }
}

/** Ids that the journal wrote itself. @throws Error when they are no IntArray */
export function parseStored(text: string): IntArray {
  if (text === '') return new IntArray([]);
  const ids = IntArray.parse(text);
  if (typeof ids === 'string') throw new Error(`task ids '${text.slice(0, 100)}': ${ids}`);
  return ids;
}
