/**
 * Tasks that wait on a worker for free resources: higher priority first, then in order of arrival. Tasks with the same priority and the same
 * request form a class, so that what does not fit is tried once per class and not once per task. Pure; owned by the state machine.
 */
import type { PinMode } from '../protocol/resourceTerms.ts';
import type { ResolvedRequest, Rivals } from '../resources/pool.ts';
import type { HeldTask } from './heldTask.ts';

/** Tasks that start under the same conditions. */
export interface QueueClass {
  /** From 1; never used again by this queue. */
  readonly id: number;
  readonly priority: number;
  readonly request: ResolvedRequest;
  /** Remaining lifetime that the worker must have at the start, milliseconds. */
  readonly minTimeMs: number;
  /** How its tasks are bound to their CPUs. */
  readonly pin: PinMode | undefined;
  /** Waiting tasks, first come first served; those before `head` are gone, ended ones are skipped. */
  readonly tasks: { readonly task: HeldTask; readonly arrival: number }[];
  head: number;
  /** Tasks of it that run now. */
  running: number;
  /** Tasks of the same request that run now, of whatever priority: the end of one makes room for another. Shared by their classes. */
  readonly likes: { running: number };
  /** Duration of its tasks, exponentially averaged, milliseconds; null before the first has ended. */
  meanMs: number | null;
}

/** Entries in front of the head are dropped when there are this many, so that a long-lived class does not grow for ever. */
const COMPACT_AT = 1_024;

/** A task of the class has taken so long, milliseconds: the last few decide what is expected of the next. */
export function noteDuration(queueClass: QueueClass, wallMs: number): void {
  queueClass.meanMs = queueClass.meanMs === null ? wallMs : 0.8 * queueClass.meanMs + 0.2 * wallMs;
}

export class TaskQueue {
  private readonly classes = new Map<string, QueueClass>();
  /** By request. */
  private readonly likes = new Map<string, QueueClass['likes']>();
  /** Classes with waiting tasks, highest priority first. */
  private active: QueueClass[] = [];
  private arrivals = 0;
  private waiting = 0;
  private lastId = 0;

  /** Number of waiting tasks. */
  get size(): number {
    return this.waiting;
  }

  /** @returns the class of such tasks, made when new */
  classOf(o: Pick<QueueClass, 'priority' | 'request' | 'minTimeMs' | 'pin'>): QueueClass {
    const request = JSON.stringify(o.request);
    const key = `${o.priority} ${o.minTimeMs} ${o.pin} ${request}`;
    let found = this.classes.get(key);
    if (found === undefined) {
      this.lastId += 1;
      const likes = this.likes.get(request) ?? { running: 0 };
      this.likes.set(request, likes);
      found = { ...o, id: this.lastId, tasks: [], head: 0, running: 0, likes, meanMs: null };
      this.classes.set(key, found);
    }
    return found;
  }

  add(task: HeldTask): void {
    this.arrivals += 1;
    task.queueClass.tasks.push({ task, arrival: this.arrivals });
    this.added(task.queueClass);
  }

  /** Puts tasks of one class that had left the queue back to its front, in this order. */
  putBack(queueClass: QueueClass, tasks: readonly HeldTask[]): void {
    queueClass.tasks.splice(0, queueClass.head, ...tasks.map((task) => ({ task, arrival: 0 })));
    queueClass.head = 0;
    for (let i = 0; i < tasks.length; i += 1) this.added(queueClass);
  }

  /** The only class of which tasks wait; undefined when none or several do. */
  onlyClass(): QueueClass | undefined {
    let only: QueueClass | undefined;
    for (const one of this.active) {
      if (headOf(one) === undefined) continue;
      if (only !== undefined) return undefined;
      only = one;
    }
    return only;
  }

  /** What waits beside the tasks of a class, those that have been cancelled since included: nothing is looked at one by one. */
  rivalsOf(queueClass: QueueClass): Rivals {
    const others: number[] = [];
    for (const one of this.active) {
      if (one === queueClass) continue;
      for (const { resource, units } of one.request.entries) others[resource] = (others[resource] ?? 0) + units * waitingOf(one);
    }
    return { same: Math.max(1, waitingOf(queueClass)), others };
  }

  /** Takes the first waiting task of a class out of the queue, if `condition` allows it; its state must change. */
  takeFirst(queueClass: QueueClass, condition: (task: HeldTask) => boolean): HeldTask | undefined {
    const task = headOf(queueClass);
    if (task === undefined || !condition(task)) return undefined;
    advance(queueClass);
    this.waiting -= 1;
    return task;
  }

  private added(queueClass: QueueClass): void {
    this.waiting += 1;
    if (this.active.includes(queueClass)) return;
    this.active.push(queueClass);
    this.active.sort((a, b) => b.priority - a.priority);
  }

  /** A waiting task is gone (started, cancelled, given back); its state is no longer `queued`. */
  removed(): void {
    this.waiting -= 1;
  }

  /**
   * Offers waiting tasks in order. `accept` answers whether the task left the queue; after a no the rest of its class is not offered.
   */
  offer(accept: (task: HeldTask) => boolean): void {
    const blocked = new Set<QueueClass>();
    for (let next = this.first(blocked); next !== undefined; next = this.first(blocked)) {
      if (accept(headOf(next) as HeldTask)) advance(next);
      else blocked.add(next);
    }
    this.active = this.active.filter((one) => headOf(one) !== undefined);
    // Classes of jobs that are over would pile up during the life of a worker.
    if (this.waiting > 0 || this.classes.size <= COMPACT_AT) return;
    this.classes.clear();
    for (const [request, { running }] of this.likes) if (running === 0) this.likes.delete(request);
  }

  /** All waiting tasks in no particular order. */
  *all(): Generator<HeldTask> {
    for (const { tasks, head } of this.active)
      for (let i = head; i < tasks.length; i += 1) {
        const task = tasks[i]?.task;
        if (task?.state === 'queued') yield task;
      }
  }

  /** Of the highest priority that has an unblocked class, the class whose head came first. */
  private first(blocked: ReadonlySet<QueueClass>): QueueClass | undefined {
    let best: QueueClass | undefined;
    for (const one of this.active) {
      if (best !== undefined && one.priority < best.priority) break;
      if (blocked.has(one) || headOf(one) === undefined) continue;
      if (best === undefined || arrivalOf(one) < arrivalOf(best)) best = one;
    }
    return best;
  }
}

function waitingOf(one: QueueClass): number {
  return one.tasks.length - one.head;
}

function headOf(one: QueueClass): HeldTask | undefined {
  while (one.head < one.tasks.length && one.tasks[one.head]?.task.state !== 'queued') advance(one);
  return one.tasks[one.head]?.task;
}

function arrivalOf(one: QueueClass): number {
  return one.tasks[one.head]?.arrival ?? Number.POSITIVE_INFINITY;
}

function advance(one: QueueClass): void {
  one.head += 1;
  if (one.head < COMPACT_AT && one.head < one.tasks.length) return;
  one.tasks.splice(0, one.head);
  one.head = 0;
}
