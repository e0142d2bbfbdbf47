/** A journal without a database: what must be restored after any batches. Slow and plain; it states the rules of `types.ts` once more. */
import { IntArray } from '../../src/common/intArray.ts';
import type { TaskStats } from '../../src/protocol/schema/job.ts';
import type { AllocationRecord } from '../../src/server/autoalloc/allocation.ts';
import type { QueueRecord } from '../../src/server/autoalloc/queue.ts';
import type {
  BulkRow,
  JobRow,
  JournalBatch,
  JournalEntry,
  Restored,
  SubmitRow,
  TaskRow,
  WorkerRow,
} from '../../src/server/journal/types.ts';

interface Job {
  readonly row: JobRow;
  readonly submits: SubmitRow[];
  readonly tasks: Map<number, TaskRow>;
  readonly bulk: BulkRow[];
}

const NO_END = { finishedAtMs: null, error: null, failure: null, exitCode: null, signal: null, usage: null };
const NO_STATS: TaskStats = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 };

const hasEnded = (row: TaskRow): boolean => !['waiting', 'assigned', 'running'].includes(row.state);

function blank(taskId: number): TaskRow {
  const attempt = { workerId: null, variant: 0, crashes: 0, retries: 0, dueAtMs: null, gang: null, startedAtMs: null };
  return { taskId, state: 'waiting', instance: 0, ...attempt, ...NO_END };
}

export class JournalModel {
  /** Submits whose secrets were deleted: `job index`. */
  readonly redacted: string[] = [];
  private readonly jobs = new Map<number, Job>();
  private readonly workers = new Map<number, WorkerRow>();
  private maxJobId = 0;
  private maxWorkerId = 0;
  private maxQueueId = 0;
  private readonly queues = new Map<number, QueueRecord>();
  private allocations: AllocationRecord[] = [];
  private lastSeq = 0;

  apply(batch: JournalBatch): void {
    for (const entry of batch.entries) this.entry(entry);
    this.lastSeq = batch.events?.lastSeq ?? this.lastSeq;
  }

  restored(): Restored {
    const byId = <T>(map: Map<number, T>): T[] => [...map].sort(([a], [b]) => a - b).map(([, value]) => value);
    const live = byId(this.jobs).filter(({ row }) => !row.completed);
    const jobs = live.map(({ row, submits, tasks, bulk }) => ({ job: row, submits, tasks: byId(tasks), bulk }));
    const workers = byId(this.workers).filter((worker) => worker.endedAtMs === null);
    return structuredClone({
      ...{ serverUid: null, lastSeq: this.lastSeq, maxJobId: this.maxJobId, maxWorkerId: this.maxWorkerId, jobs, workers },
      ...{ maxQueueId: this.maxQueueId, queues: byId(this.queues) },
      allocations: this.allocations.sort((a, b) => a.queueId - b.queueId || a.number - b.number),
    });
  }

  private entry(entry: JournalEntry): void {
    switch (entry.kind) {
      case 'job': {
        const { jobId, header, open, atMs } = entry;
        const rest = { stats: NO_STATS, taskCount: 0, finishedAtMs: null, completed: false };
        this.jobs.set(jobId, {
          row: { jobId, header, open, cancelReason: null, submittedAtMs: atMs, ...rest },
          submits: [],
          tasks: new Map(),
          bulk: [],
        });
        this.maxJobId = Math.max(this.maxJobId, jobId);
        return;
      }
      case 'submit': {
        const job = this.jobs.get(entry.jobId);
        if (job === undefined) return;
        const { submitIndex, taskIds, submit, atMs } = entry;
        job.submits.push({ submitIndex, taskIds, submit, atMs });
        const count = (IntArray.parse(taskIds) as IntArray).length;
        const { stats, taskCount } = job.row;
        this.change(entry.jobId, { taskCount: taskCount + count, finishedAtMs: null, stats: { ...stats, waiting: stats.waiting + count } });
        return;
      }
      case 'job-modified':
        return this.change(entry.jobId, { header: entry.header });
      case 'tasks-modified': {
        const submits = this.jobs.get(entry.jobId)?.submits ?? [];
        const old = submits[entry.submitIndex];
        if (old === undefined) return;
        const modifications = [...(old.submit.modifications ?? []), entry.modification];
        submits[entry.submitIndex] = { ...old, submit: { ...old.submit, modifications } };
        return;
      }
      case 'job-closed':
        return this.change(entry.jobId, { open: false });
      case 'job-canceled':
        return this.change(entry.jobId, { cancelReason: entry.reason });
      case 'job-stats':
        return this.change(entry.jobId, { stats: entry.stats, finishedAtMs: entry.finishedAtMs, completed: entry.completed });
      case 'job-forgotten':
        this.jobs.delete(entry.jobId);
        return;
      case 'redact':
        // Unit tests cover what becomes of the submit.
        this.redacted.push(`${entry.jobId} ${entry.submitIndex}`);
        return;
      case 'assigned':
        for (const [jobId, taskId, instance] of entry.tasks) {
          this.task(jobId, taskId, (row) => {
            const fits = row.instance < instance || (row.instance === instance && row.state !== 'running');
            return fits ? { ...row, state: 'assigned', instance, workerId: entry.workerId, variant: 0, startedAtMs: null } : row;
          });
        }
        return;
      case 'started':
        return this.task(entry.jobId, entry.taskId, (row) => {
          if (row.instance !== entry.instance || row.state === 'running') return row;
          return { ...row, state: 'running', workerId: entry.workerId, variant: entry.variant, startedAtMs: entry.atMs };
        });
      case 'requeued':
        return this.task(entry.jobId, entry.taskId, (row) => {
          if (row.instance > entry.nextInstance) return row;
          const { nextInstance, crashes, retries, dueAtMs } = entry;
          return { ...blank(row.taskId), instance: nextInstance, crashes, retries, dueAtMs, gang: row.gang };
        });
      case 'gang': {
        const row = this.jobs.get(entry.jobId)?.tasks.get(entry.taskId);
        if (row === undefined || row.instance !== entry.instance) return;
        return this.task(entry.jobId, entry.taskId, (known) => ({ ...known, gang: [...entry.workerIds] }));
      }
      case 'ended':
        return this.task(entry.jobId, entry.taskId, (row) => {
          if (row.instance !== entry.instance) return row;
          const { kind: failure = null, error = null, exitCode = null, signal = null } = entry.failure ?? {};
          return { ...row, state: entry.state, finishedAtMs: entry.atMs, usage: entry.usage, failure, error, exitCode, signal };
        });
      case 'bulk-ended': {
        const { jobId, taskIds, state, atMs, error } = entry;
        const job = this.jobs.get(jobId);
        job?.bulk.push({ taskIds, state, atMs, error });
        for (const id of IntArray.parse(taskIds) as IntArray) {
          const row = job?.tasks.get(id);
          if (row?.state === 'waiting') job?.tasks.set(id, { ...row, state, finishedAtMs: atMs, error });
        }
        return;
      }
      case 'worker': {
        const { workerId, session, configuration, atMs } = entry;
        const before = this.workers.get(workerId);
        const ackedSeq = before?.session === session ? before.ackedSeq : 0;
        this.workers.set(workerId, { workerId, session, configuration, ackedSeq, connectedAtMs: atMs, endedAtMs: null, endReason: null });
        this.maxWorkerId = Math.max(this.maxWorkerId, workerId);
        return;
      }
      case 'worker-seq':
        return this.worker(entry.workerId, (row) => ({ ...row, ackedSeq: Math.max(row.ackedSeq, entry.seq) }));
      case 'queue':
        this.queues.set(entry.queue.id, entry.queue);
        this.maxQueueId = Math.max(this.maxQueueId, entry.queue.id);
        return;
      case 'queue-removed':
        this.queues.delete(entry.queueId);
        this.maxQueueId = Math.max(this.maxQueueId, entry.queueId);
        this.allocations = this.allocations.filter(({ queueId }) => queueId !== entry.queueId);
        return;
      case 'allocation': {
        const { queueId, number } = entry.allocation;
        this.allocations = this.allocations.filter((one) => one.queueId !== queueId || one.number !== number);
        this.allocations.push(entry.allocation);
        return;
      }
      case 'worker-ended':
        return this.worker(entry.workerId, (row) =>
          row.endedAtMs === null ? { ...row, endedAtMs: entry.atMs, endReason: entry.reason } : row,
        );
    }
  }

  private change(jobId: number, change: Partial<JobRow>): void {
    const job = this.jobs.get(jobId);
    if (job !== undefined) this.jobs.set(jobId, { ...job, row: { ...job.row, ...change } });
  }

  /** An attempt that has ended is never changed; a task without a row is one only when the change changes it. */
  private task(jobId: number, taskId: number, change: (row: TaskRow) => TaskRow): void {
    const tasks = this.jobs.get(jobId)?.tasks;
    const before = tasks?.get(taskId);
    if (tasks === undefined || (before !== undefined && hasEnded(before))) return;
    const fresh = before ?? blank(taskId);
    const after = change(fresh);
    if (after !== fresh) tasks.set(taskId, after);
  }

  private worker(workerId: number, change: (row: WorkerRow) => WorkerRow): void {
    const row = this.workers.get(workerId);
    if (row !== undefined) this.workers.set(workerId, change(row));
  }
}
