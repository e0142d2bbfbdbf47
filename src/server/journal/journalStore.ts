/**
 * The journal's database: batches in, one transaction each time, questions out. Synchronous and free of threads and timers; `JournalHost`
 * runs it on the journal's thread, tests call it directly.
 */
import type { Database, Statement } from 'better-sqlite3';
import { assertNever } from '../../common/assert.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Submit } from '../../protocol/schema/task.ts';
import { type ColdEntry, coldEntries, type EncodedBatch, type Failure, HOT } from './batchCodec.ts';
import { JournalReader } from './journalReader.ts';
import { journalError, type OpenDatabaseOptions, openDatabase } from './openDatabase.ts';
import { packBytes, unpackBytes } from './pack.ts';
import { redactSubmit } from './redact.ts';
import { Retention } from './retention.ts';
import { parseStored, TaskWriter } from './taskWriter.ts';

export interface JournalStoreOptions extends OpenDatabaseOptions {
  /** Becomes the journal's when it has none yet. */
  readonly serverUid?: string | undefined;
}

export class JournalStore {
  readonly path: string;
  readonly reader: JournalReader;
  readonly retention: Retention;
  private readonly db: Database;
  private readonly tasks: TaskWriter;
  private readonly statements: ReturnType<typeof prepare>;
  private hasUnsynced = false;
  private hasErased = false;
  private failure: HqError | null = null;
  /** As `openDatabase` leaves it. */
  private synchronous: 'FULL' | 'NORMAL' = 'NORMAL';

  private constructor(path: string, db: Database) {
    this.path = path;
    this.db = db;
    this.reader = new JournalReader(db);
    this.tasks = new TaskWriter(db);
    this.statements = prepare(db);
    this.retention = new Retention(db, this.reader);
  }

  /** @throws HqError HQ_E_SERVER_RUNNING, HQ_E_JOURNAL; see `openDatabase` */
  static open(options: JournalStoreOptions): JournalStore {
    const db = openDatabase(options);
    try {
      if (options.serverUid !== undefined) db.prepare(`INSERT OR IGNORE INTO meta VALUES ('serverUid', ?)`).run(options.serverUid);
      return new JournalStore(options.path, db);
    } catch (error) {
      db.close();
      throw journalError(options.path, error);
    }
  }

  /** Something is committed, but not yet on disk, or erased, but not yet from the disk: `sync` has something to do. */
  get unsynced(): boolean {
    return this.hasUnsynced || this.hasErased;
  }

  /** The error of the first write that failed. Nothing can be written any more; what was committed before stays. */
  get failed(): HqError | null {
    return this.failure;
  }

  /**
   * Writes batches in one transaction.
   * @param o.durable fsync with the commit: these batches and everything committed before are on disk then
   * @throws HqError HQ_E_JOURNAL_WRITE; nothing of these batches is kept, and every later call throws the same
   */
  apply(batches: readonly EncodedBatch[], o: { readonly durable: boolean }): void {
    this.write(o.durable, () => {
      for (const batch of batches) this.applyBatch(batch);
    });
    this.hasUnsynced = !o.durable;
  }

  /** Makes everything committed durable. @throws HqError HQ_E_JOURNAL_WRITE */
  sync(): void {
    if (this.hasErased) {
      // What was erased is still in the write-ahead log: it is copied into the database and cut off.
      this.guard(() => this.db.pragma('wal_checkpoint(TRUNCATE)'));
      this.hasErased = false;
      this.hasUnsynced = false;
    }
    if (!this.hasUnsynced) return;
    this.write(true, () => this.statements.sync.run());
    this.hasUnsynced = false;
  }

  /** Runs one step of deletion in its own transaction. @returns what the step returned @throws HqError HQ_E_JOURNAL_WRITE */
  step<T>(work: () => T): T {
    const result = this.write(false, work);
    this.hasUnsynced = true;
    return result;
  }

  /** Everything is on disk and the lock is free. A store that failed is closed as it is. */
  close(): void {
    try {
      if (this.failure === null) this.sync();
    } finally {
      this.db.close();
    }
  }

  private write<T>(durable: boolean, work: () => T): T {
    if (this.failure !== null) throw this.failure;
    return this.guard(() => {
      this.setSynchronous(durable);
      this.statements.begin.run();
      const result = work();
      this.statements.commit.run();
      return result;
    });
  }

  /** A failed write ends the store: the server's memory is ahead of the disk, so only a restart brings them together again. */
  private guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (this.db.inTransaction) this.db.exec('ROLLBACK');
      const detail = error instanceof Error ? error.message : String(error);
      this.failure = new HqError('HQ_E_JOURNAL_WRITE', { detail: `${this.path}: ${detail}` }, { cause: error });
      throw this.failure;
    }
  }

  private setSynchronous(durable: boolean): void {
    const wanted = durable ? 'FULL' : 'NORMAL';
    if (this.synchronous === wanted) return;
    this.db.pragma(`synchronous = ${wanted}`);
    this.synchronous = wanted;
  }

  private applyBatch(batch: EncodedBatch): void {
    const cold = coldEntries(batch);
    const { hot } = batch;
    let at = 0;
    const next = (): number => hot[at++] as number;
    while (at < hot.length) {
      const code = next();
      switch (code) {
        case HOT.assigned: {
          const workerId = next();
          for (let left = next(); left > 0; left -= 1) this.tasks.assigned(next(), next(), { instance: next(), workerId });
          break;
        }
        case HOT.started:
          this.tasks.started({ jobId: next(), taskId: next(), instance: next(), workerId: next(), variant: next(), atMs: next() });
          break;
        case HOT.ended: {
          const task = { jobId: next(), taskId: next(), instance: next(), state: next(), atMs: next() };
          const failure = cold[next()] as Failure | undefined;
          const usage = next() === 0 ? NO_USAGE : ([next(), orNull(next()), orNull(next()), orNull(next())] as const);
          this.tasks.ended({ ...task, failure: failure ?? null, usage });
          break;
        }
        case HOT.requeued:
          this.tasks.requeued(next(), next(), { instance: next(), crashes: next(), retries: next() });
          break;
        case HOT.workerSeq:
          this.statements.workerSeq.run(next(), next());
          break;
        case HOT.cold:
          this.applyCold(cold[next()] as ColdEntry);
          break;
        default:
          throw new Error(`unknown entry ${code}`);
      }
    }
    const { events } = batch;
    if (events !== null) this.statements.events.run(events.firstSeq, events.lastSeq, events.atMs, events.payload);
  }

  private applyCold(entry: ColdEntry): void {
    const sql = this.statements;
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
        return;
      case 'redact':
        this.redact(entry.jobId, entry.submitIndex);
        return;
      case 'bulk-ended':
        this.tasks.bulkEnded(entry);
        return;
      case 'worker':
        sql.otherSession.run(entry.workerId, entry.workerId, entry.session);
        sql.worker.run(entry.workerId, entry.session, entry.configuration, entry.atMs);
        return;
      case 'worker-ended':
        sql.workerEnded.run(entry.atMs, entry.reason, entry.workerId);
        return;
      default:
        assertNever(entry, 'journal entry');
    }
  }

  private redact(jobId: number, submitIndex: number): void {
    const payload = this.statements.payload.get(jobId, submitIndex) as Uint8Array | undefined;
    if (payload === undefined) return;
    this.statements.redact.run(packBytes(redactSubmit(unpackBytes(payload) as Submit)), jobId, submitIndex);
    this.hasErased = true;
  }
}

const NO_USAGE = [null, null, null, null] as const;

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

function prepare(
  db: Database,
): Record<
  | ('begin' | 'commit' | 'sync' | 'workerSeq' | 'events' | 'job' | 'submit' | 'moreTasks' | 'jobClosed' | 'jobCanceled' | 'jobStats')
  | ('payload' | 'redact' | 'otherSession' | 'worker' | 'workerEnded'),
  Statement
> {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    // A commit without a change would not reach the disk.
    sync: db.prepare(`INSERT INTO meta VALUES ('syncs', 1) ON CONFLICT DO UPDATE SET value = value + 1`),
    workerSeq: db.prepare('INSERT INTO worker_seqs VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)'),
    events: db.prepare('INSERT INTO events VALUES (?, ?, ?, ?)'),
    job: db.prepare('INSERT INTO jobs (id, header, is_open, submitted_at_ms) VALUES (?, ?, ?, ?)'),
    submit: db.prepare('INSERT INTO submits (job, idx, task_ids, at_ms, payload) VALUES (?, ?, ?, ?, ?)'),
    moreTasks: db.prepare('UPDATE jobs SET task_count = task_count + ?, waiting = waiting + ?, finished_at_ms = NULL WHERE id = ?'),
    jobClosed: db.prepare('UPDATE jobs SET is_open = 0 WHERE id = ?'),
    jobCanceled: db.prepare('UPDATE jobs SET cancel_reason = ? WHERE id = ?'),
    jobStats: db.prepare(
      `UPDATE jobs SET running = ?, finished = ?, failed = ?, canceled = ?, aborted = ?, waiting = ?, finished_at_ms = ?, completed = ?
       WHERE id = ?`,
    ),
    payload: db.prepare('SELECT payload FROM submits WHERE job = ? AND idx = ?').pluck(),
    redact: db.prepare('UPDATE submits SET payload = ? WHERE job = ? AND idx = ?'),
    otherSession: db.prepare('DELETE FROM worker_seqs WHERE worker = ? AND (SELECT session FROM workers WHERE id = ?) IS NOT ?'),
    worker: db.prepare(
      `INSERT INTO workers (id, session, configuration, connected_at_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
       session = excluded.session, configuration = excluded.configuration, connected_at_ms = excluded.connected_at_ms,
       ended_at_ms = NULL, end_reason = NULL`,
    ),
    workerEnded: db.prepare('UPDATE workers SET ended_at_ms = ?, end_reason = ? WHERE id = ? AND ended_at_ms IS NULL'),
  };
}
