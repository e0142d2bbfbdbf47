/** One line for any failed check, whatever was sent. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { badField, clip, fieldPath } from '../../../src/protocol/badField.ts';
import { createJob } from '../../../src/protocol/schema/job.ts';

const complaint = (schema: z.ZodType, value: unknown) => badField(schema.safeParse(value).error ?? { issues: [] });

describe('words', () => {
  const schema = z.strictObject({
    'odd key': z.string().optional(),
    list: z.array(z.object({ size: z.union([z.int().min(1), z.literal('all')]) })).optional(),
    kind: z.enum(['a', 'b']).optional(),
    text: z.string().regex(/^x/, 'must start with x').optional(),
  });

  test.each([
    [{ 'odd key': 1 }, '["odd key"]: expected string, received number'],
    [{ list: [{ size: 1 }, {}] }, 'list[1].size: is missing, or expected "all"'],
    [{ list: [{ size: 0 }] }, 'list[0].size: expected number to be >=1'],
    [{ kind: 'c' }, 'kind: expected one of "a"|"b"'],
    [{ text: 'y' }, 'text: must start with x'],
    [{ p: 1, q: 2 }, "the body: unknown fields 'p', 'q'"],
    [null, 'the body: expected object, received null'],
  ])('%j', (value, expected) => {
    expect(complaint(schema, value)).toBe(expected);
  });
});

test('paths', () => {
  expect(fieldPath(['a', 3, 'b-c', 'd e', 0])).toBe('a[3].b-c["d e"][0]');
});

test('clip', () => {
  expect([clip('abc', 3), clip('abcd', 3)]).toEqual(['abc', 'ab…']);
});

test('any value gets one line of bounded length', () => {
  fc.assert(
    fc.property(fc.anything(), fc.string({ maxLength: 2_000 }), (value, key) => {
      const line = complaint(createJob, { name: 'x', [key]: value, submit: value });
      expect(line.length).toBeLessThanOrEqual(300);
      expect(line).toMatch(/^.+: .+$/);
    }),
  );
});
