/** The commands of `hq compare`: part of the command table. They work where they are typed, so no server runs them for clients. */
import type { CommandGroup, RunCommand } from '../commandEntry.ts';
import { arrayOptions } from './options.ts';

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
  ],
};
