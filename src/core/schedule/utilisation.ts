/**
 * Workers with a least utilisation get tasks only when those that wait would fill them so far: an allocation that would run for one small task is
 * left to idle out. As HyperQueue's `--min-utilization`. Used by the planner; costs nothing where no worker asks for it.
 */
import type { Core } from '../core.ts';
import type { ClassVariant } from '../requestClasses.ts';
import { type CoreWorker, livesFor } from '../workerTable.ts';
import { type Headroom, takeHeadroom } from './headroom.ts';
import { classesInOrder } from './order.ts';

/** @returns whether everything that waits, in the order of the plan, would keep enough of the worker's CPUs busy */
export function wouldBeUsed(core: Core, worker: CoreWorker, nowMs: number): boolean {
  if (worker.minUtilization <= 0) return true;
  const cpus = core.names.idOf('cpus');
  const total = worker.total[cpus];
  if (total === undefined) return true;
  const room: Headroom = { total: worker.total, free: [...worker.free], isOpen: false };
  const isEnough = (): boolean => total - (room.free[cpus] as number) >= worker.minUtilization * total;
  if (isEnough()) return true;
  for (const priority of core.ready.activePriorities()) {
    for (const id of classesInOrder(core, priority)) {
      let waiting = core.ready.count(priority, id);
      const { variants, order } = core.classes.get(id);
      for (const index of order) {
        const variant = variants[index] as ClassVariant;
        if (livesFor(worker, variant, nowMs)) waiting -= takeHeadroom(core, room, { variant, waiting });
      }
      if (isEnough()) return true;
    }
  }
  return false;
}
