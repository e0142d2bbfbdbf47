/** `hq compare array` */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { CompareSetting } from '../../protocol/schema/compare.ts';
import { makeReport } from '../../report/compare/figures.ts';
import { comparePage } from '../../report/compare/page.ts';
import { type ArrayWork, hqArray, slurmArray, slurmJobs } from '../compare/arraySides.ts';
import { compareRuns } from '../compare/compareRuns.ts';
import type { ArrayFlags, CompareFlags } from '../compare/options.ts';
import type { QueueLimits } from '../compare/ownServer.ts';
import type { Side } from '../compare/side.ts';
import { Slurm } from '../compare/slurm.ts';
import type { Partition, SlurmConfiguration } from '../compare/slurmText.ts';
import type { Context } from '../context.ts';

const TIME_LIMIT_MS = 600_000;
const REPEATS = 3;
const POLL_MS = 1_000;

/** What all comparisons need to know of Slurm. */
interface Ground {
  readonly slurm: Slurm;
  readonly partition: Partition;
  readonly configuration: SlurmConfiguration;
  /** Most nodes of a side. */
  readonly nodes: number;
}

export async function runArray(context: Context, [command]: [string[]], flags: ArrayFlags): Promise<undefined> {
  const work = arrayWork(command, flags);
  const ground = await findGround(context, flags);
  const { partition, configuration, nodes } = ground;
  if (flags.tasks > configuration.maxArraySize) {
    throw new HqError('HQ_E_COMPARE', {
      detail: `this Slurm takes no array of ${flags.tasks} tasks`,
      fix: `Choose --tasks ${configuration.maxArraySize} or less`,
    });
  }
  if (work.cpus > partition.nodeCpus) {
    throw new HqError('HQ_E_COMPARE', {
      detail: `nodes of partition '${partition.name}' have ${partition.nodeCpus} CPUs, a task needs ${work.cpus}`,
      fix: 'Choose --cpus or --partition',
    });
  }
  const isLimited = nodes < partition.nodes;
  if (isLimited && flags.each === true) {
    throw new HqError('HQ_E_USAGE', {
      detail: '--each cannot be used with fewer --nodes than the partition has: nothing limits single jobs',
    });
  }
  const atOnce = isLimited ? nodes * Math.floor(partition.nodeCpus / work.cpus) : undefined;
  const limited = { ...work, atOnce };
  const sides = [hqArray(limited, queueLimits(flags, nodes)), slurmArray(limited), ...(flags.each === true ? [slurmJobs(limited)] : [])];
  await compare(context, {
    flags,
    ground,
    sides,
    setting: { kind: 'array', command: [...work.command], tasks: work.tasks, cpusPerTask: work.cpus },
  });
}

/** @throws HqError HQ_E_USAGE unless there is exactly one of a command and `--sleep` */
function arrayWork(typed: readonly string[], flags: ArrayFlags): ArrayWork {
  const command = flags.sleep === undefined ? typed : ['sleep', String(flags.sleep / 1_000)];
  if (command.length === 0) throw new HqError('HQ_E_USAGE', { detail: 'there is nothing to run: give a command behind --, or --sleep' });
  if (flags.sleep !== undefined && typed.length > 0) throw new HqError('HQ_E_USAGE', { detail: 'give either a command or --sleep' });
  return {
    command,
    tasks: flags.tasks,
    cpus: flags.cpus ?? 1,
    timeLimitMs: flags.timeLimit ?? TIME_LIMIT_MS,
    commonArgs: commonArgs(flags),
    sbatchArgs: flags.sbatchArg ?? [],
    atOnce: undefined,
    pollMs: flags.poll ?? POLL_MS,
  };
}

/** For sbatch of all sides. */
function commonArgs({ partition, account }: CompareFlags): string[] {
  return [...(partition === undefined ? [] : [`--partition=${partition}`]), ...(account === undefined ? [] : [`--account=${account}`])];
}

/** Whole nodes, unless the user says otherwise: that is what allocations are for. */
function queueLimits(flags: CompareFlags, nodes: number): QueueLimits {
  const sbatchArgs = [...commonArgs(flags), ...(flags.allocArg ?? ['--exclusive'])];
  return { timeLimitMs: flags.timeLimit ?? TIME_LIMIT_MS, nodes, sbatchArgs, host: flags.host };
}

/** @throws HqError HQ_E_COMPARE where Slurm or the partition is missing, HQ_E_BATCH_UNREACHABLE where its controller does not answer */
async function findGround({ io }: Context, flags: CompareFlags): Promise<Ground> {
  const slurm = new Slurm(io.env);
  const partition = await slurm.partition(flags.partition);
  const nodes = flags.nodes ?? partition.nodes;
  if (nodes > partition.nodes) {
    throw new HqError('HQ_E_COMPARE', {
      detail: `partition '${partition.name}' has ${partition.nodes} nodes in service, not ${nodes}`,
      fix: 'Choose fewer --nodes',
    });
  }
  return { slurm, partition, configuration: await slurm.configuration(), nodes };
}

interface Comparing {
  readonly flags: CompareFlags;
  readonly ground: Ground;
  readonly sides: readonly Side[];
  readonly setting: Pick<CompareSetting, 'kind' | 'command' | 'tasks' | 'cpusPerTask'>;
}

/** Runs all sides and writes and shows the report. */
async function compare(context: Context, { flags, ground, sides, setting }: Comparing): Promise<void> {
  const { io } = context;
  const { slurm, partition, configuration, nodes } = ground;
  const directory = makeDirectory(context, flags.out);
  const keep = flags.keep === true;
  const runs = await compareRuns({
    ...{ slurm, sides, directory, env: io.env, signal: io.signal, keep, repeats: flags.repeats ?? REPEATS },
    note: (line) => context.note(line),
    warn: (line) => context.warn(line),
  }).finally(() => {
    // After a failure the directory of its run tells more.
    if (io.signal.aborted && !keep) rmSync(directory, { recursive: true, force: true });
  });
  const report = makeReport(
    {
      ...setting,
      createdAt: new Date().toISOString(),
      host: hostname(),
      slurm: configuration.version,
      partition: partition.name,
      nodes,
      nodeCpus: partition.nodeCpus,
      timeLimitMs: flags.timeLimit ?? TIME_LIMIT_MS,
    },
    runs,
  );
  const files = { json: join(directory, 'report.json'), page: join(directory, 'report.html') };
  writeFileSync(files.json, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(files.page, comparePage(report));
  context.output.comparison(report, files);
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
