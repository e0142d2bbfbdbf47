/** The commands of `hq compare`: part of the command table. They work where they are typed, so no server runs them for clients. */
import type { CommandGroup, RunCommand } from '../commandEntry.ts';
import { arrayOptions, snakemakeOptions } from './options.ts';

export const COMPARE: CommandGroup = {
  name: 'compare',
  description: 'Run the same work on allocations and as jobs of Slurm, and report what both cost',
  commands: [
    {
      name: 'array',
      description: 'Compare an array of tasks on allocations with one sbatch --array',
      args: [['[command...]', 'program and its arguments; HQ_COMPARE_TASK tells the task, counted from 0']],
      options: arrayOptions,
      tail: true,
      examples: [
        'hq compare array --tasks 1000 --sleep 100ms --partition general',
        'hq compare array --tasks 200 --each --repeats 5 -- ./align.sh',
      ],
      load: async () => (await import('../commands/compare.ts')).runArray as RunCommand,
    },
    {
      name: 'snakemake',
      description: "Compare a Snakemake workflow on allocations with Snakemake's executor for Slurm",
      args: [['<args...>', 'of Snakemake, without --executor']],
      options: snakemakeOptions,
      tail: true,
      examples: ['hq compare snakemake --workflow pipeline --partition general -- --jobs 20 --default-resources mem_mb=100 runtime=5'],
      load: async () => (await import('../commands/compare.ts')).runSnakemake as RunCommand,
    },
  ],
};
