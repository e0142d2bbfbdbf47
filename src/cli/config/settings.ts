/**
 * What the configuration files say about the options of a command. Values are read by the same parsers as those that are typed; the project's win over the
 * user's, a profile's over what stands beside the profiles, and typed ones over all. Loaded where there is a file.
 */
import { dirname, join, resolve } from 'node:path';
import { Command, CommanderError, type Option } from 'commander';
import type { CommandEntry } from '../commandEntry.ts';
import { reword } from '../usage.ts';
import type { ConfigFile } from './find.ts';
import { fault, type ReadConfig, readConfig } from './read.ts';
import type { Settings as Section } from './schema.ts';

/** One value and where it comes from. */
export interface Setting {
  /** Words of the command after `hq`; empty: every command. */
  readonly command: string;
  /** With its hyphens. */
  readonly option: string;
  /** As in the file. */
  readonly text: string;
  /** `PATH:LINE`, and the profile, if it is one's. */
  readonly origin: string;
}

/** Spelled otherwise, with the same options. */
const SAME_OPTIONS: Readonly<Record<string, string>> = {
  'job submit': 'submit',
  'job submit-task': 'submit',
  'alloc dry-run': 'alloc add',
};

/** One place of a file that sets something, the strongest last. */
interface Place {
  readonly config: ReadConfig;
  readonly section: Section;
  readonly path: readonly string[];
  readonly profile: string | null;
}

export class Settings {
  private readonly places: readonly Place[];

  private constructor(places: readonly Place[]) {
    this.places = places;
  }

  /**
   * @param profile that was asked for; null: the one that the files name, if they do
   * @throws HqError HQ_E_CONFIG for a file that is not valid, and for a profile that no file has
   */
  static read(files: readonly ConfigFile[], profile: string | null): Settings {
    const configs = files.map(readConfig);
    const chosen = profile ?? configs.map(({ text }) => text.profile).findLast((name) => name !== undefined) ?? null;
    const named = configs.flatMap(({ text }) => Object.keys(text.profiles ?? {}));
    if (chosen !== null && !named.includes(chosen)) {
      const places = files.map(({ path }) => path).join(', ') || 'no file';
      throw fault(places, `there is no profile '${chosen}'${named.length === 0 ? '' : `, but ${[...new Set(named)].join(', ')}`}`);
    }
    const places = configs.flatMap((config): Place[] => {
      const own = chosen === null ? undefined : config.text.profiles?.[chosen];
      return [
        { config, section: config.text, path: [], profile: null },
        ...(own === undefined ? [] : [{ config, section: own, path: ['profiles', chosen as string], profile: chosen }]),
      ];
    });
    // A profile of the user is chosen on purpose, so it wins over what the project sets for everybody.
    return new Settings([...places.filter(({ profile: own }) => own === null), ...places.filter(({ profile: own }) => own !== null)]);
  }

  /** @returns the value of a setting of every command */
  global<Key extends 'output-mode' | 'colors' | 'compat'>(key: Key): Section[Key] {
    return this.places.findLast(({ section }) => section[key] !== undefined)?.section[key];
  }

  /**
   * @param name words of the command after `hq`
   * @returns values as commander delivers them, by attribute
   * @throws HqError HQ_E_CONFIG for an option that the command does not have, or a value that it does not take
   */
  optionsOf(name: string, entry: Pick<CommandEntry, 'options'>): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (const place of this.places) {
      const own = place.section.defaults?.[commandOf(name)] ?? {};
      for (const [option, value] of Object.entries(own)) {
        const path = [...place.path, 'defaults', commandOf(name), option];
        Object.assign(values, parsed(entry, { option, value, at: () => place.config.where(path) }));
      }
    }
    return values;
  }

  /** @returns what is set for one command, each option once */
  settingsOf(name: string): Setting[] {
    const found = new Map<string, Setting>();
    for (const place of this.places)
      for (const [option, value] of Object.entries(place.section.defaults?.[commandOf(name)] ?? {}))
        found.set(option, settingAt(place, commandOf(name), option, value));
    return [...found.values()];
  }

  /** @returns the directory that is set, absolute: `~/` is the home directory, other relative paths are those of the file's directory */
  serverDir(home: string): string | undefined {
    const place = this.places.findLast(({ section }) => section['server-dir'] !== undefined);
    const text = place?.section['server-dir'];
    if (place === undefined || text === undefined) return undefined;
    return text.startsWith('~/') ? join(home, text.slice(2)) : resolve(dirname(place.config.path), text);
  }

  /**
   * Everything that the files set, each value once: that which counts.
   * @param commands words of all commands
   * @throws HqError HQ_E_CONFIG for a command that does not exist
   */
  all(commands: readonly string[]): Setting[] {
    const found = new Map<string, Setting>();
    for (const place of this.places) {
      for (const key of ['server-dir', 'output-mode', 'colors', 'compat'] as const) {
        const value = place.section[key];
        if (value !== undefined)
          found.set(key, { command: '', option: key === 'compat' ? key : `--${key}`, text: value, origin: originOf(place, [key]) });
      }
      for (const [command, options] of Object.entries(place.section.defaults ?? {})) {
        const path = ['defaults', command];
        const known = commands.includes(command) && SAME_OPTIONS[command] === undefined;
        if (!known) throw fault(place.config.where([...place.path, ...path]), unknownCommand(command));
        for (const [option, value] of Object.entries(options)) found.set(`${command} ${option}`, settingAt(place, command, option, value));
      }
    }
    return [...found.values()];
  }
}

function originOf(place: Place, path: readonly string[]): string {
  return `${place.config.where([...place.path, ...path])}${place.profile === null ? '' : ` (profile ${place.profile})`}`;
}

function settingAt(place: Place, command: string, option: string, value: unknown): Setting {
  return { command, option: `--${option}`, text: [value].flat().join(', '), origin: originOf(place, ['defaults', command, option]) };
}

function commandOf(name: string): string {
  return SAME_OPTIONS[name] ?? name;
}

function unknownCommand(name: string): string {
  const same = SAME_OPTIONS[name];
  return same === undefined ? `there is no command 'hq ${name}'` : `'hq ${name}' has the options of '${same}': name that`;
}

/** One option through the parser of the command line. */
function parsed(entry: Pick<CommandEntry, 'options'>, o: { option: string; value: unknown; at(): string }): Record<string, unknown> {
  const flag = `--${o.option}`;
  const known = entry.options?.().find(({ long }) => long === flag);
  if (known === undefined) throw fault(o.at(), `there is no option '${flag}' of this command`);
  if (o.value === false) return {};
  const command = new Command('config')
    .exitOverride()
    .helpOption(false)
    .configureOutput({ outputError: () => {} });
  known.mandatory = false;
  command.addOption(known);
  try {
    command.parse(wordsOf(known, o.value), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const [sentence = ''] = error.message.replace(/^error: /, '').split('\n');
    throw fault(o.at(), reword(sentence, command).replace(/\s*\n\s*/g, ' '), error);
  }
  const { [known.attributeName()]: value } = command.opts();
  return { [known.attributeName()]: value };
}

function wordsOf(option: Option, value: unknown): string[] {
  const flag = option.long as string;
  if (!option.required && !option.optional) return value === true ? [flag] : [`${flag}=${String(value)}`];
  return [value].flat().map((one) => `${flag}=${String(one)}`);
}
