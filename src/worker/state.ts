/**
 * The worker as a pure state machine: which tasks it holds, which start next, what is to be reported. Events in, instructions out; no clock, no
 * process, no socket. `worker.ts` interprets the instructions.
 */
import { assertNever } from '../common/assert.ts';
import {
  type AttemptFailure,
  HELD_QUEUED,
  HELD_RUNNING,
  type TaskKey,
  UPDATE_CANCELED,
  UPDATE_FAILED,
  UPDATE_RETRACTED,
  UPDATE_STARTED,
  UPDATE_STOPPED,
  type WireBody,
} from '../protocol/messages/worker.ts';
import type { RequestVariant, WorkerResources } from '../protocol/schema/resources.ts';
import { type Allocation, ResourcePool } from '../resources/pool.ts';
import { endUpdate } from './endUpdate.ts';
import { HeldTable } from './heldTable.ts';
import { type HeldTask, keyOf, outcomeOf, type StopCause } from './heldTask.ts';
import { RoomNews } from './roomNews.ts';
import { type Recall, Staging, stagingTarget } from './staging.ts';
import type { Instructions, TaskEnded, WorkerEvent } from './stateEvents.ts';
import { checkBooks } from './stateInvariants.ts';
import { noteDuration, type QueueClass, TaskQueue } from './taskQueue.ts';

export interface WorkerStateOptions {
  readonly resources: WorkerResources;
  /** Unix time at which the worker ends, milliseconds; null without a limit. */
  readonly endsAtMs: number | null;
  /** Tasks can wait in the launcher. */
  readonly canStage: boolean;
}

export class WorkerState {
  readonly pool: ResourcePool;
  readonly queue: TaskQueue = new TaskQueue();
  private readonly endsAtMs: number | null;
  private readonly canStage: boolean;
  private readonly staging = new Staging();
  private readonly held: HeldTable = new HeldTable();
  /** Running tasks, also those that are no longer held because the server does not want them. */
  private readonly running = new Set<HeldTask>();
  private settled = new Set<string>();
  private closed = false;
  /** What the server has to hear of the pool. */
  readonly room: RoomNews;
  /** What starts in the launcher from now on is stopped. */
  private stopsRunning = false;

  constructor(options: WorkerStateOptions) {
    this.pool = new ResourcePool(options.resources);
    this.room = new RoomNews(this.pool, this.held);
    this.endsAtMs = options.endsAtMs;
    this.canStage = options.canStage;
  }

  /** Is exactly this instance here, started or not? */
  holds(key: TaskKey): boolean {
    return this.held.find(key) !== undefined;
  }

  /** Nothing is queued and no process of a task is left. */
  get isIdle(): boolean {
    return this.held.size === 0 && this.running.size === 0 && this.staging.size === 0;
  }

  /** Tasks that have not started are here. */
  get hasWaiting(): boolean {
    return this.queue.size > 0 || this.staging.size > 0;
  }

  get runningTasks(): ReadonlySet<HeldTask> {
    return this.running;
  }

  /**
   * For a hello: [job, task, instance, HELD_*], running ones first.
   * @param limit a hello is small; queued tasks beyond this are forgotten here, and the server, which does not find them, gives them out again
   */
  heldForHello(limit: number): [number, number, number, number][] {
    const list: [number, number, number, number][] = [];
    for (const task of this.running) if (task.stop !== 'unwanted') list.push([task.job, task.task, task.instance, HELD_RUNNING]);
    for (const task of this.staging.all()) if (this.held.find(keyOf(task)) === task) list.push([...keyOf(task), HELD_QUEUED]);
    for (const task of [...this.queue.all()]) {
      if (list.length < limit) list.push([task.job, task.task, task.instance, HELD_QUEUED]);
      else this.dropQueued(task);
    }
    return list;
  }

  /** Applies one event. */
  handle(event: WorkerEvent): Instructions {
    const out: Instructions = { updates: [], stop: [], unstage: [], start: [], stage: [] };
    let freed = 0;
    switch (event.kind) {
      case 'compute':
        this.onCompute(out, event);
        break;
      case 'cancel':
        for (const key of event.tasks) this.onCancel(out, key, event.nowMs);
        break;
      case 'retract':
        for (const key of event.tasks) this.giveBack(out, this.held.find(key), event.nowMs);
        break;
      case 'reconnected':
        this.onReconnected(out, event);
        break;
      case 'settled':
        this.settled.clear();
        return out;
      case 'ended':
        for (const ended of event.ends) {
          this.onEnded(out, ended);
          if (ended.next === null) freed += 1;
        }
        break;
      case 'returned':
        this.onReturned(out, event);
        break;
      case 'time-limit':
        stopTask(out, event.task, 'time-limit');
        return out;
      case 'memory-limit':
        event.task.excess = event.excess;
        stopTask(out, event.task, 'memory-limit');
        return out;
      case 'sweep':
        for (const task of [...this.queue.all()]) if (this.tooLate(task, event.nowMs)) this.giveBack(out, task, event.nowMs);
        break;
      case 'close':
        this.onClose(out, event);
        return out;
      default:
        assertNever(event, 'event');
    }
    if (this.closed) return out;
    if (this.queue.size > 0) this.startWhatFits(out, 'nowMs' in event ? event.nowMs : 0);
    if (this.canStage) this.stageWhatIsNext(out, freed);
    return out;
  }

  private onCompute(out: Instructions, { bodies, tasks, nowMs }: Extract<WorkerEvent, { kind: 'compute' }>): void {
    // Sent before the server knew that this worker ends; with its last frame it learns that nobody has started them.
    if (this.closed) return;
    const classes = new Map<RequestVariant, QueueClass | string>();
    for (const [job, task, instance, bodyIndex, entry, variant, nodes = null] of tasks) {
      const body = bodies[bodyIndex] as WireBody;
      const wanted = body.request[variant] as RequestVariant;
      const known = this.held.latest(job, task);
      if (known !== undefined && known.instance >= instance) continue;
      if (this.settled.has(`${job} ${task} ${instance}`)) continue;
      // A later instance means that the server has given the earlier one up.
      if (known !== undefined) this.abandon(out, known);
      let queueClass = classes.get(wanted);
      if (queueClass === undefined) {
        queueClass = this.classOf(wanted, body);
        classes.set(wanted, queueClass);
      }
      if (typeof queueClass === 'string') {
        const failure: AttemptFailure = {
          kind: 'internal',
          error: `The task cannot run here: ${queueClass}.`,
          exitCode: null,
          signal: null,
        };
        out.updates.push([UPDATE_STARTED, job, task, instance, nowMs, variant], [UPDATE_FAILED, job, task, instance, nowMs, null, failure]);
        continue;
      }
      this.hold({
        job,
        task,
        instance,
        body,
        entry,
        variant,
        queueClass,
        nodes,
        state: 'queued',
        alone: nodes !== null,
        allocation: null,
        startedAtMs: 0,
        stop: null,
        excess: null,
      });
    }
  }

  /** @returns the reason when such tasks can never run here */
  private classOf(wanted: RequestVariant, { priority, pin }: WireBody): QueueClass | string {
    const request = this.pool.resolve(wanted);
    if (typeof request === 'string') return request;
    if (pin === 'taskset' && !this.pool.hasNumberedCpus) return 'its CPUs have names, and a task can be bound only to CPUs with numbers';
    return this.queue.classOf({ priority, request, minTimeMs: wanted.minTimeMs, pin });
  }

  private onCancel(out: Instructions, key: TaskKey, nowMs: number): void {
    const task = this.held.find(key);
    if (task?.state === 'running') stopTask(out, task, 'cancel');
    else if (task?.state === 'staged') this.recall(out, task, 'cancel');
    else if (task?.state === 'queued') {
      this.dropQueued(task);
      out.updates.push([UPDATE_CANCELED, task.job, task.task, task.instance, nowMs]);
    }
  }

  private giveBack(out: Instructions, task: HeldTask | undefined, nowMs: number): void {
    if (task?.state === 'staged') this.recall(out, task, 'retract');
    if (task?.state !== 'queued') return;
    this.dropQueued(task);
    out.updates.push([UPDATE_RETRACTED, task.job, task.task, task.instance, nowMs]);
  }

  private onReconnected(out: Instructions, event: Extract<WorkerEvent, { kind: 'reconnected' }>): void {
    // The server may be another process than the one that knew.
    this.room.mustTell = this.running.size > 0;
    this.settled = new Set(event.settled.map((key) => key.join(' ')));
    const wanted = new Set(event.wanted.map((key) => key.join(' ')));
    const unwanted = [...this.held].filter((task) => !wanted.has(`${task.job} ${task.task} ${task.instance}`));
    for (const task of unwanted) this.abandon(out, task);
  }

  private onEnded(out: Instructions, ended: TaskEnded): void {
    const { task, end, usage, atMs, next } = ended;
    const { allocation, queueClass } = task;
    if (!this.running.delete(task) || allocation === null) throw new Error('invariant broken: a task ended that was not running');
    task.allocation = null;
    task.state = 'ended';
    queueClass.running -= 1;
    queueClass.likes.running -= 1;
    if (usage !== null) noteDuration(queueClass, usage.wallMs);
    if (next === null) this.pool.release(allocation);
    const outcome = outcomeOf(task, end);
    if (outcome === 'unwanted') this.room.mustTell = true;
    else {
      this.held.remove(task);
      out.updates.push(endUpdate(outcome, ended));
    }
    if (next !== null) this.takeOver(out, { task: next, allocation, atMs });
  }

  /** A staged task has started, perhaps after it was asked back. */
  private takeOver(out: Instructions, { task, allocation, atMs }: { task: HeldTask; allocation: Allocation; atMs: number }): void {
    const why = this.staging.remove(task);
    this.runs(task, allocation, atMs);
    if (why === 'unwanted') {
      task.stop = 'unwanted';
      out.stop.push(task);
      return;
    }
    out.updates.push([UPDATE_STARTED, task.job, task.task, task.instance, atMs, task.variant]);
    if (why === 'cancel') stopTask(out, task, 'cancel');
    else if (this.stopsRunning) stopTask(out, task, 'worker-stop');
  }

  private runs(task: HeldTask, allocation: Allocation, atMs: number): void {
    task.state = 'running';
    task.allocation = allocation;
    task.startedAtMs = atMs;
    task.queueClass.running += 1;
    task.queueClass.likes.running += 1;
    this.running.add(task);
  }

  private onReturned(out: Instructions, { returned, nowMs }: Extract<WorkerEvent, { kind: 'returned' }>): void {
    const back = new Map<QueueClass, HeldTask[]>();
    for (const { task, lost } of returned) {
      const why = this.staging.remove(task);
      task.state = 'ended';
      if (why === 'unwanted') continue;
      const key = keyOf(task);
      if ((why === null || why === 'queue') && !lost && !this.closed) {
        task.state = 'queued';
        task.alone ||= why === null;
        back.set(task.queueClass, [...(back.get(task.queueClass) ?? []), task]);
        continue;
      }
      this.held.remove(task);
      // Without its start the server would give the same instance out again.
      if (lost) out.updates.push([UPDATE_STARTED, ...key, nowMs, task.variant], [UPDATE_STOPPED, ...key, nowMs]);
      else out.updates.push([why === 'cancel' ? UPDATE_CANCELED : UPDATE_RETRACTED, ...key, nowMs]);
    }
    for (const [queueClass, tasks] of back) this.queue.putBack(queueClass, tasks);
  }

  private recall(out: Instructions, task: HeldTask, why: Recall): void {
    if (this.staging.recall(task, why)) out.unstage.push(task);
  }

  /** Only where nothing else waits, so that what is staged takes nothing from anybody. `freed`: number of tasks that nothing took over from. */
  private stageWhatIsNext(out: Instructions, freed: number): void {
    if (this.queue.size === 0) {
      // A free place waits while others have more than they can start now.
      for (const task of this.staging.last(Math.min(freed, this.staging.size))) if (this.fits(task)) this.recall(out, task, 'queue');
      return;
    }
    const only = this.queue.onlyClass();
    if (only === undefined || this.staging.hasOther(only)) {
      for (const task of this.staging.all()) this.recall(out, task, 'queue');
      return;
    }
    // Near its end a worker looks at each task before it starts.
    if (only.minTimeMs > 0 && this.endsAtMs !== null) return;
    const target = stagingTarget(only);
    while (this.staging.size < target) {
      const task = this.queue.takeFirst(only, isStageable);
      if (task === undefined) return;
      task.state = 'staged';
      this.staging.add(task);
      out.stage.push(task);
    }
  }

  private fits({ queueClass }: HeldTask): boolean {
    return this.pool.canAllocate(queueClass.request);
  }

  private onClose(out: Instructions, { running, nowMs }: { running: boolean; nowMs: number }): void {
    this.closed = true;
    this.stopsRunning ||= running;
    for (const task of [...this.queue.all(), ...this.staging.all()]) this.giveBack(out, task, nowMs);
    if (running) for (const task of this.running) stopTask(out, task, 'worker-stop');
  }

  private startWhatFits(out: Instructions, nowMs: number): void {
    const kept: number[] = [];
    this.queue.offer((task) => {
      if (this.tooLate(task, nowMs)) {
        this.giveBack(out, task, nowMs);
        return true;
      }
      const { request } = task.queueClass;
      const allocation = this.pool.tryAllocate(request, kept, request.isRange ? this.queue.rivalsOf(task.queueClass) : undefined);
      if (allocation === undefined) {
        // What comes later must not push this one back for ever. Where its like runs, the end of that makes room for it: until then others use what is free.
        if (task.queueClass.likes.running === 0) this.pool.keepFor(request, kept);
        return false;
      }
      this.runs(task, allocation, nowMs);
      this.queue.removed();
      out.start.push(task);
      out.updates.push([UPDATE_STARTED, task.job, task.task, task.instance, nowMs, task.variant]);
      return true;
    });
  }

  private tooLate(task: HeldTask, nowMs: number): boolean {
    return this.endsAtMs !== null && task.queueClass.minTimeMs > this.endsAtMs - nowMs;
  }

  /** The server does not want the task: queued ones vanish, running ones are killed without a report. */
  private abandon(out: Instructions, task: HeldTask): void {
    if (task.state === 'queued') {
      this.dropQueued(task);
      return;
    }
    this.held.remove(task);
    if (task.state === 'staged') {
      this.recall(out, task, 'unwanted');
      return;
    }
    // A stop for another reason is under way; only its report changes.
    if (task.stop === null) out.stop.push(task);
    task.stop = 'unwanted';
  }

  private dropQueued(task: HeldTask): void {
    task.state = 'ended';
    this.queue.removed();
    this.held.remove(task);
  }

  private hold(task: HeldTask): void {
    this.held.add(task);
    this.queue.add(task);
  }

  /** Throws when the books disagree. Called by tests after every event. */
  checkInvariants(): void {
    const { held, running, queue, staging, pool } = this;
    checkBooks({ held, running, queue, staging, pool });
  }
}

/** What a warm runner starts is not started by the launcher in which tasks wait. */
function isStageable({ alone, body }: HeldTask): boolean {
  return !alone && body.warm === undefined;
}

function stopTask(out: Instructions, task: HeldTask, cause: StopCause): void {
  if (task.state !== 'running' || task.stop !== null) return;
  task.stop = cause;
  out.stop.push(task);
}
