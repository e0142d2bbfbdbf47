import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IntArray } from '../../src/common/intArray.ts';

/** Distinct numbers, often close to each other, so that ranges, steps and gaps all occur. */
const values = fc.uniqueArray(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 0xffff_ffff })), { maxLength: 60 });

test('from, toString and parse keep the values and their order', () => {
  fc.assert(
    fc.property(values, (list) => {
      const array = IntArray.from(list);
      expect([...array]).toEqual(list);
      if (list.length === 0) return;
      const again = IntArray.parse(array.toString());
      expect(typeof again === 'string' ? again : [...again]).toEqual(list);
    }),
  );
});

test('at, indexOf and has agree with the list', () => {
  fc.assert(
    fc.property(values, fc.nat({ max: 60 }), (list, probe) => {
      const array = IntArray.from(list);
      list.forEach((value, index) => {
        expect(array.at(index)).toBe(value);
        expect(array.indexOf(value)).toBe(index);
      });
      expect(array.has(probe)).toBe(list.includes(probe));
      expect(array.max()).toBe(list.reduce((max, value) => Math.max(max, value), -1));
    }),
  );
});

const stepped = fc.record({ start: fc.nat({ max: 9 }), count: fc.integer({ min: 1, max: 30 }), step: fc.integer({ min: 1, max: 7 }) });

test('pick takes the values at the indices', () => {
  const arrays = fc.array(stepped, { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(arrays, fc.array(stepped, { maxLength: 5 }), (ranges, picks) => {
      const array = new IntArray(ranges.map((one, at) => ({ ...one, start: at * 1_000 + one.start })));
      const indices = new IntArray(picks.filter(({ start, count, step }) => start + (count - 1) * step < array.length));
      expect([...array.pick(indices)]).toEqual([...indices].map((index) => array.at(index)));
    }),
  );
});

const range = fc.record({ start: fc.nat({ max: 50 }), span: fc.nat({ max: 30 }), step: fc.integer({ min: 1, max: 7 }) });

test('ranges are accepted exactly when no value occurs twice', () => {
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 6 }), (ranges) => {
      const text = ranges.map(({ start, span, step }) => `${start}-${start + span}:${step}`).join(',');
      const all = ranges.flatMap(({ start, span, step }) =>
        Array.from({ length: Math.floor(span / step) + 1 }, (_, i) => start + i * step),
      );
      const array = IntArray.parse(text);
      if (new Set(all).size < all.length) expect(array).toMatch(/given twice/);
      else expect(typeof array === 'string' ? array : [...array]).toEqual(all);
    }),
  );
});

test('any text is read or refused, never a crash, and what is read prints as it is read', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789,-:_ x') }), (text) => {
      const array = IntArray.parse(text);
      if (typeof array === 'string') return;
      expect(array.length).toBeGreaterThan(0);
      const again = IntArray.parse(array.toString());
      expect(typeof again === 'string' ? again : again.ranges).toEqual(array.ranges);
    }),
  );
});
