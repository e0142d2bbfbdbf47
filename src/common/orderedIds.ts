/** The ids of several arrays in rising order, one after the other: a page of a million ids costs no more than what is in it. Pure; used by queries. */
import type { IntArray, IntRange } from './intArray.ts';

/**
 * @param arrays no value in two of them
 * @param after only larger ones
 * @returns rising values; where ranges interleave all of them are sorted first
 */
export function* orderedIds(arrays: readonly IntArray[], after: number): Generator<number> {
  const ranges = arrays.flatMap(({ ranges: own }) => own).sort((a, b) => a.start - b.start);
  const interleave = ranges.some((range, i) => i > 0 && range.start <= lastOf(ranges[i - 1] as IntRange));
  if (interleave) {
    yield* ranges.flatMap((range) => [...valuesAfter(range, after)]).sort((a, b) => a - b);
    return;
  }
  for (const range of ranges) yield* valuesAfter(range, after);
}

function lastOf({ start, count, step }: IntRange): number {
  return start + (count - 1) * step;
}

function* valuesAfter({ start, count, step }: IntRange, after: number): Generator<number> {
  for (let i = Math.max(0, Math.floor((after - start) / step) + 1); i < count; i += 1) yield start + i * step;
}
