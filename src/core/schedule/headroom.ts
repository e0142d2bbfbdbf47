/**
 * How many tasks of a kind fit into what a worker has left. Of workers that are there (least utilization) and of workers that might come
 * (what-if), so that both count alike. Pure.
 */
import { QUEUE_RESOURCE } from '../../protocol/resourceTerms.ts';
import type { Core } from '../core.ts';
import type { ClassVariant } from '../requestClasses.ts';
import { demandOf } from '../workerTable.ts';

/** A worker as far as filling it goes. Arrays by resource id, amounts in units of 1/10,000. */
export interface Headroom {
  readonly total: readonly (number | undefined)[];
  /** What is left; changed by `takeHeadroom`. */
  readonly free: (number | undefined)[];
  /** True: it may have resources that are not listed; they are expected to be there, in any amount, but for the names of queues. */
  readonly isOpen: boolean;
}

/**
 * Takes as many tasks of a single-node variant as fit out of `room.free`.
 * @param waiting most tasks to take
 * @returns how many were taken; 0 for variants of several nodes
 */
export function takeHeadroom(core: Core, room: Headroom, o: { readonly variant: ClassVariant; readonly waiting: number }): number {
  const { variant } = o;
  if (variant.nodes > 0) return 0;
  let count = o.waiting;
  const demands = [];
  for (const need of variant.needs) {
    const demand = demandOf(core.names, room, need);
    if (demand === undefined) {
      if (room.isOpen && !core.names.nameOf(need.resource).startsWith(QUEUE_RESOURCE)) continue;
      return 0;
    }
    if (demand.units <= 0) return 0;
    count = Math.min(count, Math.floor((room.free[demand.slot] as number) / demand.units));
    demands.push(demand);
  }
  if (variant.needs.length === 0 || count <= 0) return 0;
  for (const { slot, units } of demands) room.free[slot] = (room.free[slot] as number) - count * units;
  return count;
}
