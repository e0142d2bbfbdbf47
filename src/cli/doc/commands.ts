/** `hq doc`: part of the command table. */
import type { CommandEntry, RunCommand } from '../commandEntry.ts';
import { opt } from '../options.ts';
import { AREAS } from './areas.ts';

export const DOC: CommandEntry = {
  name: 'doc',
  description: 'Print where the documentation of an area is',
  args: [['[area]', `${Object.keys(AREAS).join(', ')} (default: all of it)`]],
  options: () => [opt('--open', 'open it in the browser of BROWSER, else with xdg-open or open')],
  examples: ['hq doc', 'hq doc autoalloc', 'hq doc --open resources'],
  load: async () => (await import('../commands/doc.ts')).runDoc as RunCommand,
};
