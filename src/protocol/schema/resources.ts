/**
 * Resources as every layer sees them: what a worker provides (descriptors) and what a task asks for (requests).
 * Amounts are integers in units of 1/10,000, so that fractions add up exactly. Shapes follow HyperQueue's JSON.
 */
import * as z from 'zod';
import { ALLOCATION_POLICIES, RESOURCE_NAME, UNITS_PER_WHOLE } from '../resourceTerms.ts';

export { UNITS_PER_WHOLE } from '../resourceTerms.ts';

/** Resource names: `cpus`, `mem`, `gpus/nvidia`, `licenses`. */
export const resourceName = z.string().regex(RESOURCE_NAME, 'a resource name starts with a letter');

/** What a worker provides of one resource. `sum` has a size in units; the others have named indices. */
export const resourceDescriptor = z.discriminatedUnion('kind', [
  z.strictObject({ name: resourceName, kind: z.literal('list'), values: z.array(z.string()).min(1) }),
  z.strictObject({ name: resourceName, kind: z.literal('range'), start: z.int().min(0), end: z.int().min(0) }),
  z.strictObject({ name: resourceName, kind: z.literal('sum'), size: z.int().min(0) }),
  z.strictObject({ name: resourceName, kind: z.literal('groups'), groups: z.array(z.array(z.string()).min(1)).min(1) }),
]);
export type ResourceDescriptor = z.infer<typeof resourceDescriptor>;

/** One pair of groups that belong together (NUMA); indices count from 0 into the worker's name-sorted resources. */
export const couplingWeight = z.strictObject({
  resource1_idx: z.int().min(0),
  group1_idx: z.int().min(0),
  resource2_idx: z.int().min(0),
  group2_idx: z.int().min(0),
  weight: z.int().min(0),
});

/** Everything a worker provides. */
export const workerResources = z.strictObject({
  resources: z.array(resourceDescriptor),
  coupling: z.strictObject({ weights: z.array(couplingWeight) }).default({ weights: [] }),
});
export type WorkerResources = z.infer<typeof workerResources>;

/**
 * What is free of each resource of a worker, in the order of its description: units of a sum; of indices, group by group, the number of entirely
 * free ones, then the free units of each that is shared and not full.
 */
export type Room = readonly (number | readonly (readonly number[])[])[];

/** How indices are picked out of groups; `all` takes everything the worker has of the resource. */
export const allocationPolicy = z.enum(ALLOCATION_POLICIES);
export type AllocationPolicy = z.infer<typeof allocationPolicy>;

/** Request of one resource after parsing. `units` is the least amount (0 for `all`), `maxUnits` the most (ranges such as 2-8). */
export interface ResourceEntry {
  readonly name: string;
  readonly policy: AllocationPolicy;
  readonly units: number;
  readonly maxUnits?: number;
}

/** One alternative of a request after parsing; entries are sorted by name, names are distinct. */
export interface RequestVariant {
  /** 0: runs on one worker, sharing it; > 0: takes that many whole workers of one group. */
  readonly nodes: number;
  /** The worker must live at least this long from the start of the task. */
  readonly minTimeMs: number;
  /** Scheduling weight in 1/10,000. */
  readonly weight: number;
  readonly entries: readonly ResourceEntry[];
}

/** A parsed request: alternatives, the preferred one first. */
export interface ResourceRequest {
  readonly variants: readonly RequestVariant[];
}

/** Request of one resource as written by people and bridges: `2`, `0.5`, `"all"`, `"4 compact"`, `"2-8"`, `"4GiB"` (mem). */
export const amountText = z.union([z.number().positive(), z.string().min(1)]);

/** One alternative as written in HTTP bodies and job files. An empty `resources` asks for nothing; missing means one CPU. */
export const requestSpec = z.strictObject({
  resources: z.record(resourceName, amountText).optional(),
  nodes: z.int().min(0).default(0),
  timeRequestMs: z.number().min(0).default(0),
  weight: z
    .number()
    .min(1 / UNITS_PER_WHOLE)
    .default(1)
    .describe('of the alternatives the one with the largest is preferred'),
});
export type RequestSpec = z.infer<typeof requestSpec>;
