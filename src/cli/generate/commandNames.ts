/** The commands by their words, for all that is made out of the table. */
import { namedCommands } from '../commandEntry.ts';
import { COMMANDS } from '../commandTable.ts';

/** @returns words after `hq` of all commands but hidden ones */
export function commandNames(): string[] {
  return namedCommands(COMMANDS).map(({ name }) => name);
}
