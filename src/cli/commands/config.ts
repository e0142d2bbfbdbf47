/** `hq config show|check` */
import { namedCommands } from '../commandEntry.ts';
import { type ConfigFile, configFiles } from '../config/find.ts';
import { readConfig } from '../config/read.ts';
import { Settings } from '../config/settings.ts';
import type { Context } from '../context.ts';

export async function runShow(context: Context): Promise<undefined> {
  const files = configFiles(context.io);
  const settings = checked(context, files, context.globals.profile ?? null);
  context.output.settings(settings.all(namesOf(context.commands)), { files: files.map(({ path }) => path) });
}

/** Every profile is tried, also those that are not in use. */
export async function runCheck(context: Context): Promise<undefined> {
  const files = configFiles(context.io);
  const profiles = files.flatMap((file) => Object.keys(readConfig(file).text.profiles ?? {}));
  for (const profile of [context.globals.profile ?? null, ...new Set(profiles)]) checked(context, files, profile);
  context.output.done(
    files.length === 0 ? 'There is no configuration file' : `${files.map(({ path }) => path).join(', ')}: nothing is wrong`,
  );
}

/** @throws HqError HQ_E_CONFIG */
function checked(context: Context, files: readonly ConfigFile[], profile: string | null): Settings {
  const settings = Settings.read(files, profile || context.io.env['HQ_PROFILE'] || null);
  const names = namesOf(context.commands);
  const used = new Set(settings.all(names).map(({ command }) => command));
  for (const { name, entry } of namedCommands(context.commands)) if (used.has(name)) settings.optionsOf(name, entry);
  return settings;
}

function namesOf(items: Context['commands']): string[] {
  return namedCommands(items).map(({ name }) => name);
}
