/** The options of `hq compare array` and `hq compare snakemake`. */
import type { Option } from 'commander';
import { append, integer, opt, positiveDurationMs, text, val } from '../options.ts';

/** As commander delivers them; durations in milliseconds. */
export interface CompareFlags {
  readonly partition?: string;
  readonly account?: string;
  readonly timeLimit?: number;
  readonly nodes?: number;
  readonly repeats?: number;
  readonly allocArg?: string[];
  readonly host?: string;
  readonly out?: string;
  readonly keep?: boolean;
}

export interface ArrayFlags extends CompareFlags {
  readonly tasks: number;
  readonly cpus?: number;
  readonly sleep?: number;
  readonly each?: boolean;
  readonly poll?: number;
  readonly sbatchArg?: string[];
}

export interface SnakemakeFlags extends CompareFlags {
  readonly workflow?: string;
}

/** More than Slurm can take in an array anyway, and few enough for a page. */
const TASKS_MAX = 100_000;

/** @param o whose time limit, and whose nodes, are set: the executor of Snakemake knows limits of its own alone */
function common(o: { readonly limited: string; readonly nodesOf: string }): Option[] {
  return [
    val('--partition <NAME>', "partition of all sides (default: Slurm's)", text),
    val('--account <NAME>', "account of all sides (default: the user's)", text),
    val('--time-limit <DURATION>', `time limit of ${o.limited} (default: 10min)`, positiveDurationMs),
    val('--nodes <N>', `most nodes ${o.nodesOf} (default: those of the partition that are in service)`, integer(1, 100_000)),
    val('--repeats <N>', 'how often each side runs (default: 3)', integer(1, 1_000)),
    opt('--alloc-arg <ARG>', 'for sbatch of allocations, word for word; repeatable (default: --exclusive)').argParser(append),
    val('--host <HOST>', 'address of the server for its workers (default: this host)', text),
    val('--out <DIR>', 'new directory for the report (default: hq-compare-DATE here); compute nodes must see it', text),
    opt('--keep', 'keep the working directories of all runs in it'),
  ];
}

export function arrayOptions(): Option[] {
  return [
    val('--tasks <N>', 'number of tasks', integer(1, TASKS_MAX)).makeOptionMandatory(),
    val('--cpus <N>', 'CPUs of a task (default: 1)', integer(1, 10_000)),
    val('--sleep <DURATION>', 'instead of a command: a task that only sleeps (default: the command)', positiveDurationMs),
    opt('--each', 'also one sbatch per task'),
    val('--poll <DURATION>', 'time between two calls of squeue that wait for jobs of Slurm (default: 1s)', positiveDurationMs),
    opt('--sbatch-arg <ARG>', 'for sbatch of the array and of single jobs, word for word; repeatable (default: none)').argParser(append),
    ...common({ limited: 'allocations and of jobs', nodesOf: 'that a side may use' }),
  ];
}

export function snakemakeOptions(): Option[] {
  return [
    val('--workflow <DIR>', 'directory of the workflow, copied for each run (default: this one)', text),
    ...common({
      limited: 'allocations; that of jobs is their runtime',
      nodesOf: 'of allocations; jobs of the executor are limited by --jobs',
    }),
  ];
}
