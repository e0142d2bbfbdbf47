/**
 * The efficiency report of a workflow run: what each job asked for and used, and what to ask for next time. Written by `hq report snakemake` as
 * `report.json`; described by docs/schema/snakemake-report.json. `null` means that nobody could know.
 */
import * as z from 'zod';

const sinceStart = z.number().describe('milliseconds since the start of the run, by the clock of the server');
const count = z.int().min(0);

/** How an attempt of a job ended; `restarted`: its worker was lost, or it was retried by HyperQueue. */
const attemptOutcome = z.enum(['finished', 'failed', 'restarted', 'canceled', 'running']);

/** One attempt of one job. */
const jobAttempt = z.object({
  taskId: z.int(),
  instance: count.describe('0 for the first attempt'),
  rule: z.string().describe('of a group its name'),
  label: z.string().describe('rule and wildcards'),
  worker: z.int(),
  submittedMs: sinceStart
    .nullable()
    .describe('Snakemake submits a job when it is ready, so from here on it waited; null for a further attempt'),
  startedMs: sinceStart,
  endedMs: sinceStart,
  outcome: attemptOutcome,
  reason: z.string().nullable().describe('why it failed'),
  failure: z.string().nullable().describe('the same in one word, such as exit, time-limit or memory-limit'),
  cpus: z.number().nullable().describe('asked for; null: whole nodes, or text such as 2-8'),
  memBytes: z.number().nullable().describe('asked for'),
  limitMs: z.number().nullable().describe('its time limit (resource runtime)'),
  wallMs: z.number(),
  cpuMs: z.number().nullable().describe('CPU time, user and system'),
  peakMemBytes: z.number().nullable().describe('memory of all its processes together at its highest'),
});
export type JobAttempt = z.infer<typeof jobAttempt>;

/** What to ask for next time; null: nothing to change. Units as in a Snakefile: threads, MiB, minutes. */
const ruleAdvice = z.object({ threads: count.nullable(), mem_mb: count.nullable(), runtime: count.nullable() });
export type RuleAdvice = z.infer<typeof ruleAdvice>;

/** One rule over all its jobs. Requests are the highest of its jobs. */
const ruleUsage = z.object({
  rule: z.string(),
  jobs: count,
  attempts: count,
  failed: count.describe('attempts that failed'),
  cpus: z.number().nullable(),
  cpusUsed: z.number().nullable().describe('CPUs that the busiest job kept busy on average'),
  cpuEfficiency: z.number().nullable().describe('CPU time of all jobs, by their run time times the CPUs that they asked for'),
  memBytes: z.number().nullable(),
  peakMemBytes: z.number().nullable().describe('the highest of all jobs'),
  limitMs: z.number().nullable(),
  wallMedianMs: z.number(),
  wallMostMs: z.number(),
  waitMedianMs: z.number().nullable().describe('between submission and start'),
  advice: ruleAdvice,
});
export type RuleUsage = z.infer<typeof ruleUsage>;

/** A worker on which jobs of the run ran. */
const reportWorker = z.object({ id: z.int(), host: z.string() });

/** The whole report. */
export const snakemakeReport = z.object({
  version: z.literal(1),
  jobId: z.int(),
  name: z.string(),
  startedAt: z.string().describe('first submission, ISO 8601, UTC'),
  wallMs: z.number().describe('until the last end'),
  rules: z.array(ruleUsage).describe('in the order of their first start'),
  workers: z.array(reportWorker),
  attempts: z.array(jobAttempt).describe('in the order of their starts'),
});
export type SnakemakeReport = z.infer<typeof snakemakeReport>;
