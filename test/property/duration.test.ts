import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, parseDuration } from '../../src/common/duration.ts';

const HUNDRED_YEARS_MS = 100 * 31_557_600_000;

test('what is printed is read back', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.nat({ max: 100_000_000 }),
        fc.maxSafeNat().map((n) => n % HUNDRED_YEARS_MS),
      ),
      (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      },
    ),
  );
});

test('clock times', () => {
  fc.assert(
    fc.property(fc.nat({ max: 5_000 }), fc.nat({ max: 59 }), fc.nat({ max: 59 }), (hours, minutes, seconds) => {
      const two = (n: number): string => String(n).padStart(2, '0');
      const ms = ((hours * 60 + minutes) * 60 + seconds) * 1000;
      expect(parseDuration(`${hours}:${two(minutes)}:${two(seconds)}`)).toBe(ms);
      expect(parseDuration(`${hours}h ${minutes}min${seconds}s`)).toBe(ms);
    }),
  );
});

test('any text is read as a finite time or refused', () => {
  const unit = fc.constantFrom('h', 'min', 's', 'ms', 'ns', 'M', 'y', ':', ' ', '.', '-', '9', '1', '0', 'x');
  fc.assert(
    fc.property(fc.string({ unit }), (text) => {
      const ms = parseDuration(text);
      if (ms !== undefined) expect(ms >= 0 && ms <= HUNDRED_YEARS_MS).toBe(true);
    }),
  );
});
