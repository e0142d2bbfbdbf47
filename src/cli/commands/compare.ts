/** `hq compare array|snakemake` */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import { type ArrayWork, hqArray, slurmArray, slurmJobs } from '../compare/arraySides.ts';
import { compareAndReport } from '../compare/compareAndReport.ts';
import { commonArgs, findGround, type Ground, queueLimits } from '../compare/ground.ts';
import type { ArrayFlags, SnakemakeFlags } from '../compare/options.ts';
import { findOnPath } from '../compare/slurm.ts';
import { hqExecutor, slurmExecutor } from '../compare/snakemakeSides.ts';
import type { Context } from '../context.ts';

/** Default of `--poll`. */
const POLL_MS = 1_000;

/** Words of Snakemake that are for the comparison to say. */
const OWN_WORDS = /^(-e|--executor|-d|--directory|--logger)(=|$)/;

export async function runArray(context: Context, [typed]: [string[]], flags: ArrayFlags): Promise<undefined> {
  const command = commandOf(typed, flags);
  const ground = await findGround(context.io.env, flags);
  checkSize(flags, ground);
  const { partition, nodes, timeLimitMs } = ground;
  const cpus = flags.cpus ?? 1;
  const work: ArrayWork = {
    ...{ command, cpus, timeLimitMs, tasks: flags.tasks, commonArgs: commonArgs(flags) },
    sbatchArgs: flags.sbatchArg ?? [],
    atOnce: nodes < partition.nodes ? nodes * Math.floor(partition.nodeCpus / cpus) : undefined,
    pollMs: flags.poll ?? POLL_MS,
  };
  const single = flags.each === true ? [slurmJobs(work)] : [];
  const sides = () => [hqArray(work, queueLimits(flags, ground)), slurmArray(work), ...single];
  await compareAndReport(context, { flags, ground, sides, setting: { kind: 'array', command } });
}

/** @throws HqError HQ_E_USAGE unless there is exactly one of a command and `--sleep` */
function commandOf(typed: readonly string[], { sleep }: ArrayFlags): string[] {
  if (sleep !== undefined && typed.length > 0) throw new HqError('HQ_E_USAGE', { detail: 'give either a command or --sleep' });
  if (sleep !== undefined) return ['sleep', String(sleep / 1_000)];
  if (typed.length === 0) throw new HqError('HQ_E_USAGE', { detail: 'there is nothing to run: give a command behind --, or --sleep' });
  return [...typed];
}

/** @throws HqError where one side could not do it at all */
function checkSize({ tasks, cpus = 1, each }: ArrayFlags, { partition, configuration, nodes }: Ground): void {
  const { name, nodeCpus } = partition;
  if (tasks > configuration.maxArraySize) {
    const fix = `Choose --tasks ${configuration.maxArraySize} or less`;
    throw new HqError('HQ_E_COMPARE', { detail: `this Slurm takes no array of ${tasks} tasks`, fix });
  }
  if (cpus > nodeCpus) {
    const detail = `nodes of partition '${name}' have ${nodeCpus} CPUs, a task needs ${cpus}`;
    throw new HqError('HQ_E_COMPARE', { detail, fix: 'Choose --cpus or --partition' });
  }
  if (nodes < partition.nodes && each === true) {
    const detail = '--each cannot be used with fewer --nodes than the partition has: nothing limits single jobs';
    throw new HqError('HQ_E_USAGE', { detail });
  }
}

export async function runSnakemake(context: Context, [args]: [string[]], flags: SnakemakeFlags): Promise<undefined> {
  const { io } = context;
  const own = args.find((word) => OWN_WORDS.test(word));
  if (own !== undefined) {
    throw new HqError('HQ_E_USAGE', { detail: `'${own}' cannot be given: executor, directory and logger are chosen by the comparison` });
  }
  const workflow = resolve(io.cwd, flags.workflow ?? '.');
  if (!existsSync(workflow)) throw new HqError('HQ_E_FILE', { path: workflow, detail: 'it does not exist' });
  refuseBelow(workflow, flags.out === undefined ? io.cwd : dirname(resolve(io.cwd, flags.out)));
  if (findOnPath('snakemake', io.env) === undefined) {
    const fix = 'Activate its environment, with snakemake-executor-plugin-slurm and snakemake-executor-plugin-hyperqueue';
    throw new HqError('HQ_E_COMPARE', { detail: 'snakemake not found on PATH', fix });
  }
  const ground = await findGround(io.env, flags);
  const { partition, account } = flags;
  const resources = [
    ...(partition === undefined ? [] : [`slurm_partition=${partition}`]),
    ...(account === undefined ? [] : [`slurm_account=${account}`]),
  ];
  const sides = (directory: string) => {
    const work = { workflow, args, resources, directory };
    return [hqExecutor(work, queueLimits(flags, ground)), slurmExecutor(work)];
  };
  await compareAndReport(context, { flags, ground, sides, setting: { kind: 'snakemake', command: [...args] } });
}

/**
 * The workflow is copied for each run, folder by folder, and no folder can be copied into itself.
 * @param place absolute path of where the directory of the comparison shall be made
 * @throws HqError HQ_E_COMPARE when that is inside a folder of the workflow
 */
function refuseBelow(workflow: string, place: string): void {
  const path = relative(workflow, place);
  if (path === '' || path.split('/')[0] === '..' || isAbsolute(path)) return;
  const detail = `the report would be made in ${place}, a folder of the workflow that is copied for each run`;
  throw new HqError('HQ_E_COMPARE', { detail, fix: 'Choose a place beside it with --out' });
}
