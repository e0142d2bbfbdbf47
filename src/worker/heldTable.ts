/** The tasks that a worker holds, by job and task id: at most one instance of each. Owned by the state machine. */
import type { TaskKey } from '../protocol/messages/worker.ts';
import type { HeldTask } from './heldTask.ts';

export class HeldTable {
  // Two maps of integers instead of one with composed keys: no text per task.
  private readonly jobs = new Map<number, Map<number, HeldTask>>();
  private count = 0;
  private intricateCount = 0;

  get size(): number {
    return this.count;
  }

  /** Number of those of which sums of amounts do not tell where they fit. */
  get intricate(): number {
    return this.intricateCount;
  }

  /** @returns the instance that is held of a task, whichever it is */
  latest(job: number, task: number): HeldTask | undefined {
    return this.jobs.get(job)?.get(task);
  }

  /** @returns exactly this instance */
  find([job, task, instance]: TaskKey): HeldTask | undefined {
    const found = this.latest(job, task);
    return found?.instance === instance ? found : undefined;
  }

  /** The task must not be held yet. */
  add(task: HeldTask): void {
    let tasks = this.jobs.get(task.job);
    if (tasks === undefined) {
      tasks = new Map();
      this.jobs.set(task.job, tasks);
    }
    tasks.set(task.task, task);
    this.count += 1;
    if (task.queueClass.request.isIntricate) this.intricateCount += 1;
  }

  remove(task: HeldTask): void {
    const tasks = this.jobs.get(task.job);
    if (tasks?.get(task.task) !== task) throw new Error('invariant broken: a task is forgotten that is not held');
    tasks.delete(task.task);
    this.count -= 1;
    if (task.queueClass.request.isIntricate) this.intricateCount -= 1;
    if (tasks.size === 0) this.jobs.delete(task.job);
  }

  *[Symbol.iterator](): Generator<HeldTask> {
    for (const tasks of this.jobs.values()) yield* tasks.values();
  }
}
