/**
 * Requests that no present worker could ever run, with the cause in sentences: told at submit (`server/unmet.ts`) and by `explain.ts`. Pure.
 */
import type { Core } from '../core.ts';
import type { ClassVariant, RequestClass } from '../requestClasses.ts';
import { couldEverGather } from '../schedule/gangs.ts';
import { groupsOf, lastingObstacles } from './obstacles.ts';

/** @returns one sentence per cause; none when some worker could run it, or when there is no worker at all: nothing is known of those to come */
export function impossible(core: Core, requestClass: RequestClass): string[] {
  const workers = [...core.workers.values()];
  if (workers.length === 0) return [];
  const isPossible = (variant: ClassVariant): boolean =>
    variant.nodes > 0
      ? couldEverGather(workers, variant.nodes)
      : workers.some((worker) => lastingObstacles(core, worker, variant).length === 0);
  if (requestClass.variants.some(isPossible)) return [];
  const preferred = requestClass.variants[requestClass.order[0] ?? 0];
  return preferred === undefined ? [] : causes(core, preferred);
}

function causes(core: Core, variant: ClassVariant): string[] {
  if (variant.nodes > 0) return [groupCause(core, variant.nodes)];
  const found = [...core.workers.values()].map((worker) => lastingObstacles(core, worker, variant));
  const sentences: string[] = [];
  for (const need of variant.needs) {
    const resource = core.names.nameOf(need.resource);
    const own = found.map((list) => list.find((one) => 'resource' in one && one.resource === resource));
    // Some worker has enough of this one.
    if (own.some((one) => one === undefined)) continue;
    const totals = own.flatMap((one) => (one?.kind === 'too-little' ? [one.total] : []));
    if (totals.length === 0) sentences.push(`no worker provides '${resource}'; present are: ${presentNames(core)}`);
    else sentences.push(`no worker has ${need.units / 10_000} of '${resource}'; the largest has ${Math.max(...totals)}`);
  }
  return sentences.length > 0 ? sentences : ['no worker has all of the requested resources at once'];
}

function groupCause(core: Core, nodes: number): string {
  const [name, workers] = [...groupsOf(core)].reduce((best, one) => (one[1].length > best[1].length ? one : best));
  return `no group has ${nodes} workers; the largest, '${name}', has ${workers.length}`;
}

function presentNames(core: Core): string {
  const names = new Set<string>();
  for (const worker of core.workers.values())
    for (const slot of worker.total.keys()) if (worker.total[slot] !== undefined) names.add(core.names.nameOf(slot));
  return [...names].sort().join(', ');
}
