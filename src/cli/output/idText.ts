/** Task ids as people read them: sorted, and runs as ranges. */
import { IntArray } from '../../common/intArray.ts';

/** More ids than this are shown as the server lists them: submit by submit. */
const SORTED_MAX = 1_000_000;

/**
 * @param text ids of a job, submit after submit, like `3,1-2,4`
 * @returns `1-4`
 */
export function sortedIds(text: string): string {
  const ids = IntArray.parse(text);
  if (typeof ids === 'string' || ids.ranges.length === 1 || ids.length > SORTED_MAX) return text;
  return IntArray.from(Uint32Array.from(ids).sort()).toString();
}
