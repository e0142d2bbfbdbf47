/** Commands that need a server's or a worker's modules run in the program that has them (bin/codeCache.ts). */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { programOf } from '../../../src/bin/codeCache.ts';
import type { CommandEntry, CommandGroup } from '../../../src/cli/commandEntry.ts';
import { COMMANDS } from '../../../src/cli/commandTable.ts';

/** What scripts/lib/bundle.mjs leaves out of the command line alone. */
const SERVICE_IMPORT = /\bimport\('[^']*(?:\/(?:server|worker|tui)\/[^']*|\/commands\/(?:compare|dashboard)\.ts)'\)/g;

/** Modules with such an import, how many they have, and the commands that come by them. */
const IMPORTERS: Readonly<Record<string, readonly [imports: number, commands: readonly string[]]>> = {
  'commands/dashboard.ts': [4, ['dashboard']],
  'commands/doctor.ts': [4, ['doctor']],
  'commands/jobFile.ts': [1, ['job validate']],
  'commands/journal.ts': [1, ['journal export']],
  'commands/journalReport.ts': [1, ['journal report']],
  'commands/recover.ts': [2, ['server recover']],
  'commands/server.ts': [1, ['server start']],
  'commands/serverAccess.ts': [2, ['server generate-access']],
  'commands/worker.ts': [1, ['worker hwdetect']],
  'commands/workerStart.ts': [1, ['worker start']],
  'compare/commands.ts': [2, ['compare array', 'compare snakemake']],
  'dashboard/commands.ts': [1, ['dashboard']],
  'doctor/launcher.ts': [1, ['doctor']],
  'doctor/storage.ts': [1, ['doctor']],
};

function entries(items: readonly (CommandEntry | CommandGroup)[], above = ''): [name: string, entry: CommandEntry][] {
  return items.flatMap((item) =>
    'commands' in item ? entries(item.commands, `${above}${item.name} `) : [[`${above}${item.name}`, item] as [string, CommandEntry]],
  );
}

test('these modules of the command line import servers and workers, and no others', () => {
  const files = readdirSync('src/cli', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const found = files.flatMap((file) => {
    const count = [...readFileSync(join('src/cli', file), 'utf8').matchAll(SERVICE_IMPORT)].length;
    return count === 0 ? [] : [[file, count] as const];
  });
  const expected = Object.entries(IMPORTERS).map(([file, [count]]) => [file, count]);
  expect(Object.fromEntries(found), 'a new import: add its command here, and to SERVICE_WORDS').toEqual(Object.fromEntries(expected));
});

test('their commands run in the program that has them, all others in the quick one', () => {
  const all = entries(COMMANDS).map(([name]) => name);
  const withServices = [...new Set(Object.values(IMPORTERS).flatMap(([, commands]) => commands))];
  expect(all).toEqual(expect.arrayContaining(withServices));
  // It has a word of `hq journal report`.
  expect(all.filter((name) => programOf(name.split(' ')) === 'service').sort()).toEqual([...withServices, 'report snakemake'].sort());
  // The thread that runs commands for fronts has the quick one, too.
  expect(entries(COMMANDS).flatMap(([name, { effect }]) => (withServices.includes(name) && effect !== undefined ? [name] : []))).toEqual(
    [],
  );
});
