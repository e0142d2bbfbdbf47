/** Every command of the table with its words, for all that is made out of the table. */
import { type CommandEntry, type CommandGroup, isHidden } from '../commandEntry.ts';
import { COMMANDS } from '../commandTable.ts';

/** A command and how it is called. */
export interface NamedCommand {
  /** Words after `hq`, e.g. `job list`. */
  readonly name: string;
  readonly entry: CommandEntry;
}

/** @returns all commands but hidden ones, in the order of the table */
export function namedCommands(items: readonly (CommandEntry | CommandGroup)[] = COMMANDS, above = ''): NamedCommand[] {
  return items
    .filter((item) => !isHidden(item))
    .flatMap((item) => {
      const name = `${above}${item.name}`;
      return 'commands' in item ? namedCommands(item.commands, `${name} `) : [{ name, entry: item }];
    });
}

/** @returns words after `hq` of all commands */
export function commandNames(): string[] {
  return namedCommands().map(({ name }) => name);
}
