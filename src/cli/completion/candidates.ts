/** What can stand at the place of the last word of a command line, out of the command table. Pure: ids of live things are asked for by `live.ts`. */
import type { Option } from 'commander';
import { type CommandEntry, type CommandGroup, isHidden } from '../commandEntry.ts';
import { globalOptions } from '../globalOptions.ts';
import { SHELLS } from './scripts.ts';

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

/** What only a running server knows. `tasks` are those of one job. */
export type Live =
  | { readonly kind: 'jobs' | 'workers' | 'queues'; readonly words: readonly string[] }
  | { readonly kind: 'tasks'; readonly job: string };

/** Exactly what fits to the beginning of the word. */
export interface Candidates {
  readonly values: readonly Candidate[];
  /** The shell completes paths. */
  readonly paths: 'files' | 'directories' | null;
  readonly live: Live | null;
  /** The beginning of the word, for what `live` finds; in front of it each candidate gets `prefix`. */
  readonly beginning: string;
  readonly prefix: string;
}

const NOTHING = { values: [], paths: null, live: null } as const;
const CHANNELS = ['stdout', 'stderr'];
const TASK_STATES = ['waiting', 'running', 'finished', 'failed', 'canceled', 'aborted'];

/** Where the words before the last one have led to. */
interface Place {
  readonly item: CommandEntry | CommandGroup;
  readonly above: string;
  readonly positionals: readonly string[];
  /** Its value is completed. */
  readonly option: Option | null;
  /** The command line of a program has begun. */
  readonly isTail: boolean;
}

/**
 * @param commands the command table
 * @param words of a command line after `hq`; the last one is completed and may be empty
 */
export function candidatesFor(commands: CommandGroup['commands'], words: readonly string[]): Candidates {
  const word = words.at(-1) ?? '';
  const place = placeOf(commands, words.slice(0, -1));
  if (place === null || place.isTail) return { ...NOTHING, paths: place === null ? null : 'files', beginning: word, prefix: '' };
  if (place.option !== null) return valuesOf(place, place.option, { beginning: word, prefix: '' });
  const equals = /^(--[\w-]+=)(.*)$/s.exec(word);
  if (equals !== null) {
    const option = optionsOf(place.item).find(({ long }) => `${long}=` === equals[1]);
    if (option === undefined) return { ...NOTHING, beginning: word, prefix: '' };
    return valuesOf(place, option, { beginning: equals[2] as string, prefix: equals[1] as string });
  }
  const at = { beginning: word, prefix: '' };
  if (word.startsWith('-')) return chosen(optionsOf(place.item).map(optionCandidate), at);
  if ('commands' in place.item) return chosen(place.item.commands.filter((item) => !isHidden(item)).map(commandCandidate), at);
  return argumentValues(place, at);
}

function placeOf(commands: CommandGroup['commands'], words: readonly string[]): Place | null {
  let item: CommandEntry | CommandGroup = { name: '', description: '', commands };
  let above = '';
  let option: Option | null = null;
  let positionals: readonly string[] = [];
  for (const [i, word] of words.entries()) {
    if (option !== null) {
      option = null;
      continue;
    }
    if (word === '--' || isTailOf(item, positionals))
      return { item, above, positionals, option: null, isTail: isTailOf(item, words.slice(0, i)) };
    if (word.startsWith('-')) {
      option = optionsOf(item).find(({ long, short }) => long === word || short === word) ?? null;
      if (option !== null && !takesValue(option)) option = null;
    } else if ('commands' in item) {
      const child: CommandEntry | CommandGroup | undefined = item.commands.find(({ name }) => name === word);
      if (child === undefined) return null;
      [above, item] = [item.name, child];
    } else {
      positionals = [...positionals, word];
    }
  }
  return { item, above, positionals, option, isTail: isTailOf(item, positionals) };
}

/** Is the next word one of a program's own command line? Its first word is one of ours. */
function isTailOf(item: CommandEntry | CommandGroup, positionals: readonly string[]): boolean {
  if ('commands' in item || item.tail === undefined) return false;
  return positionals.length >= (item.tail === true ? (item.args?.length ?? 0) : 1);
}

function optionsOf(item: CommandEntry | CommandGroup): Option[] {
  return [...('commands' in item ? [] : (item.options?.() ?? [])), ...globalOptions()];
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

interface At {
  readonly beginning: string;
  readonly prefix: string;
}

function valuesOf(place: Place, option: Option, at: At): Candidates {
  const [, kind = ''] = /[<[](.*?)[\]>]/.exec(option.flags) ?? [];
  if (option.argChoices !== undefined) return chosen(option.argChoices.map(plain), at);
  switch (kind) {
    case 'DIR':
      return { ...NOTHING, paths: 'directories', ...at };
    case 'FILE':
    case 'PATH':
    case 'SPEC':
      return { ...NOTHING, paths: 'files', ...at };
    case 'CHANNEL':
      return chosen(CHANNELS.map(plain), at);
    case 'STATES':
    case 'STATE':
      return statesOf(option, at);
    case 'ID':
      return live({ kind: 'jobs', words: [] }, at);
    case 'IDS':
      return place.positionals[0] === undefined ? { ...NOTHING, ...at } : live({ kind: 'tasks', job: place.positionals[0] }, at);
    default:
      return { ...NOTHING, ...at };
  }
}

/** A list of words: those before the last comma stay. */
function statesOf(option: Option, at: At): Candidates {
  const comma = at.beginning.lastIndexOf(',') + 1;
  const states = option.description.includes('opened') ? [...TASK_STATES, 'opened'] : TASK_STATES;
  return chosen(states.map(plain), { beginning: at.beginning.slice(comma), prefix: at.prefix + at.beginning.slice(0, comma) });
}

function argumentValues({ item, above, positionals }: Place, at: At): Candidates {
  const args = ('commands' in item ? undefined : item.args) ?? [];
  const [argument = '', description = ''] = args[Math.min(positionals.length, args.length - 1)] ?? [];
  if (positionals.length >= args.length && !argument.includes('...')) return { ...NOTHING, ...at };
  switch (argument.replace(/[<>[\].]/g, '')) {
    case 'selector':
    case 'job':
      return live({ kind: above === 'worker' ? 'workers' : 'jobs', words: description.includes('all') ? ['last', 'all'] : ['last'] }, at);
    case 'id':
      return live({ kind: above === 'worker' ? 'workers' : 'jobs', words: [] }, at);
    case 'queue':
      return live({ kind: 'queues', words: [] }, at);
    case 'task':
    case 'tasks':
      return live({ kind: 'tasks', job: positionals[0] ?? '' }, at);
    case 'channel':
      return chosen(CHANNELS.map(plain), at);
    case 'shell':
      return chosen(SHELLS.map(plain), at);
    case 'system':
      return chosen(['slurm', 'pbs', 'gridengine', 'local', 'plugin:'].map(plain), at);
    case 'file':
    case 'path':
    case 'command':
      return { ...NOTHING, paths: 'files', ...at };
    default:
      return { ...NOTHING, ...at };
  }
}

function live(asked: Live, at: At): Candidates {
  return { ...NOTHING, live: asked, ...at };
}

function chosen(all: readonly Candidate[], at: At): Candidates {
  const values = all
    .filter(({ value }) => value.startsWith(at.beginning))
    .map(({ value, description }) => ({ value: at.prefix + value, description }));
  return { ...NOTHING, values, ...at };
}

const plain = (value: string): Candidate => ({ value, description: '' });
const commandCandidate = ({ name, description }: CommandEntry | CommandGroup): Candidate => ({ value: name, description });
const optionCandidate = ({ long, short, description }: Option): Candidate => ({ value: long ?? short ?? '', description });
