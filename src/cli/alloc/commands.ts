/** The commands of `hq alloc`: part of the command table. */
import type { CommandGroup, RunCommand } from '../commandEntry.ts';
import { id, opt } from '../options.ts';
import { modifyQueueOptions, queueOptions } from './options.ts';

const alloc = () => import('../commands/alloc.ts');

const QUEUE_ARG = ['<queue>', 'id of the queue', id] as const;
const QUEUE_ARGS = [
  ['<system>', 'slurm, pbs, local, gridengine, or plugin: and the path of a module'],
  ['[args...]', 'behind --: for sbatch or qsub, word for word'],
] as const;

export const ALLOC: CommandGroup = {
  name: 'alloc',
  description: 'Let a batch system bring workers while tasks wait',
  commands: [
    {
      name: 'add',
      description: 'Create an allocation queue',
      args: QUEUE_ARGS,
      options: () => queueOptions({ trial: true }),
      examples: [
        'hq alloc add slurm --time-limit 4h --workers-per-alloc 1 --backlog 2 --max-worker-count 10 -- --partition=general --mem=32G',
        'hq alloc add local --time-limit 1h --cpus 4',
      ],
      effect: 'changes',
      load: async () => (await alloc()).runAdd as RunCommand,
    },
    {
      name: 'dry-run',
      description: 'Submit an allocation as such a queue would, and cancel it at once',
      examples: ['hq alloc dry-run slurm --time-limit 1h -- --partition=general', 'hq alloc dry-run local --time-limit 1h'],
      args: QUEUE_ARGS,
      options: () => queueOptions({ trial: false }),
      effect: 'changes',
      load: async () => (await alloc()).runDryRun as RunCommand,
    },
    {
      name: 'list',
      description: 'List allocation queues',
      examples: ['hq alloc list'],
      effect: 'reads',
      load: async () => (await alloc()).runList as RunCommand,
    },
    {
      name: 'info',
      description: 'List the allocations of a queue',
      examples: ['hq alloc info 1', 'hq alloc info 1 --filter failed'],
      args: [QUEUE_ARG],
      options: () => [
        opt('--filter <STATE>', 'queued, running, finished (failed ones included) or failed (default: all)').choices([
          'queued',
          'running',
          'finished',
          'failed',
        ]),
      ],
      effect: 'reads',
      load: async () => (await alloc()).runInfo as RunCommand,
    },
    {
      name: 'explain',
      description: 'Say why a queue submits nothing, and what its allocations wait for',
      examples: ['hq alloc explain 1'],
      args: [QUEUE_ARG],
      effect: 'reads',
      load: async () => (await alloc()).runExplain as RunCommand,
    },
    {
      name: 'modify',
      description: 'Change what a queue submits from now on; allocations that are queued or run stay as they are',
      args: [QUEUE_ARG, ['[args...]', 'behind --: for sbatch or qsub, word for word, instead of the earlier ones']],
      options: modifyQueueOptions,
      examples: ['hq alloc modify 1 --backlog 4 --max-worker-count none', 'hq alloc modify 1 --time-limit 2h -- --partition=short'],
      effect: 'changes',
      load: async () => (await alloc()).runModify as RunCommand,
    },
    {
      name: 'pause',
      description: 'Submit nothing more; allocations stay',
      examples: ['hq alloc pause 1'],
      args: [QUEUE_ARG],
      effect: 'changes',
      load: async () => (await alloc()).runPause as RunCommand,
    },
    {
      name: 'resume',
      description: 'Go on, as if nothing had failed',
      examples: ['hq alloc resume 1'],
      args: [QUEUE_ARG],
      effect: 'changes',
      load: async () => (await alloc()).runResume as RunCommand,
    },
    {
      name: 'remove',
      description: 'Remove a queue: queued allocations are canceled, running ones end with their tasks',
      examples: ['hq alloc remove 1', 'hq alloc remove 1 --force'],
      args: [QUEUE_ARG],
      options: () => [opt('--force', 'cancel running allocations, too')],
      effect: 'changes',
      load: async () => (await alloc()).runRemove as RunCommand,
    },
    {
      // It reads files, so no server runs it for clients.
      name: 'log',
      description: 'Print what the script of an allocation has written',
      examples: ['hq alloc log 4711 stderr'],
      args: [
        ['<allocation>', 'id of the allocation in the batch system'],
        ['<channel>', 'stdout or stderr'],
      ],
      load: async () => (await alloc()).runLog as RunCommand,
    },
  ],
};
