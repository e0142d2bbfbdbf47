/**
 * Questions to the journal's database, each answered by one short slice: lists come in pages. Runs on the journal's thread; the client
 * puts the pages together.
 */
import type { Database, Statement } from 'better-sqlite3';
import type { IntArray } from '../../common/intArray.ts';
import type { Numbers, RestorePart } from './restore.ts';
import { BULK_COLUMNS, JOB_COLUMNS, type RawRow, SUBMIT_COLUMNS, TASK_COLUMNS, WORKER_COLUMNS } from './rows.ts';
import { parseStored } from './taskWriter.ts';

/** Rows in one slice: some ten milliseconds, in which no batch is committed. */
export const PAGE_ROWS = 5_000;

/** Above this many single ids (of ranges with steps) the whole span is read and thinned out instead. */
const MAX_SINGLE_IDS = 20_000;

const MAX_TASK_ID = 0xffff_ffff;

/** A page of rows; a list is complete when a page is shorter than asked for. */
export type Query =
  | { readonly name: 'jobs'; readonly completedOnly: boolean; readonly after: number; readonly limit: number }
  | { readonly name: 'job'; readonly jobId: number }
  | { readonly name: 'submits'; readonly jobId: number }
  | { readonly name: 'bulkRows'; readonly jobId: number }
  | { readonly name: 'tasks'; readonly jobId: number; readonly ids: string | null; readonly after: number; readonly limit: number }
  | { readonly name: 'workers'; readonly after: number; readonly limit: number }
  /** Blobs of events; their first may begin before `after`. `limit` counts events. */
  | { readonly name: 'events'; readonly after: number; readonly limit: number };

export class JournalReader {
  private readonly db: Database;
  private readonly prepared = new Map<string, Statement>();

  constructor(db: Database) {
    this.db = db;
  }

  /** @returns raw rows for the decoder of that name; for `events` the first row holds the oldest kept number alone */
  answer(query: Query): RawRow[] {
    switch (query.name) {
      case 'jobs': {
        const filter = query.completedOnly ? 'AND completed = 1' : '';
        return this.rows(`SELECT ${JOB_COLUMNS} FROM jobs WHERE id > ? ${filter} ORDER BY id LIMIT ?`, query.after, query.limit);
      }
      case 'job':
        return this.rows(`SELECT ${JOB_COLUMNS} FROM jobs WHERE id = ?`, query.jobId);
      case 'submits':
        return this.submits(query.jobId);
      case 'bulkRows':
        return this.bulk(query.jobId);
      case 'tasks':
        return this.tasks(query);
      case 'workers':
        return this.rows(`SELECT ${WORKER_COLUMNS} FROM workers WHERE id > ? ORDER BY id LIMIT ?`, query.after, query.limit);
      case 'events':
        return this.events(query.after, query.limit);
    }
  }

  /** Everything that a starting server needs, in pages. Must be read to its end before anything is written. */
  *restore(): Generator<RestorePart> {
    yield { kind: 'head', ...this.numbers() };
    const workers = `SELECT ${WORKER_COLUMNS} FROM workers WHERE ended_at_ms IS NULL AND id > ? ORDER BY id LIMIT ?`;
    for (const rows of this.pages((after) => this.rows(workers, after, PAGE_ROWS))) yield { kind: 'workers', rows };
    const allocations = this.rows('SELECT body FROM allocations ORDER BY queue, number');
    yield { kind: 'queues', queues: this.rows('SELECT body FROM queues ORDER BY id'), allocations };
    const live = `SELECT ${JOB_COLUMNS} FROM jobs WHERE completed = 0 AND id > ? ORDER BY id LIMIT ?`;
    for (const rows of this.pages((after) => this.rows(live, after, PAGE_ROWS))) {
      yield { kind: 'jobs', rows };
      for (const [jobId] of rows as [number][]) yield* this.restoreJob(jobId);
    }
  }

  /** Highest numbers given out so far and the identity. */
  numbers(): Numbers {
    const highest = (select: string, key: string): number => {
      return Math.max((this.rows(select)[0]?.[0] as number | null) ?? 0, this.meta(key) ?? 0);
    };
    const lastSeq = highest('SELECT max(last_seq) FROM (SELECT last_seq FROM events ORDER BY first_seq DESC LIMIT 1)', 'lastSeq');
    const maxJobId = highest('SELECT max(id) FROM jobs', 'maxJobId');
    const maxWorkerId = highest('SELECT max(id) FROM workers', 'maxWorkerId');
    const maxQueueId = highest('SELECT max(id) FROM queues', 'maxQueueId');
    return { serverUid: this.meta<string>('serverUid'), lastSeq, maxJobId, maxWorkerId, maxQueueId };
  }

  /** @returns the value stored under the key, or null */
  meta<T = number>(key: string): T | null {
    return (this.statement('SELECT value FROM meta WHERE key = ?').get(key) as [T] | undefined)?.[0] ?? null;
  }

  private *restoreJob(jobId: number): Generator<RestorePart> {
    // One by one: a submit may be many megabytes.
    const next = `SELECT ${SUBMIT_COLUMNS} FROM submits WHERE job = ? AND idx > ? ORDER BY idx LIMIT 1`;
    for (let [row] = this.rows(next, jobId, -1); row !== undefined; [row] = this.rows(next, jobId, row[0] as number)) {
      yield { kind: 'submits', jobId, rows: [row] };
    }
    for (const rows of this.pages((after) => this.taskRun(jobId, { from: after + 1, to: MAX_TASK_ID, limit: PAGE_ROWS }), -1)) {
      yield { kind: 'tasks', jobId, rows };
    }
    const bulk = this.bulk(jobId);
    if (bulk.length > 0) yield { kind: 'bulk', jobId, rows: bulk };
  }

  private submits(jobId: number): RawRow[] {
    return this.rows(`SELECT ${SUBMIT_COLUMNS} FROM submits WHERE job = ? ORDER BY idx`, jobId);
  }

  private bulk(jobId: number): RawRow[] {
    return this.rows(`SELECT ${BULK_COLUMNS} FROM bulk_ends WHERE job = ? ORDER BY id`, jobId);
  }

  private tasks({ jobId, ids, after, limit }: Extract<Query, { name: 'tasks' }>): RawRow[] {
    // Rows of a forgotten job may still be there, waiting to be swept.
    if (this.rows('SELECT 1 FROM jobs WHERE id = ?', jobId).length === 0) return [];
    if (ids === null) return this.taskRun(jobId, { from: after + 1, to: MAX_TASK_ID, limit });
    const wanted = parseStored(ids);
    const runs = runsOf(wanted);
    const found: RawRow[] = [];
    for (const [start, end] of runs ?? [[0, MAX_TASK_ID]]) {
      if (end <= after) continue;
      if (found.length >= limit) break;
      let from = Math.max(start, after + 1);
      for (;;) {
        const page = this.taskRun(jobId, { from, to: end, limit: runs === null ? PAGE_ROWS : limit - found.length });
        for (const row of page) if (runs !== null || wanted.has(row[0] as number)) found.push(row);
        if (runs !== null || page.length < PAGE_ROWS || found.length >= limit) break;
        from = (page.at(-1)?.[0] as number) + 1;
      }
    }
    return found.slice(0, limit);
  }

  private taskRun(jobId: number, run: { from: number; to: number; limit: number }): RawRow[] {
    const sql = `SELECT ${TASK_COLUMNS} FROM tasks WHERE job = ? AND task BETWEEN ? AND ? ORDER BY task LIMIT ?`;
    return this.rows(sql, jobId, run.from, run.to, run.limit);
  }

  private events(after: number, limit: number): RawRow[] {
    const oldest = this.rows('SELECT min(first_seq) FROM events')[0]?.[0] ?? this.numbers().lastSeq + 1;
    const blobs: RawRow[] = [[oldest]];
    const start = this.rows('SELECT max(first_seq) FROM events WHERE first_seq <= ?', after + 1)[0]?.[0] ?? 0;
    const found = this.statement(
      'SELECT first_seq, payload, last_seq, at_ms FROM events WHERE first_seq >= ? AND last_seq > ? ORDER BY first_seq',
    );
    let count = 0;
    for (const row of found.iterate(start, after) as IterableIterator<[number, Uint8Array, number, number]>) {
      blobs.push(row);
      count += row[2] - Math.max(row[0] - 1, after);
      if (count >= limit) break;
    }
    return blobs;
  }

  private *pages(page: (after: number) => RawRow[], first = 0): Generator<RawRow[]> {
    for (let after = first; ; ) {
      const rows = page(after);
      if (rows.length > 0) yield rows;
      if (rows.length < PAGE_ROWS) return;
      after = rows.at(-1)?.[0] as number;
    }
  }

  private rows(sql: string, ...values: (number | string)[]): RawRow[] {
    return this.statement(sql).all(...values) as RawRow[];
  }

  private statement(sql: string): Statement {
    let statement = this.prepared.get(sql);
    if (statement === undefined) {
      statement = this.db.prepare(sql).raw(true);
      this.prepared.set(sql, statement);
    }
    return statement;
  }
}

/** Ranges of consecutive ids in rising order; null when there would be too many. */
function runsOf(ids: IntArray): [start: number, end: number][] | null {
  const runs: [number, number][] = [];
  for (const { start, count, step } of ids.ranges) {
    if (step === 1) runs.push([start, start + count - 1]);
    else if (runs.length + count > MAX_SINGLE_IDS) return null;
    else for (let i = 0; i < count; i += 1) runs.push([start + i * step, start + i * step]);
  }
  return runs.sort((a, b) => a[0] - b[0]);
}
