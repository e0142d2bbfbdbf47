/**
 * Which resource of a worker meets a requested name. A request for plain `gpus` is met by a worker's `gpus`, else by a vendor's
 * (`gpus/nvidia`, `gpus/amd`). Used by the scheduler (does it fit) and by the worker (what to allocate), so that both agree.
 */

const VENDOR_GPUS = ['gpus/nvidia', 'gpus/amd'];

/**
 * @param wanted name in the request
 * @param provides tells whether the worker has a resource of that name
 * @returns the worker's resource name, or undefined when it has none that fits
 */
export function resolveResourceName(wanted: string, provides: (name: string) => boolean): string | undefined {
  if (provides(wanted)) return wanted;
  return wanted === 'gpus' ? VENDOR_GPUS.find(provides) : undefined;
}
