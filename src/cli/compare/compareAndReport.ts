/** The whole of a comparison once its sides are known: a directory, the runs, the report in it and on the terminal. Used by the commands of `hq compare`. */
import { mkdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { ComparedRun, CompareSetting } from '../../protocol/schema/compare.ts';
import { makeReport } from '../../report/compare/figures.ts';
import { comparePage } from '../../report/compare/page.ts';
import type { Context } from '../context.ts';
import { writeTextFile } from '../textFile.ts';
import { compareRuns } from './compareRuns.ts';
import type { Ground } from './ground.ts';
import type { CompareFlags } from './options.ts';
import type { Side } from './side.ts';

/** Default of `--repeats`. */
const REPEATS = 3;

export interface Comparison {
  readonly flags: CompareFlags;
  readonly ground: Ground;
  readonly setting: Pick<CompareSetting, 'kind' | 'command'>;
  /** @param directory absolute path of the comparison's directory */
  sides(directory: string): readonly Side[];
}

/** @throws HqError HQ_E_COMPARE when the directory cannot be used; what a side throws */
export async function compareAndReport(context: Context, { flags, ground, setting, sides }: Comparison): Promise<void> {
  const { io } = context;
  const { slurm, partition, configuration, nodes, timeLimitMs } = ground;
  const directory = makeDirectory(context, flags.out);
  const keep = flags.keep === true;
  const runs: ComparedRun[] = [];
  const reportOn = async (some: ComparedRun[]): Promise<void> => {
    const report = makeReport(
      {
        ...setting,
        createdAt: new Date().toISOString(),
        host: hostname(),
        slurm: configuration.version,
        partition: partition.name,
        nodes,
        nodeCpus: partition.nodeCpus,
        timeLimitMs,
        tasks: some[0]?.tasks.length ?? 0,
      },
      some,
    );
    const files = { json: join(directory, 'report.json'), page: join(directory, 'report.html') };
    await writeTextFile(files.json, `${JSON.stringify(report, null, 1)}\n`, io);
    await writeTextFile(files.page, comparePage(report), io);
    context.output.comparison(report, files);
  };
  const all = sides(directory);
  try {
    await compareRuns({
      ...{ slurm, sides: all, directory, env: io.env, signal: io.signal, keep, repeats: flags.repeats ?? REPEATS },
      onRun: (run) => runs.push(run),
      note: (line) => context.note(line),
      warn: (line) => context.warn(line),
    });
  } catch (error) {
    // After a failure the directory of its run tells more.
    if (io.signal.aborted && !keep) rmSync(directory, { recursive: true, force: true });
    else if (!io.signal.aborted) await reportWhole(runs, all.length, reportOn);
    throw error;
  }
  await reportOn(runs);
}

/** Hours of runs are not lost with the one that fails: the repeats in which every side has ended are reported. */
async function reportWhole(runs: readonly ComparedRun[], sides: number, reportOn: (some: ComparedRun[]) => Promise<void>): Promise<void> {
  const whole = runs.filter(({ repeat }) => runs.filter((run) => run.repeat === repeat).length === sides);
  if (whole.length > 0) await reportOn(whole);
}

/** @returns its absolute path @throws HqError HQ_E_COMPARE when it exists or cannot be made */
function makeDirectory({ io }: Context, named: string | undefined): string {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  const directory = resolve(io.cwd, named ?? `hq-compare-${stamp}`);
  if (directory.includes(':')) {
    throw new HqError('HQ_E_COMPARE', {
      detail: `${directory} cannot stand on PATH, because of the ':'`,
      fix: 'Choose another directory with --out',
    });
  }
  try {
    mkdirSync(directory);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const detail = code === 'EEXIST' ? `${directory} exists already` : `${directory} cannot be made: ${message}`;
    throw new HqError('HQ_E_COMPARE', { detail, fix: 'Choose a new directory with --out' }, { cause: error });
  }
  return directory;
}
