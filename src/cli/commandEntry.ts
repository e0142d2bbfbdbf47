/** What a command and a group of commands are, for the command table and for what is made out of it. */
import type { Option } from 'commander';
import type { Effect } from '../protocol/frontFrames.ts';
import type { Context } from './context.ts';

/** @returns an exit code, or nothing for the context's */
export type RunCommand = (context: Context, args: never, options: never) => Promise<number | undefined>;

export interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** With a parser where the text is not simply handed over. */
  readonly args?: readonly (readonly [argument: string, description: string, parse?: (text: string) => unknown])[];
  readonly options?: () => Option[];
  /** True: the last positional and everything after it is the task's command line. `arguments`: all that follows the first positional is handed over as it is. */
  readonly tail?: true | 'arguments';
  readonly examples?: readonly string[];
  /** Not shown to people: another program runs it. */
  readonly hidden?: boolean;
  /** Of a short command that reads no whole files: a server runs it for clients on its host. Others are run by the client's process alone. */
  readonly effect?: Effect;
  /** True when it reads files all the same, because of what was typed: then the client's process runs it. */
  readonly readsFiles?: (args: readonly unknown[], options: Readonly<Record<string, unknown>>) => boolean;
  /**
   * True when a command that changes something finds out by itself whether it was done when the connection to the server that ran it was cut: it is begun
   * again then.
   */
  readonly settlesCut?: (args: readonly unknown[], options: Readonly<Record<string, unknown>>) => boolean;
  load(): Promise<RunCommand>;
}

export interface CommandGroup {
  readonly name: string;
  readonly description: string;
  readonly commands: readonly (CommandEntry | CommandGroup)[];
}

/** A command and how it is called. */
export interface NamedCommand {
  /** Words after `hq`, e.g. `job list`. */
  readonly name: string;
  readonly entry: CommandEntry;
}

/** @returns all commands but hidden ones, in the order of the table */
export function namedCommands(items: readonly (CommandEntry | CommandGroup)[], above = ''): NamedCommand[] {
  return items
    .filter((item) => !isHidden(item))
    .flatMap((item) => {
      const name = `${above}${item.name}`;
      return 'commands' in item ? namedCommands(item.commands, `${name} `) : [{ name, entry: item }];
    });
}

/** Is it left out of help texts, documents and completion? */
export function isHidden(item: CommandEntry | CommandGroup): boolean {
  return 'hidden' in item && item.hidden === true;
}
