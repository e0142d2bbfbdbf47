/** What happened when in a run of a comparison, as steps and bars to draw. Pure. Used by the HTML page. */
import type { ComparedRun } from '../../protocol/schema/compare.ts';
import { secondsLabel } from '../svg.ts';
import { type Bar, inLanes, type Step, steps, stepsOf } from '../timeline.ts';

/** @returns rising steps from 0 at 0: tasks of which the submitting side knows that they have ended */
export function noticedSteps({ tasks }: ComparedRun): Step[] {
  return steps(tasks.flatMap(({ noticedMs }) => (noticedMs === null ? [] : [{ atMs: noticedMs, by: 1 }])));
}

/** @returns steps: tasks that run */
export function runningSteps({ tasks }: ComparedRun): Step[] {
  return stepsOf(
    tasks.flatMap(({ startedMs, endedMs }) => (startedMs === null || endedMs === null ? [] : [{ startMs: startedMs, endMs: endedMs }])),
  );
}

/** @returns the jobs of Slurm that ran, in as many lines as ran at once */
export function jobBars({ slurmJobs }: ComparedRun, color: string): Bar[] {
  const spans = slurmJobs.flatMap(({ id, cpus, state, startedMs, endedMs }) => {
    if (startedMs === null || endedMs === null) return [];
    const title = `job ${id}, ${cpus} CPUs, ${secondsLabel(startedMs)} to ${secondsLabel(endedMs)}, ${state}`;
    return [{ startMs: startedMs, endMs: endedMs, title, color }];
  });
  return inLanes(spans);
}

/** @returns the end of everything that is drawn of the runs, milliseconds since their starts */
export function lastMoment(runs: readonly ComparedRun[]): number {
  let last = 0;
  for (const { wallMs, slurmJobs } of runs)
    for (const endMs of [wallMs, ...slurmJobs.map((job) => job.endedMs ?? 0)]) last = Math.max(last, endMs);
  return last;
}
