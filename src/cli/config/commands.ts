/** `hq config`: part of the command table. It reads files of the client, so no server runs it for clients. */
import type { CommandGroup, RunCommand } from '../commandEntry.ts';

export const CONFIG: CommandGroup = {
  name: 'config',
  description: 'Look at the defaults of options in configuration files',
  commands: [
    {
      name: 'show',
      description: 'Show every default that counts here, and where it comes from',
      examples: ['hq config show', 'hq --profile gpu config show'],
      load: async () => (await import('../commands/config.ts')).runShow as RunCommand,
    },
    {
      name: 'check',
      description: 'Check the configuration files with all their profiles',
      examples: ['hq config check'],
      load: async () => (await import('../commands/config.ts')).runCheck as RunCommand,
    },
  ],
};
