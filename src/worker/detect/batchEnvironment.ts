/**
 * What the environment says of the batch job around this process: which one it is and how much of the node was granted. Called by the
 * detection of resources and by `batchJob.ts`.
 */

export type ManagerChoice = 'detect' | 'none' | 'pbs' | 'slurm';

type Env = Readonly<Record<string, string | undefined>>;

/** A job of a batch system and its share of this node; undefined where the batch system does not say. */
export interface BatchEnvironment {
  /** `PBS`, `Slurm`, or the name under which the allocation was started (`local`, a plugin's). */
  readonly manager: string;
  readonly id: string;
  readonly cpus: number | undefined;
  readonly memMib: number | undefined;
  /** When the batch system ends the job, Unix milliseconds, where the environment says so. */
  readonly endMs?: number;
}

/** Variables of allocations that are neither Slurm's nor PBS's, as src/server/autoalloc/batchSystem.ts promises them. */
const ID = 'HQ_ALLOCATION_ID';
const MANAGER = 'HQ_ALLOCATION_MANAGER';
const END_SECONDS = 'HQ_ALLOCATION_END';
const CPUS = 'HQ_ALLOCATION_CPUS';

/** @returns the job that this process belongs to, as far as the environment shows it; undefined outside of jobs */
export function batchEnvironment(choice: ManagerChoice, env: Env): BatchEnvironment | undefined {
  // Before the others, which are there, too, when a server that runs inside of a batch job starts an allocation on its own host.
  const own = allocationEnvironment(env);
  if (choice === 'detect' && own !== undefined) return own;
  const pbs = env.PBS_ENVIRONMENT === undefined ? undefined : env.PBS_JOBID;
  const slurm = env.SLURM_JOB_ID ?? env.SLURM_JOBID;
  if ((choice === 'detect' || choice === 'pbs') && pbs !== undefined)
    return { manager: 'PBS', id: pbs, cpus: count(env.NCPUS) ?? count(env.PBS_NUM_PPN), memMib: undefined };
  if ((choice === 'detect' || choice === 'slurm') && slurm !== undefined)
    return { manager: 'Slurm', id: slurm, cpus: count(env.SLURM_CPUS_ON_NODE), memMib: slurmMemMib(env) };
  return undefined;
}

function allocationEnvironment(env: Env): BatchEnvironment | undefined {
  const [id, manager, end] = [env[ID], env[MANAGER], count(env[END_SECONDS])];
  if (id === undefined || id === '' || manager === undefined || manager === '') return undefined;
  return { manager, id, cpus: count(env[CPUS]), memMib: undefined, ...(end === undefined ? {} : { endMs: end * 1_000 }) };
}

/** Slurm tells either the memory of the node or that of one CPU. Zero means all of it. */
function slurmMemMib(env: Env): number | undefined {
  const [perCpu, cpus] = [count(env.SLURM_MEM_PER_CPU), count(env.SLURM_CPUS_ON_NODE)];
  return count(env.SLURM_MEM_PER_NODE) ?? (perCpu === undefined || cpus === undefined ? undefined : perCpu * cpus);
}

function count(text: string | undefined): number | undefined {
  const value = /^\d+$/.test(text ?? '') ? Number(text) : 0;
  return value === 0 ? undefined : value;
}
