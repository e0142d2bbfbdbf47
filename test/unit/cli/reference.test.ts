/** The command table keeps its own rules, and what documents say of it is about what is there. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { CommandEntry, CommandGroup } from '../../../src/cli/commandEntry.ts';
import { COMMANDS } from '../../../src/cli/commandTable.ts';
import { compatOf } from '../../../src/cli/compat.ts';
import { DIFFERENCES, ORIGINAL, SAME_AS } from '../../../src/cli/generate/original.ts';

function entries(items: readonly (CommandEntry | CommandGroup)[], above = 'hq'): [string, CommandEntry][] {
  return items.flatMap((item) => {
    const name = `${above} ${item.name}`;
    return 'commands' in item ? entries(item.commands, name) : [[name, item] as [string, CommandEntry]];
  });
}

test.each(entries(COMMANDS))('%s can be run and explains its options', async (_name, entry) => {
  expect(await entry.load()).toBeTypeOf('function');
  expect(entry.description).toMatch(/^[A-Z].*[^.]$/);
  for (const option of entry.options?.() ?? []) expect(option.description, option.flags).not.toBe('');
});

test('what is said about the original is about commands and options that it has', () => {
  const named = new Set([...ORIGINAL].flatMap(([name, options]) => [name, ...options.map(([option]) => `${name} ${option}`.trim())]));
  for (const name of Object.keys(DIFFERENCES)) expect(named, name).toContain(name);
  for (const [name, other] of Object.entries(SAME_AS))
    expect(ORIGINAL.get(name)?.length).toBeLessThanOrEqual(ORIGINAL.get(other)?.length ?? 0);
});

test('every difference from the original is explained', () => {
  const path = 'docs/compatibility.md';
  expect(existsSync(path)).toBe(true);
  const text = readFileSync(path, 'utf8');
  for (const name of Object.keys(compatOf({}))) expect(text, name).toContain(`\`${name}\``);
});

test.each([...ORIGINAL].filter(([command]) => command !== ''))(
  'hq %s of the original is there with all its options',
  (command, options) => {
    const [, entry] = entries(COMMANDS).find(([words]) => words === `hq ${command}`) ?? [];
    expect(entry).toBeDefined();
    expect(entry?.options?.().flatMap(({ long, short }) => [long, short]) ?? []).toEqual(expect.arrayContaining(options.flat()));
  },
);
