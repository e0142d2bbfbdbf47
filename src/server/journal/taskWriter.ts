/**
 * Writes the rows of tasks. A task without a row waits as instance 0. Rules for every change: an attempt that has ended is never changed,
 * and `started` and `ended` count only for the instance that is out. Called by `JournalStore` within a transaction.
 */
import type { Database, Statement } from 'better-sqlite3';
import { IntArray } from '../../common/intArray.ts';
import { ASSIGNED_RUN, type ColdEntry, type Failure, failureCode, HOT_FIELDS } from './batchCodec.ts';
import { STATE_CODE } from './codes.ts';

const { waiting, assigned, running, finished } = STATE_CODE;
const { started: S, ended: E } = HOT_FIELDS;
const R = ASSIGNED_RUN;

export class TaskWriter {
  private readonly assign: Statement;
  private readonly assignRun: Statement;
  private readonly start: Statement;
  private readonly startFresh: Statement;
  private readonly startAndEnd: Statement;
  private readonly endWell: Statement;
  private readonly endBadly: Statement;
  private readonly enterFresh: Statement;
  private readonly requeue: Statement;
  private readonly setGang: Statement;
  private readonly bulk: Statement;
  private readonly bulkRows: Statement;

  constructor(db: Database) {
    const orAgain = `ON CONFLICT DO UPDATE SET
       state = ${assigned}, instance = excluded.instance, worker = excluded.worker, variant = 0, started_at_ms = NULL
       WHERE state < ${finished} AND (instance < excluded.instance OR (instance = excluded.instance AND state < ${running}))`;
    this.assign = db.prepare(`INSERT INTO tasks (job, task, state, instance, worker) VALUES (?, ?, ${assigned}, ?, ?) ${orAgain}`);
    // One statement for many rows takes half as long as one for each.
    this.assignRun = db.prepare(
      `WITH RECURSIVE ids(task) AS (SELECT @first UNION ALL SELECT task + 1 FROM ids WHERE task < @last)
       INSERT INTO tasks (job, task, state, instance, worker) SELECT @job, task, ${assigned}, @instance, @worker FROM ids WHERE true ${orAgain}`,
    );
    this.start = db.prepare(
      `UPDATE tasks SET state = ${running}, worker = ?, variant = ?, started_at_ms = ?
       WHERE job = ? AND task = ? AND instance = ? AND state < ${running}`,
    );
    this.startFresh = db.prepare(
      `INSERT OR IGNORE INTO tasks (worker, variant, started_at_ms, job, task, instance, state) VALUES (?, ?, ?, ?, ?, ?, ${running})`,
    );
    this.startAndEnd = db.prepare(
      `UPDATE tasks SET state = ?, worker = ?, variant = ?, started_at_ms = ?, finished_at_ms = ?,
       wall_ms = ?, user_ms = ?, system_ms = ?, max_rss_bytes = ?, peak_mem_bytes = ? WHERE job = ? AND task = ? AND instance = ? AND state < ${running}`,
    );
    this.endWell = db.prepare(
      `UPDATE tasks SET state = ?, finished_at_ms = ?, wall_ms = ?, user_ms = ?, system_ms = ?, max_rss_bytes = ?, peak_mem_bytes = ?
       WHERE job = ? AND task = ? AND instance = ? AND state < ${finished}`,
    );
    this.endBadly = db.prepare(
      `UPDATE tasks SET state = ?, finished_at_ms = ?, wall_ms = ?, user_ms = ?, system_ms = ?, max_rss_bytes = ?, peak_mem_bytes = ?,
       failure = ?, error = ?, exit_code = ?, signal = ? WHERE job = ? AND task = ? AND instance = ? AND state < ${finished}`,
    );
    this.enterFresh = db.prepare(`INSERT OR IGNORE INTO tasks (job, task, state, instance) VALUES (?, ?, ${waiting}, 0)`);
    this.requeue = db.prepare(
      `INSERT INTO tasks (job, task, state, instance, crashes, retries, due_at_ms) VALUES (?, ?, ${waiting}, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET state = ${waiting}, instance = excluded.instance, crashes = excluded.crashes, retries = excluded.retries,
       due_at_ms = excluded.due_at_ms, worker = NULL, variant = 0, started_at_ms = NULL
       WHERE state < ${finished} AND instance <= excluded.instance`,
    );
    this.setGang = db.prepare(`UPDATE tasks SET gang = ? WHERE job = ? AND task = ? AND instance = ? AND state < ${finished}`);
    this.bulk = db.prepare('INSERT INTO bulk_ends (job, task_ids, state, at_ms, error) VALUES (?, ?, ?, ?, ?)');
    this.bulkRows = db.prepare(
      `UPDATE tasks SET state = ?, finished_at_ms = ?, error = ?
       WHERE job = ? AND task BETWEEN ? AND ? AND (task - ?) % ? = 0 AND state = ${waiting}`,
    );
  }

  /** @param at place of the first field of an `assigned` entry @returns place behind the entry */
  assigned(hot: Float64Array, at: number): number {
    const workerId = hot[at + HOT_FIELDS.assigned.workerId];
    let next = at + HOT_FIELDS.assigned.length;
    for (let left = hot[at + HOT_FIELDS.assigned.count] as number; left > 0; left -= 1, next += R.length) {
      const job = hot[next + R.jobId];
      const first = hot[next + R.firstTask] as number;
      const instance = hot[next + R.instance];
      const count = hot[next + R.count] as number;
      if (count === 1) this.assign.run(job, first, instance, workerId);
      else this.assignRun.run({ job, first, last: first + count - 1, instance, worker: workerId });
    }
    return next;
  }

  /** @param at place of the first field of a `started` entry */
  started(hot: Float64Array, at: number): void {
    const jobId = hot[at + S.jobId];
    const taskId = hot[at + S.taskId];
    const instance = hot[at + S.instance];
    const workerId = hot[at + S.workerId];
    const variant = hot[at + S.variant];
    const atMs = hot[at + S.atMs];
    const { changes } = this.start.run(workerId, variant, atMs, jobId, taskId, instance);
    if (changes === 0 && instance === 0) this.startFresh.run(workerId, variant, atMs, jobId, taskId, instance);
  }

  /** @param at place of the first field of an `ended` entry */
  ended(hot: Float64Array, at: number, failure: Failure | null): void {
    if (this.tryEnd(hot, at, failure) > 0 || hot[at + E.instance] !== 0) return;
    if (this.enterFresh.run(hot[at + E.jobId], hot[at + E.taskId]).changes === 1) this.tryEnd(hot, at, failure);
  }

  /**
   * A start and the good end of the same instance, which for short tasks come together, in one write.
   * @returns false when the row does not allow both: then each is tried on its own
   */
  startedAndEnded(hot: Float64Array, start: number, end: number): boolean {
    const { changes } = this.startAndEnd.run(
      hot[end + E.state],
      hot[start + S.workerId],
      hot[start + S.variant],
      hot[start + S.atMs],
      hot[end + E.atMs],
      hot[end + E.wallMs],
      hot[end + E.userMs],
      hot[end + E.systemMs],
      hot[end + E.maxRssBytes],
      hot[end + E.peakMemBytes],
      hot[end + E.jobId],
      hot[end + E.taskId],
      hot[end + E.instance],
    );
    return changes > 0;
  }

  requeued(hot: Float64Array, at: number): void {
    const Q = HOT_FIELDS.requeued;
    const key = [hot[at + Q.jobId], hot[at + Q.taskId], hot[at + Q.nextInstance]];
    this.requeue.run(...key, hot[at + Q.crashes], hot[at + Q.retries], hot[at + Q.dueAtMs]);
  }

  gang({ jobId, taskId, instance, workerIds }: Extract<ColdEntry, { kind: 'gang' }>): void {
    this.setGang.run(workerIds.join(','), jobId, taskId, instance);
  }

  /** Tasks that wait end; a row of such a task says so, too. @throws Error for ids that are no IntArray */
  bulkEnded(end: Extract<ColdEntry, { kind: 'bulk-ended' }>): void {
    const { jobId, atMs, error } = end;
    const state = STATE_CODE[end.state];
    this.bulk.run(jobId, end.taskIds, state, atMs, error);
    for (const { start, count, step } of parseStored(end.taskIds).ranges) {
      this.bulkRows.run(state, atMs, error, jobId, start, start + (count - 1) * step, start, step);
    }
  }

  /** The database stores NaN as NULL. */
  private tryEnd(hot: Float64Array, at: number, failure: Failure | null): number {
    const state = hot[at + E.state];
    const atMs = hot[at + E.atMs];
    const wallMs = hot[at + E.wallMs];
    const userMs = hot[at + E.userMs];
    const systemMs = hot[at + E.systemMs];
    const rss = hot[at + E.maxRssBytes];
    const peak = hot[at + E.peakMemBytes];
    const jobId = hot[at + E.jobId];
    const taskId = hot[at + E.taskId];
    const instance = hot[at + E.instance];
    if (failure === null) return this.endWell.run(state, atMs, wallMs, userMs, systemMs, rss, peak, jobId, taskId, instance).changes;
    const { error, exitCode, signal } = failure;
    const why = [failureCode(failure), error, exitCode, signal];
    return this.endBadly.run(state, atMs, wallMs, userMs, systemMs, rss, peak, ...why, jobId, taskId, instance).changes;
  }
}

/** Ids that the journal wrote itself. @throws Error when they are no IntArray */
export function parseStored(text: string): IntArray {
  if (text === '') return new IntArray([]);
  const ids = IntArray.parse(text);
  if (typeof ids === 'string') throw new Error(`task ids '${text.slice(0, 100)}': ${ids}`);
  return ids;
}
