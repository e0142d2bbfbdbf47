/** The forms of DER that a certificate is made of, held against their definition: what is written is read back the same. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { integer, objectIdentifier, octetString, time } from '../../src/server/identity/der.ts';

/** @returns tag, content and what follows, read by the rules of X.690, 8.1 */
function read(bytes: Buffer): { tag: number; content: Buffer; rest: number } {
  const first = bytes[1] as number;
  const lengthBytes = first < 0x80 ? 0 : first - 0x80;
  const length = lengthBytes === 0 ? first : Number.parseInt(bytes.toString('hex', 2, 2 + lengthBytes), 16);
  // The shortest form alone is DER.
  if (lengthBytes > 0) expect(length).toBeGreaterThanOrEqual(Math.max(0x80, 256 ** (lengthBytes - 1)));
  const content = bytes.subarray(2 + lengthBytes, 2 + lengthBytes + length);
  return { tag: bytes[0] as number, content, rest: bytes.length - 2 - lengthBytes - length };
}

test('contents of any length', () =>
  fc.assert(
    fc.property(fc.oneof(fc.nat(600), fc.constantFrom(0, 127, 128, 255, 256, 65_535, 65_536)), (length) => {
      const { tag, content, rest } = read(octetString(Buffer.alloc(length, 7)));
      expect([tag, content.length, rest]).toEqual([0x04, length, 0]);
    }),
  ));

test('numbers without sign, in the fewest bytes', () =>
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 160n), fc.nat(3), (value, zeros) => {
      const digits = value.toString(16);
      const bytes = Buffer.concat([Buffer.alloc(zeros), Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')]);
      const { tag, content } = read(integer(bytes));
      expect([tag, BigInt(`0x${content.toString('hex')}`)]).toEqual([0x02, value]);
      expect(content[0] as number).toBeLessThan(0x80);
      if (content.length > 1 && content[0] === 0) expect(content[1] as number).toBeGreaterThanOrEqual(0x80);
    }),
  ));

test('object identifiers', () =>
  fc.assert(
    fc.property(fc.nat(2), fc.nat(39), fc.array(fc.nat(0x7fff_ffff), { minLength: 1, maxLength: 8 }), (first, second, others) => {
      const { content } = read(objectIdentifier([first, second, ...others].join('.')));
      const numbers: number[] = [];
      let value = 0;
      for (const byte of content) {
        value = value * 128 + (byte & 0x7f);
        if (byte < 0x80) {
          numbers.push(value);
          value = 0;
        }
      }
      expect(numbers).toEqual([first * 40 + second, ...others]);
    }),
  ));

test('dates', () => {
  expect(read(time(Date.UTC(2049, 11, 31, 23, 59, 59, 999))).content.toString()).toBe('491231235959Z');
  expect(read(time(Date.UTC(2050, 0, 1))).content.toString()).toBe('20500101000000Z');
});
