/** The reference of all commands as Markdown, out of the command table. `docs/cli.md` is this text, written by the generator. */
import type { Option } from 'commander';
import { type CommandEntry, type CommandGroup, isHidden } from '../commandEntry.ts';
import { COMMANDS } from '../commandTable.ts';
import { globalOptions } from '../globalOptions.ts';

const INTRO = `# Command line

<!-- Generated from src/cli/commandTable.ts by \`npm run generate\`. Do not edit. -->

Options may be given as \`--option value\` or \`--option=value\`, before or after arguments. Where a program is submitted, the program's own
command line begins at the first word that is no option, or after \`--\`. \`-h\` and \`--help\` explain each command.

* Exit codes: 0 done, 1 failed (one line says why), 2 wrongly typed (nothing was done), 130 interrupted.
* Standard output carries the result, standard error everything else. \`--output-mode quiet\` prints bare ids and states,
  \`--output-mode json\` exactly one JSON value, also for an error.
* Durations: \`90\` (seconds), \`10min\`, \`1h 30m\`, \`01:30:00\`. Sizes: \`512MiB\`, \`4GiB\`. Ids: \`1-3,7,10-20:5\`.
* Where scripts need the behaviour of the original, \`HQ_COMPAT=hyperqueue\` brings it back: [compatibility.md](compatibility.md).
* Options may have defaults in configuration files, with profiles: [configuration.md](configuration.md).
* Short commands are executed by the running server where \`hq\` is the compiled front; \`HQ_FRONT=off\` does without.
* A server is looked for in \`--server-dir\`, else \`HQ_SERVER_DIR\`, else \`~/.hq-server\`.
`;

/** @returns Markdown, ending with a line break */
export function cliReference(): string {
  const global = `\n## Options of every command\n\n${optionTable(globalOptions())}`;
  return `${INTRO}${global}${COMMANDS.map((item) => section(item, ['hq'])).join('')}`;
}

function section(item: CommandEntry | CommandGroup, above: readonly string[]): string {
  if (isHidden(item)) return '';
  const words = [...above, item.name];
  const title = `\n${'#'.repeat(Math.min(above.length + 1, 3))} ${words.join(' ')}\n\n${item.description}.\n`;
  if ('commands' in item) return title + item.commands.map((child) => section(child, words)).join('');
  const args = item.args ?? [];
  const options = item.options?.() ?? [];
  const usage = `\n    ${[...words, ...(options.length > 0 ? ['[options]'] : []), ...args.map(([argument]) => argument)].join(' ')}\n`;
  const table = options.length === 0 && args.length === 0 ? '' : `\n${argumentTable(args)}${optionRows(options)}`;
  const examples = item.examples === undefined ? '' : `\nExamples:\n\n${item.examples.map((line) => `    ${line}\n`).join('')}`;
  return title + usage + table + examples;
}

const HEAD = '| | |\n|---|---|\n';

function argumentTable(args: NonNullable<CommandEntry['args']>): string {
  return HEAD + args.map(([argument, description]) => row(argument, description)).join('');
}

function optionTable(options: readonly Option[]): string {
  return HEAD + optionRows(options);
}

function optionRows(options: readonly Option[]): string {
  return options.map((option) => row(option.flags, option.description)).join('');
}

function row(name: string, description: string): string {
  return `| \`${name.replaceAll('|', '\\|')}\` | ${description.replaceAll('|', '\\|').replaceAll('<', '&lt;')} |\n`;
}
