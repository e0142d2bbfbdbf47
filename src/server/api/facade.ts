/**
 * What the HTTP API may ask of the server. Implemented by the one owner of the core (`server/main.ts`); the API layer only translates
 * between HTTP and these calls, so that the same calls can be tested without a socket.
 */
import type {
  AllocationInfo,
  CreateQueue,
  ModifyQueue,
  QueueCreated,
  QueueExplanation,
  QueueInfo,
  QueueParams,
  RemoveQueue,
  TrialAnswer,
} from '../../protocol/schema/allocation.ts';
import type { BackupRequest, DebugDump, PruneRequest } from '../../protocol/schema/control.ts';
import type { HqEvent } from '../../protocol/schema/event.ts';
import type { TaskExplanation } from '../../protocol/schema/explain.ts';
import type {
  CancelAnswer,
  CancelRequest,
  CreateJob,
  JobDetail,
  JobInfo,
  ModifyAnswer,
  ModifyRequest,
  Submitted,
  TaskQuery,
} from '../../protocol/schema/job.ts';
import type { PreviewRequest, SubmitPreview } from '../../protocol/schema/preview.ts';
import type { ServerInfo } from '../../protocol/schema/serverInfo.ts';
import type { Submit, TaskDetail, TaskInfo } from '../../protocol/schema/task.ts';
import type { WorkerInfo } from '../../protocol/schema/worker.ts';

/** Every method throws `HqError`; a refused call changes nothing. Promises resolve after what they promise is on disk. */
export interface ServerFacade {
  serverInfo(): ServerInfo;
  /** `keepWorkers`: flush and exit, workers and allocations stay. */
  stopServer(options: { keepWorkers: boolean }): void;

  debugDump(): DebugDump;
  readonly journal: JournalFacade;

  createJob(request: CreateJob): Promise<Submitted>;
  submitTasks(jobId: number, submit: Submit): Promise<Submitted>;
  /** What a submit would answer, and which workers fit; changes nothing. */
  previewSubmit(request: PreviewRequest): Promise<SubmitPreview>;
  closeJob(jobId: number): Promise<void>;
  cancel(jobId: number, request: CancelRequest): Promise<CancelAnswer>;
  /** Changes priority and limits of unfinished tasks, and how many may fail. */
  modifyJob(jobId: number, request: ModifyRequest): Promise<ModifyAnswer>;
  /** Drops an ended job from lists and journal. */
  forgetJob(jobId: number): Promise<void>;

  /** Sorted by id; `live` only those that are open, waiting or running. */
  listJobs(filter: { live: boolean; ids?: string; labels?: Record<string, string> }): Promise<JobInfo[]>;
  jobDetail(jobId: number): Promise<JobDetail>;
  listTasks(jobId: number, query: TaskQuery): Promise<TaskInfo[]>;
  taskDetail(jobId: number, taskId: number): Promise<TaskDetail>;
  /** Why it is not running. */
  explainTask(jobId: number, taskId: number): Promise<TaskExplanation>;
  /**
   * What a task has written on one channel, in pieces; pulled, so that nothing is read that nobody takes. Rejects with HQ_E_JOB_NOT_FOUND,
   * HQ_E_TASK_NOT_FOUND, HQ_E_LOG (there is no output), HQ_E_FILE; the iteration throws when reading fails later. To be iterated once;
   * aborting `signal` ends it without an error and lets go of the file, also when it was never begun.
   */
  taskOutput(jobId: number, taskId: number, options: OutputOptions): Promise<AsyncIterable<Uint8Array>>;

  /** Connected and reconnecting ones; `all` also those that are gone. */
  listWorkers(filter: { all: boolean }): Promise<WorkerInfo[]>;
  workerInfo(workerId: number): Promise<WorkerInfo>;
  stopWorker(workerId: number): Promise<void>;

  readonly queues: QueueFacade;

  /** Highest sequence number given out so far; 0 before the first. A reader of live events resumes from here when it is cut off before its first one. */
  lastEventSeq(): number;

  /**
   * Events in order. `after`: past ones with a higher sequence number come first (0 = all that are kept), then live ones;
   * undefined = live ones only. `follow` false ends after the past ones. A reader that falls too far behind gets HQ_E_EVENTS_GONE
   * or is ended, and resumes by number. `lease` keeps an embedded server alive while the iterator is open;
   * ending it with `return()` ends the lease cleanly, an aborted connection counts as lost. For implementations whose `return()` has to
   * wait for a pending `next()` (generators), the API aborts right after `return()` with the reason `LEASE_ENDED`, which is clean, too.
   */
  events(filter: EventFilter): AsyncIterable<readonly HqEvent[]>;
}

/** What may be asked of the journal; a file that exists already is refused with HQ_E_BACKUP. */
export interface JournalFacade {
  /** Resolves when everything that has happened is on disk. */
  flush(): Promise<void>;
  /** Resolves when all is deleted. */
  prune(request: PruneRequest): Promise<void>;
  backup(request: BackupRequest): Promise<void>;
}

/** Allocation queues. Unknown ids throw HQ_E_QUEUE_NOT_FOUND, HQ_E_ALLOCATION_NOT_FOUND. */
export interface QueueFacade {
  create(request: CreateQueue): Promise<QueueCreated>;
  /** Submits an allocation and cancels it at once; keeps nothing. */
  trial(params: QueueParams): Promise<TrialAnswer>;
  list(): QueueInfo[];
  allocations(queueId: number): AllocationInfo[];
  /** @param id of the batch system */
  allocation(id: string): AllocationInfo;
  /** What is submitted from now on is other. */
  modify(queueId: number, change: ModifyQueue): Promise<void>;
  pause(queueId: number): Promise<void>;
  /** Goes on, as if nothing had failed. */
  resume(queueId: number): Promise<void>;
  remove(queueId: number, request: RemoveQueue): Promise<void>;
  /** Why nothing is submitted, and what the batch system says of what is queued. */
  explain(queueId: number): Promise<QueueExplanation>;
}

export type OutputChannel = 'stdout' | 'stderr';

export interface OutputOptions {
  readonly channel: OutputChannel;
  /** Goes on until the task has ended; one that has not started is waited for. False: what is there now. */
  readonly follow: boolean;
  /** Only the last bytes of what is there at the beginning; undefined: all. */
  readonly tailBytes?: number | undefined;
  readonly signal: AbortSignal;
}

/** `signal.reason` of an event stream whose client has ended its lease; every other reason means that the connection is lost. */
export const LEASE_ENDED = 'lease ended';

export interface EventFilter {
  readonly after?: number;
  readonly follow: boolean;
  readonly jobIds?: readonly number[];
  readonly types?: readonly string[];
  readonly lease?: string;
  readonly signal: AbortSignal;
}
