/**
 * The journal's database: batches in, one transaction each time, questions out. Synchronous and free of threads and timers; `JournalHost`
 * runs it on the journal's thread, tests call it directly.
 */
import type { Database, Statement } from 'better-sqlite3';
import { HqError } from '../../protocol/errors.ts';
import { backUp } from './backup.ts';
import { type ColdEntry, coldEntries, type EncodedBatch, type Failure, HOT, HOT_FIELDS } from './batchCodec.ts';
import { ColdWriter } from './coldWriter.ts';
import { JournalReader } from './journalReader.ts';
import { journalError, type OpenDatabaseOptions, openDatabase } from './openDatabase.ts';
import { Retention } from './retention.ts';
import { TaskWriter } from './taskWriter.ts';

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
  private readonly cold: ColdWriter;
  private readonly statements: Prepared;
  private hasUnsynced = false;
  private failure: HqError | null = null;
  /** Starts of the batch at hand that are not written yet: place in `hot` by task. */
  private readonly starts = new Map<number, number>();
  /** As `openDatabase` leaves it. */
  private synchronous: 'FULL' | 'NORMAL' = 'NORMAL';

  private constructor(path: string, db: Database) {
    this.path = path;
    this.db = db;
    this.reader = new JournalReader(db);
    this.tasks = new TaskWriter(db);
    this.statements = prepare(db);
    this.retention = new Retention(db, this.reader);
    this.cold = new ColdWriter(db, { tasks: this.tasks, retention: this.retention });
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
    return this.hasUnsynced || this.cold.hasErased;
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
    if (this.cold.hasErased) {
      // What was erased is still in the write-ahead log: it is copied into the database and cut off.
      this.guard(() => this.db.pragma('wal_checkpoint(TRUNCATE)'));
      this.cold.hasErased = false;
      this.hasUnsynced = false;
    }
    if (!this.hasUnsynced) return;
    this.write(true, () => {});
    this.hasUnsynced = false;
  }

  /** Runs one step of deletion in its own transaction. @returns what the step returned @throws HqError HQ_E_JOURNAL_WRITE */
  step<T>(work: () => T): T {
    const result = this.write(false, work);
    this.hasUnsynced = true;
    return result;
  }

  /**
   * Copies everything committed into a new file, some pages at a time.
   * @throws HqError HQ_E_BACKUP; nothing is left there then
   */
  backup(path: string): Promise<void> {
    return backUp(this.db, path);
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
      const before = this.statements.changes.get();
      const result = work();
      // A commit without a change does not reach the disk, and so would not take the earlier ones there.
      if (durable && this.hasUnsynced && this.statements.changes.get() === before) this.statements.sync.run();
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
    const { hot, events } = batch;
    const { cold: C, ended: E, workerSeq: W } = HOT_FIELDS;
    for (let at = 0; at < hot.length; ) {
      const code = hot[at];
      at += 1;
      switch (code) {
        case HOT.assigned:
          this.flushStarts(hot);
          at = this.tasks.assigned(hot, at);
          break;
        case HOT.started:
          this.holdStart(hot, at);
          at += HOT_FIELDS.started.length;
          break;
        case HOT.ended:
          this.end(hot, at, cold[hot[at + E.failure] as number] as Failure | undefined);
          at += E.length;
          break;
        case HOT.requeued:
          this.flushStarts(hot);
          this.tasks.requeued(hot, at);
          at += HOT_FIELDS.requeued.length;
          break;
        case HOT.workerSeq:
          this.statements.workerSeq.run(hot[at + W.workerId], hot[at + W.seq]);
          at += W.length;
          break;
        case HOT.cold:
          this.flushStarts(hot);
          this.cold.write(cold[hot[at + C.index] as number] as ColdEntry);
          at += C.length;
          break;
        default:
          throw new Error(`unknown entry ${code}`);
      }
    }
    this.flushStarts(hot);
    if (events !== null) this.statements.events.run(events.firstSeq, events.lastSeq, events.atMs, events.payload);
  }

  /** A start is held back until something else happens to its task, or to the end of the batch: with its end it is one write. */
  private holdStart(hot: Float64Array, at: number): void {
    const key = taskKey(hot, at);
    const held = this.starts.get(key);
    if (held !== undefined) this.tasks.started(hot, held);
    this.starts.set(key, at);
  }

  private end(hot: Float64Array, at: number, failure: Failure | undefined): void {
    const key = taskKey(hot, at);
    const start = this.starts.get(key);
    if (start !== undefined) {
      this.starts.delete(key);
      // The key is not exact for very high job numbers, and the instance is not part of it.
      const isSame = hot[start] === hot[at] && hot[start + 1] === hot[at + 1] && hot[start + 2] === hot[at + 2];
      if (isSame && failure === undefined && this.tasks.startedAndEnded(hot, start, at)) return;
      this.tasks.started(hot, start);
    }
    this.tasks.ended(hot, at, failure ?? null);
  }

  private flushStarts(hot: Float64Array): void {
    if (this.starts.size === 0) return;
    for (const at of this.starts.values()) this.tasks.started(hot, at);
    this.starts.clear();
  }
}

/** Job, task and instance are the first fields of a start and of an end. */
function taskKey(hot: Float64Array, at: number): number {
  return (hot[at] as number) * 2 ** 32 + (hot[at + 1] as number);
}

type Prepared = Record<'begin' | 'commit' | 'changes' | 'sync' | 'workerSeq' | 'events', Statement>;

function prepare(db: Database): Prepared {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    changes: db.prepare('SELECT total_changes()').pluck(),
    sync: db.prepare(`INSERT INTO meta VALUES ('syncs', 1) ON CONFLICT DO UPDATE SET value = value + 1`),
    workerSeq: db.prepare('INSERT INTO worker_seqs VALUES (?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)'),
    events: db.prepare('INSERT INTO events VALUES (?, ?, ?, ?)'),
  };
}
