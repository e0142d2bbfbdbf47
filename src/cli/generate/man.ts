/** Manual pages out of the command table: docs/man/hq.1 and one page for each command, in the roff of man(7). Called by the generator. */
import type { Option } from 'commander';
import { isHidden, type NamedCommand, namedCommands } from '../commandEntry.ts';
import { COMMANDS } from '../commandTable.ts';
import { globalOptions } from '../globalOptions.ts';

export interface ManPage {
  /** `hq-job-list.1` */
  readonly file: string;
  readonly text: string;
}

/** @param version shown in the footer */
export function manPages(version: string): ManPage[] {
  return [overview(version), ...namedCommands(COMMANDS).map((command) => page(command, version))];
}

function overview(version: string): ManPage {
  const commands = namedCommands(COMMANDS).map(
    ({ name, entry }) => `.TP\n\\fBhq ${escaped(name)}\\fR\n${escaped(`${entry.description}.`)}`,
  );
  const groups = COMMANDS.filter((item) => 'commands' in item && !isHidden(item)).map(({ name }) => name);
  const text = [
    head('hq', version),
    section('NAME', 'hq \\- run many short tasks inside a few batch jobs'),
    section('SYNOPSIS', `\\fBhq\\fR [\\fIoptions\\fR] \\fIcommand\\fR [\\fIarguments\\fR]`),
    section(
      'DESCRIPTION',
      escaped(
        `A server, workers and a client in one command. Each command has a page of its own, hq-COMMAND(1), with hyphens between its words. Groups of commands: ${groups.join(', ')}.`,
      ),
    ),
    section('COMMANDS', commands.join('\n')),
    section('OPTIONS OF EVERY COMMAND', globalOptions().map(optionText).join('\n')),
    section(
      'EXIT STATUS',
      '.TP\n0\nDone.\n.TP\n1\nFailed; one line says why.\n.TP\n2\nWrongly typed; nothing was done.\n.TP\n130\nInterrupted.',
    ),
    section(
      'FILES',
      '.TP\n\\fI~/.hq-server\\fR\nThe server directory, unless \\fBHQ_SERVER_DIR\\fR or \\fB\\-\\-server\\-dir\\fR names another one.\n.TP\n\\fI~/.config/hq\\-bridge/config.yaml\\fR\nDefaults of options and profiles; see hq\\-config\\-show(1).',
    ),
  ].join('');
  return { file: 'hq.1', text };
}

function page({ name, entry }: NamedCommand, version: string): ManPage {
  const title = `hq-${name.replaceAll(' ', '-')}`;
  const args = entry.args ?? [];
  const options = entry.options?.() ?? [];
  const synopsis = [
    `\\fBhq ${escaped(name)}\\fR`,
    ...(options.length > 0 ? ['[\\fIoptions\\fR]'] : []),
    ...args.map(([one]) => `\\fI${escaped(one)}\\fR`),
  ];
  const text = [
    head(title, version),
    section('NAME', escaped(`${title} - ${entry.description.charAt(0).toLowerCase()}${entry.description.slice(1)}`)),
    section('SYNOPSIS', synopsis.join(' ')),
    ...(args.length === 0
      ? []
      : [section('ARGUMENTS', args.map(([one, text]) => `.TP\n\\fI${escaped(one)}\\fR\n${escaped(text)}`).join('\n'))]),
    ...(options.length === 0 ? [] : [section('OPTIONS', options.map(optionText).join('\n'))]),
    ...(entry.examples === undefined ? [] : [section('EXAMPLES', `.nf\n${entry.examples.map(escaped).join('\n')}\n.fi`)]),
    section('SEE ALSO', '\\fBhq\\fR(1)'),
  ].join('');
  return { file: `${title}.1`, text };
}

function head(title: string, version: string): string {
  return `.\\" Generated from the command table by npm run generate. Do not edit.\n.TH ${escaped(title.toUpperCase())} 1 "" "hq\\-bridge ${version}" "hq\\-bridge"\n`;
}

function section(title: string, body: string): string {
  return `.SH ${title}\n${body}\n`;
}

function optionText({ flags, description }: Option): string {
  return `.TP\n\\fB${escaped(flags)}\\fR\n${escaped(description)}`;
}

/** Text of one line: a backslash, hyphens that are to be copied, and what would be a request at the beginning of a line. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
