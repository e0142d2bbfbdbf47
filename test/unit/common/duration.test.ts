import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../../src/common/duration.ts';

describe('reading', () => {
  test.each<[string, number]>([
    ['90', 90_000],
    ['0', 0],
    ['01:30', 90_000],
    ['01:30:00', 5_400_000],
    ['100:00:00', 360_000_000],
    ['10min', 600_000],
    ['1h 30m', 5_400_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['2hours', 7_200_000],
    ['1 day', 86_400_000],
    [' 5s ', 5_000],
    ['1.5h', 5_400_000],
    ['10sec', 10_000],
    ['1w', 604_800_000],
  ])('%j is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test('m is a minute, M a month', () => {
    expect(parseDuration('1m')).toBe(60_000);
    expect(parseDuration('1M')).toBeGreaterThan(29 * 86_400_000);
  });

  test.each([
    '',
    ' ',
    'soon',
    '-5',
    '-5s',
    '5 parsecs',
    '1:',
    ':30',
    '1:2:3:4',
    '1h 30',
    '1.5',
    '1e3',
    '200y',
    '99999999999999999999',
    'h',
    '1,5h',
    '5constructor',
    '5s 1toString',
  ])('%j is no duration', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

test.each<[number, string]>([
  [0, '0s'],
  [55, '55ms'],
  [65_000, '1m 5s'],
  [5_400_000, '1h 30m'],
  [90_061_001, '1d 1h 1m 1s 1ms'],
  [999.7, '999ms'],
])('%d ms is shown as %j', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
