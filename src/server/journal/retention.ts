/**
 * Deletes what is forgotten or older than the retention, in slices, so that batches are committed in between. Numbers of deleted jobs,
 * workers and events are kept: none is given out twice. Called by `JournalStore` and `JournalHost`.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { JournalReader } from './journalReader.ts';

/** Rows deleted in one transaction: some ten milliseconds. */
const SLICE_ROWS = 5_000;
/** Jobs forgotten in one transaction; each has submits, which may be large. */
const SLICE_JOBS = 50;

/** One transaction of a deletion. @returns true when there is more to do */
export type Step = () => boolean;

export class Retention {
  private readonly reader: JournalReader;
  private garbage: boolean;
  private readonly keepHighest: Statement;
  private readonly statements: Record<
    'forgetQueue' | 'allocations' | 'forget' | 'submits' | 'bulk' | 'garbage' | 'next' | 'taskSlice' | 'tasks' | 'swept' | 'oldJobs',
    Statement
  >;
  private readonly old: Record<'keptEvent' | 'eventSlice' | 'events' | 'workerSlice' | 'workerSeqs' | 'workers' | 'allocations', Statement>;

  constructor(db: Database, reader: JournalReader) {
    this.reader = reader;
    this.keepHighest = db.prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)');
    const pluck = (sql: string): Statement => db.prepare(sql).pluck();
    this.statements = {
      forgetQueue: db.prepare('DELETE FROM queues WHERE id = ?'),
      allocations: db.prepare('DELETE FROM allocations WHERE queue = ?'),
      forget: db.prepare('DELETE FROM jobs WHERE id = ?'),
      submits: db.prepare('DELETE FROM submits WHERE job = ?'),
      bulk: db.prepare('DELETE FROM bulk_ends WHERE job = ?'),
      garbage: db.prepare('INSERT OR IGNORE INTO garbage VALUES (?)'),
      next: pluck('SELECT job FROM garbage LIMIT 1'),
      taskSlice: pluck('SELECT max(task) FROM (SELECT task FROM tasks WHERE job = ? ORDER BY task LIMIT ?)'),
      tasks: db.prepare('DELETE FROM tasks WHERE job = ? AND task <= ?'),
      swept: db.prepare('DELETE FROM garbage WHERE job = ?'),
      oldJobs: pluck('SELECT id FROM jobs WHERE completed = 1 AND finished_at_ms < ? ORDER BY id LIMIT ?'),
    };
    this.old = {
      keptEvent: pluck('SELECT first_seq FROM events WHERE at_ms >= ? ORDER BY first_seq LIMIT 1'),
      eventSlice: pluck('SELECT max(first_seq) FROM (SELECT first_seq FROM events WHERE first_seq < ? ORDER BY first_seq LIMIT ?)'),
      events: db.prepare('DELETE FROM events WHERE first_seq <= ?'),
      workerSlice: pluck('SELECT max(id) FROM (SELECT id FROM workers WHERE ended_at_ms < ? ORDER BY id LIMIT ?)'),
      workerSeqs: db.prepare('DELETE FROM worker_seqs WHERE worker IN (SELECT id FROM workers WHERE id <= ? AND ended_at_ms < ?)'),
      allocations: db.prepare('DELETE FROM allocations WHERE ended_at_ms < ?'),
      workers: db.prepare('DELETE FROM workers WHERE id <= ? AND ended_at_ms < ?'),
    };
    this.garbage = this.statements.next.get() !== undefined;
  }

  /** Is there something for `sweep` to do? */
  get hasGarbage(): boolean {
    return this.garbage;
  }

  /** Within a transaction: the job is gone for every question; the rows of its tasks are left to `sweep`. */
  forget(jobId: number): void {
    const { forget, submits, bulk, garbage } = this.statements;
    this.keepHighest.run('maxJobId', jobId);
    forget.run(jobId);
    submits.run(jobId);
    bulk.run(jobId);
    garbage.run(jobId);
    this.garbage = true;
  }

  /** Within a transaction: the queue and its allocations are gone. */
  forgetQueue(queueId: number): void {
    this.keepHighest.run('maxQueueId', queueId);
    this.statements.forgetQueue.run(queueId);
    this.statements.allocations.run(queueId);
  }

  /** Deletes a slice of the tasks of forgotten jobs. */
  readonly sweep: Step = () => {
    const { next, taskSlice, tasks, swept } = this.statements;
    const jobId = next.get() as number | undefined;
    this.garbage = jobId !== undefined;
    if (jobId === undefined) return false;
    const last = taskSlice.get(jobId, SLICE_ROWS) as number | null;
    if (last === null) swept.run(jobId);
    else tasks.run(jobId, last);
    return true;
  };

  /** @returns the steps that delete completed jobs, events, ended workers and ended allocations older than `beforeMs` (Unix milliseconds), to be run in order */
  prune(beforeMs: number): Step[] {
    return [
      () => this.pruneJobs(beforeMs),
      this.sweep,
      () => this.pruneEvents(beforeMs),
      () => this.pruneWorkers(beforeMs),
      () => this.pruneAllocations(beforeMs),
    ];
  }

  private pruneJobs(beforeMs: number): boolean {
    const jobs = this.statements.oldJobs.all(beforeMs, SLICE_JOBS) as number[];
    for (const jobId of jobs) this.forget(jobId);
    return jobs.length === SLICE_JOBS;
  }

  /** Only from the oldest on, so that what is left has no gap. */
  private pruneEvents(beforeMs: number): boolean {
    const kept = (this.old.keptEvent.get(beforeMs) as number | undefined) ?? Number.MAX_SAFE_INTEGER;
    const last = this.old.eventSlice.get(kept, SLICE_ROWS) as number | null;
    if (last === null) return false;
    this.keepHighest.run('lastSeq', this.reader.numbers().lastSeq);
    this.old.events.run(last);
    return true;
  }

  /** At most some thousands: one for each of some minutes. */
  private pruneAllocations(beforeMs: number): boolean {
    this.old.allocations.run(beforeMs);
    return false;
  }

  private pruneWorkers(beforeMs: number): boolean {
    const last = this.old.workerSlice.get(beforeMs, SLICE_ROWS) as number | null;
    if (last === null) return false;
    this.keepHighest.run('maxWorkerId', this.reader.numbers().maxWorkerId);
    this.old.workerSeqs.run(last, beforeMs);
    this.old.workers.run(last, beforeMs);
    return true;
  }
}
