import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IntArray } from '../../src/common/intArray.ts';
import { orderedIds } from '../../src/common/orderedIds.ts';

const values = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 40 });

test('gives what sorting all of them gives, from any place on', () => {
  fc.assert(
    fc.property(values, fc.array(fc.nat(3), { maxLength: 3 }), fc.integer({ min: -1, max: 61 }), (all, cuts, after) => {
      const parts: number[][] = [[], [], [], []];
      all.forEach((value, i) => void parts[cuts.length === 0 ? 0 : ((cuts[i % cuts.length] as number) ?? 0)]?.push(value));
      const arrays = parts.filter((part) => part.length > 0).map((part) => IntArray.from(part));
      const expected = all.filter((value) => value > after).sort((a, b) => a - b);
      expect([...orderedIds(arrays, after)]).toEqual(expected);
    }),
  );
});

test('steps are kept, and what lies before is passed over', () => {
  const parsed = [IntArray.parse('100-200:50,300'), IntArray.parse('0-20:10')] as IntArray[];
  expect([...orderedIds(parsed, 9)]).toEqual([10, 20, 100, 150, 200, 300]);
  expect(orderedIds([IntArray.range(0, 4_000_000_000)], 3_999_999_990).next().value).toBe(3_999_999_991);
});
