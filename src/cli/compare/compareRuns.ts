/** Runs the sides of a comparison by turns, with what is measured around each run, and cleans up after it. Used by `hq compare`. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ComparedRun } from '../../protocol/schema/compare.ts';
import { SIDE_TITLES } from '../../report/compare/rows.ts';
import { countFiles, cpuSoFarMs, filesBetween } from './hostCost.ts';
import { RunPlace } from './runPlace.ts';
import type { Side, SideRun } from './side.ts';
import type { Environment, Slurm } from './slurm.ts';
import { type JobRow, rpcsBetween, type SdiagCounters } from './slurmText.ts';

export interface CompareRunsOptions {
  readonly slurm: Slurm;
  readonly sides: readonly Side[];
  readonly repeats: number;
  /** Exists; each run gets a directory below it. */
  readonly directory: string;
  /** Leave these directories where they are. */
  readonly keep: boolean;
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** A run has ended. */
  onRun(run: ComparedRun): void;
  /** A line for the person. */
  note(line: string): void;
  warn(line: string): void;
}

/**
 * Every second repeat goes through the sides backwards, so that none is always the one that finds the machine warm.
 * @throws HqError of a side; the signal's reason when it was interrupted. Nothing of the run is left in Slurm, or a warning names it
 */
export async function compareRuns(o: CompareRunsOptions): Promise<void> {
  for (let repeat = 1; repeat <= o.repeats; repeat += 1) {
    for (const side of repeat % 2 === 1 ? o.sides : o.sides.toReversed()) {
      o.signal.throwIfAborted();
      const run = await oneRun(side, repeat, o);
      o.onRun(run);
      const failed = run.tasks.filter((task) => task.failed).length;
      o.note(
        `${SIDE_TITLES[side.name]}, ${repeat} of ${o.repeats}: ${(run.wallMs / 1_000).toFixed(2)} s${failed > 0 ? `, ${failed} failed` : ''}`,
      );
    }
  }
}

async function oneRun(side: Side, repeat: number, o: CompareRunsOptions): Promise<ComparedRun> {
  const { slurm, directory, env, signal } = o;
  const root = join(directory, `${repeat}-${side.name}`);
  const place = new RunPlace({ root, env, signal });
  let outcome: SideRun;
  const [countersBefore, cpuBefore] = [await slurm.counters(), cpuSoFarMs()];
  let after: { cpuMs: number; counters: SdiagCounters | undefined };
  try {
    outcome = await side.run(place);
    after = { cpuMs: cpuSoFarMs(), counters: await slurm.counters() };
  } finally {
    const left = await slurm.end(place.shims.jobIds());
    if (left.length > 0) o.warn(`these jobs are still in the queue of Slurm; end them with: scancel ${left.join(' ')}`);
  }
  const run: ComparedRun = {
    side: side.name,
    repeat,
    startedAtMs: outcome.startedAtMs,
    wallMs: outcome.wallMs,
    cpuMs: after.cpuMs - cpuBefore,
    tasks: [...outcome.tasks],
    slurmJobs: (await slurm.jobs(place.shims.jobIds())).map((job) => relative(job, outcome.startedAtMs)),
    calls: place.shims.counted(),
    rpcs: countersBefore === undefined || after.counters === undefined ? null : rpcsBetween(countersBefore, after.counters, ownUid()),
    files: filesBetween(place.given, countFiles(place.work)),
  };
  if (!o.keep) rmSync(root, { recursive: true, force: true });
  return run;
}

function relative({ id, state, startMs, endMs, cpus }: JobRow, sinceMs: number): ComparedRun['slurmJobs'][number] {
  return { id, state, startedMs: startMs === null ? null : startMs - sinceMs, endedMs: endMs === null ? null : endMs - sinceMs, cpus };
}

function ownUid(): number {
  return process.getuid?.() ?? -1;
}
