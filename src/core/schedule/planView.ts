/**
 * What the parts of one plan look at. A turn usually concerns a few workers of many, so the list of all is made only when something asks for
 * it. Made by `plan` once per turn.
 */
import type { Core } from '../core.ts';
import type { CoreWorker } from '../workerTable.ts';
import { classesInOrder } from './order.ts';
import { wouldBeUsed } from './utilisation.ts';

export class PlanView {
  /** Unix milliseconds, for workers with a limited lifetime. */
  readonly nowMs: number;
  /** Workers that may get tasks and have changed since the last plan, in the order of their registration. */
  readonly changed: readonly CoreWorker[];
  private readonly core: Core;
  private readonly full: ReadonlySet<number>;
  private all: readonly CoreWorker[] | null = null;
  private readonly ordered = new Map<number, readonly number[]>();
  private readonly worth = new Map<number, boolean>();

  /**
   * Takes over what has changed since the last plan; from here on it is collected anew.
   * @param earlier changed before, and not looked at for good
   */
  constructor(core: Core, nowMs: number, earlier: readonly CoreWorker[] = []) {
    this.core = core;
    this.nowMs = nowMs;
    const { changed, full } = core.planned;
    for (const { id } of earlier) changed.add(id);
    for (const id of core.planned.picky) changed.add(id);
    // What may still run on workers that are kept for a task depends on its priority, and on what runs on all of them.
    for (const id of core.planned.reservation?.workers ?? []) changed.add(id);
    const known = [...changed].map((id) => core.workers.get(id)).filter((worker) => worker !== undefined && isUsable(worker));
    this.changed = (known as CoreWorker[]).sort((a, b) => a.id - b.id);
    this.full = full;
    changed.clear();
  }

  /** All that may get tasks, in the order of their registration. */
  get workers(): readonly CoreWorker[] {
    this.all ??= [...this.core.workers.values()].filter(isUsable);
    return this.all;
  }

  /** Workers that can have room for a class: what fitted nowhere in the last plan fits at most on those that have changed. */
  candidates(requestClass: number): readonly CoreWorker[] {
    return this.full.has(requestClass) ? this.changed : this.workers;
  }

  /** Classes of which tasks waited with this priority when the plan first came to it, in the order of the rules. Some may have none left. */
  classes(priority: number): readonly number[] {
    let classes = this.ordered.get(priority);
    if (classes === undefined) {
      classes = classesInOrder(this.core, priority);
      this.ordered.set(priority, classes);
    }
    return classes;
  }

  /** Once per plan and worker: would it be used as much as it asks for? */
  isWorthUsing(worker: CoreWorker): boolean {
    if (worker.minUtilization <= 0) return true;
    let answer = this.worth.get(worker.id);
    if (answer === undefined) {
      answer = wouldBeUsed(this.core, worker, this.nowMs);
      this.worth.set(worker.id, answer);
    }
    return answer;
  }

  /** The first worker that may get tasks and satisfies the condition. */
  find(condition: (worker: CoreWorker) => boolean): CoreWorker | undefined {
    for (const worker of this.core.workers.values()) if (isUsable(worker) && condition(worker)) return worker;
    return undefined;
  }
}

/** May it get tasks? */
export function isUsable(worker: CoreWorker): boolean {
  return worker.connected && !worker.stopping && !worker.draining && worker.gang === null;
}
