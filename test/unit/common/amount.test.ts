import { expect, test } from 'vitest';
import { formatAmount, parseAmount } from '../../../src/common/amount.ts';

test.each<[string, number]>([
  ['4', 40_000],
  ['0.5', 5_000],
  ['1.25', 12_500],
  ['5_000', 50_000_000],
  ['0.0001', 1],
  ['0', 0],
  [' 2 ', 20_000],
])('%j is %i units', (text, units) => {
  expect(parseAmount(text)).toBe(units);
});

test.each<[string, string]>([
  ['', "'' is not an amount"],
  ['-1', "'-1' is not an amount"],
  ['1e3', "'1e3' is not an amount"],
  ['.5', "'.5' is not an amount"],
  ['1.', "'1.' is not an amount"],
  ['_5', "'_5' is not an amount"],
  ['0.12345', "'0.12345' has more than 4 decimals"],
  ['10000000000000', "'10000000000000' is too large"],
])('%j is refused', (text, why) => {
  expect(parseAmount(text)).toBe(why);
});

test('shows the shortest decimal', () => {
  expect([40_000, 5_000, 12_500, 1, 0].map(formatAmount)).toEqual(['4', '0.5', '1.25', '0.0001', '0']);
});
