import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatSize, parseSize } from '../../src/common/size.ts';

test('what is printed is read back to within half a hundredth of the unit shown', () => {
  fc.assert(
    fc.property(fc.oneof(fc.nat({ max: 5_000 }), fc.nat({ max: 2 ** 45 })), (bytes) => {
      const text = formatSize(bytes);
      const unit = parseSize(`1 ${text.split(' ')[1]}`) as number;
      expect(Math.abs((parseSize(text) as number) - bytes)).toBeLessThanOrEqual(Math.ceil(unit / 200) + 1);
    }),
  );
});

test('any text is a whole number of bytes or refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'0123456789._ kKmMgGtTiIbB-') }), (text) => {
      const bytes = parseSize(text);
      if (bytes !== undefined) expect(Number.isInteger(bytes) && bytes >= 0).toBe(true);
    }),
  );
});
