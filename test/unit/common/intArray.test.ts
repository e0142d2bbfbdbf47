import { describe, expect, test } from 'vitest';
import { IntArray } from '../../../src/common/intArray.ts';

const parsed = (text: string): IntArray => {
  const array = IntArray.parse(text);
  if (typeof array === 'string') throw new Error(array);
  return array;
};

describe('reading', () => {
  test.each<[string, number[]]>([
    ['5', [5]],
    ['1-3', [1, 2, 3]],
    ['3-4,2', [3, 4, 2]],
    ['0-10:5', [0, 5, 10]],
    ['0-9:5', [0, 5]],
    ['1_000', [1000]],
    [' 1 , 2-3 ', [1, 2, 3]],
    ['4294967295', [4_294_967_295]],
    ['0-10:3,1-10:3', [0, 3, 6, 9, 1, 4, 7, 10]],
  ])('%j', (text, values) => {
    const array = parsed(text);
    expect([...array]).toEqual(values);
    expect(array.length).toBe(values.length);
    expect(array.max()).toBe(Math.max(...values));
  });

  test.each<[string, RegExp]>([
    ['', /a value is missing/],
    ['1,', /a value is missing/],
    ['1-', /'1-' is not a number or range/],
    ['-1', /'-1'/],
    ['a', /'a'/],
    ['1.5', /'1.5'/],
    ['9-1', /ends before it starts/],
    ['1-9:0', /step of '1-9:0' is zero/],
    ['4294967296', /larger than/],
    ['1-5,3', /value 3 is given twice/],
    ['0-10:2,4-20:3', /value 4 is given twice/],
  ])('%j is refused', (text, why) => {
    expect(IntArray.parse(text)).toMatch(why);
  });
});

test('a million ids are one range', () => {
  const array = parsed('1-1000000');
  expect(array.ranges).toHaveLength(1);
  expect(array.at(999_999)).toBe(1_000_000);
  expect(array.at(1_000_000)).toBeUndefined();
  expect(array.indexOf(500_000)).toBe(499_999);
  expect(array.has(0)).toBe(false);
});

test('an empty array', () => {
  const array = IntArray.range(3, 0);
  expect([array.length, array.max(), array.at(0), array.toString()]).toEqual([0, -1, undefined, '']);
});
