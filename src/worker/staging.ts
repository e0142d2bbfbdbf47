/**
 * Which queued tasks wait in the launcher, and why some of them are asked back. A short task is over before the worker could answer its end
 * with the next one; so tasks of the class that is next anyway wait where they can start at once. Pure; owned by the state machine.
 */
import type { HeldTask } from './heldTask.ts';
import type { QueueClass } from './taskQueue.ts';

/** What becomes of a staged task that comes back: later ones in this list win over earlier ones. */
const RECALLS = ['queue', 'retract', 'cancel', 'unwanted'] as const;
export type Recall = (typeof RECALLS)[number];

/** Work staged, milliseconds: the launcher gathers its news for 5 ms, and the worker needs some time to answer them. */
const AHEAD_MS = 15;

/** Longer tasks are started by the worker: the time between two of them does not count. */
const LONGEST_MEAN_MS = 50;

/** No task is quicker than the start of its process, milliseconds. */
const SHORTEST_MEAN_MS = 0.2;

const MOST_STAGED = 1_024;

export class Staging {
  private readonly tasks = new Map<HeldTask, Recall | null>();

  get size(): number {
    return this.tasks.size;
  }

  /** In the order in which they start. */
  all(): IterableIterator<HeldTask> {
    return this.tasks.keys();
  }

  /** True when a task is staged that is of another class. */
  hasOther(queueClass: QueueClass): boolean {
    for (const task of this.tasks.keys()) if (task.queueClass !== queueClass) return true;
    return false;
  }

  add(task: HeldTask): void {
    this.tasks.set(task, null);
  }

  /** @returns true when the launcher must be asked for it; false when it has been already */
  recall(task: HeldTask, why: Recall): boolean {
    const known = this.tasks.get(task) ?? null;
    if (known === null || RECALLS.indexOf(why) > RECALLS.indexOf(known)) this.tasks.set(task, why);
    return known === null;
  }

  /** The last `count` that have not been asked back yet. */
  last(count: number): HeldTask[] {
    const staying = [...this.tasks].flatMap(([task, why]) => (why === null ? [task] : []));
    return count === 0 ? [] : staying.slice(-count);
  }

  /** It has started or has come back. @returns why it had been asked back; null when it had not */
  remove(task: HeldTask): Recall | null {
    const why = this.tasks.get(task);
    if (why === undefined) throw new Error('invariant broken: a task was not staged');
    this.tasks.delete(task);
    return why;
  }
}

/** @returns how many tasks of a class should be staged, from what runs of it and how long it takes */
export function stagingTarget({ running, meanMs }: Pick<QueueClass, 'running' | 'meanMs'>): number {
  if (meanMs === null || meanMs > LONGEST_MEAN_MS) return 0;
  return Math.min(MOST_STAGED, running * Math.ceil(AHEAD_MS / Math.max(meanMs, SHORTEST_MEAN_MS)));
}
