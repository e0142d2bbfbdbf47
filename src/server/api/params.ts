/**
 * Path and query parameters of the routes: how their text becomes values. A query arrives as `{ name: texts }`, because a name may be
 * given several times; a parameter that takes one value refuses that. Used by the route table.
 */
import * as z from 'zod';
import { IntArray } from '../../common/intArray.ts';
import { clip } from '../../protocol/badField.ts';
import { queueId } from '../../protocol/schema/allocation.ts';
import { eventBody } from '../../protocol/schema/event.ts';
import { taskId, taskState } from '../../protocol/schema/task.ts';

/** Longest input shown in an error, characters. */
const SHOWN_MAX = 80;
/** Most jobs that an event stream can select; more are better filtered by the reader. */
const EVENT_JOBS_MAX = 10_000;
/** Longest time for which an event stream may hold events back. */
const GATHER_MAX_MS = 10_000;

type Refine = { addIssue(issue: string): void };

/** Wraps `inner` with a reading of the text; what `read` throws is the complaint. */
function reading<Inner extends z.ZodType>(read: (texts: readonly string[]) => unknown, inner: Inner) {
  return z.preprocess((texts, context: Refine) => {
    try {
      return read(typeof texts === 'string' ? [texts] : (texts as string[]));
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  }, inner);
}

const shown = (text: string): string => `'${clip(text, SHOWN_MAX)}'`;

function single(texts: readonly string[]): string {
  if (texts.length !== 1) throw new Error('is given more than once');
  return texts[0] as string;
}

function wholeNumber(texts: readonly string[]): number {
  const text = single(texts);
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${shown(text)} is not a whole number`);
  return Number(text);
}

function truth(texts: readonly string[]): boolean {
  const text = single(texts);
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw new Error(`${shown(text)} is neither true nor false`);
}

/** Comma separated, or given several times. */
const list = (texts: readonly string[]): string[] => texts.flatMap((text) => text.split(',')).filter((text) => text !== '');

function intArrayText(texts: readonly string[]): string {
  const text = single(texts);
  const parsed = IntArray.parse(text);
  if (typeof parsed === 'string') throw new Error(`${shown(text)}: ${clip(parsed, SHOWN_MAX)}`);
  return text;
}

function jobIds(texts: readonly string[]): number[] {
  const parsed = IntArray.parse(intArrayText(texts));
  if (typeof parsed === 'string') throw new Error(parsed);
  if (parsed.length > EVENT_JOBS_MAX) throw new Error(`selects more than ${EVENT_JOBS_MAX} jobs`);
  return [...parsed];
}

function labels(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      if (equals <= 0) throw new Error(`${shown(text)} is not of the form KEY=VALUE`);
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}

const eventType = z.enum(eventBody.options.map((option) => option.shape.type.value) as [string, ...string[]]);

const ids = reading(intArrayText, z.string()).describe('like 1-10,20');

export const jobParams = z.object({ id: reading(wholeNumber, z.int().min(1).max(0xffff_ffff)).describe('job id') });
export const workerParams = z.object({ id: reading(wholeNumber, z.int().min(1).max(0xffff_ffff)).describe('worker id') });
export const queueParams = z.object({ id: reading(wholeNumber, queueId).describe('queue id') });
export const allocationParams = z.object({ id: z.string().min(1).max(200).describe('id of the batch system') });
export const removeQueueQuery = z.strictObject({
  running: reading(single, z.enum(['drain', 'cancel', 'refuse']))
    .default('drain')
    .describe('what becomes of running allocations: they end with their tasks, are canceled, or keep the queue from being removed'),
});
export const taskParams = jobParams.extend({ task: reading(wholeNumber, taskId).describe('task id') });
export const outputParams = taskParams.extend({ channel: z.enum(['stdout', 'stderr']).describe('which of its outputs') });
export const leaseParams = z.object({ lease: z.string().min(1).max(200).describe('the name given to the event stream') });

export const jobsQuery = z.strictObject({
  live: reading(truth, z.boolean()).default(false).describe('only jobs that are open, waiting or running'),
  ids: ids.optional(),
  label: reading(labels, z.record(z.string(), z.string())).optional().describe('KEY=VALUE, may be repeated; jobs that have all of them'),
});

export const tasksQuery = z.strictObject({
  ids: ids.optional(),
  states: reading(list, z.array(taskState).min(1)).optional().describe('comma separated'),
  after: reading(wholeNumber, taskId).optional().describe('only ids after this one, for paging'),
  limit: reading(wholeNumber, z.int().min(1).max(100_000)).default(100_000).describe('most tasks in the answer'),
});

export const outputQuery = z.strictObject({
  follow: reading(truth, z.boolean()).default(false).describe('goes on until the task has ended; waits for one that has not started'),
  tail: reading(wholeNumber, z.int().min(0)).optional().describe('only the last bytes of what is there at the beginning'),
});

export const workersQuery = z.strictObject({
  all: reading(truth, z.boolean()).default(false).describe('also workers that are gone'),
});

export const eventsQuery = z.strictObject({
  after: reading(wholeNumber, z.int().min(0))
    .optional()
    .describe(
      'first the kept events with a higher sequence number (0: all), then new ones; left out: new ones only. Last-Event-ID has precedence',
    ),
  follow: reading(truth, z.boolean()).default(true).describe('false: ends after the kept events'),
  jobs: reading(jobIds, z.array(z.int()).min(1)).optional().describe('job ids like 1-10,20; only their events'),
  types: reading(list, z.array(eventType).min(1)).optional().describe('comma separated; only events of these types'),
  lease: reading(single, z.string().min(1).max(200))
    .optional()
    .describe('keeps an embedded server alive while the stream is open; ended cleanly by DELETE /v1/leases/{lease}'),
  gatherMs: reading(wholeNumber, z.int().min(0).max(GATHER_MAX_MS))
    .default(0)
    .describe('after a batch, the next one comes at the earliest so many milliseconds later, with all that has happened meanwhile'),
});
