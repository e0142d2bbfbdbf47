/**
 * The one owner of a core: wires journal, turn loop, job services and worker gateway together and answers the API. Knows no sockets of
 * clients; `main.ts` gives it listeners and ends it.
 */
import type { Core } from '../core/core.ts';
import { createCore } from '../core/core.ts';
import { debugDump } from '../core/debugDump.ts';
import { rowOf, unfinishedCount } from '../core/jobTable.ts';
import { isEnded } from '../core/reactor/transitions.ts';
import { RUNNING } from '../core/taskTable.ts';
import { HqError } from '../protocol/errors.ts';
import type { DebugDump } from '../protocol/schema/control.ts';
import type { HqEvent } from '../protocol/schema/event.ts';
import type { TaskExplanation } from '../protocol/schema/explain.ts';
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
} from '../protocol/schema/job.ts';
import type { PreviewRequest, SubmitPreview } from '../protocol/schema/preview.ts';
import type { ServerInfo } from '../protocol/schema/serverInfo.ts';
import type { Submit, TaskDetail, TaskInfo } from '../protocol/schema/task.ts';
import type { WorkerInfo } from '../protocol/schema/worker.ts';
import { type EventFilter, type JournalFacade, LEASE_ENDED, type OutputOptions, type ServerFacade } from './api/facade.ts';
import { QueueApi } from './autoalloc/queueApi.ts';
import { AllocationService } from './autoalloc/service.ts';
import { EventHub } from './eventHub.ts';
import { JobQueries } from './jobQueries.ts';
import { JobService } from './jobService.ts';
import { JobStore } from './jobStore.ts';
import type { Journal } from './journal/types.ts';
import { Lifetime } from './lifetime.ts';
import { MemoryReturn } from './memory.ts';
import { OutputService } from './outputService.ts';
import { Recorder } from './recorder.ts';
import { restore } from './restore.ts';
import { explainTask } from './taskExplain.ts';
import { TurnLoop } from './turnLoop.ts';
import { WorkerGateway } from './workerGateway.ts';
import { goneWorkerInfo, liveWorkerInfo, type WorkerEntry, WorkerRegistry } from './workerRegistry.ts';
import { ExitCodes } from './wrapperEnds.ts';

/** How a server ends: with its workers, or leaving them and their tasks alone. */
export type StopMode = { readonly keepWorkers: boolean };

export interface HqServerOptions {
  readonly journal: Journal;
  readonly serverUid: string;
  readonly workerToken: string | null;
  readonly idleTimeoutMs: number | null;
  readonly exitWhenIdleMs: number | null;
  /** Workers of the previous process get this long to return, milliseconds. */
  readonly reconnectTimeoutMs: number;
  readonly paranoid: boolean;
  /** Directory of the identity; allocations have their files below it. */
  readonly serverDir: string;
  /** Absolute path of the executable that allocations start workers with. */
  readonly hqPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Everything of the server's info that is not counted here. */
  describe(): Omit<ServerInfo, 'leases' | 'jobs' | 'workers' | 'resourceNames' | 'exitWhenIdleMs' | 'idleTimeoutMs'>;
  log(line: string): void;
  /** Reads what workers have left behind, now. */
  collectSpool(): void;
  /** The server is to end: asked by a client, by idleness or by a failure. */
  stopRequested(mode: StopMode, reason: string): void;
  fatal(error: Error): void;
}

export class HqServer implements ServerFacade {
  readonly gateway: WorkerGateway;
  private readonly o: HqServerOptions;
  private readonly core: Core = createCore();
  private readonly registry: WorkerRegistry;
  private readonly loop: TurnLoop;
  private readonly recorder: Recorder;
  private readonly hub: EventHub;
  private readonly store: JobStore;
  private readonly jobs: JobService;
  private readonly queries: JobQueries;
  private readonly outputs: OutputService;
  private readonly lifetime: Lifetime;
  private readonly allocations: AllocationService;
  readonly queues: QueueApi;
  private readonly memory = new MemoryReturn();
  private readonly exitCodes: ExitCodes;

  /** Restores the journal's state; workers of the previous process are expected back from now on. */
  constructor(options: HqServerOptions) {
    this.o = options;
    this.exitCodes = new ExitCodes((line) => options.log(line));
    const { journal, serverUid, now } = options;
    const { restored } = journal;
    this.registry = new WorkerRegistry(restored.maxWorkerId);
    this.store = new JobStore(this.core);
    const hostOf = (workerId: number): string => this.registry.hostOf(workerId);
    this.recorder = new Recorder({ core: this.core, specs: this.store, lastSeq: restored.lastSeq, hostOf, now });
    this.hub = new EventHub(journal, restored.lastSeq);
    const { core, recorder, registry, store } = this;
    this.loop = new TurnLoop({
      core,
      recorder,
      journal,
      now,
      paranoid: options.paranoid,
      sendFrames: (workerId, frames) => this.gateway.send(workerId, frames),
      publish: (events) => {
        this.hub.publish(events);
        this.lifetime.review(false);
        this.allocations.wake();
        this.outputs.review();
      },
      jobsCompleted: (jobIds) => {
        store.sweep(jobIds);
        this.memory.review(core.tasks.givenBackRows);
      },
      leaveExitCodes: (ends) => this.exitCodes.leave(ends),
      fatal: (error) => options.fatal(error),
    });
    const { loop } = this;
    this.gateway = new WorkerGateway({
      ...{ core, loop, recorder, registry, serverUid, now },
      token: options.workerToken,
      idleTimeoutMs: options.idleTimeoutMs,
      log: (line) => options.log(line),
      onRegistered: (entry) => this.allocations.workerCame(entry),
      onLeft: (entry, reason) => this.allocations.workerWent(entry, reason),
      onAway: (entry) => this.allocations.workerAway(entry),
      collectSpool: () => options.collectSpool(),
    });
    const { hqPath, serverDir, env } = options;
    const source = { serverUid, serverDir, hqPath };
    this.allocations = new AllocationService({
      ...{ core, loop, recorder, restored, now, env },
      ...source,
      workers: {
        all: () => registry.all(),
        stop: (entry) => this.gateway.stopWorker(entry),
        gone: (entry, reason) => this.gateway.processesGone(entry, reason),
      },
      log: (line) => options.log(line),
    });
    this.queues = new QueueApi({ core, loop, service: this.allocations, source, now });
    this.jobs = new JobService({
      couldCome: (requestClass) => this.queues.couldCome(requestClass),
      queuesFor: (requestClass) => this.queues.forClass(requestClass),
      core,
      store,
      recorder,
      loop,
      journal,
      serverUid,
      lastJobId: restored.maxJobId,
      now,
    });
    this.queries = new JobQueries({ store, journal, serverUid });
    this.outputs = new OutputService({ queries: this.queries, serverUid, stateOf: (jobId, taskId) => this.stateOf(jobId, taskId) });
    const away = restore(restored, { core, store, registry, serverUid, nowMs: now() });
    for (const entry of away) this.gateway.restored(entry, options.reconnectTimeoutMs);
    this.allocations.start();
    this.lifetime = new Lifetime({
      exitWhenIdleMs: options.exitWhenIdleMs,
      hasUnfinishedTasks: () => this.hasUnfinishedTasks(),
      exit: (reason) => options.stopRequested({ keepWorkers: false }, reason),
    });
    loop.post(() => {
      const { version, pid } = options.describe();
      recorder.event({ type: 'server-start', serverUid, version, pid });
      recorder.askPlan();
    });
  }

  serverInfo(): ServerInfo {
    return {
      ...this.o.describe(),
      nowMs: this.o.now(),
      idleTimeoutMs: this.o.idleTimeoutMs,
      exitWhenIdleMs: this.o.exitWhenIdleMs,
      leases: this.lifetime.leaseCount,
      jobs: this.store.all().length,
      workers: this.registry.all().length,
      allocationQueues: this.allocations.book.all().filter(({ record }) => record.state === 'active').length,
      resourceNames: this.registry.resourceNames(),
    };
  }

  stopServer(mode: StopMode): void {
    this.o.stopRequested(mode, 'a client asked for it');
  }

  /**
   * Ends the server's work: with its workers, or only flushing. Listeners are closed by the caller.
   * @throws HqError when the journal fails meanwhile; what is not on disk then, workers keep
   */
  async shutdown(mode: StopMode, stopTimeoutMs: number): Promise<void> {
    this.lifetime.stop();
    if (!mode.keepWorkers) await Promise.race([this.stopWorkers(stopTimeoutMs), this.loop.whenFailed()]);
    await this.allocations.close();
    this.loop.stopClock();
    await this.loop.transact(() => this.recorder.event({ type: 'server-stop' }));
    this.gateway.close();
    await this.outputs.close();
    await this.o.journal.close();
  }

  /** What is queued must not start meanwhile; what runs ends with its workers, and is canceled when it has not. */
  private async stopWorkers(timeoutMs: number): Promise<void> {
    await this.allocations.cancelQueued();
    await this.gateway.stopAll(timeoutMs);
    await this.allocations.cancelAndClose();
  }

  debugDump(): DebugDump {
    return { tako: debugDump(this.core, this.o.now()) };
  }

  readonly journal: JournalFacade = {
    // An empty step: what was posted before it is on disk when it is.
    flush: () => this.loop.transact(() => {}),
    prune: ({ beforeMs = this.o.now() }) => this.o.journal.prune(beforeMs),
    backup: ({ path }) => this.o.journal.backup(path),
  };

  createJob(request: CreateJob): Promise<Submitted> {
    return this.jobs.createJob(request);
  }

  submitTasks(jobId: number, submit: Submit): Promise<Submitted> {
    return this.jobs.submitTasks(jobId, submit);
  }

  async previewSubmit(request: PreviewRequest): Promise<SubmitPreview> {
    return this.jobs.preview(request);
  }

  closeJob(jobId: number): Promise<void> {
    return this.jobs.closeJob(jobId);
  }

  cancel(jobId: number, request: CancelRequest): Promise<CancelAnswer> {
    return this.jobs.cancel(jobId, request);
  }

  modifyJob(jobId: number, request: ModifyRequest): Promise<ModifyAnswer> {
    return this.jobs.modify(jobId, request);
  }

  forgetJob(jobId: number): Promise<void> {
    return this.jobs.forgetJob(jobId);
  }

  listJobs(filter: { live: boolean; ids?: string; labels?: Record<string, string> }): Promise<JobInfo[]> {
    return this.queries.listJobs(filter);
  }

  jobDetail(jobId: number): Promise<JobDetail> {
    return this.queries.jobDetail(jobId);
  }

  listTasks(jobId: number, query: TaskQuery): Promise<TaskInfo[]> {
    return this.queries.listTasks(jobId, query);
  }

  taskDetail(jobId: number, taskId: number): Promise<TaskDetail> {
    return this.queries.taskDetail(jobId, taskId);
  }

  explainTask(jobId: number, taskId: number): Promise<TaskExplanation> {
    const { core, store, queries } = this;
    return explainTask({ core, store, queries, queues: this.queues, now: this.o.now }, jobId, taskId);
  }

  taskOutput(jobId: number, taskId: number, options: OutputOptions): Promise<AsyncIterable<Uint8Array>> {
    return this.outputs.taskOutput(jobId, taskId, options);
  }

  async listWorkers(filter: { all: boolean }): Promise<WorkerInfo[]> {
    const live = this.registry.all().map((entry) => this.describeWorker(entry));
    if (!filter.all) return live.sort((a, b) => a.id - b.id);
    const known = new Set(live.map((worker) => worker.id));
    const gone = (await this.o.journal.workers()).filter((row) => !known.has(row.workerId)).map(goneWorkerInfo);
    return [...live, ...gone].sort((a, b) => a.id - b.id);
  }

  async workerInfo(workerId: number): Promise<WorkerInfo> {
    const found = (await this.listWorkers({ all: true })).find((worker) => worker.id === workerId);
    if (found === undefined) throw new HqError('HQ_E_WORKER_NOT_FOUND', { worker: workerId });
    return found;
  }

  async stopWorker(workerId: number): Promise<void> {
    const entry = this.registry.get(workerId);
    if (entry !== undefined) this.gateway.stopWorker(entry);
    else await this.workerInfo(workerId);
  }

  lastEventSeq(): number {
    return this.hub.lastSeq;
  }

  events(filter: EventFilter): AsyncIterable<readonly HqEvent[]> {
    const pages = this.hub.read(filter);
    const { lease } = filter;
    return lease === undefined ? pages : this.leased(pages, lease, filter.signal);
  }

  private async *leased(pages: AsyncGenerator<readonly HqEvent[]>, lease: string, signal: AbortSignal): AsyncGenerator<readonly HqEvent[]> {
    this.lifetime.open(lease);
    let returned = true;
    try {
      yield* pages;
      returned = false;
    } finally {
      this.lifetime.close(lease, signal.aborted ? signal.reason === LEASE_ENDED : returned);
    }
  }

  private describeWorker(entry: WorkerEntry): WorkerInfo {
    const worker = this.core.workers.get(entry.id);
    let [running, stopping] = [0, 0];
    for (const row of worker?.rows ?? []) {
      const state = this.core.tasks.state[row] as number;
      if (state === RUNNING) running += 1;
      else if (isEnded(state)) stopping += 1;
    }
    return liveWorkerInfo(entry, worker, { running, stopping });
  }

  /** Differs whenever a task's state or instance does. */
  private stateOf(jobId: number, taskId: number): string {
    const job = this.core.jobs.get(jobId);
    if (job === undefined) return 'ended';
    const row = rowOf(job, taskId);
    return `${this.core.tasks.state[row]} ${this.core.tasks.instance[row]}`;
  }

  private hasUnfinishedTasks(): boolean {
    for (const job of this.core.jobs.values()) if (unfinishedCount(job) > 0) return true;
    return false;
  }
}
