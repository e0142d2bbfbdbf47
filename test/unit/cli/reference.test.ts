/** The reference is what the command table says, and the table keeps its own rules. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { CommandEntry, CommandGroup } from '../../../src/cli/commandEntry.ts';
import { COMMANDS } from '../../../src/cli/commandTable.ts';
import { compatOf } from '../../../src/cli/compat.ts';
import { cliReference } from '../../../src/cli/generate/reference.ts';

function entries(items: readonly (CommandEntry | CommandGroup)[], above = 'hq'): [string, CommandEntry][] {
  return items.flatMap((item) => {
    const name = `${above} ${item.name}`;
    return 'commands' in item ? entries(item.commands, name) : [[name, item] as [string, CommandEntry]];
  });
}

test('docs/cli.md is up to date', async () => {
  await expect(cliReference()).toMatchFileSnapshot('../../../docs/cli.md');
});

test.each(entries(COMMANDS))('%s can be run and explains its options', async (_name, entry) => {
  expect(await entry.load()).toBeTypeOf('function');
  expect(entry.description).toMatch(/^[A-Z].*[^.]$/);
  for (const option of entry.options?.() ?? []) expect(option.description, option.flags).not.toBe('');
});

test('examples are commands that exist', () => {
  const names = entries(COMMANDS).map(([name]) => name);
  for (const [, entry] of entries(COMMANDS)) {
    for (const example of entry.examples ?? [])
      expect(
        names.some((name) => example.startsWith(`${name} `) || example === name),
        example,
      ).toBe(true);
  }
});

test('commands that are said to be missing are missing', () => {
  const names = entries(COMMANDS).map(([name]) => name);
  const [, paragraph = ''] = /^What is not there yet .*?: (.*?)\n\n/ms.exec(readFileSync('docs/compatibility.md', 'utf8')) ?? [];
  const missing = [...paragraph.matchAll(/`(?:hq )?([a-z -]+?)`/g)].map(([, words = '']) => words).filter((words) => !words.includes('--'));
  expect(missing).toContain('dashboard');
  for (const words of missing) expect(names.filter((name) => ` ${name} `.includes(` ${words} `))).toEqual([]);
});

test('every difference from the original is explained', () => {
  const path = 'docs/compatibility.md';
  expect(existsSync(path)).toBe(true);
  const text = readFileSync(path, 'utf8');
  for (const name of Object.keys(compatOf({}))) expect(text, name).toContain(`\`${name}\``);
});
