/** What must hold of the worker's state machine after every event: every held task stands in one place, and resources add up. For tests. */

import type { ResourcePool } from '../resources/pool.ts';
import type { HeldTable } from './heldTable.ts';
import type { HeldTask } from './heldTask.ts';
import type { Staging } from './staging.ts';
import type { TaskQueue } from './taskQueue.ts';

export interface Books {
  readonly held: HeldTable;
  readonly running: ReadonlySet<HeldTask>;
  readonly queue: TaskQueue;
  readonly staging: Staging;
  readonly pool: ResourcePool;
}

/** @throws Error that names the first thing that is wrong */
export function checkBooks({ held, running, queue, staging, pool }: Books): void {
  const count = { held: 0, queued: 0, staged: 0 };
  for (const task of held) {
    count.held += 1;
    if (task.state === 'queued') count.queued += 1;
    else if (task.state === 'staged') count.staged += 1;
    else if (task.state !== 'running' || !running.has(task)) throw new Error('a held task is neither queued nor running');
  }
  if (count.held !== held.size || count.queued !== queue.size || count.queued !== [...queue.all()].length)
    throw new Error('held tasks are miscounted');
  if (count.staged > staging.size) throw new Error('staged tasks are miscounted');
  const used = new Array<number>(pool.resourceCount).fill(0);
  for (const { allocation } of running) {
    if (allocation === null) throw new Error('a running task holds nothing');
    for (const { entry, units } of allocation.entries) used[entry.resource] = (used[entry.resource] as number) + units;
  }
  used.forEach((units, resource) => {
    if (units + pool.freeUnits(resource) !== pool.totalUnits(resource)) throw new Error(`${pool.nameOf(resource)} does not add up`);
  });
}
