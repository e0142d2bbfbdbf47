/**
 * A simulated server with the real recorder, job service and restore over a journal without a database: it can crash between two turns, or in
 * the middle of one, and start again on what the journal kept. For property tests.
 */
import { createCore } from '../../src/core/core.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import type { Job } from '../../src/core/jobTable.ts';
import { publicState } from '../../src/core/jobTable.ts';
import type { Change, ControlKind } from '../../src/core/outbox.ts';
import type { WorkerConfiguration, WorkerEnd } from '../../src/protocol/schema/worker.ts';
import { JobService } from '../../src/server/jobService.ts';
import { JobStore } from '../../src/server/jobStore.ts';
import type { Journal } from '../../src/server/journal/types.ts';
import { Recorder } from '../../src/server/recorder.ts';
import { restore } from '../../src/server/restore.ts';
import type { TurnLoop } from '../../src/server/turnLoop.ts';
import { WorkerRegistry } from '../../src/server/workerRegistry.ts';
import { JournalModel } from '../property/journalModel.ts';
import { CoreSim, type SimWorker } from './coreSim.ts';

const UNITS = 10_000;

export class ServerSim extends CoreSim {
  readonly model = new JournalModel();
  store!: JobStore;
  jobs!: JobService;
  private recorder!: Recorder;
  private registry!: WorkerRegistry;
  /** Frames of the turn at hand: they leave with its commit. */
  private frames: (() => void)[] = [];
  private turnChanges: Change[] = [];
  /** The process dies in the next turn, before its commit. */
  private dying = false;

  constructor() {
    super();
    this.boot();
  }

  override assign(workerId: number, row: number): void {
    this.recorder.assign(workerId, row);
  }

  override control(workerId: number, kind: ControlKind, row: number): void {
    this.recorder.control(workerId, kind, row);
  }

  override emit(change: Change): void {
    this.recorder.emit(change);
  }

  override askPlan(): void {
    this.recorder.askPlan();
  }

  /** The recorder has noted an assignment: the frame says what holds now, and leaves with the commit. */
  tellAssign(workerId: number, row: number): void {
    this.hold(workerId, () => super.assign(workerId, row));
  }

  tellControl(workerId: number, kind: ControlKind, row: number): void {
    this.hold(workerId, () => super.control(workerId, kind, row));
  }

  tellChange(change: Change): void {
    this.turnChanges.push(change);
  }

  tellPlan(): void {
    this.planAsked = true;
  }

  private hold(workerId: number, send: () => void): void {
    const inbox = this.workers.get(workerId)?.inbox ?? [];
    const before = inbox.length;
    send();
    this.frames.push(...inbox.splice(before).map((apply) => () => this.workers.get(workerId)?.inbox.push(apply)));
  }

  /** @throws what `step` throws; nothing is committed then */
  override turn(step: () => void): void {
    super.turn(step);
    const { entries, events, completedJobs } = this.recorder.take();
    const [frames, changes] = [this.frames, this.turnChanges];
    this.frames = [];
    this.turnChanges = [];
    if (this.dying) return;
    this.model.apply({ entries, events, durable: true });
    this.changes.push(...changes);
    for (const send of frames) send();
    this.store.sweep(completedJobs);
  }

  override addWorker(resources: Record<string, number> = { cpus: 2 }, lifetimeMs = Number.POSITIVE_INFINITY): SimWorker {
    const worker = super.addWorker(resources, lifetimeMs);
    const configuration = configurationOf(resources, this.nowMs, lifetimeMs);
    const session = `session ${worker.id}`;
    this.turn(() => this.recorder.entry({ kind: 'worker', workerId: worker.id, session, configuration, atMs: this.nowMs }));
    return worker;
  }

  /** Updates are the worker's until the turn that applies them is committed. */
  override report(worker: SimWorker): void {
    const kept = worker.outgoing;
    super.report(worker);
    if (this.dying) worker.outgoing = kept;
  }

  override lose(worker: SimWorker, reason: WorkerEnd = 'CONNECTION LOST'): void {
    super.lose(worker, reason);
    if (this.dying) this.workers.set(worker.id, worker);
  }

  /** The process dies, with `last` in memory only; another one starts on what was committed. */
  crash(last: () => void): void {
    this.dying = true;
    last();
    this.dying = false;
    for (const worker of this.workers.values()) {
      worker.connected = false;
      worker.inbox.length = 0;
    }
    this.boot();
  }

  /** What the API would show of every job in memory. */
  picture(): Record<string, unknown> {
    const jobs = [...this.core.jobs.values()].filter((job) => job.open || job.stats.waiting + job.stats.running > 0);
    return Object.fromEntries(jobs.map((job) => [job.id, this.jobPicture(job)]));
  }

  private jobPicture(job: Job): unknown {
    const { tasks } = this.core;
    const rows: string[] = [];
    for (const { base, ids, submitIndex } of job.segments) {
      for (let row = base; row < base + ids.length; row += 1) {
        const state = publicState(tasks.state[row] as number);
        const out = state === 'waiting' || state === 'running';
        // What an ended task still holds is settled when its worker returns.
        const attempt = out
          ? [
              ...[tasks.instance[row], tasks.worker[row], tasks.crashes[row], tasks.retries[row], tasks.unfinishedDeps[row]],
              this.core.delayed.dueOf(tasks, row) ?? 0,
              (this.core.gangs.get(row) ?? []).join('+'),
              JSON.stringify(this.core.classes.get(tasks.requestClass[row] as number).request),
              // What a worker has may be as it was before a change.
              ...(tasks.worker[row] === 0 ? this.limitsOf(row) : []),
            ]
          : [];
        rows.push([submitIndex, tasks.taskId[row], state, ...attempt].join(' '));
      }
    }
    const live = this.store.get(job.id)?.live;
    const secrets = live?.submits.map((record) => record.secretTasksLeft);
    const { open, aborted, stats, maxFails, taskCount } = job;
    return {
      open,
      aborted,
      stats: { ...stats },
      maxFails,
      taskCount,
      rows,
      secrets,
      cancelReason: live?.cancelReason,
      finishedAtMs: live?.finishedAtMs,
    };
  }

  private limitsOf(row: number): unknown[] {
    const { tasks, classes, retryPolicies } = this.core;
    const { maxRetries } = retryPolicies.get(tasks.retryPolicy[row] as number);
    return [tasks.priority[row], classes.get(tasks.requestClass[row] as number).timeLimitMs, tasks.crashLimit[row], maxRetries];
  }

  private boot(): void {
    const restored = this.model.restored();
    this.core = createCore();
    this.store = new JobStore(this.core);
    this.registry = new WorkerRegistry(restored.maxWorkerId);
    const { core, store: specs } = this;
    this.recorder = new TellingRecorder(
      { core, specs, lastSeq: restored.lastSeq, hostOf: (id) => `node${id}`, now: () => this.nowMs },
      this,
    );
    restore(restored, { core: this.core, store: this.store, registry: this.registry, serverUid: 'uid', nowMs: this.nowMs });
    checkInvariants(this.core);
    const transact = <T>(step: () => T): Promise<T> => {
      let value: T | undefined;
      this.turn(() => {
        value = step();
      });
      return Promise.resolve(value as T);
    };
    this.jobs = new JobService({
      ...{ core: this.core, store: this.store, recorder: this.recorder, loop: { transact } as unknown as TurnLoop },
      ...{ journal: {} as Journal, serverUid: 'uid', lastJobId: restored.maxJobId, now: () => this.nowMs },
      couldCome: () => false,
      queuesFor: () => [],
    });
    this.turnChanges = [];
    this.frames = [];
    this.planAsked = true;
  }
}

function configurationOf(resources: Record<string, number>, nowMs: number, lifetimeMs: number): WorkerConfiguration {
  const list = Object.entries(resources).map(([name, amount]) => ({ name, kind: 'sum' as const, size: amount * UNITS }));
  const timeLimitMs = lifetimeMs === Number.POSITIVE_INFINITY ? null : lifetimeMs;
  return {
    resources: { resources: list, coupling: { weights: [] } },
    group: 'default',
    startedAtMs: nowMs,
    timeLimitMs,
    minUtilization: 0,
  } as unknown as WorkerConfiguration;
}

/** The real recorder, which lets the simulated workers know what it was told. */
class TellingRecorder extends Recorder {
  private readonly sim: ServerSim;

  constructor(o: ConstructorParameters<typeof Recorder>[0], sim: ServerSim) {
    super(o);
    this.sim = sim;
  }

  override assign(workerId: number, row: number): void {
    super.assign(workerId, row);
    this.sim.tellAssign(workerId, row);
  }

  override control(workerId: number, kind: ControlKind, row: number): void {
    super.control(workerId, kind, row);
    this.sim.tellControl(workerId, kind, row);
  }

  override emit(change: Change): void {
    super.emit(change);
    this.sim.tellChange(change);
  }

  override askPlan(): void {
    super.askPlan();
    this.sim.tellPlan();
  }
}
