/** What every comparison stands on: Slurm, the partition and its limits, and what of the options all sides share. Used by the commands of `hq compare`. */
import { HqError } from '../../protocol/errors.ts';
import type { CompareFlags } from './options.ts';
import type { QueueLimits } from './ownServer.ts';
import { type Environment, Slurm } from './slurm.ts';
import type { Partition, SlurmConfiguration } from './slurmText.ts';

/** Default of `--time-limit`. */
const TIME_LIMIT_MS = 600_000;

export interface Ground {
  readonly slurm: Slurm;
  readonly partition: Partition;
  readonly configuration: SlurmConfiguration;
  /** Most nodes of a side. */
  readonly nodes: number;
  /** Of allocations and of jobs. */
  readonly timeLimitMs: number;
}

/** @throws HqError HQ_E_COMPARE where Slurm or the partition is missing or too small, HQ_E_BATCH_UNREACHABLE where its controller does not answer */
export async function findGround(env: Environment, flags: CompareFlags): Promise<Ground> {
  const slurm = new Slurm(env);
  const partition = await slurm.partition(flags.partition);
  const nodes = flags.nodes ?? partition.nodes;
  if (nodes > partition.nodes) {
    throw new HqError('HQ_E_COMPARE', {
      detail: `partition '${partition.name}' has ${partition.nodes} nodes in service, not ${nodes}`,
      fix: 'Choose fewer --nodes',
    });
  }
  return { slurm, partition, configuration: await slurm.configuration(), nodes, timeLimitMs: flags.timeLimit ?? TIME_LIMIT_MS };
}

/** @returns what sbatch of all sides gets */
export function commonArgs({ partition, account }: CompareFlags): string[] {
  return [...(partition === undefined ? [] : [`--partition=${partition}`]), ...(account === undefined ? [] : [`--account=${account}`])];
}

/** @returns allocations of whole nodes, unless the user says otherwise: that is what allocations are for */
export function queueLimits(flags: CompareFlags, { nodes, timeLimitMs }: Ground): QueueLimits {
  return { timeLimitMs, nodes, sbatchArgs: [...commonArgs(flags), ...(flags.allocArg ?? ['--exclusive'])], host: flags.host };
}
