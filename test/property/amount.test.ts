import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAmount, parseAmount } from '../../src/common/amount.ts';
import { formatEntry, parseEntry } from '../../src/common/requestText.ts';
import { allocationPolicy } from '../../src/protocol/schema/resources.ts';

const units = fc.oneof(fc.nat({ max: 200_000 }), fc.integer({ min: 0, max: 1e15 }));

test('an amount is read back exactly as printed', () => {
  fc.assert(
    fc.property(units, (n) => {
      expect(parseAmount(formatAmount(n))).toBe(n);
    }),
  );
});

test('printing adds up: the sum of two amounts is the amount of the sum', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 40 }), fc.nat({ max: 2 ** 40 }), (a, b) => {
      const sum = [a, b].map((n) => parseAmount(formatAmount(n)) as number).reduce((x, y) => x + y);
      expect(formatAmount(sum)).toBe(formatAmount(a + b));
    }),
  );
});

test('any text is an integer number of units or a reason', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789._-e ') }), (text) => {
      const amount = parseAmount(text);
      expect(typeof amount === 'string' || (Number.isSafeInteger(amount) && amount >= 0)).toBe(true);
    }),
  );
});

test('a request entry is read back exactly as printed', () => {
  const positive = fc.integer({ min: 1, max: 10_000_000 });
  const policies = allocationPolicy.options.filter((policy) => policy !== 'all');
  fc.assert(
    fc.property(fc.constantFrom(...policies), positive, positive, (policy, a, b) => {
      const [least, most] = [Math.min(a, b), Math.max(a, b)];
      const entry = { name: 'x', policy, units: least, ...(most > least && { maxUnits: most }) };
      expect(parseEntry('x', formatEntry(entry))).toEqual(entry);
    }),
  );
});
