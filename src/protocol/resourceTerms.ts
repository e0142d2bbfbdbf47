/** What resource requests and descriptors are made of. Apart from their schemas, so that a short command does not load zod. */

/** Units per whole resource: an amount of 1.5 is 15,000 units. */
export const UNITS_PER_WHOLE = 10_000;

/** Resource names: `cpus`, `mem`, `gpus/nvidia`, `licenses`. */
export const RESOURCE_NAME: RegExp = /^[A-Za-z][A-Za-z0-9/_.-]*$/;

/** How indices are picked out of groups; `all` takes everything the worker has of the resource. */
export const ALLOCATION_POLICIES = ['compact', 'compact!', 'tight', 'tight!', 'scatter', 'all'] as const;
