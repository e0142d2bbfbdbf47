/** The table of docs/compatibility.md: every command and option of HyperQueue and of the tutorial beside the command table. Called by the generator. */
import { type NamedCommand, namedCommands } from '../commandEntry.ts';
import { COMMANDS } from '../commandTable.ts';
import { globalOptions } from '../globalOptions.ts';
import { DIFFERENCES, type Difference, type OptionNames, ORIGINAL, SAME_AS, TUTORIAL } from './original.ts';

const OF_TUTORIAL = { is: 'same', why: 'as in the tutorial; the original does not have it' } as const;

const GLOBAL: NamedCommand = { name: '', entry: { name: '', description: '', options: globalOptions, load: () => Promise.reject() } };

/**
 * @returns Markdown: the table, and what is beyond the original
 * @throws Error for a command or an option that is not there: the page says that every one is
 */
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
  if (ours === undefined) throw new Error(`'hq ${name}' is missing`);
  if (alias !== undefined) return [row(shown, 'same', `as \`hq ${alias}\``)];
  const own = DIFFERENCES[name];
  const of = (options: readonly OptionNames[] | undefined): (readonly [string, Difference | 'same'])[] =>
    (options ?? []).map((spellings) => [spellings[0] as string, judge(ours, spellings)]);
  const judged = of(ORIGINAL.get(name));
  const same = judged.filter(([, is]) => is === 'same').map(([option]) => `\`${option}\``);
  const optionRow = (option: string, { is, why }: Difference | typeof OF_TUTORIAL): string => row(`${shown} \`${option}\``, is, why);
  const others = judged.flatMap(([option, is]) => (is === 'same' ? [] : [optionRow(option, is)]));
  const tutorial = of(TUTORIAL.get(name)).map(([option, is]) => optionRow(option, is === 'same' ? OF_TUTORIAL : is));
  const more = [...(own === undefined ? [] : [own.why]), ...(same.length === 0 ? [] : [`the same: ${same.join(' ')}`])];
  const what = own?.is ?? 'same';
  return [row(shown, what, isTutorial ? OF_TUTORIAL.why : more.join('; ')), ...others, ...tutorial];
}

function judge(ours: NamedCommand, spellings: OptionNames): Difference | 'same' {
  const known = flagsOf(ours);
  for (const flag of spellings) if (!known.has(flag)) throw new Error(`'hq ${ours.name}' has no ${flag}`);
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
