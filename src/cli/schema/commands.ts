/**
 * What each command prints with `--output-mode json`: one value, whose schema is published in docs/schema/cli and to which tests hold every answer. Loaded
 * by the generator and by tests, never by `hq` itself.
 */
import * as z from 'zod';
import * as jobs from './jobs.ts';
import { type Shape, same } from './parts.ts';
import * as workers from './workers.ts';

/** Of all shapes together: it grows when a key is removed or changes its meaning; keys may be added. */
export const JSON_VERSION = 1;

/** Commands that carry something out, or wait. */
export const DONE: Shape = same(z.strictObject({}));

/** Instead of the value when the command fails; the exit code is not 0. */
export const FAILED: Shape = {
  now: z.strictObject({ error: z.string(), code: z.string().meta({ description: 'see docs/errors.md' }) }),
  original: z.strictObject({ error: z.string() }),
};

/** Words of a command after `hq` -> its value. */
const SHAPES: Readonly<Record<string, Shape>> = {
  'server start': workers.serverInfo,
  'server info': workers.serverInfo,
  'worker start': workers.workers,
  'worker list': workers.workers,
  'worker info': workers.workers,
  'worker hwdetect': workers.hardware,
  submit: jobs.submitAnswer,
  'job submit': jobs.submitAnswer,
  'job submit-task': jobs.submitAnswer,
  'job submit-file': jobs.submitAnswer,
  'job open': jobs.openAnswer,
  'job list': jobs.jobList,
  'job summary': jobs.jobSummary,
  'job info': jobs.jobDetails,
  'job task-ids': jobs.taskIds,
  'task list': jobs.taskLists,
  'task info': jobs.taskDetails,
  'task explain': jobs.explanation,
  'alloc list': workers.queues,
  'alloc info': workers.allocations,
  'alloc explain': workers.queueReasons,
  'output-log': workers.outputLog,
  doctor: workers.findings,
  'config show': workers.settings,
  'report snakemake': workers.snakemake,
  'compare array': workers.comparison,
  'compare snakemake': workers.comparison,
};

/** Their output is text for programs or people, the same in every mode. */
const TEXT: ReadonlySet<string> = new Set([
  ...['job cat', 'job logs', 'alloc log', 'worker address', 'doc', 'generate-completion', 'dashboard', 'logs snakemake', 'nextflow config'],
  ...['journal export', 'journal replay', 'journal stream'],
]);

/** @returns null where the command prints text in every mode; `DONE` where it tells nothing */
export function shapeOf(command: string): Shape | null {
  return TEXT.has(command) ? null : (SHAPES[command] ?? DONE);
}

/** The commands that this knows by name, for a test that they exist. */
export const NAMED: readonly string[] = [...Object.keys(SHAPES), ...TEXT];
