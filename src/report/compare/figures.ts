/** Figures of a comparison: runs in, one median with its range per side out. Pure. Used by `hq compare`. */
import {
  type ComparedRun,
  type CompareReport,
  type CompareSetting,
  type CompareSide,
  type Figure,
  type SideFigures,
  UNKNOWN_STATE,
} from '../../protocol/schema/compare.ts';
import { median } from '../median.ts';

const HOUR_MS = 3_600_000;

/**
 * What a task cost beside its own run time: milliseconds between its submission and the moment in which the submitting side knew its end, less its
 * run time. Queueing is part of it. Both moments are of one clock and the run time is a difference, so clocks of nodes may be wrong.
 * @returns the median over the tasks of which all three are known; undefined when there is none
 */
export function overheadMs({ tasks }: ComparedRun): number | undefined {
  return median(
    tasks.flatMap(({ submittedMs, noticedMs, runMs }) => (noticedMs === null || runMs === null ? [] : [noticedMs - submittedMs - runMs])),
  );
}

/**
 * @returns hours of whole nodes that Slurm had given away, CPUs of partly used nodes counted as parts; jobs that never started count nothing; undefined
 * when Slurm has forgotten a job
 */
export function nodeHoursAllocated({ slurmJobs }: ComparedRun, nodeCpus: number): number | undefined {
  if (slurmJobs.some(({ state }) => state === UNKNOWN_STATE)) return undefined;
  const cpuMs = slurmJobs.map(({ startedMs, endedMs, cpus }) =>
    startedMs === null || endedMs === null ? 0 : (endedMs - startedMs) * cpus,
  );
  return sum(cpuMs) / nodeCpus / HOUR_MS;
}

/** @returns hours of whole nodes in which tasks ran; undefined when no run time is known */
export function nodeHoursUsed({ tasks }: ComparedRun, nodeCpus: number): number | undefined {
  const cpuMs = tasks.flatMap(({ runMs, cpus }) => (runMs === null ? [] : [runMs * cpus]));
  return cpuMs.length === 0 ? undefined : sum(cpuMs) / nodeCpus / HOUR_MS;
}

/** @returns the whole report, sides in the order in which they ran first */
export function makeReport(setting: CompareSetting, runs: readonly ComparedRun[]): CompareReport {
  const sides = [...new Set(runs.map(({ side }) => side))];
  return { version: 1, setting, figures: sides.map((side) => sideFigures(side, runs, setting)), runs: [...runs] };
}

function sideFigures(side: CompareSide, all: readonly ComparedRun[], setting: CompareSetting): SideFigures {
  const runs = all.filter((run) => run.side === side);
  const over = (value: (run: ComparedRun) => number | undefined): Figure | null => figureOf(runs.map(value));
  return {
    side,
    runs: runs.length,
    wallMs: over((run) => run.wallMs),
    overheadMs: over(overheadMs),
    cpuMs: over((run) => run.cpuMs),
    slurmJobs: over((run) => run.slurmJobs.length),
    sbatch: over(({ calls }) => calls.sbatch),
    squeue: over(({ calls }) => calls.squeue),
    sacct: over(({ calls }) => calls.sacct),
    otherCalls: over(({ calls }) => calls.scancel + calls.scontrol + calls.sinfo + calls.srun),
    rpcs: over(({ rpcs }) => rpcs?.user),
    logFiles: over(({ files }) => files.logFiles),
    inodes: over(({ files }) => files.inodes),
    nodeHoursAllocated: over((run) => nodeHoursAllocated(run, setting.nodeCpus)),
    nodeHoursUsed: over((run) => nodeHoursUsed(run, setting.nodeCpus)),
    failures: over(({ tasks }) => tasks.filter(({ failed }) => failed).length),
  };
}

function figureOf(values: readonly (number | undefined)[]): Figure | null {
  const known = values.flatMap((value) => value ?? []);
  const middle = median(known);
  return middle === undefined ? null : { median: middle, least: Math.min(...known), most: Math.max(...known) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
