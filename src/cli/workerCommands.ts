/** The commands of `hq worker`: part of the command table. */
import type { CommandGroup, RunCommand } from './commandEntry.ts';
import { id, integer, opt } from './options.ts';
import { SELECTOR_ARG } from './selectorArg.ts';
import { workerStartOptions } from './workerOptions.ts';

const worker = () => import('./commands/worker.ts');

export const WORKER: CommandGroup = {
  name: 'worker',
  description: 'Start, stop and look at workers',
  commands: [
    {
      name: 'start',
      description: 'Run a worker in the foreground',
      options: workerStartOptions,
      examples: [
        'hq worker start --cpus 8 --resource licenses=4',
        'hq worker start --cpus="[[0-3], [4-7]]" --resource "gpus=related[[0], [1]]"',
      ],
      load: async () => (await import('./commands/workerStart.ts')).runWorkerStart as RunCommand,
    },
    {
      name: 'stop',
      description: 'Stop workers',
      examples: ['hq worker stop 3', 'hq worker stop all'],
      args: [SELECTOR_ARG],
      effect: 'changes',
      load: async () => (await worker()).runStop as RunCommand,
    },
    {
      name: 'list',
      description: 'List workers',
      examples: ['hq worker list', 'hq worker list --filter offline'],
      options: () => [
        opt('--all', 'also those that are gone').conflicts('filter'),
        opt('--filter <STATE>', 'running or offline (default: running)').choices(['running', 'offline']).conflicts('all'),
      ],
      effect: 'reads',
      load: async () => (await worker()).runList as RunCommand,
    },
    {
      name: 'info',
      description: 'Show workers',
      examples: ['hq worker info last'],
      args: [SELECTOR_ARG],
      effect: 'reads',
      load: async () => (await worker()).runInfo as RunCommand,
    },
    {
      name: 'wait',
      description: 'Wait until this many workers are connected',
      examples: ['hq worker wait 2'],
      args: [['<count>', 'number of workers', integer(0, 0xffff_ffff)]],
      load: async () => (await worker()).runWait as RunCommand,
    },
    {
      name: 'deploy-ssh',
      description: 'Start a worker on each host of a file over ssh, and wait until all of them have ended',
      args: [
        ['<hostfile>', 'one HOST or HOST:PORT per line; # begins a comment'],
        ['[args...]', 'arguments of hq worker start, the same for all'],
      ],
      options: () => [opt('--show-output', 'print what the workers print')],
      tail: 'arguments',
      examples: ['hq worker deploy-ssh hosts.txt -- --cpus 8', 'hq worker deploy-ssh --show-output hosts.txt'],
      load: async () => (await import('./commands/deploySsh.ts')).runDeploySsh as RunCommand,
    },
    {
      name: 'hwdetect',
      description: 'Show the resources of this machine',
      examples: ['hq worker hwdetect', 'hq worker hwdetect --no-hyper-threading'],
      options: () => [opt('--no-hyper-threading', 'one CPU per core')],
      load: async () => (await worker()).runHwdetect as RunCommand,
    },
    {
      name: 'address',
      description: "Print a worker's host name",
      examples: ['hq worker address 1'],
      args: [['<id>', 'worker id', id]],
      effect: 'reads',
      load: async () => (await worker()).runAddress as RunCommand,
    },
  ],
};
