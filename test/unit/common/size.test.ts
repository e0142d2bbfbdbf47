import { expect, test } from 'vitest';
import { formatSize, parseSize } from '../../../src/common/size.ts';

test.each<[string, number]>([
  ['512', 512],
  ['0', 0],
  ['512MiB', 512 * 2 ** 20],
  ['4GiB', 4 * 2 ** 30],
  ['1.5G', 1_500_000_000],
  ['1.5 GiB', 1.5 * 2 ** 30],
  ['2kb', 2_000],
  ['1_000 B', 1_000],
  ['1tib', 2 ** 40],
])('%j is %i bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(['', 'GiB', '-1', '1.', '.5G', '1 GB extra', '4 pebbles', '1e9', '0x10', '5constructor'])('%j is no size', (text) => {
  expect(parseSize(text)).toBeUndefined();
});

test.each<[number, string]>([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [4_423_816_315, '4.12 GiB'],
  [5 * 2 ** 50, '5120 TiB'],
])('%d bytes are shown as %j', (bytes, text) => {
  expect(formatSize(bytes)).toBe(text);
});
