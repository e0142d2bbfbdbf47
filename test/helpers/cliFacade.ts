/** The server behind the command line in unit tests: jobs, tasks and workers as plain data, every changing call recorded, events on demand. */
import { IntArray } from '../../src/common/intArray.ts';
import { HqError } from '../../src/protocol/errors.ts';
import type { DebugDump } from '../../src/protocol/schema/control.ts';
import type { EventBody, HqEvent } from '../../src/protocol/schema/event.ts';
import type { TaskExplanation } from '../../src/protocol/schema/explain.ts';
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
} from '../../src/protocol/schema/job.ts';
import type { PreviewRequest, SubmitPreview } from '../../src/protocol/schema/preview.ts';
import type { ServerInfo } from '../../src/protocol/schema/serverInfo.ts';
import { type Submit, type TaskDetail, type TaskInfo, taskSpec } from '../../src/protocol/schema/task.ts';
import type { WorkerInfo } from '../../src/protocol/schema/worker.ts';
import type { EventFilter, JournalFacade, ServerFacade } from '../../src/server/api/facade.ts';
import { checkSubmit } from '../../src/server/submitCheck.ts';
import { FakeEvents } from './fakeEvents.ts';
import { FakeQueues } from './fakeQueues.ts';

/** 2026-01-02 03:04:05 UTC: every time in the tests counts from here. */
export const START_MS: number = Date.UTC(2026, 0, 2, 3, 4, 5);

export const SERVER: ServerInfo = {
  serverUid: 'uid-1',
  serverDir: '/srv/hq/001',
  version: '0.1.0',
  protocol: '1.0',
  pid: 4711,
  hostname: 'login1',
  startedAtMs: START_MS,
  journalPath: '/srv/hq/001/journal.db',
  clientHost: 'login1',
  clientPort: 1234,
  workerHost: 'login1',
  workerPort: 5678,
  socketPath: '/run/hq.sock',
  idleTimeoutMs: null,
  exitWhenIdleMs: null,
  leases: 0,
  jobs: 0,
  workers: 0,
  resourceNames: ['cpus'],
};

const NO_TASKS = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 };

/** A job whose tasks are counted by state; `stats` decides everything that is shown of it. */
export function job(id: number, given: Partial<JobDetail> = {}): JobDetail {
  const stats = { ...NO_TASKS, ...given.stats };
  const taskCount = Object.values(stats).reduce((sum, count) => sum + count, 0);
  const taskIds = taskCount === 0 ? '' : IntArray.range(taskCount === 1 ? 0 : 1, taskCount).toString();
  const submit = {
    submitDir: '/home/me',
    stream: null,
    kind: 'array' as const,
    taskIds,
    specs: [taskSpec.parse({ command: ['echo', 'hello'] })],
  };
  return {
    id,
    name: `job-${id}`,
    isOpen: false,
    cancelReason: null,
    taskCount,
    maxFails: null,
    labels: {},
    submittedAtMs: START_MS,
    finishedAtMs: stats.running + stats.waiting > 0 ? null : START_MS + 65_000,
    taskIds,
    submits: taskCount === 0 ? [] : [submit],
    ...given,
    stats,
  };
}

/** A task as far as its state implies. */
export function task(jobId: number, id: number, given: Partial<TaskDetail> = {}): TaskDetail {
  const state = given.state ?? 'finished';
  const started = state !== 'waiting' && state !== 'canceled' && state !== 'aborted';
  const ended = started && state !== 'running';
  return {
    jobId,
    id,
    label: null,
    state,
    instance: 0,
    workers: started ? [1] : [],
    startedAtMs: started ? START_MS : null,
    finishedAtMs: ended ? START_MS + 1_500 : null,
    cwd: started ? '/home/me' : null,
    stdout: started ? `/home/me/job-${jobId}/${id}.stdout` : null,
    stderr: started ? `/home/me/job-${jobId}/${id}.stderr` : null,
    error: state === 'failed' ? 'Program terminated with exit code 1.' : null,
    failure: state === 'failed' ? 'exit' : null,
    exitCode: state === 'failed' ? 1 : null,
    signal: null,
    usage: null,
    spec: taskSpec.parse({ command: ['echo', 'hello'] }),
    deps: [],
    afterOk: [],
    entry: null,
    ...given,
  };
}

export function worker(id: number, given: Partial<WorkerInfo> = {}): WorkerInfo {
  return {
    id,
    state: 'running',
    connectedAtMs: START_MS,
    endedAtMs: null,
    endReason: null,
    runningTasks: 1,
    assignedTasks: 3,
    lastTaskStarted: { jobId: 1, taskId: 2, atMs: START_MS },
    configuration: {
      resources: {
        resources: [
          {
            name: 'cpus',
            kind: 'groups',
            groups: [
              ['0', '1'],
              ['2', '3'],
            ],
          },
          { name: 'mem', kind: 'sum', size: 42_188_000 },
        ],
        coupling: { weights: [] },
      },
      hostname: `node${id}`,
      group: 'default',
      pid: 100 + id,
      workDir: '/tmp/hq-worker',
      heartbeatMs: 8_000,
      idleTimeoutMs: 300_000,
      timeLimitMs: null,
      startedAtMs: START_MS,
      onServerLost: 'reconnect',
      minUtilization: 0,
      allocation: null,
      listenAddress: '',
      version: '0.1.0',
    },
    ...given,
  };
}

export class CliFacade implements ServerFacade {
  info: ServerInfo = SERVER;
  jobs: JobDetail[] = [];
  /** Tasks by job id. */
  tasks = new Map<number, TaskDetail[]>();
  workers: WorkerInfo[] = [];
  readonly queues = new FakeQueues((method, ...values) => this.changed(method as string, ...values));
  /** What `task explain` is told of every task. */
  explanation: Pick<TaskExplanation, 'reason'> & Partial<TaskExplanation> = { reason: { kind: 'no-worker' } };
  /** Sentences that the next submits come back with. */
  warnings: string[] = [];
  /** [method, ...arguments] of every call that changes something. */
  readonly changes: unknown[][] = [];
  /** So many of the next listings of jobs find the server gone. */
  lostListings = 0;
  /** Called after a change was recorded, e.g. to publish what follows from it. */
  onChange: (method: string) => void = () => {};
  /** Called when an event stream has begun. */
  onEvents: () => void = () => {};
  private readonly log = new FakeEvents(START_MS);

  serverInfo(): ServerInfo {
    return this.info;
  }

  stopServer(options: { keepWorkers: boolean }): void {
    this.changed('stopServer', options);
  }

  debugDump(): DebugDump {
    return { tako: { jobs: [] } };
  }

  readonly journal: JournalFacade = {
    flush: async () => this.changed('flush'),
    prune: async (request) => this.changed('prune', request),
    backup: async (request) => this.changed('backup', request),
  };

  async createJob(request: CreateJob): Promise<Submitted> {
    const jobId = (this.jobs.at(-1)?.id ?? 0) + 1;
    if (request.submit?.strict === true && this.warnings.length > 0)
      throw new HqError('HQ_E_UNMET_REQUEST', { detail: this.warnings.join('; ') });
    const waiting = request.submit === undefined ? 0 : countOf(request.submit);
    this.jobs.push(job(jobId, { name: request.name, isOpen: request.open, labels: request.labels, stats: { ...NO_TASKS, waiting } }));
    this.changed('createJob', request);
    return { jobId, taskIds: this.job(jobId).taskIds, warnings: this.warnings };
  }

  async modifyJob(jobId: number, request: ModifyRequest): Promise<ModifyAnswer> {
    this.job(jobId);
    this.changed('modifyJob', jobId, request);
    return { modified: 3, withWorker: 1 };
  }

  async submitTasks(jobId: number, submit: Submit): Promise<Submitted> {
    if (!this.job(jobId).isOpen) throw new HqError('HQ_E_JOB_NOT_OPEN', { job: jobId });
    this.changed('submitTasks', jobId, submit);
    return { jobId, taskIds: '0', warnings: this.warnings };
  }

  async previewSubmit({ jobId, submit }: PreviewRequest): Promise<SubmitPreview> {
    if (jobId !== undefined && !this.job(jobId).isOpen) throw new HqError('HQ_E_JOB_NOT_OPEN', { job: jobId });
    const { ids } = checkSubmit(submit, { jobId: 1, maxTaskId: -1, has: () => false });
    const variants = this.explanation.variants ?? [{ variant: 0, request: 'cpus=1 compact', workers: [] }];
    const taskIds = ids.toString();
    return {
      taskIds,
      taskCount: ids.length,
      warnings: this.warnings,
      requests: [{ taskIds, taskCount: ids.length, variants, queues: this.explanation.queues ?? [] }],
      moreRequests: 0,
    };
  }

  async closeJob(jobId: number): Promise<void> {
    if (!this.job(jobId).isOpen) throw new HqError('HQ_E_JOB_NOT_OPEN', { job: jobId });
    this.changed('closeJob', jobId);
  }

  async cancel(jobId: number, request: CancelRequest): Promise<CancelAnswer> {
    const { stats } = this.job(jobId);
    this.changed('cancel', jobId, request);
    const canceled = stats.running + stats.waiting;
    return { canceled, alreadyDone: this.job(jobId).taskCount - canceled };
  }

  async forgetJob(jobId: number): Promise<void> {
    const { stats } = this.job(jobId);
    if (stats.running + stats.waiting > 0) throw new HqError('HQ_E_JOB_RUNNING', { job: jobId });
    this.changed('forgetJob', jobId);
  }

  async listJobs(filter: { live: boolean; ids?: string; labels?: Record<string, string> }): Promise<JobInfo[]> {
    if (this.lostListings > 0) {
      this.lostListings -= 1;
      throw new HqError('HQ_E_SERVER_GONE', { detail: 'killed' });
    }
    const ids = filter.ids === undefined ? null : IntArray.parse(filter.ids);
    return this.jobs
      .filter(({ stats, isOpen }) => !filter.live || isOpen || stats.running + stats.waiting > 0)
      .filter(({ id }) => ids === null || (typeof ids !== 'string' && ids.has(id)))
      .filter(({ labels }) => Object.entries(filter.labels ?? {}).every(([key, value]) => labels[key] === value));
  }

  async jobDetail(jobId: number): Promise<JobDetail> {
    return this.job(jobId);
  }

  async listTasks(jobId: number, query: TaskQuery): Promise<TaskInfo[]> {
    this.job(jobId);
    const ids = query.ids === undefined ? null : IntArray.parse(query.ids);
    return (this.tasks.get(jobId) ?? [])
      .filter(({ id }) => id > (query.after ?? -1) && (ids === null || (typeof ids !== 'string' && ids.has(id))))
      .filter(({ state }) => query.states === undefined || query.states.includes(state))
      .slice(0, query.limit);
  }

  async taskDetail(jobId: number, taskId: number): Promise<TaskDetail> {
    this.job(jobId);
    const found = this.tasks.get(jobId)?.find(({ id }) => id === taskId);
    if (found === undefined) throw new HqError('HQ_E_TASK_NOT_FOUND', { job: jobId, task: taskId });
    return found;
  }

  async explainTask(jobId: number, taskId: number): Promise<TaskExplanation> {
    const { state, instance } = await this.taskDetail(jobId, taskId);
    return { jobId, taskId, state, instance, dependencies: 0, queue: null, queues: [], variants: [], ...this.explanation };
  }

  async taskOutput(jobId: number, taskId: number): Promise<AsyncIterable<Uint8Array>> {
    await this.taskDetail(jobId, taskId);
    throw new HqError('HQ_E_LOG', { detail: 'these tests keep no output' });
  }

  async listWorkers(filter: { all: boolean }): Promise<WorkerInfo[]> {
    return this.workers.filter(({ state }) => filter.all || state !== 'offline');
  }

  async workerInfo(workerId: number): Promise<WorkerInfo> {
    const found = this.workers.find(({ id }) => id === workerId);
    if (found === undefined) throw new HqError('HQ_E_WORKER_NOT_FOUND', { worker: workerId });
    return found;
  }

  async stopWorker(workerId: number): Promise<void> {
    await this.workerInfo(workerId);
    this.changed('stopWorker', workerId);
  }

  lastEventSeq(): number {
    return this.log.all.length;
  }

  async *events(filter: EventFilter): AsyncGenerator<readonly HqEvent[]> {
    queueMicrotask(() => this.onEvents());
    yield* this.log.read(filter);
  }

  publish(...bodies: EventBody[]): void {
    this.log.publish(...bodies);
  }

  /** Replaces what is known of a job and says so in an event. */
  complete(jobId: number, stats: Partial<JobInfo['stats']>): void {
    this.jobs = this.jobs.map((one) => (one.id === jobId ? job(jobId, { name: one.name, stats: { ...NO_TASKS, ...stats } }) : one));
    this.publish({ type: 'job-completed', jobId });
  }

  private changed(method: string, ...values: unknown[]): void {
    this.changes.push([method, ...values]);
    this.onChange(method);
  }

  private job(jobId: number): JobDetail {
    const found = this.jobs.find(({ id }) => id === jobId);
    if (found === undefined) throw new HqError('HQ_E_JOB_NOT_FOUND', { job: jobId });
    return found;
  }
}

function countOf({ tasks }: Submit): number {
  if (tasks.kind === 'graph') return tasks.tasks.length;
  if (tasks.ids === undefined) return tasks.entries?.length ?? 1;
  const ids = IntArray.parse(tasks.ids);
  return typeof ids === 'string' ? 0 : ids.length;
}
