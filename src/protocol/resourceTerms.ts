/** What resource requests and descriptors are made of. Apart from their schemas, so that a short command does not load zod. */

/** Units per whole resource: an amount of 1.5 is 15,000 units. */
export const UNITS_PER_WHOLE = 10_000;

/** Resource names: `cpus`, `mem`, `gpus/nvidia`, `licenses`. */
export const RESOURCE_NAME: RegExp = /^[A-Za-z][A-Za-z0-9/_.-]*$/;

/** Workers of an allocation queue with a name provide this and the name; a task with `--queue NAME` takes one of it. */
export const QUEUE_RESOURCE = 'queue/';
/** Name of an allocation queue. */
export const QUEUE_NAME: RegExp = /^[A-Za-z0-9_.-]{1,100}$/;
/** How many of it a worker has: more than tasks ever run on one. */
export const QUEUE_PLACES = 1_000_000;

/** How indices are picked out of groups; `all` takes everything the worker has of the resource. */
export const ALLOCATION_POLICIES = ['compact', 'compact!', 'tight', 'tight!', 'scatter', 'all'] as const;

/** What a worker finds out about its machine by itself; the names that `--detect-resources` takes. */
export const DETECTABLE = ['cpus', 'mem', 'gpus/nvidia', 'gpus/amd'] as const;
export type Detectable = (typeof DETECTABLE)[number];

/** How a task is bound to the CPUs that it got: by the kernel, or by telling OpenMP. */
export const PIN_MODES = ['taskset', 'omp'] as const;
export type PinMode = (typeof PIN_MODES)[number];
