/**
 * Which resource of a worker meets a requested name. A request for plain `gpus` is met by a worker's `gpus`, else by a vendor's
 * (`gpus/nvidia`, `gpus/amd`). Used by the scheduler (does it fit) and by the worker (what to allocate), so that both agree.
 */

/** By requested name: the worker's resources that meet it when there is none of that name, the preferred one first. */
const ALIASES: ReadonlyMap<string, readonly string[]> = new Map([['gpus', ['gpus/nvidia', 'gpus/amd']]]);

/**
 * @param wanted name in the request
 * @param provides tells whether the worker has a resource of that name
 * @returns the worker's resource name, or undefined when it has none that fits
 */
export function resolveResourceName(wanted: string, provides: (name: string) => boolean): string | undefined {
  if (provides(wanted)) return wanted;
  return ALIASES.get(wanted)?.find(provides);
}

/**
 * @param names what one variant asks for
 * @returns two of them that one resource of a worker could meet, the general name first; undefined when there are none
 */
export function overlapOf(names: readonly string[]): [general: string, special: string] | undefined {
  for (const [general, specials] of ALIASES) {
    const special = names.includes(general) ? specials.find((one) => names.includes(one)) : undefined;
    if (special !== undefined) return [general, special];
  }
  return undefined;
}
