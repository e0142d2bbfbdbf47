/** The table of docs/failures.md: every line names a test that exists. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const text = readFileSync('docs/failures.md', 'utf8');
const table = text.slice(text.indexOf('| event |')).split('\n\n')[0] as string;
const rows = table
  .split('\n')
  .slice(2)
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));

test('the table has lines, each with as many cells as its head', () => {
  expect(rows.length).toBeGreaterThan(30);
  expect(new Set(rows.map((cells) => cells.length))).toEqual(new Set([6]));
});

test.each(rows.map((cells) => [cells[0], cells[5]] as const))('%s', (_event, named = '') => {
  const [, path = '', name = ''] = /^([\w/-]+): (.+)$/.exec(named) ?? [];
  const inPython = path.startsWith('python-shim/');
  const file = inPython ? `${path}.py` : `test/${path}.test.ts`;
  expect(existsSync(file), file).toBe(true);
  expect(readFileSync(file, 'utf8')).toContain(inPython ? `def test_${name.replaceAll(' ', '_')}(` : name);
});
