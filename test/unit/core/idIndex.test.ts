/** The index of task ids says what a look at each range would say. */
import { expect, test } from 'vitest';
import { IntArray } from '../../../src/common/intArray.ts';
import { IdIndex } from '../../../src/core/idIndex.ts';

test('every id of a submit is found at its place, no other is found', () => {
  // 37 is a generator modulo 101: all ids from 1 to 100 in an order of their own, then some in a row.
  const shuffled = Array.from({ length: 100 }, (_, i) => ((i + 1) * 37) % 101);
  for (const ids of [
    IntArray.from([...shuffled, 200, 201, 202, 150]),
    IntArray.parse('5-9,0-3,20-40:4') as IntArray,
    IntArray.range(3, 4),
  ]) {
    const index = new IdIndex(ids);
    for (let id = 0; id < 300; id += 1) expect(index.indexOf(id)).toBe(ids.indexOf(id));
  }
});
