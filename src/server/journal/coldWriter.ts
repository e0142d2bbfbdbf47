/** Writes what happens rarely: jobs, submits, workers, allocation queues, many tasks at once. Called by `JournalStore` within a transaction. */
import type { Database, Statement } from 'better-sqlite3';
import { assertNever } from '../../common/assert.ts';
import type { ColdEntry } from './batchCodec.ts';
import { packBytes, unpackBytes } from './pack.ts';
import { redactSubmit } from './redact.ts';
import type { Retention } from './retention.ts';
import { parseStored, type TaskWriter } from './taskWriter.ts';
import type { StoredSubmit } from './types.ts';

type Name =
  | ('job' | 'submit' | 'moreTasks' | 'jobClosed' | 'jobCanceled' | 'jobStats' | 'payload' | 'setPayload')
  | ('jobModified' | 'otherSession' | 'worker' | 'workerEnded' | 'queue' | 'allocation');

export class ColdWriter {
  /** Secrets were overwritten since this was last set to false; the write-ahead log still has them. */
  hasErased = false;
  private readonly tasks: TaskWriter;
  private readonly retention: Retention;
  private readonly sql: Record<Name, Statement>;

  constructor(db: Database, o: { tasks: TaskWriter; retention: Retention }) {
    this.tasks = o.tasks;
    this.retention = o.retention;
    this.sql = {
      job: db.prepare('INSERT INTO jobs (id, header, is_open, submitted_at_ms) VALUES (?, ?, ?, ?)'),
      submit: db.prepare('INSERT INTO submits (job, idx, task_ids, at_ms, payload) VALUES (?, ?, ?, ?, ?)'),
      moreTasks: db.prepare('UPDATE jobs SET task_count = task_count + ?, waiting = waiting + ?, finished_at_ms = NULL WHERE id = ?'),
      jobModified: db.prepare('UPDATE jobs SET header = ? WHERE id = ?'),
      jobClosed: db.prepare('UPDATE jobs SET is_open = 0 WHERE id = ?'),
      jobCanceled: db.prepare('UPDATE jobs SET cancel_reason = ? WHERE id = ?'),
      jobStats: db.prepare(
        `UPDATE jobs SET running = ?, finished = ?, failed = ?, canceled = ?, aborted = ?, waiting = ?, finished_at_ms = ?, completed = ?
         WHERE id = ?`,
      ),
      payload: db.prepare('SELECT payload FROM submits WHERE job = ? AND idx = ?').pluck(),
      setPayload: db.prepare('UPDATE submits SET payload = ? WHERE job = ? AND idx = ?'),
      otherSession: db.prepare('DELETE FROM worker_seqs WHERE worker = ? AND (SELECT session FROM workers WHERE id = ?) IS NOT ?'),
      worker: db.prepare(
        `INSERT INTO workers (id, session, configuration, connected_at_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         session = excluded.session, configuration = excluded.configuration, connected_at_ms = excluded.connected_at_ms,
         ended_at_ms = NULL, end_reason = NULL`,
      ),
      queue: db.prepare('INSERT INTO queues (id, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body'),
      allocation: db.prepare(
        `INSERT INTO allocations (queue, number, ended_at_ms, body) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET ended_at_ms = excluded.ended_at_ms, body = excluded.body`,
      ),
      workerEnded: db.prepare('UPDATE workers SET ended_at_ms = ?, end_reason = ? WHERE id = ? AND ended_at_ms IS NULL'),
    };
  }

  /** Throws errors of the database and for ids that are no IntArray. */
  write(entry: ColdEntry): void {
    const { sql } = this;
    switch (entry.kind) {
      case 'job':
        sql.job.run(entry.jobId, entry.header, entry.open ? 1 : 0, entry.atMs);
        return;
      case 'submit': {
        const count = parseStored(entry.taskIds).length;
        sql.submit.run(entry.jobId, entry.submitIndex, entry.taskIds, entry.atMs, entry.submit);
        sql.moreTasks.run(count, count, entry.jobId);
        return;
      }
      case 'job-modified':
        sql.jobModified.run(entry.header, entry.jobId);
        return;
      case 'tasks-modified': {
        const { modification } = entry;
        this.rewrite(entry.jobId, entry.submitIndex, (submit) => ({
          ...submit,
          modifications: [...(submit.modifications ?? []), modification],
        }));
        return;
      }
      case 'job-closed':
        sql.jobClosed.run(entry.jobId);
        return;
      case 'job-canceled':
        sql.jobCanceled.run(entry.reason, entry.jobId);
        return;
      case 'job-stats': {
        const { running, finished, failed, canceled, aborted, waiting } = entry.stats;
        const ended = [entry.finishedAtMs, entry.completed ? 1 : 0];
        sql.jobStats.run(running, finished, failed, canceled, aborted, waiting, ...ended, entry.jobId);
        return;
      }
      case 'job-forgotten':
        this.retention.forget(entry.jobId);
        // Its submits may have had secrets.
        this.hasErased = true;
        return;
      case 'redact':
        if (this.rewrite(entry.jobId, entry.submitIndex, redactSubmit)) this.hasErased = true;
        return;
      case 'bulk-ended':
        this.tasks.bulkEnded(entry);
        return;
      case 'gang':
        this.tasks.gang(entry);
        return;
      case 'worker':
        sql.otherSession.run(entry.workerId, entry.workerId, entry.session);
        sql.worker.run(entry.workerId, entry.session, entry.configuration, entry.atMs);
        return;
      case 'queue':
        sql.queue.run(entry.queueId, entry.body);
        return;
      case 'queue-removed':
        this.retention.forgetQueue(entry.queueId);
        return;
      case 'allocation':
        sql.allocation.run(entry.queueId, entry.number, entry.endedAtMs, entry.body);
        return;
      case 'worker-ended':
        sql.workerEnded.run(entry.atMs, entry.reason, entry.workerId);
        return;
      default:
        assertNever(entry, 'journal entry');
    }
  }

  /** @returns false when there is no such submit any more */
  private rewrite(jobId: number, submitIndex: number, change: (submit: StoredSubmit) => StoredSubmit): boolean {
    const payload = this.sql.payload.get(jobId, submitIndex) as Uint8Array | undefined;
    if (payload === undefined) return false;
    this.sql.setPayload.run(packBytes(change(unpackBytes(payload) as StoredSubmit)), jobId, submitIndex);
    return true;
  }
}
