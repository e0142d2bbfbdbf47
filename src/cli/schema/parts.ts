/**
 * What the JSON of several commands is made of. Every shape comes twice: `now` is what `hq` prints, `original` the same with HQ_COMPAT=hyperqueue, which
 * has HyperQueue's keys alone. Used by the other schemas of this folder.
 */
import * as z from 'zod';
import { taskState } from '../../protocol/schema/task.ts';

/** Two forms of one value. */
export interface Shape<Now extends z.ZodType = z.ZodType, Original extends z.ZodType = z.ZodType> {
  readonly now: Now;
  readonly original: Original;
}

/**
 * An object of which we have more keys than the original.
 * @param original keys of both forms
 * @param extras keys that only `now` has
 */
export function shape<O extends z.ZodRawShape, E extends z.ZodRawShape>(
  original: O,
  extras: E,
): Shape<z.ZodObject<O & E, z.core.$strict>, z.ZodObject<O, z.core.$strict>> {
  return { now: z.strictObject({ ...original, ...extras }) as z.ZodObject<O & E, z.core.$strict>, original: z.strictObject(original) };
}

/** The same in both forms. */
export function same<T extends z.ZodType>(schema: T): Shape<T, T> {
  return { now: schema, original: schema };
}

/** A list of a shape. */
export function listOf(item: Shape): Shape {
  return { now: z.array(item.now), original: z.array(item.original) };
}

/** By the decimal text of a job id. */
export function byJob(value: Shape): Shape {
  const key = z.string().regex(/^\d+$/);
  return { now: z.record(key, value.now), original: z.record(key, value.original) };
}

/** Seconds; printed with a decimal point also when whole. */
export const seconds: z.ZodNumber = z.number().min(0).meta({ description: 'seconds, always with a decimal point' });
/** RFC 3339, UTC. */
export const date: z.ZodISODateTime = z.iso.datetime();
export const count: z.ZodInt = z.int().min(0);
/** Resource amounts are integers in units of 1/10,000. */
export const units: z.ZodInt = z.int().min(0).meta({ description: 'in units of 1/10,000' });

const stdio = z.string().nullable().meta({ description: 'path, "<pipe>" for a consolidated log, null for nowhere' });

export const taskStats: z.ZodType = z.strictObject({
  running: count,
  finished: count,
  failed: count,
  canceled: count,
  aborted: count,
  waiting: count,
});

const taskUsage = z.strictObject({
  wall: seconds,
  user: seconds.nullable(),
  system: seconds.nullable(),
  max_rss: count.nullable().meta({ description: 'bytes, of the largest process' }),
  peak_mem: count.nullable().meta({ description: 'bytes, of all processes together' }),
});

/** One task. Keys of a start are there once there was one. */
export const task: Shape = shape(
  {
    id: count,
    state: taskState,
    cwd: z.string().nullable().optional(),
    stdout: stdio.optional(),
    stderr: stdio.optional(),
    started_at: date.optional(),
    worker: count.optional().meta({ description: 'of a task on one node' }),
    workers: z.array(count).optional().meta({ description: 'of a multi-node task, the first one ran the command' }),
    finished_at: date.nullable().optional(),
    error: z.string().optional(),
  },
  {
    label: z.string().optional(),
    instance: count.optional().meta({ description: 'left out for the first attempt' }),
    usage: taskUsage.optional(),
  },
);
