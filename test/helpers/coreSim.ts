/** A core with simulated workers: they queue, start and end tasks as real ones do, but only when told to. For unit and property tests. */
import { IntArray } from '../../src/common/intArray.ts';
import { type Core, createCore } from '../../src/core/core.ts';
import { checkInvariants } from '../../src/core/invariants.ts';
import type { Change, ControlKind, Outbox } from '../../src/core/outbox.ts';
import { onCancel, onClose } from '../../src/core/reactor/onJob.ts';
import { onJobCreated, onSubmit, type TaskTraits } from '../../src/core/reactor/onSubmit.ts';
import { onUpdates } from '../../src/core/reactor/onUpdates.ts';
import {
  onWorkerConnected,
  onWorkerDisconnected,
  onWorkerDraining,
  onWorkerLost,
  onWorkerReconnected,
} from '../../src/core/reactor/onWorker.ts';
import { NO_RETRIES } from '../../src/core/retryPolicy.ts';
import { plan } from '../../src/core/schedule/plan.ts';
import { isOpenTo } from '../../src/core/schedule/reserve.ts';
import { wouldBeUsed } from '../../src/core/schedule/utilisation.ts';
import { fitsNow } from '../../src/core/workerRoom.ts';
import type { CoreWorker } from '../../src/core/workerTable.ts';
import {
  type AttemptFailure,
  type TaskUpdate,
  UPDATE_CANCELED,
  UPDATE_FAILED,
  UPDATE_FINISHED,
  UPDATE_RETRACTED,
  UPDATE_STARTED,
} from '../../src/protocol/messages/worker.ts';
import type { Room, WorkerResources } from '../../src/protocol/schema/resources.ts';
import type { WorkerEnd } from '../../src/protocol/schema/worker.ts';

export interface SimTask {
  readonly key: string;
  readonly job: number;
  readonly task: number;
  readonly instance: number;
  readonly priority: number;
  /** Amounts in units by resource name. */
  readonly needs: ReadonlyMap<string, number>;
  readonly variant: number;
  /** Equal for tasks that stand in one queue of a worker. */
  readonly like: string;
  /** Equal for tasks that ask for the same, whatever their priority. */
  readonly request: string;
  running: boolean;
}

export interface SimWorker {
  readonly id: number;
  readonly capacity: ReadonlyMap<string, number>;
  readonly tasks: SimTask[];
  connected: boolean;
  /** Frames sent by the server that the worker has not read yet. */
  readonly inbox: (() => void)[];
  /** Updates that the server has not read yet. */
  outgoing: TaskUpdate[];
}

export const FAILURE: AttemptFailure = { kind: 'exit', error: 'Program terminated with exit code 1.', exitCode: 1, signal: null };

/** One CPU by default. */
export function traits(o: Partial<TaskTraits> & { needs?: Record<string, number>; maxRetries?: number } = {}): TaskTraits {
  const entries = Object.entries(o.needs ?? { cpus: 1 })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, amount]) => ({ name, policy: 'compact' as const, units: amount * 10_000 }));
  return {
    request: o.request ?? { variants: [{ nodes: 0, minTimeMs: 0, weight: 10_000, entries }] },
    priority: o.priority ?? 0,
    crashLimit: o.crashLimit ?? 5,
    retry: o.retry ?? { ...NO_RETRIES, maxRetries: o.maxRetries ?? 0 },
    timeLimitMs: o.timeLimitMs ?? null,
  };
}

/** The planner looks only at what has changed; this looks at everything. @throws Error when a ready task could start somewhere */
export function checkNothingIsMissed(core: Core, nowMs: number): void {
  const workers = [...core.workers.values()].filter(
    (worker) => worker.connected && !worker.stopping && !worker.draining && worker.gang === null,
  );
  for (const priority of core.ready.activePriorities()) {
    for (const id of core.ready.classesOf(priority)) {
      for (const variant of core.classes.get(id).variants) {
        const fits = (candidate: CoreWorker): boolean =>
          fitsNow(core, candidate, variant, nowMs) &&
          isOpenTo(core, candidate, { priority, requestClass: id, nowMs }) &&
          wouldBeUsed(core, candidate, nowMs);
        const worker = workers.find(fits);
        if (worker !== undefined) throw new Error(`worker ${worker.id} has room for a task of class ${id}, priority ${priority}`);
      }
    }
  }
}

export class CoreSim implements Outbox {
  core: Core = createCore();
  readonly workers = new Map<number, SimWorker>();
  readonly changes: Change[] = [];
  /** `job.task.instance` of every start, in order. */
  readonly starts: string[] = [];
  nowMs = 1_000_000;
  protected planAsked = false;
  private nextWorker = 1;
  private nextSubmit = 0;

  assign(workerId: number, row: number): void {
    const { tasks, classes } = this.core;
    const worker = this.worker(workerId);
    const [job, task, instance] = [tasks.jobId[row] as number, tasks.taskId[row] as number, tasks.instance[row] as number];
    const request = `${tasks.requestClass[row]} ${tasks.variant[row]}`;
    const entries = classes.get(tasks.requestClass[row] as number).request.variants[tasks.variant[row] as number]?.entries ?? [];
    const needs = new Map(
      entries.map((entry) => [entry.name, entry.policy === 'all' ? (worker.capacity.get(entry.name) ?? 0) : entry.units]),
    );
    const priority = tasks.priority[row] as number;
    const variant = tasks.variant[row] as number;
    const sent = {
      key: `${job}.${task}.${instance}`,
      job,
      task,
      instance,
      priority,
      needs,
      variant,
      like: `${priority} ${request}`,
      request,
    };
    worker.inbox.push(() => worker.tasks.push({ ...sent, running: false }));
  }

  control(workerId: number, kind: ControlKind, row: number): void {
    const { tasks } = this.core;
    const worker = this.workers.get(workerId);
    const key = `${tasks.jobId[row]}.${tasks.taskId[row]}.${tasks.instance[row]}`;
    worker?.inbox.push(() => {
      const found = worker.tasks.find((task) => task.key === key);
      if (found === undefined || (kind === 'retract' && found.running)) return;
      worker.tasks.splice(worker.tasks.indexOf(found), 1);
      worker.outgoing.push([kind === 'cancel' ? UPDATE_CANCELED : UPDATE_RETRACTED, found.job, found.task, found.instance, this.nowMs]);
    });
  }

  emit(change: Change): void {
    this.changes.push(change);
  }

  askPlan(): void {
    this.planAsked = true;
  }

  /** Runs one step as the server's turn does: apply, plan, check. */
  turn(step: () => void): void {
    step();
    if (this.planAsked || this.core.wakeAtMs <= this.nowMs) plan(this.core, this, this.nowMs);
    this.planAsked = false;
    checkInvariants(this.core);
    checkNothingIsMissed(this.core, this.nowMs);
  }

  addWorker(
    resources: Record<string, number> = { cpus: 2 },
    lifetimeMs = Number.POSITIVE_INFINITY,
    o: { group?: string; minUtilization?: number } = {},
  ): SimWorker {
    let worker: SimWorker | undefined;
    this.turn(() => {
      worker = this.connect(resources, lifetimeMs, o);
    });
    return worker as SimWorker;
  }

  /** Many in one turn, so that one plan sees them all. */
  addWorkers(list: readonly Record<string, number>[]): SimWorker[] {
    let workers: SimWorker[] = [];
    this.turn(() => {
      workers = list.map((resources) => this.connect(resources, Number.POSITIVE_INFINITY, {}));
    });
    return workers;
  }

  private connect(resources: Record<string, number>, lifetimeMs: number, o: { group?: string; minUtilization?: number }): SimWorker {
    const id = this.nextWorker;
    this.nextWorker += 1;
    const capacity = new Map(Object.entries(resources).map(([name, amount]) => [name, amount * 10_000]));
    const worker: SimWorker = { id, capacity, tasks: [], connected: true, inbox: [], outgoing: [] };
    this.workers.set(id, worker);
    onWorkerConnected(this.core, this, {
      spec: {
        id,
        resources: this.resourcesOf(capacity),
        group: o.group ?? 'default',
        endsAtMs: this.nowMs + lifetimeMs,
        minUtilization: o.minUtilization ?? 0,
      },
      nowMs: this.nowMs,
    });
    return worker;
  }

  openJob(jobId: number, maxFails: number | null = null): void {
    this.turn(() => onJobCreated(this.core, { jobId, open: true, maxFails }));
  }

  submit(
    jobId: number,
    ids: string,
    o: { traits?: TaskTraits | TaskTraits[]; deps?: number[][]; after?: [jobId: number, ids: string][] } = {},
  ): void {
    const parsed = IntArray.parse(ids);
    if (typeof parsed === 'string') throw new Error(parsed);
    const list = o.traits === undefined ? [traits()] : [o.traits].flat();
    const submitIndex = this.nextSubmit;
    this.nextSubmit += 1;
    const awaited = (o.after ?? []).map(([awaitedJob, text]) => ({ jobId: awaitedJob, taskIds: IntArray.parse(text) as IntArray }));
    const event = { jobId, submitIndex, ids: parsed, traits: list, deps: o.deps ?? [], awaited, nowMs: this.nowMs };
    this.turn(() => onSubmit(this.core, this, event));
  }

  close(jobId: number): void {
    this.turn(() => onClose(this.core, this, { jobId, nowMs: this.nowMs }));
  }

  cancel(jobId: number, ids: string | null = null): { canceled: number; alreadyDone: number } {
    const parsed = ids === null ? null : IntArray.parse(ids);
    if (typeof parsed === 'string') throw new Error(parsed);
    let answer = { canceled: 0, alreadyDone: 0 };
    this.turn(() => {
      answer = onCancel(this.core, this, { jobId, taskIds: parsed, reason: null, nowMs: this.nowMs });
    });
    return answer;
  }

  /** Time passes until the planner wants to look again, or so far; it looks then. */
  wait(ms: number): void {
    this.nowMs += ms;
    if (this.nowMs >= this.core.wakeAtMs) this.turn(() => this.askPlan());
  }

  /** The worker reads everything that was sent to it and starts what fits. */
  receive(worker: SimWorker): void {
    for (const apply of worker.inbox.splice(0)) apply();
    this.startFitting(worker);
  }

  /** A running task ends; the worker starts the next one at once. */
  end(worker: SimWorker, task: SimTask, failure: AttemptFailure | null = null): void {
    worker.tasks.splice(worker.tasks.indexOf(task), 1);
    worker.outgoing.push(
      failure === null
        ? [UPDATE_FINISHED, task.job, task.task, task.instance, this.nowMs, null]
        : [UPDATE_FAILED, task.job, task.task, task.instance, this.nowMs, null, failure],
    );
    this.startFitting(worker);
  }

  /** The server reads the updates of a worker. */
  report(worker: SimWorker): void {
    const updates = worker.outgoing;
    worker.outgoing = [];
    this.turn(() => onUpdates(this.core, this, { workerId: worker.id, updates, room: this.roomOf(worker), nowMs: this.nowMs }));
  }

  lose(worker: SimWorker, reason: WorkerEnd = 'CONNECTION LOST'): void {
    this.workers.delete(worker.id);
    this.turn(() => onWorkerLost(this.core, this, { workerId: worker.id, reason, nowMs: this.nowMs }));
  }

  /** The server gives it nothing new. */
  drainWorker(worker: SimWorker): void {
    this.turn(() => onWorkerDraining(this.core, this, worker.id));
  }

  /** The connection breaks: what was under way to the worker is lost, what it reported stays with it. */
  disconnect(worker: SimWorker): void {
    worker.connected = false;
    worker.inbox.length = 0;
    this.turn(() => onWorkerDisconnected(this.core, worker.id));
  }

  /**
   * It returns as a real one does: names what it holds, repeats its updates but for tasks that it gave back, kills what is not wanted, gets
   * again what was lost on the way, and does not run again what it is reporting the end of.
   */
  reconnect(worker: SimWorker): void {
    const held = worker.tasks.map((task) => [task.job, task.task, task.instance] as const);
    worker.outgoing = worker.outgoing.filter(([kind]) => kind !== UPDATE_RETRACTED);
    const settled = new Set(worker.outgoing.filter(([kind]) => kind !== UPDATE_STARTED).map(([, ...key]) => key.slice(0, 3).join('.')));
    this.turn(() => {
      const { wanted, resend } = onWorkerReconnected(this.core, this, { workerId: worker.id, held, nowMs: this.nowMs });
      const keys = new Set(wanted.map((key) => key.join('.')));
      for (const task of worker.tasks.filter((candidate) => !keys.has(candidate.key))) worker.tasks.splice(worker.tasks.indexOf(task), 1);
      const { tasks } = this.core;
      const unknown = resend.filter((row) => !settled.has(`${tasks.jobId[row]}.${tasks.taskId[row]}.${tasks.instance[row]}`));
      for (const row of unknown) this.assign(worker.id, row);
    });
    worker.connected = true;
    this.startFitting(worker);
  }

  /** Everybody reads, runs and reports until nothing moves. */
  drain(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const worker of this.workers.values()) {
        if (!worker.connected) this.reconnect(worker);
        this.receive(worker);
        for (const task of worker.tasks.filter((candidate) => candidate.running)) this.end(worker, task);
        if (worker.outgoing.length === 0) continue;
        this.report(worker);
        moved = true;
      }
      if (moved || this.core.wakeAtMs === Number.POSITIVE_INFINITY) continue;
      this.nowMs = this.core.wakeAtMs;
      this.turn(() => {});
      moved = true;
    }
  }

  /** How a worker describes what it has; here as amounts without indices. */
  protected resourcesOf(capacity: ReadonlyMap<string, number>): WorkerResources {
    return { resources: [...capacity].map(([name, size]) => ({ name, kind: 'sum', size })), coupling: { weights: [] } };
  }

  /** What it tells with its updates of what is free. */
  protected roomOf(_worker: SimWorker): Room | null {
    return null;
  }

  private worker(id: number): SimWorker {
    const worker = this.workers.get(id);
    if (worker === undefined) throw new Error(`no worker ${id}`);
    return worker;
  }

  protected startFitting(worker: SimWorker): void {
    const free = new Map(worker.capacity);
    const take = (task: SimTask): void => {
      for (const [name, units] of task.needs) free.set(name, (free.get(name) ?? 0) - units);
    };
    for (const task of worker.tasks) if (task.running) take(task);
    const queue = worker.tasks
      .map((task, index) => ({ task, index }))
      .sort((a, b) => b.task.priority - a.task.priority || a.index - b.index);
    const running = new Set(worker.tasks.filter((task) => task.running).map(({ request }) => request));
    // As a real worker: what waits for no end of its like is kept from what comes after it.
    const kept = new Map<string, number>();
    const blocked = new Set<string>();
    for (const { task } of queue) {
      const { like } = task;
      if (task.running || blocked.has(like)) continue;
      if (![...task.needs].every(([name, units]) => units <= (free.get(name) ?? 0) - (kept.get(name) ?? 0))) {
        blocked.add(like);
        if (!running.has(task.request)) for (const [name, units] of task.needs) kept.set(name, (kept.get(name) ?? 0) + units);
        continue;
      }
      take(task);
      running.add(task.request);
      task.running = true;
      this.starts.push(task.key);
      worker.outgoing.push([UPDATE_STARTED, task.job, task.task, task.instance, this.nowMs, task.variant]);
    }
  }
}
