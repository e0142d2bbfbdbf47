/** Requests that no present worker could ever run: found at submit, so that nobody waits for ever without knowing. Pure. */
import type { Core } from '../core/core.ts';
import type { TaskTraits } from '../core/reactor/onSubmit.ts';
import { couldEverFit, demandOf } from '../core/workerTable.ts';

/**
 * @returns one sentence per kind of request that no connected worker could run even if it were empty; none when there is no worker at all,
 * because then nothing is known about those that will come
 */
export function unmetRequests(core: Core, traits: readonly TaskTraits[]): string[] {
  const workers = [...core.workers.values()];
  if (workers.length === 0) return [];
  const sentences = new Set<string>();
  for (const requestClass of new Set(traits.map((trait) => core.classes.intern(trait.request)))) {
    const possible = requestClass.variants.some((variant) => workers.some((worker) => couldEverFit(core.names, worker, variant)));
    if (possible) continue;
    for (const need of requestClass.variants[0]?.needs ?? []) {
      const amounts = workers.map((worker) => demandOf(core.names, worker, need)).filter((demand) => demand !== undefined);
      const name = core.names.nameOf(need.resource);
      if (amounts.length === 0) sentences.add(`no worker provides '${name}'; present are: ${presentNames(core)}`);
      else if (!workers.some((worker) => (worker.total[demandOf(core.names, worker, need)?.slot ?? -1] ?? 0) >= need.units)) {
        const most = Math.max(...workers.map((worker) => worker.total[demandOf(core.names, worker, need)?.slot ?? -1] ?? 0));
        sentences.add(`no worker has ${need.units / 10_000} of '${name}'; the largest has ${most / 10_000}`);
      }
    }
    if (sentences.size === 0) sentences.add('no worker has all of the requested resources at once');
  }
  return [...sentences];
}

function presentNames(core: Core): string {
  const names = new Set<string>();
  for (const worker of core.workers.values())
    for (const slot of worker.total.keys()) if (worker.total[slot] !== undefined) names.add(core.names.nameOf(slot));
  return [...names].sort().join(', ');
}
