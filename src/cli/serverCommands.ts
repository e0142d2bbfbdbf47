/** The commands of `hq server`: part of the command table. */
import type { CommandGroup, RunCommand } from './commandEntry.ts';
import { opt, port, positiveDurationMs, queueName, RefusedOption, text, val } from './options.ts';

const server = () => import('./commands/server.ts');

export const SERVER: CommandGroup = {
  name: 'server',
  description: 'Start, stop and look at the server',
  commands: [
    {
      name: 'start',
      description: 'Run a server in the foreground',
      options: () => [
        val(
          '--access-file <FILE>',
          'use secrets, addresses and ports of this record; see hq server generate-access (default: secrets of its own)',
          text,
        ),
        val('--host <HOST>', 'address for clients and workers (default: this host)', text),
        val('--client-port <PORT>', 'port for clients (default: the previous one, else a free one)', port),
        val('--worker-port <PORT>', 'port for workers (default: the previous one, else a free one)', port),
        val('--idle-timeout <DURATION>', 'default idle timeout of workers (default: none)', positiveDurationMs),
        val('--journal <FILE>', 'journal file (default: journal.db in the server directory)', text),
        val(
          '--reconnect-timeout <DURATION>',
          'how long workers of a previous server may take to come back (default: 2min)',
          positiveDurationMs,
        ),
        val('--exit-when-idle <DURATION>', 'end after this time without users and tasks (default: never)', positiveDurationMs),
        val(
          '--journal-flush-period <DURATION>',
          'longest time until the end of a task is on disk, at most 1s whatever is given; submits and cancels are there before their answer (default: 100ms)',
          positiveDurationMs,
        ),
        new RefusedOption('--scheduler-time-limit <DURATION>', 'no solver is used here that could take long: leave the option out'),
        opt('--new', 'start with a new identity and an empty journal'),
        opt('--disable-client-authentication-and-encryption', 'loopback only'),
        opt('--disable-worker-authentication-and-encryption', 'loopback only'),
      ],
      examples: ['hq server start', 'hq server start --host login1 --client-port 4711'],
      load: async () => (await server()).runStart as RunCommand,
    },
    {
      name: 'stop',
      description: 'Stop the server and its workers',
      examples: ['hq server stop', 'hq server stop --keep-workers'],
      options: () => [opt('--keep-workers', 'leave workers and their tasks alone; they return to the next server')],
      load: async () => (await server()).runStop as RunCommand,
    },
    {
      name: 'info',
      description: 'Show the running server',
      examples: ['hq server info', 'hq --output-mode json server info'],
      effect: 'reads',
      load: async () => (await server()).runInfo as RunCommand,
    },
    {
      name: 'debug-dump',
      description: "Write the scheduler's state into a JSON file, for finding out what is the matter with it",
      examples: ['hq server debug-dump dump.json'],
      args: [['<file>', 'JSON file to write']],
      load: async () => (await import('./commands/serverFiles.ts')).runDebugDump as RunCommand,
    },
    {
      name: 'backup',
      description: 'Copy the journal into a new file while the server goes on',
      args: [['<file>', "new file, on the server's host"]],
      examples: ['hq server backup /scratch/me/hq-backup.db', 'hq server start --journal /scratch/me/hq-backup.db'],
      load: async () => (await import('./commands/serverFiles.ts')).runBackup as RunCommand,
    },
    {
      name: 'recover',
      description: 'Make a sound journal out of a damaged one while no server runs; the damaged file is kept',
      args: [['<dir>', 'server directory, or one of its numbered ones']],
      examples: ['hq server recover ~/.hq-server'],
      load: async () => (await import('./commands/recover.ts')).runRecover as RunCommand,
    },
    {
      name: 'install-service',
      description: 'Write a unit for systemd --user, which starts the server again after a failure and after a reboot',
      examples: ['hq server install-service --dry-run', 'hq server install-service --name hq-study'],
      options: () => [
        opt('--dry-run', 'print the unit and write nothing'),
        val('--name <NAME>', 'name of the unit (default: hq-server)', queueName),
        opt('--force', 'replace another unit of this name'),
        val('--host <HOST>', 'as of hq server start (default: the same)', text),
        val('--client-port <PORT>', 'as of hq server start (default: the same)', port),
        val('--worker-port <PORT>', 'as of hq server start (default: the same)', port),
        val('--journal <FILE>', 'as of hq server start (default: the same)', text),
        val('--access-file <FILE>', 'as of hq server start (default: the same)', text),
      ],
      load: async () => (await import('./commands/installService.ts')).runInstallService as RunCommand,
    },
    {
      name: 'generate-access',
      description: 'Make the access record of a server that is yet to start, whole and in parts',
      args: [['<file>', 'full record, for hq server start --access-file; whoever has it can be the server']],
      options: () => [
        val('--client-file <FILE>', 'the part for clients, to be copied to DIR/access.json where they are (default: not written)', text),
        val(
          '--worker-file <FILE>',
          'the part for workers, to be copied to DIR/worker-access.json (or DIR/access.json) where they are (default: not written)',
          text,
        ),
        val('--host <HOST>', 'address of the server (default: this host)', text),
        val('--client-host <HOST>', 'address for clients (default: --host)', text),
        val('--worker-host <HOST>', 'address for workers (default: --host)', text),
        val('--client-port <PORT>', 'port for clients', port).makeOptionMandatory(),
        val('--worker-port <PORT>', 'port for workers', port).makeOptionMandatory(),
      ],
      examples: ['hq server generate-access acc.json --client-file c.json --worker-file w.json --client-port 4711 --worker-port 4712'],
      load: async () => (await import('./commands/serverAccess.ts')).runGenerateAccess as RunCommand,
    },
    {
      name: 'wait',
      description: 'Wait until a server answers',
      examples: ['hq server wait --timeout 30s'],
      options: () => [val('--timeout <DURATION>', 'how long at most (default: 5min)', positiveDurationMs)],
      effect: 'reads',
      load: async () => (await server()).runWait as RunCommand,
    },
  ],
};
