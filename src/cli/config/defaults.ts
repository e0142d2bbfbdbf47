/** Puts what configuration files set behind what was typed. Called by the program for every command where there is such a file. */
import { homedir } from 'node:os';
import type { Option } from 'commander';
import { HqError } from '../../protocol/errors.ts';
import type { CommandEntry } from '../commandEntry.ts';
import type { GlobalOptions } from '../context.ts';
import type { CliIo } from '../io.ts';
import type { ConfigFile } from './find.ts';
import { Settings } from './settings.ts';

export interface Typed {
  /** Words of the command after `hq`. */
  readonly name: string;
  readonly entry: Pick<CommandEntry, 'options'>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly globals: GlobalOptions;
  /** Attributes of options that were given on the command line. */
  readonly typed: ReadonlySet<string>;
}

/** The same with defaults. */
export interface WithDefaults {
  readonly options: Readonly<Record<string, unknown>>;
  readonly globals: GlobalOptions;
  readonly io: CliIo;
  /** Options that nobody has typed. */
  readonly configured: Readonly<Record<string, unknown>>;
}

/** @throws HqError HQ_E_CONFIG */
export function withDefaults({ name, entry, options, globals, typed }: Typed, files: readonly ConfigFile[], io: CliIo): WithDefaults {
  const settings = Settings.read(files, globals.profile || io.env['HQ_PROFILE'] || null);
  const configured = Object.fromEntries(
    Object.entries(settings.optionsOf(name, entry)).filter(([attribute]) => !typed.has(attribute) && !conflicts(entry, attribute, typed)),
  );
  return {
    options: { ...options, ...configured },
    globals: { ...globalDefaults(settings, io), ...globals },
    io: settings.global('compat') === undefined ? io : withCompat(io),
    configured,
  };
}

/** A default gives way to an option that was typed and cannot stand beside it. */
function conflicts(entry: Typed['entry'], attribute: string, typed: ReadonlySet<string>): boolean {
  const options = entry.options?.() ?? [];
  return options.some((option) => {
    // Attributes; not among the published types.
    const { conflictsWith: others } = option as Option & { readonly conflictsWith: readonly string[] };
    if (option.attributeName() === attribute) return others.some((other) => typed.has(other));
    return typed.has(option.attributeName()) && others.includes(attribute);
  });
}

/** Variables count more than files. */
function globalDefaults(settings: Settings, { env }: CliIo): GlobalOptions {
  const serverDir = settings.serverDir(env['HOME'] || homedir());
  const outputMode = settings.global('output-mode');
  const colors = settings.global('colors');
  return {
    ...(serverDir === undefined || env['HQ_SERVER_DIR'] ? {} : { serverDir }),
    ...(outputMode === undefined || env['HQ_OUTPUT_MODE'] ? {} : { outputMode }),
    ...(colors === undefined ? {} : { colors }),
  };
}

/** Streams of `io` are made when they are asked for, so it is not copied. */
function withCompat(io: CliIo): CliIo {
  const env = { HQ_COMPAT: 'hyperqueue', ...io.env };
  return Object.create(io, { env: { value: env, enumerable: true } }) as CliIo;
}

/**
 * What help texts say about options, by attribute: the value and where it comes from. Empty where the files are not valid.
 * @param o.profile as for `Settings.read`
 */
export function defaultNotes(
  { name, entry, profile }: Pick<Typed, 'name' | 'entry'> & { readonly profile: string | null },
  files: readonly ConfigFile[],
): ReadonlyMap<string, string> {
  try {
    const settings = Settings.read(files, profile);
    const notes = settings.settingsOf(name).map(({ option, text, origin }) => {
      const attribute = entry
        .options?.()
        .find(({ long }) => long === option)
        ?.attributeName();
      return [attribute ?? '', `[${text} in ${origin}]`] as const;
    });
    return new Map(notes);
  } catch (error) {
    if (error instanceof HqError) return new Map();
    throw error;
  }
}
