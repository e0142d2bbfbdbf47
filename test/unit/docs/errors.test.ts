/** docs/errors.md and the table of errors say the same, both ways. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ERRORS, type ErrorEntry } from '../../../src/protocol/errors.ts';

/** Code -> the other cells of its row. */
function documented(): Map<string, string[]> {
  const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| `HQ_E_'));
  const cells = rows.map((row) => row.slice(2, -2).split(/ (?<!\\)\| /));
  return new Map(cells.map(([code, ...rest]) => [(code as string).replaceAll('`', ''), rest]));
}

/** A template as the document prints it. */
const shown = (template: string) => template.replaceAll('|', '\\|').replace(/\{(\w+)\}/g, '‹$1›') || '–';

test('every error is documented, and nothing else', () => {
  expect([...documented().keys()]).toEqual(Object.keys(ERRORS));
});

test.each(Object.entries(ERRORS) as [string, ErrorEntry][])('%s as it is', (code, entry) => {
  expect(documented().get(code)).toEqual([String(entry.exit), String(entry.http), shown(entry.message), shown(entry.hint)]);
});

test.each(Object.entries(ERRORS) as [string, ErrorEntry][])(
  '%s: one line, a hint only with words of its message',
  (_code, { message, hint, exit, http }) => {
    const words = (template: string) => [...template.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    expect(message).toMatch(/^\S(.*\S)?$/);
    expect(`${message}${hint}`).not.toContain('\n');
    expect([1, 2]).toContain(exit);
    expect(http).toBeGreaterThanOrEqual(400);
    // What a hint needs has to be in the data anyway; a typo would leave the braces in front of a user.
    for (const word of words(hint)) expect([...words(message), ...EXTRA]).toContain(word);
  },
);

/** Words that are in a hint alone. */
const EXTRA = ['allowed'];
