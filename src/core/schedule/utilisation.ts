/**
 * Workers with a least utilisation get tasks only when those that wait would fill them so far: an allocation that would run for one small task is
 * left to idle out. As HyperQueue's `--min-utilization`. Used by the planner; costs nothing where no worker asks for it.
 */
import type { Core } from '../core.ts';
import type { ClassVariant } from '../requestClasses.ts';
import { type CoreWorker, demandOf, livesFor } from '../workerTable.ts';
import { classesInOrder } from './order.ts';

/** @returns whether everything that waits, in the order of the plan, would keep enough of the worker's CPUs busy */
export function wouldBeUsed(core: Core, worker: CoreWorker, nowMs: number): boolean {
  if (worker.minUtilization <= 0) return true;
  const cpus = core.names.idOf('cpus');
  const total = worker.total[cpus];
  if (total === undefined) return true;
  const free = [...worker.free];
  const isEnough = (): boolean => total - (free[cpus] as number) >= worker.minUtilization * total;
  if (isEnough()) return true;
  for (const priority of core.ready.activePriorities()) {
    for (const id of classesInOrder(core, priority)) {
      let waiting = core.ready.count(priority, id);
      const { variants, order } = core.classes.get(id);
      for (const index of order) {
        const variant = variants[index] as ClassVariant;
        if (variant.nodes === 0 && livesFor(worker, variant, nowMs)) waiting -= fill(core, { worker, free, variant, waiting });
      }
      if (isEnough()) return true;
    }
  }
  return false;
}

/** Takes as many of a variant as fit out of `free`. @returns how many */
function fill(core: Core, o: { worker: CoreWorker; free: (number | undefined)[]; variant: ClassVariant; waiting: number }): number {
  const demands = o.variant.needs.map((need) => demandOf(core.names, o.worker, need));
  let count = o.waiting;
  for (const demand of demands) {
    if (demand === undefined || demand.units <= 0) return 0;
    count = Math.min(count, Math.floor((o.free[demand.slot] as number) / demand.units));
  }
  if (demands.length === 0 || count <= 0) return 0;
  for (const demand of demands) if (demand !== undefined) o.free[demand.slot] = (o.free[demand.slot] as number) - count * demand.units;
  return count;
}
