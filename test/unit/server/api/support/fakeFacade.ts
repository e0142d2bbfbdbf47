/** An in-memory server behind the facade: keeps jobs and events, records calls, and says how each event stream ended. */
import { HqError } from '../../../../../src/protocol/errors.ts';
import type { DebugDump } from '../../../../../src/protocol/schema/control.ts';
import type { EventBody, HqEvent } from '../../../../../src/protocol/schema/event.ts';
import type { TaskExplanation } from '../../../../../src/protocol/schema/explain.ts';
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
} from '../../../../../src/protocol/schema/job.ts';
import type { PreviewRequest, SubmitPreview } from '../../../../../src/protocol/schema/preview.ts';
import type { ServerInfo } from '../../../../../src/protocol/schema/serverInfo.ts';
import type { Submit, TaskDetail, TaskInfo } from '../../../../../src/protocol/schema/task.ts';
import type { WorkerInfo } from '../../../../../src/protocol/schema/worker.ts';
import {
  type EventFilter,
  type JournalFacade,
  LEASE_ENDED,
  type OutputOptions,
  type ServerFacade,
} from '../../../../../src/server/api/facade.ts';
import { FakeEvents } from '../../../../helpers/fakeEvents.ts';
import { FakeQueues } from '../../../../helpers/fakeQueues.ts';

export const SERVER_INFO: ServerInfo = {
  serverUid: 'uid-1',
  serverDir: '/srv/hq',
  version: '0.1.0',
  protocol: '1.0',
  pid: 1,
  hostname: 'h',
  startedAtMs: 1,
  journalPath: '/srv/hq/journal',
  clientHost: '127.0.0.1',
  clientPort: 1,
  workerHost: '127.0.0.1',
  workerPort: 2,
  socketPath: null,
  idleTimeoutMs: null,
  exitWhenIdleMs: null,
  leases: 0,
  jobs: 0,
  workers: 0,
  resourceNames: ['cpus'],
};

const STATS = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 1 };

export const WORKER: WorkerInfo = {
  id: 1,
  state: 'running',
  connectedAtMs: 1,
  endedAtMs: null,
  endReason: null,
  runningTasks: 0,
  assignedTasks: 0,
  lastTaskStarted: null,
  configuration: {
    resources: { resources: [{ name: 'cpus', kind: 'sum', size: 40_000 }], coupling: { weights: [] } },
    hostname: 'h',
    group: 'default',
    pid: 5,
    workDir: '/w',
    heartbeatMs: 8_000,
    idleTimeoutMs: null,
    timeLimitMs: null,
    startedAtMs: 1,
    onServerLost: 'reconnect',
    minUtilization: 0,
    allocation: null,
    listenAddress: '',
    version: '0.1.0',
  },
};

export class FakeFacade implements ServerFacade {
  info: ServerInfo = SERVER_INFO;
  /** [method, ...arguments] of every call that changes something or has options. */
  readonly calls: unknown[][] = [];
  readonly queues = new FakeQueues((method, ...values) => this.called(method as string, ...values));
  readonly jobs = new Map<number, CreateJob>();
  /** How each event stream ended, in order: 'done', 'lease ended' or 'lost'. */
  readonly streamEnds: string[] = [];
  openStreams = 0;
  /** What tasks have printed: pieces that are pulled, or a generator that a test makes; it gets the reader's signal. */
  output: (signal: AbortSignal) => AsyncGenerator<Uint8Array> = async function* () {
    yield Buffer.from('printed\n');
  };
  /** Output readers that have begun and not ended. */
  openOutputs = 0;
  /** Thrown by the next call of this method. */
  failNext: { method: string; error: unknown } | null = null;
  private readonly feed = new FakeEvents(1);

  /** Everything published so far. */
  get log(): readonly HqEvent[] {
    return this.feed.all;
  }

  serverInfo(): ServerInfo {
    this.called('serverInfo');
    return this.info;
  }

  stopServer(options: { keepWorkers: boolean }): void {
    this.called('stopServer', options);
  }

  debugDump(): DebugDump {
    return { tako: { jobs: [] } };
  }

  readonly journal: JournalFacade = {
    flush: async () => this.called('flush'),
    prune: async (request) => this.called('prune', request),
    backup: async (request) => this.called('backup', request),
  };

  async createJob(request: CreateJob): Promise<Submitted> {
    this.called('createJob', request);
    const jobId = this.jobs.size + 1;
    this.jobs.set(jobId, request);
    this.publish({ type: 'job-created', jobId, name: request.name, open: request.open });
    return { jobId, taskIds: '0', warnings: [] };
  }

  async submitTasks(jobId: number, submit: Submit): Promise<Submitted> {
    this.called('submitTasks', jobId, submit);
    if (!this.job(jobId).open) throw new HqError('HQ_E_JOB_NOT_OPEN', { job: jobId });
    return { jobId, taskIds: '1', warnings: ['no worker has gpus'] };
  }

  async previewSubmit(request: PreviewRequest): Promise<SubmitPreview> {
    this.called('previewSubmit', request);
    return { taskIds: '1', taskCount: 1, warnings: [], requests: [], moreRequests: 0 };
  }

  async closeJob(jobId: number): Promise<void> {
    this.called('closeJob', jobId);
    this.job(jobId);
  }

  async cancel(jobId: number, request: CancelRequest): Promise<CancelAnswer> {
    this.called('cancel', jobId, request);
    this.job(jobId);
    return { canceled: 1, alreadyDone: 0 };
  }

  async modifyJob(jobId: number, request: ModifyRequest): Promise<ModifyAnswer> {
    this.called('modifyJob', jobId, request);
    this.job(jobId);
    return { modified: 1, withWorker: 0 };
  }

  async forgetJob(jobId: number): Promise<void> {
    this.called('forgetJob', jobId);
    this.job(jobId);
    this.jobs.delete(jobId);
  }

  async listJobs(filter: { live: boolean; ids?: string; labels?: Record<string, string> }): Promise<JobInfo[]> {
    this.called('listJobs', filter);
    return [...this.jobs.keys()].map((id) => this.jobInfo(id));
  }

  async jobDetail(jobId: number): Promise<JobDetail> {
    return { ...this.jobInfo(jobId), taskIds: '0', submits: [] };
  }

  async listTasks(jobId: number, query: TaskQuery): Promise<TaskInfo[]> {
    this.called('listTasks', jobId, query);
    return [taskInfo(jobId)];
  }

  async taskDetail(jobId: number, taskId: number): Promise<TaskDetail> {
    if (taskId !== 0) throw new HqError('HQ_E_TASK_NOT_FOUND', { job: jobId, task: taskId });
    const spec = {
      command: ['true'],
      env: {},
      secretEnv: [],
      request: [{ nodes: 0, timeRequestMs: 0, weight: 1 }],
      priority: 0,
      crashLimit: 5,
      maxRetries: 0,
    };
    return { ...taskInfo(jobId), spec, deps: [], afterOk: [], entry: null };
  }

  async explainTask(jobId: number, taskId: number): Promise<TaskExplanation> {
    const { state, instance, deps } = await this.taskDetail(jobId, taskId);
    const base = { jobId, taskId, state, instance, dependencies: deps.length };
    return { ...base, reason: { kind: 'no-worker' }, queue: { priority: 0, higher: 0, others: 0, same: 0 }, queues: [], variants: [] };
  }

  async taskOutput(jobId: number, taskId: number, { signal, ...options }: OutputOptions): Promise<AsyncIterable<Uint8Array>> {
    this.called('taskOutput', jobId, taskId, options);
    return this.readOutput(signal);
  }

  async listWorkers(filter: { all: boolean }): Promise<WorkerInfo[]> {
    this.called('listWorkers', filter);
    return [WORKER];
  }

  async workerInfo(workerId: number): Promise<WorkerInfo> {
    if (workerId !== 1) throw new HqError('HQ_E_WORKER_NOT_FOUND', { worker: workerId });
    return WORKER;
  }

  async stopWorker(workerId: number): Promise<void> {
    this.called('stopWorker', workerId);
  }

  lastEventSeq(): number {
    return this.log.length;
  }

  events(filter: EventFilter): AsyncIterable<readonly HqEvent[]> {
    const { signal: _signal, ...rest } = filter;
    this.called('events', rest);
    return this.read(filter);
  }

  publish(...bodies: EventBody[]): void {
    this.feed.publish(...bodies);
  }

  /** Ends all event streams as a stopping server does. */
  endStreams(): void {
    this.feed.stop();
  }

  private async *readOutput(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.openOutputs += 1;
    try {
      yield* this.output(signal);
    } finally {
      this.openOutputs -= 1;
    }
  }

  private async *read(filter: EventFilter): AsyncGenerator<readonly HqEvent[]> {
    const { signal } = filter;
    this.openStreams += 1;
    try {
      yield* this.feed.read(filter);
    } finally {
      const lost = signal.reason === LEASE_ENDED ? 'lease ended' : 'lost';
      this.streamEnds.push(signal.aborted ? lost : 'done');
      this.openStreams -= 1;
    }
  }

  private called(method: string, ...values: unknown[]): void {
    if (this.failNext?.method === method) {
      const { error } = this.failNext;
      this.failNext = null;
      throw error;
    }
    if (values.length > 0) this.calls.push([method, ...values]);
  }

  private job(jobId: number): CreateJob {
    const job = this.jobs.get(jobId);
    if (job === undefined) throw new HqError('HQ_E_JOB_NOT_FOUND', { job: jobId });
    return job;
  }

  private jobInfo(id: number): JobInfo {
    const { name, open, labels } = this.job(id);
    return {
      id,
      name,
      isOpen: open,
      cancelReason: null,
      taskCount: 1,
      stats: STATS,
      maxFails: null,
      labels,
      submittedAtMs: 1,
      finishedAtMs: null,
    };
  }
}

export function taskInfo(jobId: number): TaskInfo {
  return {
    jobId,
    id: 0,
    label: null,
    state: 'waiting',
    instance: 0,
    workers: [],
    startedAtMs: null,
    finishedAtMs: null,
    cwd: null,
    stdout: null,
    stderr: null,
    error: null,
    failure: null,
    exitCode: null,
    signal: null,
    usage: null,
  };
}
