/** Questions about jobs and tasks: what is in memory joined with what the journal keeps. */
import { IntArray, type IntRange } from '../common/intArray.ts';
import { orderedIds } from '../common/orderedIds.ts';
import { HqError } from '../protocol/errors.ts';
import type { JobDetail, JobInfo, SubmitInfo, TaskQuery } from '../protocol/schema/job.ts';
import type { TaskDetail, TaskInfo } from '../protocol/schema/task.ts';
import { parseIds } from './ids.ts';
import { type JobStore, liveJobInfo, storedJobInfo } from './jobStore.ts';
import type { BulkRow, Journal, SubmitRow } from './journal/types.ts';
import { currentSpecAt, makeRecord, type SubmitRecord, streamDir } from './specs.ts';
import { type BulkEnd, redactSpec, taskDetail, taskInfo } from './taskView.ts';

/** Specifications of a graph in a job's details, at most. */
const MAX_SPECS = 1_000;
/** Tasks looked up in the journal at once while a state filter thins them out. */
const SCAN_PAGE = 20_000;

export class JobQueries {
  private readonly store: JobStore;
  private readonly journal: Journal;
  private readonly serverUid: string;

  constructor(o: { store: JobStore; journal: Journal; serverUid: string }) {
    this.store = o.store;
    this.journal = o.journal;
    this.serverUid = o.serverUid;
  }

  /** Sorted by id. @throws HqError HQ_E_ARRAY */
  async listJobs(filter: { live: boolean; ids?: string; labels?: Record<string, string> }): Promise<JobInfo[]> {
    const ids = filter.ids === undefined ? null : parseIds(filter.ids);
    const jobs = new Map<number, JobInfo>();
    // Seen before the journal is asked, too: a job that completes while the answer is under way is in neither place afterwards.
    if (!filter.live) for (const { live, core } of this.store.all()) jobs.set(live.jobId, liveJobInfo(live, core));
    if (!filter.live) for (const row of await this.journal.jobs({ completedOnly: true })) jobs.set(row.jobId, storedJobInfo(row));
    for (const { live, core } of this.store.all()) {
      const info = liveJobInfo(live, core);
      const { running, waiting } = info.stats;
      if (!filter.live || info.isOpen || running + waiting > 0) jobs.set(info.id, info);
    }
    const labels = Object.entries(filter.labels ?? {});
    return [...jobs.values()]
      .filter((job) => ids === null || ids.has(job.id))
      .filter((job) => labels.every(([key, value]) => job.labels[key] === value))
      .sort((a, b) => a.id - b.id);
  }

  /** @throws HqError HQ_E_JOB_NOT_FOUND */
  async jobDetail(jobId: number): Promise<JobDetail> {
    const [info, records] = await this.load(jobId);
    const taskIds = joinedIds(records);
    return { ...info, taskIds, submits: records.map(submitInfo) };
  }

  /** Sorted by task id. @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_ARRAY */
  async listTasks(jobId: number, query: TaskQuery): Promise<TaskInfo[]> {
    const [, records] = await this.load(jobId);
    const wanted = query.ids === undefined ? null : parseIds(query.ids);
    const after = query.after ?? -1;
    // Chosen ones are few; those that do not exist are passed over by `describe`.
    const ids = orderedIds(wanted === null ? records.map((record) => record.ids) : [wanted], after);
    const bulk = await this.journal.bulkRows(jobId);
    const states = query.states === undefined ? null : new Set(query.states);
    const found: TaskInfo[] = [];
    for (let page = take(ids, SCAN_PAGE); page.length > 0 && found.length < query.limit; page = take(ids, SCAN_PAGE)) {
      for (const task of await this.describe({ jobId, records, bulk, page }))
        if (states === null || states.has(task.state)) found.push(task);
    }
    return found.slice(0, query.limit);
  }

  /** @throws HqError HQ_E_JOB_NOT_FOUND, HQ_E_TASK_NOT_FOUND */
  async taskDetail(jobId: number, taskId: number): Promise<TaskDetail> {
    const [, records] = await this.load(jobId);
    const record = records.find((candidate) => candidate.ids.has(taskId));
    if (record === undefined) throw new HqError('HQ_E_TASK_NOT_FOUND', { task: taskId, job: jobId });
    const [rows, bulk] = await Promise.all([this.journal.taskRows(jobId, { ids: String(taskId), limit: 1 }), this.journal.bulkRows(jobId)]);
    return taskDetail(record, record.ids.indexOf(taskId), { row: rows[0] ?? null, bulk: bulkEnd(parseBulk(bulk), taskId) });
  }

  private async describe(o: {
    jobId: number;
    records: readonly SubmitRecord[];
    bulk: readonly BulkRow[];
    page: readonly number[];
  }): Promise<TaskInfo[]> {
    const rows = await this.journal.taskRows(o.jobId, { ids: IntArray.from(o.page).toString(), limit: o.page.length });
    const rowOf = new Map(rows.map((row) => [row.taskId, row]));
    const bulk = parseBulk(o.bulk);
    return o.page.flatMap((id) => {
      const record = o.records.find((candidate) => candidate.ids.has(id));
      if (record === undefined) return [];
      return taskInfo(record, record.ids.indexOf(id), { row: rowOf.get(id) ?? null, bulk: bulkEnd(bulk, id) });
    });
  }

  private async load(jobId: number): Promise<[JobInfo, readonly SubmitRecord[]]> {
    const job = this.store.get(jobId);
    if (job !== undefined) return [liveJobInfo(job.live, job.core), job.live.submits];
    const [row, submits] = await Promise.all([this.journal.job(jobId), this.journal.submits(jobId)]);
    if (row === null) throw new HqError('HQ_E_JOB_NOT_FOUND', { job: jobId });
    return [storedJobInfo(row), submits.map((submit) => recordOf(jobId, submit, this.serverUid))];
  }
}

function take(ids: Iterator<number>, count: number): number[] {
  const page: number[] = [];
  while (page.length < count) {
    const { value, done } = ids.next();
    if (done === true) break;
    page.push(value);
  }
  return page;
}

/** A submit out of the journal, for questions only. */
export function recordOf(jobId: number, row: SubmitRow, serverUid: string): SubmitRecord {
  return makeRecord({ jobId, submitIndex: row.submitIndex, ids: parseIds(row.taskIds), submit: row.submit, serverUid });
}

/** Ids of all submits in their order; many small submits of an open job become few ranges. */
function joinedIds(records: readonly SubmitRecord[]): string {
  const joined: IntRange[] = [];
  for (const range of records.flatMap((record) => record.ids.ranges)) {
    const last = joined.at(-1);
    const follows = last !== undefined && last.step === 1 && range.step === 1 && range.start === last.start + last.count;
    if (follows) joined[joined.length - 1] = { ...last, count: last.count + range.count };
    else joined.push(range);
  }
  return new IntArray(joined).toString();
}

function submitInfo(record: SubmitRecord): SubmitInfo {
  const { kind } = record.submit.tasks;
  const count = kind === 'array' ? 1 : Math.min(record.ids.length, MAX_SPECS);
  return {
    submitDir: record.submit.submitDir,
    stream: streamDir(record),
    kind,
    taskIds: record.ids.toString(),
    specs: Array.from({ length: count }, (_, index) => redactSpec(currentSpecAt(record, index))),
  };
}

function parseBulk(rows: readonly BulkRow[]): { ids: IntArray; end: BulkEnd }[] {
  return rows.map((row) => ({ ids: parseIds(row.taskIds), end: row }));
}

function bulkEnd(bulk: readonly { ids: IntArray; end: BulkEnd }[], taskId: number): BulkEnd | null {
  return bulk.find(({ ids }) => ids.has(taskId))?.end ?? null;
}
