/** Puts together what a starting server needs from the pages in which the journal's thread sends it. */
import { assertNever } from '../../common/assert.ts';
import type { AllocationRecord } from '../autoalloc/allocation.ts';
import type { QueueRecord } from '../autoalloc/queue.ts';
import { unpackBytes } from './pack.ts';
import { bulkRowOf, jobRowOf, type RawRow, submitRowOf, taskRowOf, workerRowOf } from './rows.ts';
import type { BulkRow, JobRow, Restored, SubmitRow, TaskRow, WorkerRow } from './types.ts';

/** Identity, and the highest numbers given out. */
export type Numbers = Pick<Restored, 'serverUid' | 'lastSeq' | 'maxJobId' | 'maxWorkerId' | 'maxQueueId'>;

/** One page; the job of a page comes before it. */
export type RestorePart =
  | ({ readonly kind: 'head' } & Numbers)
  | { readonly kind: 'queues'; readonly queues: RawRow[]; readonly allocations: RawRow[] }
  | { readonly kind: 'jobs' | 'workers'; readonly rows: RawRow[] }
  | { readonly kind: 'submits' | 'tasks' | 'bulk'; readonly jobId: number; readonly rows: RawRow[] };

interface RestoredJob {
  readonly job: JobRow;
  readonly submits: SubmitRow[];
  readonly tasks: TaskRow[];
  readonly bulk: BulkRow[];
}

function numbersOf({ serverUid, lastSeq, maxJobId, maxWorkerId, maxQueueId }: Numbers): Numbers {
  return { serverUid, lastSeq, maxJobId, maxWorkerId, maxQueueId };
}

export class RestoreAssembler {
  private head: Numbers | null = null;
  private queues: QueueRecord[] = [];
  private allocations: AllocationRecord[] = [];
  private readonly jobs = new Map<number, RestoredJob>();
  private readonly workers: WorkerRow[] = [];

  /** @throws Error when a row cannot be decoded: damage, or a newer version wrote it */
  add(part: RestorePart): void {
    switch (part.kind) {
      case 'head':
        this.head = numbersOf(part);
        return;
      case 'queues':
        this.queues = part.queues.map((raw) => unpackBytes(raw[0] as Uint8Array) as QueueRecord);
        this.allocations = part.allocations.map((raw) => unpackBytes(raw[0] as Uint8Array) as AllocationRecord);
        return;
      case 'workers':
        for (const raw of part.rows) this.workers.push(workerRowOf(raw));
        return;
      case 'jobs':
        for (const raw of part.rows) {
          const job = jobRowOf(raw);
          this.jobs.set(job.jobId, { job, submits: [], tasks: [], bulk: [] });
        }
        return;
      case 'submits':
        for (const raw of part.rows) this.job(part.jobId).submits.push(submitRowOf(raw));
        return;
      case 'tasks':
        for (const raw of part.rows) this.job(part.jobId).tasks.push(taskRowOf(raw));
        return;
      case 'bulk':
        for (const raw of part.rows) this.job(part.jobId).bulk.push(bulkRowOf(raw));
        return;
      default:
        assertNever(part);
    }
  }

  /** @throws Error when the first page never came; a defect */
  restored(): Restored {
    if (this.head === null) throw new Error('nothing was restored');
    const { head, workers, queues, allocations } = this;
    return { ...head, jobs: [...this.jobs.values()], workers, queues, allocations };
  }

  private job(jobId: number): RestoredJob {
    const job = this.jobs.get(jobId);
    if (job === undefined) throw new Error(`rows of the unknown job ${jobId}`);
    return job;
  }
}
