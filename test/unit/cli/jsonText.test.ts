import { expect, test } from 'vitest';
import { date, Float, jsonText, seconds } from '../../../src/cli/output/jsonText.ts';

test('two blanks, sorted keys, whole floats with a point', () => {
  expect(
    jsonText({ b: [1, { z: new Float(8), y: 'a"b' }], a: {}, c: [], d: null, e: undefined, f: new Float(0.25), g: new Float(1e300) }),
  ).toMatchInlineSnapshot(`
    "{
      "a": {},
      "b": [
        1,
        {
          "y": "a\\"b",
          "z": 8.0
        }
      ],
      "c": [],
      "d": null,
      "f": 0.25,
      "g": 1e+300
    }"
  `);
});

test('is JSON whatever the value', () => {
  const value = { list: [[], {}, [''], { 'ü\n': '\u2028' }], n: -1.5, t: true };
  expect(JSON.parse(jsonText(value))).toEqual(value);
});

test('times', () => {
  expect([seconds(1_500), seconds(8_000), seconds(null)].map(String)).toEqual(['1.5', '8.0', 'null']);
  expect([date(0), date(null)]).toEqual(['1970-01-01T00:00:00.000Z', null]);
});
