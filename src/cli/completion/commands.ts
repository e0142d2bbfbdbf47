/** `hq generate-completion`, and the command that its scripts ask: part of the command table. */
import type { CommandEntry, RunCommand } from '../commandEntry.ts';
import { SHELLS } from './scripts.ts';

export const GENERATE_COMPLETION: CommandEntry = {
  name: 'generate-completion',
  description: 'Print a script that completes commands, options and ids of live jobs and workers in a shell',
  args: [['<shell>', SHELLS.join(', ')]],
  examples: [
    'hq generate-completion bash > ~/.local/share/bash-completion/completions/hq',
    'hq generate-completion zsh > ~/.zfunc/_hq',
    'hq generate-completion fish > ~/.config/fish/completions/hq.fish',
  ],
  load: async () => (await import('../commands/completion.ts')).runGenerateCompletion as RunCommand,
};

/** Not for people: what can stand at the place of the last word. */
export const COMPLETE: CommandEntry = {
  name: '__complete',
  description: 'Print what can stand at the place of the last word',
  args: [['[words...]', 'of a command line after hq, the one that is completed last']],
  tail: true,
  hidden: true,
  effect: 'reads',
  load: async () => (await import('../commands/completion.ts')).runComplete as RunCommand,
};
