/** The table of docs/compatibility.md: every command and option of HyperQueue and of the tutorial beside the command table. Called by the generator. */
import { type NamedCommand, namedCommands } from '../commandEntry.ts';
import { COMMANDS } from '../commandTable.ts';
import { globalOptions } from '../globalOptions.ts';
import { DIFFERENCES, type Difference, MISSING, type OptionNames, ORIGINAL, SAME_AS, TUTORIAL } from './original.ts';

const GLOBAL: NamedCommand = { name: '', entry: { name: '', description: '', options: globalOptions, load: () => Promise.reject() } };

/** @returns Markdown: the table, and what is beyond the original */
export function compatibilityTable(): string {
  const ours = new Map([GLOBAL, ...namedCommands(COMMANDS)].map((command) => [command.name, command]));
  const names = [...new Set([...ORIGINAL.keys(), ...TUTORIAL.keys()])];
  const rows = names.flatMap((name) => rowsOf(name, ours.get(name)));
  const added = [...ours.values()].flatMap((command) => additionsOf(command));
  return `| command or option | is | |\n|---|---|---|\n${rows.join('\n')}\n\nBeyond both: ${added.join(', ')}.\n`;
}

function rowsOf(name: string, ours: NamedCommand | undefined): string[] {
  const shown = name === '' ? 'every command' : `\`hq ${name}\``;
  const alias = SAME_AS[name];
  const isTutorial = !ORIGINAL.has(name);
  if (ours === undefined) return [row(shown, 'missing', '')];
  if (alias !== undefined) return [row(shown, 'same', `as \`hq ${alias}\``)];
  const own = DIFFERENCES[name];
  const of = (options: readonly OptionNames[] | undefined): (readonly [string, Difference | 'same' | 'missing'])[] =>
    (options ?? []).map((spellings) => [spellings[0] as string, judge(ours, spellings)]);
  const judged = of(ORIGINAL.get(name));
  const same = judged.filter(([, is]) => is === 'same').map(([option]) => `\`${option}\``);
  const others = judged.filter(([, is]) => is !== 'same').map(([option, is]) => optionRow(shown, option, is));
  const tutorial = of(TUTORIAL.get(name)).map(([option, is]) =>
    is === 'same'
      ? row(`${shown} \`${option}\``, 'same', 'as in the tutorial; the original does not have it')
      : optionRow(shown, option, is),
  );
  const more = [...(own === undefined ? [] : [own.why]), ...(same.length === 0 ? [] : [`the same: ${same.join(' ')}`])];
  const what = own?.is ?? 'same';
  return [row(shown, what, isTutorial ? 'as in the tutorial; the original does not have it' : more.join('; ')), ...others, ...tutorial];
}

function optionRow(command: string, option: string, is: Difference | 'same' | 'missing'): string {
  const reason = MISSING[`${/hq ([^`]*)/.exec(command)?.[1] ?? ''} ${option}`] ?? '';
  return typeof is === 'string' ? row(`${command} \`${option}\``, is, reason) : row(`${command} \`${option}\``, is.is, is.why);
}

function judge(ours: NamedCommand, spellings: OptionNames): Difference | 'same' | 'missing' {
  const known = flagsOf(ours);
  if (!spellings.every((flag) => known.has(flag))) return 'missing';
  return DIFFERENCES[`${ours.name} ${spellings[0]}`.trim()] ?? 'same';
}

/** Commands and options that neither of both has. */
function additionsOf(ours: NamedCommand): string[] {
  const { name } = ours;
  if (SAME_AS[name] !== undefined || name === '') return [];
  const known = [...(ORIGINAL.get(name) ?? []), ...(TUTORIAL.get(name) ?? [])].flat();
  if (!ORIGINAL.has(name) && !TUTORIAL.has(name)) return [`\`hq ${name}\``];
  const more = name === 'job submit-task' ? [] : [...flagsOf(ours)].filter((flag) => flag.startsWith('--') && !known.includes(flag));
  return more.length === 0 ? [] : [`\`hq ${name}\` with ${more.map((flag) => `\`${flag}\``).join(' ')}`];
}

/** Every spelling of every option. */
function flagsOf({ entry }: NamedCommand): Set<string> {
  return new Set(
    (entry.options?.() ?? []).flatMap(({ long, short }) => [long, short]).filter((flag) => flag !== undefined && flag !== null),
  );
}

function row(...cells: [string, string, string]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;')).join(' | ')} |`;
}
