/**
 * The typed client: one method per route of the HTTP API. Used by the command line, the TUI and everything else that talks to a server.
 */
import type { Agent } from 'node:http';
import type { ServerDirOptions } from '../common/serverDir.ts';
import type {
  AllocationInfo,
  CreateQueueInput,
  ModifyQueue,
  QueueCreated,
  QueueExplanation,
  QueueInfo,
  RemoveQueue,
  TrialAnswer,
} from '../protocol/schema/allocation.ts';
import type { DebugDump, Health, LeaseEnded, PruneRequest } from '../protocol/schema/control.ts';
import type { TaskExplanation } from '../protocol/schema/explain.ts';
import type {
  CancelAnswer,
  CancelRequest,
  CreateJobInput,
  JobDetail,
  JobInfo,
  ModifyAnswer,
  ModifyRequest,
  Submitted,
} from '../protocol/schema/job.ts';
import type { PreviewRequestInput, SubmitPreview } from '../protocol/schema/preview.ts';
import type { ServerInfo } from '../protocol/schema/serverInfo.ts';
import type { SubmitInput, TaskDetail, TaskInfo, TaskState } from '../protocol/schema/task.ts';
import type { WorkerInfo } from '../protocol/schema/worker.ts';
import type { FoundAccess } from './access.ts';
import { Connection } from './connection.ts';
import { EventReader, type EventsOptions } from './eventReader.ts';
import { queryText } from './query.ts';

export interface ConnectOptions {
  /** `--server-dir`; left out: HQ_SERVER_DIR, else `~/.hq-server`. */
  readonly serverDir?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative directories resolve against `io.cwd` (default: the process's); `io.signal` aborts every call; `io.agent`: see `HttpTransport`. */
  readonly io?: { readonly cwd: string; readonly signal?: AbortSignal; readonly agent?: Agent };
}

/** Every call can be given up. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined;
}

export interface TaskOutputOptions extends Abortable {
  readonly channel: 'stdout' | 'stderr';
  readonly follow?: boolean | undefined;
  /** Bytes. */
  readonly tail?: number | undefined;
}

/**
 * Finds the server by its access file. Nothing is sent yet: the first call connects, to the Unix socket on the server's host, else with
 * TLS to each address in turn.
 * @throws HqError HQ_E_NO_SERVER, HQ_E_ACCESS_FILE
 */
export async function connectClient(options: ConnectOptions): Promise<HqClient> {
  return new HqClient(await Connection.open(serverDirOptions(options), options.io?.agent), options.io?.signal);
}

/** Where to look for the server. */
export function serverDirOptions({ serverDir, env, io }: ConnectOptions): ServerDirOptions {
  return { serverDir, env, cwd: io?.cwd ?? process.cwd() };
}

export class HqClient {
  private readonly connection: Connection;
  private readonly signal: AbortSignal | undefined;

  /** Use `connectClient`. */
  constructor(connection: Connection, signal: AbortSignal | undefined) {
    this.connection = connection;
    this.signal = signal;
  }

  /** What the access file said when it was last read. */
  get found(): FoundAccess {
    return this.connection.access;
  }

  health(options?: Abortable): Promise<Health> {
    return this.get('/v1/health', options);
  }

  serverInfo(options?: Abortable): Promise<ServerInfo> {
    return this.get('/v1/server', options);
  }

  /** @param request.keepWorkers true: workers and allocations stay and wait for the next server */
  stopServer(request: { keepWorkers: boolean }, options?: Abortable): Promise<void> {
    return this.post('/v1/server/stop', { body: request, ...options });
  }

  /** The scheduler's state; may change with every version. */
  debugDump(options?: Abortable): Promise<DebugDump> {
    return this.get('/v1/server/dump', options);
  }

  /** Resolves when everything that has happened is on disk. */
  flushJournal(options?: Abortable): Promise<void> {
    return this.post('/v1/journal/flush', options);
  }

  /** Deletes completed jobs, workers and allocations that have ended, and old events. @param request.beforeMs only older ones; left out: up to now */
  pruneJournal(request: PruneRequest = {}, options?: Abortable): Promise<void> {
    return this.post('/v1/journal/prune', { body: request, ...options });
  }

  /** Copies the journal into a new file of the server's host. */
  backupJournal(path: string, options?: Abortable): Promise<void> {
    return this.post('/v1/journal/backup', { body: { path }, ...options });
  }

  createJob(request: CreateJobInput, options?: Abortable): Promise<Submitted> {
    return this.post('/v1/jobs', { body: request, ...options });
  }

  submitTasks(jobId: number, submit: SubmitInput, options?: Abortable): Promise<Submitted> {
    return this.post(`/v1/jobs/${jobId}/tasks`, { body: submit, ...options });
  }

  /** What `createJob` or `submitTasks` would do, and which workers fit; nothing is changed. */
  previewSubmit(request: PreviewRequestInput, options?: Abortable): Promise<SubmitPreview> {
    return this.post('/v1/preview', { body: request, ...options });
  }

  closeJob(jobId: number, options?: Abortable): Promise<void> {
    return this.post(`/v1/jobs/${jobId}/close`, options);
  }

  /** Without `request.taskIds` every unfinished task. */
  cancel(jobId: number, request: CancelRequest = {}, options?: Abortable): Promise<CancelAnswer> {
    return this.post(`/v1/jobs/${jobId}/cancel`, { body: request, ...options });
  }

  /** Changes priority and limits of tasks that have not ended, and how many may fail. */
  modifyJob(jobId: number, request: ModifyRequest, options?: Abortable): Promise<ModifyAnswer> {
    return this.post(`/v1/jobs/${jobId}/modify`, { body: request, ...options });
  }

  forgetJob(jobId: number, options?: Abortable): Promise<void> {
    return this.delete(`/v1/jobs/${jobId}`, options);
  }

  /** Sorted by id. `ids` like `1-10,20`; `labels`: jobs that have all of them. */
  listJobs(filter: { live?: boolean; ids?: string; labels?: Record<string, string> } = {}, options?: Abortable): Promise<JobInfo[]> {
    const label = Object.entries(filter.labels ?? {}).map(([key, value]) => `${key}=${value}`);
    return this.get(`/v1/jobs${queryText({ live: filter.live, ids: filter.ids, label })}`, options);
  }

  jobDetail(jobId: number, options?: Abortable): Promise<JobDetail> {
    return this.get(`/v1/jobs/${jobId}`, options);
  }

  /** Sorted by id, at most 100,000 at a time; the next page is `after` the last id. */
  listTasks(
    jobId: number,
    query: { ids?: string; states?: readonly TaskState[]; after?: number; limit?: number } = {},
    options?: Abortable,
  ): Promise<TaskInfo[]> {
    const states = query.states?.join(',');
    return this.get(`/v1/jobs/${jobId}/tasks${queryText({ ...query, states })}`, options);
  }

  taskDetail(jobId: number, taskId: number, options?: Abortable): Promise<TaskDetail> {
    return this.get(`/v1/jobs/${jobId}/tasks/${taskId}`, options);
  }

  /** Why it is not running. */
  explainTask(jobId: number, taskId: number, options?: Abortable): Promise<TaskExplanation> {
    return this.get(`/v1/jobs/${jobId}/tasks/${taskId}/explain`, options);
  }

  /**
   * What a task has printed on one channel, as it arrives; a reader that takes it slowly slows the server's reading down. Leaving the loop
   * ends it. `follow`: until the task has ended; `tail`: only the last bytes of what is there at the beginning.
   * @throws HqError also while it is iterated: HQ_E_SERVER_GONE when it was cut off
   */
  async taskOutput(jobId: number, taskId: number, options: TaskOutputOptions): Promise<AsyncIterable<Uint8Array>> {
    const { channel, follow, tail } = options;
    const signal = this.joined(options.signal);
    const path = `/v1/jobs/${jobId}/tasks/${taskId}/output/${channel}${queryText({ follow, tail })}`;
    return this.connection.pieces(await this.connection.send('GET', path, { signal }), signal);
  }

  /** Connected and reconnecting ones; `all` also those that are gone. */
  listWorkers(filter: { all?: boolean } = {}, options?: Abortable): Promise<WorkerInfo[]> {
    return this.get(`/v1/workers${queryText(filter)}`, options);
  }

  workerInfo(workerId: number, options?: Abortable): Promise<WorkerInfo> {
    return this.get(`/v1/workers/${workerId}`, options);
  }

  stopWorker(workerId: number, options?: Abortable): Promise<void> {
    return this.post(`/v1/workers/${workerId}/stop`, options);
  }

  createQueue(request: CreateQueueInput, options?: Abortable): Promise<QueueCreated> {
    return this.post('/v1/queues', { body: request, ...options });
  }

  /** Submits an allocation as such a queue would, and cancels it at once. */
  tryQueue(params: CreateQueueInput['params'], options?: Abortable): Promise<TrialAnswer> {
    return this.post('/v1/queues/trial', { body: params, ...options });
  }

  /** Sorted by id. */
  listQueues(options?: Abortable): Promise<QueueInfo[]> {
    return this.get('/v1/queues', options);
  }

  /** The oldest first. */
  queueAllocations(queueId: number, options?: Abortable): Promise<AllocationInfo[]> {
    return this.get(`/v1/queues/${queueId}/allocations`, options);
  }

  /** @param id of the batch system */
  allocation(id: string, options?: Abortable): Promise<AllocationInfo> {
    return this.get(`/v1/allocations/${encodeURIComponent(id)}`, options);
  }

  /** Why a queue submits nothing, and what its allocations wait for. */
  explainQueue(queueId: number, options?: Abortable): Promise<QueueExplanation> {
    return this.get(`/v1/queues/${queueId}/explain`, options);
  }

  /** What is submitted from now on is other; allocations stay. */
  modifyQueue(queueId: number, change: ModifyQueue, options?: Abortable): Promise<void> {
    return this.post(`/v1/queues/${queueId}/modify`, { body: change, ...options });
  }

  pauseQueue(queueId: number, options?: Abortable): Promise<void> {
    return this.post(`/v1/queues/${queueId}/pause`, options);
  }

  resumeQueue(queueId: number, options?: Abortable): Promise<void> {
    return this.post(`/v1/queues/${queueId}/resume`, options);
  }

  /** @param request.running what becomes of running allocations */
  removeQueue(queueId: number, request: RemoveQueue, options?: Abortable): Promise<void> {
    return this.delete(`/v1/queues/${queueId}${queryText({ ...request })}`, options);
  }

  /** Follows events, over restarts of the server. Starts at once; see `EventReader.ready` for reading a state without a gap. */
  events(options: EventsOptions = {}): EventReader {
    return new EventReader(this.connection, { ...options, signal: this.joined(options.signal) });
  }

  endLease(lease: string, options?: Abortable): Promise<LeaseEnded> {
    return this.delete(`/v1/leases/${encodeURIComponent(lease)}`, options);
  }

  /** The OpenAPI document. */
  openApi(options?: Abortable): Promise<Record<string, unknown>> {
    return this.get('/v1/openapi.json', options);
  }

  /** Closes all connections, event streams too. */
  close(): void {
    this.connection.close();
  }

  private get<Answer>(path: string, options?: Abortable): Promise<Answer> {
    return this.connection.call('GET', path, { signal: this.joined(options?.signal) }) as Promise<Answer>;
  }

  private post<Answer>(path: string, options: Abortable & { body?: unknown } = {}): Promise<Answer> {
    return this.connection.call('POST', path, { body: options.body, signal: this.joined(options.signal) }) as Promise<Answer>;
  }

  private delete<Answer>(path: string, options?: Abortable): Promise<Answer> {
    return this.connection.call('DELETE', path, { signal: this.joined(options?.signal) }) as Promise<Answer>;
  }

  private joined(signal: AbortSignal | undefined): AbortSignal | undefined {
    if (signal === undefined || this.signal === undefined) return signal ?? this.signal;
    return AbortSignal.any([signal, this.signal]);
  }
}
