/** A batch system whose answers the test decides, behind the real allocation service, turn loop and scheduler. */

import { IntArray } from '../../src/common/intArray.ts';
import { createCore } from '../../src/core/core.ts';
import { onJobCreated, onSubmit } from '../../src/core/reactor/onSubmit.ts';
import { onUpdates } from '../../src/core/reactor/onUpdates.ts';
import { onWorkerConnected, onWorkerLost } from '../../src/core/reactor/onWorker.ts';
import { type TaskUpdate, UPDATE_FINISHED, UPDATE_STARTED } from '../../src/protocol/messages/worker.ts';
import { createQueue, type QueueParams } from '../../src/protocol/schema/allocation.ts';
import type { WorkerEnd } from '../../src/protocol/schema/worker.ts';
import { makeBatchHost } from '../../src/server/autoalloc/batchHost.ts';
import type { BatchErrorKind, BatchJobStatus, BatchSystem, SubmitRequest } from '../../src/server/autoalloc/batchSystem.ts';
import { explainStatus, vanishedStatus } from '../../src/server/autoalloc/explainStatus.ts';
import { QueueApi } from '../../src/server/autoalloc/queueApi.ts';
import { AllocationService } from '../../src/server/autoalloc/service.ts';
import type { JournalEntry, Restored } from '../../src/server/journal/types.ts';
import { Recorder } from '../../src/server/recorder.ts';
import { TurnLoop } from '../../src/server/turnLoop.ts';
import { type WorkerEntry, WorkerRegistry, workerSpec } from '../../src/server/workerRegistry.ts';
import { waitFor } from './cluster.ts';
import { traits } from './coreSim.ts';
import { HandJournal, NOTHING_RESTORED } from './handJournal.ts';
import { handMadeConfiguration } from './handMadeConfiguration.ts';

const host = makeBatchHost({ title: 'Hand', directory: '/nowhere' });

/** Jobs by id; every call is recorded, and fails when `failing` says so. */
export class HandBatch implements BatchSystem {
  readonly name = 'slurm';
  readonly title = 'Slurm';
  readonly pollIntervalMs = 5;
  readonly calls: string[] = [];
  readonly jobs = new Map<string, { request: SubmitRequest; status: BatchJobStatus }>();
  /** What the next calls of a kind end with. */
  readonly failing = new Map<'submit' | 'find' | 'poll' | 'cancel', BatchErrorKind>();
  /** A submission that times out has been accepted all the same. */
  acceptsSilently = false;
  private last = 0;

  script(): string {
    return '#!/bin/bash\n';
  }

  async submit(request: SubmitRequest): Promise<string> {
    this.calls.push(`submit ${request.comment}`);
    const kind = this.failing.get('submit');
    if (kind !== undefined && !(kind === 'timedOut' && this.acceptsSilently)) throw host.error(kind, 'by order');
    this.last += 1;
    const id = String(this.last);
    this.jobs.set(id, { request, status: statusOf({ state: 'queued', hopeless: false, comment: request.comment }) });
    if (kind !== undefined) throw host.error(kind, 'by order');
    return id;
  }

  async find(comments: readonly string[]): Promise<ReadonlyMap<string, string>> {
    this.record('find', comments.join(','));
    const found = [...this.jobs].filter(([, { request }]) => comments.includes(request.comment));
    return new Map(found.map(([id, { request }]) => [request.comment, id]));
  }

  async poll(ids: readonly string[]): Promise<ReadonlyMap<string, BatchJobStatus>> {
    this.record('poll', ids.join(','));
    return new Map(ids.map((id) => [id, this.jobs.get(id)?.status ?? vanishedStatus()]));
  }

  async cancel(ids: readonly string[]): Promise<void> {
    this.record('cancel', ids.join(','));
    for (const id of ids) this.set(id, { state: 'ended', outcome: 'canceled', exitCode: null });
  }

  explain(status: BatchJobStatus): string {
    return explainStatus(this.title, status);
  }

  async estimateStarts(): Promise<ReadonlyMap<string, number>> {
    return new Map();
  }

  set(id: string, status: Record<string, unknown>): void {
    const job = this.jobs.get(id);
    if (job !== undefined) job.status = statusOf({ comment: job.request.comment, ...status });
  }

  callsOf(kind: string): string[] {
    return this.calls.filter((call) => call.startsWith(kind));
  }

  private record(kind: 'find' | 'poll' | 'cancel', what: string): void {
    this.calls.push(`${kind} ${what}`);
    const failure = this.failing.get(kind);
    if (failure !== undefined) throw host.error(failure, 'by order');
  }
}

function statusOf(status: Record<string, unknown>): BatchJobStatus {
  const base = { reason: null, startMs: null, endMs: null, restarts: 0, comment: null, rawState: String(status['state']).toUpperCase() };
  return { ...base, ...status } as BatchJobStatus;
}

/** Everything of a server that autoallocation needs. */
export class HandServer {
  readonly batch: HandBatch;
  readonly core = createCore();
  readonly registry = new WorkerRegistry(0);
  readonly service: AllocationService;
  readonly api: QueueApi;
  readonly loop: TurnLoop;
  /** Workers that were told to stop, and those that were declared gone, with the reason. */
  readonly stopped: number[] = [];
  readonly gone: [workerId: number, reason: WorkerEnd][] = [];
  private readonly journal: HandJournal;
  private readonly recorder: Recorder;
  private jobs = 0;

  /** @param o.batch goes on with the jobs of an earlier server */
  constructor(o: {
    serverDir: string;
    restored?: Pick<Restored, 'queues' | 'allocations' | 'maxQueueId'>;
    batch?: HandBatch;
    env?: Record<string, string>;
    /** Unix milliseconds. */
    now?: () => number;
  }) {
    const { now = Date.now } = o;
    this.batch = o.batch ?? new HandBatch();
    this.journal = new HandJournal({ ...NOTHING_RESTORED, ...o.restored });
    const append = this.journal.append.bind(this.journal);
    this.journal.append = (batch) => {
      const ticket = append(batch);
      setImmediate(() => this.journal.sync());
      return ticket;
    };
    const nothing = { record: () => undefined, noteJobEnded: () => {}, endsQuietly: () => true };
    const specs = { ...nothing, secretTaskEnded: () => undefined, wrapperDirectory: () => null };
    this.recorder = new Recorder({ core: this.core, specs, lastSeq: 0, hostOf: () => 'node', now: Date.now });
    // The tests are about allocations: what is assigned to whom needs no frames here.
    this.recorder.assign = () => {};
    const { core, recorder, registry } = this;
    this.loop = new TurnLoop({
      ...{ core, recorder, journal: this.journal, now: Date.now, paranoid: true },
      sendFrames: () => {},
      publish: () => this.service.wake(),
      jobsCompleted: () => {},
      leaveExitCodes: () => {},
      fatal: (error) => {
        throw error;
      },
    });
    const env = {
      HQ_AUTOALLOC_SCHEDULE_TICK_INTERVAL_MS: '1',
      HQ_AUTOALLOC_REFRESH_INTERVAL_MS: '2',
      HQ_AUTOALLOC_CANCEL_DELAY_MS: '5',
      ...o.env,
    };
    const source = { serverUid: 'uid', serverDir: o.serverDir, hqPath: '/bin/hq' };
    this.service = new AllocationService({
      ...{ core, recorder, loop: this.loop, restored: this.journal.restored, env, now, log: () => {} },
      ...source,
      workers: {
        all: () => registry.all(),
        stop: (entry) => this.stopped.push(entry.id),
        gone: (entry, reason) => this.lose(entry, reason),
      },
      openSystem: () => this.batch,
    });
    this.api = new QueueApi({ core, loop: this.loop, service: this.service, source, now });
  }

  addQueue(params: Partial<QueueParams> = {}): Promise<unknown> {
    const worker = { cpus: '1', resources: [], hyperThreading: true, minUtilization: 0 };
    return this.api.create(createQueue.parse({ trial: false, params: { system: 'slurm', timeLimitMs: 3_600_000, worker, ...params } }));
  }

  /** Tasks of one CPU. */
  submit(count: number): Promise<void> {
    this.jobs += 1;
    const jobId = this.jobs;
    return this.loop.transact(() => {
      onJobCreated(this.core, { jobId, open: true, maxFails: null });
      const ids = IntArray.range(0, count);
      onSubmit(this.core, this.recorder, { jobId, submitIndex: 0, ids, traits: [traits()], deps: [], nowMs: Date.now() });
      this.recorder.event({ type: 'tasks-submitted', jobId, ids: ids.toString() });
    });
  }

  /** A worker of this allocation registers. */
  connect(batchId: string, cpus = 1): Promise<WorkerEntry> {
    return this.loop.transact(() => {
      const resources = { resources: [{ name: 'cpus', kind: 'range' as const, start: 0, end: cpus - 1 }], coupling: { weights: [] } };
      const configuration = { ...handMadeConfiguration(), resources, allocation: { manager: 'Slurm', id: batchId } };
      const entry = { id: this.registry.nextId(), configuration, connectedAtMs: Date.now(), lossTimer: null } as unknown as WorkerEntry;
      this.registry.add(entry);
      onWorkerConnected(this.core, this.recorder, { spec: workerSpec(entry.id, configuration), nowMs: Date.now() });
      this.service.workerCame(entry);
      return entry;
    });
  }

  /** It ends its first task. */
  finish(entry: WorkerEntry): Promise<void> {
    return this.loop.transact(() => {
      const nowMs = Date.now();
      const updates: TaskUpdate[] = [
        [UPDATE_STARTED, 1, 0, 0, nowMs, 0],
        [UPDATE_FINISHED, 1, 0, 0, nowMs, null],
      ];
      onUpdates(this.core, this.recorder, { workerId: entry.id, updates, room: null, nowMs });
    });
  }

  leave(entry: WorkerEntry, reason: WorkerEnd): Promise<void> {
    return this.loop.transact(() => this.remove(entry, reason));
  }

  until(what: string, condition: () => boolean): Promise<unknown> {
    return waitFor(what, condition, 5_000);
  }

  /** What the journal would give to the next server. */
  restored(): Pick<Restored, 'queues' | 'allocations' | 'maxQueueId'> {
    const entries = this.journal.batches.flatMap((batch) => batch.entries as JournalEntry[]);
    const queues = new Map(entries.flatMap((entry) => (entry.kind === 'queue' ? [[entry.queue.id, entry.queue] as const] : [])));
    const allocations = new Map(
      entries.flatMap((entry) =>
        entry.kind === 'allocation' ? [[`${entry.allocation.queueId} ${entry.allocation.number}`, entry.allocation] as const] : [],
      ),
    );
    return { queues: [...queues.values()], allocations: [...allocations.values()], maxQueueId: queues.size };
  }

  private lose(entry: WorkerEntry, reason: WorkerEnd): void {
    this.gone.push([entry.id, reason]);
    this.loop.post(() => this.remove(entry, reason));
  }

  private remove(entry: WorkerEntry, reason: WorkerEnd): void {
    if (this.registry.get(entry.id) === undefined) return;
    this.registry.remove(entry);
    onWorkerLost(this.core, this.recorder, { workerId: entry.id, reason, nowMs: Date.now() });
    this.service.workerWent(entry, reason);
  }
}
