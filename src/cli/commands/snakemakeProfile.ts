/** `hq snakemake profile`: writes a profile directory, so that `snakemake --profile DIR` runs a workflow on the cluster. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { parseDuration } from '../../common/duration.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { makeFolder, writeTextFile } from '../textFile.ts';

/** Snakemake submits 100 jobs per second unless it is told otherwise, which short jobs outrun. */
const JOBS_PER_TIMESPAN = '10000/1s';
/**
 * The server decides what runs where and when. While jobs wait in Snakemake because of its own limit, it looks at all of them again whenever one
 * has ended, by default with a solver, which costs it more than everything else together. Its greedy scheduler needs n² steps; that of our plugin
 * chooses the same.
 */
const JOBS = 10_000;
const SCHEDULER = 'hyperqueue';
/** What a job without resources gets: memory in MiB and minutes, in Snakemake's words. */
const DEFAULT_RESOURCES: readonly string[] = ['mem_mb=2000', 'runtime=60'];

export interface ProfileOptions {
  readonly slurm?: string;
  readonly alloc?: string;
  readonly timeLimit?: string;
  readonly maxWorkers?: number;
  readonly workersPerAlloc?: number;
  readonly jobs?: number;
  readonly defaultResource?: readonly string[];
  readonly force?: boolean;
}

export async function runProfile(context: Context, [directory]: [string], options: ProfileOptions): Promise<undefined> {
  const queued = options.slurm !== undefined || options.alloc !== undefined;
  if (queued && options.timeLimit === undefined) {
    throw new HqError('HQ_E_USAGE', { detail: 'how long may an allocation be? Give --time-limit, for example --time-limit 4h' });
  }
  if (!queued && (options.timeLimit !== undefined || options.maxWorkers !== undefined || options.workersPerAlloc !== undefined)) {
    throw new HqError('HQ_E_USAGE', {
      detail: '--time-limit, --max-workers and --workers-per-alloc are of use only with --slurm or --alloc',
    });
  }
  if (options.timeLimit !== undefined && !((parseDuration(options.timeLimit) ?? 0) > 0)) {
    throw new HqError('HQ_E_USAGE', { detail: `'${options.timeLimit}' is no time limit: give one like 4h, 90min or 01:30:00` });
  }
  const path = resolve(context.io.cwd, directory);
  const file = join(path, 'config.yaml');
  if (existsSync(file) && options.force !== true) {
    throw new HqError('HQ_E_USAGE', { detail: `${file} exists already: choose another directory, or --force` });
  }
  await makeFolder(path);
  await writeTextFile(file, profileText(options), context.io);
  context.output.done(`Written: ${file}. Use it with: snakemake --profile ${directory}`);
}

function profileText(options: ProfileOptions): string {
  const given = (key: string, value: unknown): Record<string, unknown> => (value === undefined ? {} : { [key]: value });
  return stringify({
    executor: 'hyperqueue',
    jobs: options.jobs ?? JOBS,
    'max-jobs-per-timespan': JOBS_PER_TIMESPAN,
    scheduler: SCHEDULER,
    ...given('hyperqueue-slurm', options.slurm),
    ...given('hyperqueue-alloc', options.alloc),
    ...given('hyperqueue-time-limit', options.timeLimit),
    ...given('hyperqueue-max-workers', options.maxWorkers),
    ...given('hyperqueue-workers-per-alloc', options.workersPerAlloc),
    'default-resources': options.defaultResource ?? DEFAULT_RESOURCES,
  });
}
