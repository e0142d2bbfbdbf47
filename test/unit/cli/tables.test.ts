import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { cutMiddle, Tables } from '../../../src/cli/output/tables.ts';

function drawn(draw: (tables: Tables) => void, colors = false): string {
  const out = new PassThrough();
  draw(new Tables(out, colors));
  return (out.read() as Buffer).toString();
}

test('cells of several lines, wide and combined characters', () => {
  const text = drawn((tables) =>
    tables.horizontal(
      ['ID', 'Name'],
      [
        [1, 'two\nlines'],
        [22, '日本 e\u0301 🧬'],
        [3, ''],
      ],
    ),
  );
  expect(text).toMatchInlineSnapshot(`
    "+----+-----------+
    | ID | Name      |
    +----+-----------+
    | 1  | two       |
    |    | lines     |
    | 22 | 日本 é 🧬 |
    | 3  |           |
    +----+-----------+
    "
  `);
});

test('properties have a rule below the first', () => {
  expect(
    drawn((tables) =>
      tables.vertical([
        ['ID', 1],
        ['Name', 'x'],
      ]),
    ),
  ).toMatchInlineSnapshot(`
    "+------+---+
    | ID   | 1 |
    +------+---+
    | Name | x |
    +------+---+
    "
  `);
  expect(drawn((tables) => tables.vertical([['ID', 1]]))).toMatchInlineSnapshot(`
    "+----+---+
    | ID | 1 |
    +----+---+
    "
  `);
});

test('what a task prints into an error cannot steer the terminal', () => {
  const text = drawn((tables) => tables.horizontal(['Error'], [['\u001b[31mred\u001b[0m\ta\r\n\u009bb\u0007\n\n']]));
  expect(text).toMatchInlineSnapshot(`
    "+-------------------+
    | Error             |
    +-------------------+
    | �[31mred�[0m    a |
    | �b�               |
    +-------------------+
    "
  `);
});

test('bold text does not shift columns', () => {
  const plain = drawn((tables) => tables.horizontal(['ID', 'Name'], [[1, 'x']]));
  const bold = drawn((tables) => tables.horizontal(['ID', 'Name'], [[1, 'x']]), true);
  expect(bold).toContain('\u001b[1mName\u001b[22m');
  expect(bold.replaceAll('\u001b[1m', '').replaceAll('\u001b[22m', '')).toBe(plain);
});

test('a hundred thousand rows are drawn, not calculated for minutes', () => {
  const rows = Array.from({ length: 100_000 }, (_, i) => [i, 'FINISHED', 1, '1s', '']);
  expect(drawn((tables) => tables.horizontal(['Task ID', 'State', 'Worker', 'Makespan', 'Error'], rows)).split('\n')).toHaveLength(100_005);
});

test('the middle of a long name is cut out', () => {
  expect(cutMiddle('abcdefghij', 10)).toBe('abcdefghij');
  expect(cutMiddle('abcdefghijk', 9)).toBe('abc...ijk');
});
