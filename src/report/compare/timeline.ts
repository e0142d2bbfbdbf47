/** What happened when in a run, as steps to draw: how many tasks were known to have ended, how many ran. Pure. Used by the HTML page. */
import type { ComparedRun, ComparedSlurmJob } from '../../protocol/schema/compare.ts';
import { type Step, steps } from '../steps.ts';

/** @returns rising steps from 0 at 0: tasks of which the submitting side knows that they have ended */
export function noticedSteps({ tasks }: ComparedRun): Step[] {
  return steps(tasks.flatMap(({ noticedMs }) => (noticedMs === null ? [] : [{ atMs: noticedMs, by: 1 }])));
}

/** @returns steps: tasks that run */
export function runningSteps({ tasks }: ComparedRun): Step[] {
  return steps(
    tasks.flatMap(({ startedMs, endedMs }) =>
      startedMs === null || endedMs === null
        ? []
        : [
            { atMs: startedMs, by: 1 },
            { atMs: endedMs, by: -1 },
          ],
    ),
  );
}

/** A job of Slurm on the line in which it is drawn. */
export interface Bar {
  readonly job: ComparedSlurmJob;
  readonly startMs: number;
  readonly endMs: number;
  readonly lane: number;
}

/** @returns the jobs that ran, each on the first line that is free at its start, so that the number of lines is the most that ran at once */
export function jobBars({ slurmJobs }: ComparedRun): Bar[] {
  const freeAtMs: number[] = [];
  return slurmJobs
    .flatMap((job) => (job.startedMs === null || job.endedMs === null ? [] : [{ job, startMs: job.startedMs, endMs: job.endedMs }]))
    .sort((a, b) => a.startMs - b.startMs)
    .map((bar) => {
      const free = freeAtMs.findIndex((atMs) => atMs <= bar.startMs);
      const lane = free < 0 ? freeAtMs.length : free;
      freeAtMs[lane] = bar.endMs;
      return { ...bar, lane };
    });
}

/** @returns the end of everything that is drawn of the runs, milliseconds since their starts */
export function lastMoment(runs: readonly ComparedRun[]): number {
  let last = 0;
  for (const { wallMs, slurmJobs } of runs)
    for (const endMs of [wallMs, ...slurmJobs.map((job) => job.endedMs ?? 0)]) last = Math.max(last, endMs);
  return last;
}
