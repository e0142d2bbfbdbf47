/** How much memory a task has requested. Called by whatever guards the memory of tasks. Pure. */
import { UNITS_PER_WHOLE } from '../protocol/schema/resources.ts';
import type { AllocatedEntry, ResolvedEntry } from '../resources/pool.ts';
import type { HeldTask } from './heldTask.ts';

const BYTES_PER_MIB = 2 ** 20;

/**
 * @returns bytes of memory that a task has requested and, once it runs, got; undefined when it has requested none, or a range of which is not
 * known yet what it will get
 */
export function requestedBytes({ allocation, queueClass }: HeldTask): number | undefined {
  const units = allocation === null ? expectedUnits(queueClass.request.entries) : heldUnits(allocation.entries);
  return units === undefined ? undefined : (units / UNITS_PER_WHOLE) * BYTES_PER_MIB;
}

function heldUnits(entries: readonly AllocatedEntry[]): number | undefined {
  // Indices instead of a sum: what is called `mem` there is no amount.
  return entries.find(({ entry, indices }) => entry.name === 'mem' && indices === undefined)?.units;
}

/** Of a task that waits in the launcher, and takes over what another one of its class holds. */
function expectedUnits(entries: readonly ResolvedEntry[]): number | undefined {
  const entry = entries.find(({ name }) => name === 'mem');
  return entry === undefined || entry.maxUnits !== entry.units ? undefined : entry.units;
}
