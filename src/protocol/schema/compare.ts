/**
 * The report of `hq compare`: what each run of each side did, and the figures made of it. Written by the command line as `report.json`; described by
 * docs/schema/compare.json. Times of a run are milliseconds since its start; `null` means that nobody could know.
 */
import * as z from 'zod';

/** Who runs the same work: hq on allocations, one job array of Slurm, one sbatch per task, Snakemake's own Slurm executor. */
export const compareSide = z.enum(['hyperqueue', 'sbatch-array', 'sbatch', 'slurm-executor']);
export type CompareSide = z.infer<typeof compareSide>;

const sinceStart = z.number().describe('milliseconds since the start of the run');
const count = z.int().min(0);

/** One task of an array, or one job of a workflow. */
export const comparedTask = z.object({
  name: z.string().describe('index of the task, or rule and number of the job'),
  submittedMs: sinceStart.describe('when its submission began'),
  startedMs: sinceStart.nullable().describe('by the clock of its node'),
  endedMs: sinceStart.nullable(),
  noticedMs: sinceStart.nullable().describe('when the submitting side knew that it had ended; null: never'),
  runMs: z.number().nullable().describe('its own run time, measured around its command'),
  cpus: z.number().describe('CPUs that it asked for'),
  failed: z.boolean(),
});
export type ComparedTask = z.infer<typeof comparedTask>;

/** State of a job that Slurm has forgotten. */
export const UNKNOWN_STATE = 'UNKNOWN';

/** One job of Slurm: an allocation, a task of a job array, or a single job. */
export const comparedSlurmJob = z.object({
  id: z.string(),
  state: z.string().describe("Slurm's word; UNKNOWN: Slurm has forgotten it"),
  startedMs: sinceStart.nullable().describe('Slurm counts in whole seconds'),
  endedMs: sinceStart.nullable(),
  cpus: count.describe('allocated'),
});
export type ComparedSlurmJob = z.infer<typeof comparedSlurmJob>;

/** Calls of Slurm's commands, by command: those of the side and of its jobs, not those of the comparison. */
export const commandCalls = z.object({
  sbatch: count,
  squeue: count,
  sacct: count,
  scancel: count,
  scontrol: count,
  sinfo: count,
  srun: count,
});
export type CommandCalls = z.infer<typeof commandCalls>;

/** Requests to the controller while the run lasted, as sdiag counts them: everybody's, and those of the user's processes alone. */
export const controllerRpcs = z.object({ total: count, user: count, byType: z.record(z.string(), count) });
export type ControllerRpcs = z.infer<typeof controllerRpcs>;

/** What lies below the working directory of the run at its end. */
export const comparedFiles = z.object({
  inodes: count.describe('files, directories and links'),
  logFiles: count.describe('those with output of tasks, jobs and workers'),
});
export type ComparedFiles = z.infer<typeof comparedFiles>;

/** One run of one side. */
export const comparedRun = z.object({
  side: compareSide,
  repeat: z.int().min(1),
  startedAtMs: z.number().describe('Unix time in milliseconds'),
  wallMs: z.number().describe('from the first submission until the last end was noticed'),
  cpuMs: z.number().describe('CPU time of all processes of the side on the submitting host, server included'),
  tasks: z.array(comparedTask),
  slurmJobs: z.array(comparedSlurmJob),
  calls: commandCalls,
  rpcs: controllerRpcs.nullable().describe('null where sdiag does not answer, and when its counters were reset meanwhile'),
  files: comparedFiles,
});
export type ComparedRun = z.infer<typeof comparedRun>;

/** One figure of one side over its repeats. */
export const figure = z.object({ median: z.number(), least: z.number(), most: z.number() });
export type Figure = z.infer<typeof figure>;

/** The figures of one side; `null` where no run has it. */
export const sideFigures = z.object({
  side: compareSide,
  runs: count,
  wallMs: figure.nullable(),
  overheadMs: figure.nullable().describe('median over the tasks of (end noticed - submitted - own run time)'),
  cpuMs: figure.nullable(),
  slurmJobs: figure.nullable(),
  sbatch: figure.nullable(),
  squeue: figure.nullable(),
  sacct: figure.nullable(),
  otherCalls: figure.nullable().describe('scancel, scontrol, sinfo and srun'),
  rpcs: figure.nullable().describe("of the user's processes"),
  logFiles: figure.nullable(),
  inodes: figure.nullable(),
  nodeHoursAllocated: figure.nullable().describe('CPU time allocated by Slurm, in nodes of `nodeCpus`'),
  nodeHoursUsed: figure.nullable().describe('own run time of the tasks times their CPUs, in nodes of `nodeCpus`'),
  failures: figure.nullable(),
});
export type SideFigures = z.infer<typeof sideFigures>;

/** Where and what was compared. */
export const compareSetting = z.object({
  kind: z.enum(['array', 'snakemake']),
  createdAt: z.iso.datetime(),
  host: z.string(),
  slurm: z.string().describe('version'),
  partition: z.string(),
  nodes: z.int().min(1).describe('most nodes that allocations may have'),
  nodeCpus: z.int().min(1),
  timeLimitMs: z.number(),
  command: z.array(z.string()).describe('of a task, or arguments of Snakemake'),
  tasks: count.describe('per run'),
});
export type CompareSetting = z.infer<typeof compareSetting>;

/** The whole report. `version` grows when a field changes its meaning. */
export const compareReport = z.object({
  version: z.literal(1),
  setting: compareSetting,
  figures: z.array(sideFigures),
  runs: z.array(comparedRun),
});
export type CompareReport = z.infer<typeof compareReport>;
