/** Requests that no present worker could ever run: found at submit, so that nobody waits for ever without knowing. Pure. */
import type { Core } from '../core/core.ts';
import { impossible } from '../core/explain/impossible.ts';
import type { TaskTraits } from '../core/reactor/onSubmit.ts';
import type { RequestClass } from '../core/requestClasses.ts';

/**
 * @param couldCome could an allocation queue bring a worker for it
 * @returns one sentence per cause for which no connected worker could run a request even if it were empty; none when there is no worker at
 * all, because then nothing is known about those that will come
 */
export function unmetRequests(core: Core, traits: readonly TaskTraits[], couldCome: (requestClass: RequestClass) => boolean): string[] {
  if (core.workers.size === 0) return [];
  const classes = [...new Set(traits.map((trait) => core.classes.intern(trait.request, trait.timeLimitMs)))];
  return [...new Set(classes.flatMap((requestClass) => (couldCome(requestClass) ? [] : impossible(core, requestClass))))];
}
