/** Task and job ids as they stand in requests and in the journal. */
import { IntArray } from '../common/intArray.ts';
import { HqError } from '../protocol/errors.ts';

/** @returns the ids of a text like `1-10,20` @throws HqError HQ_E_ARRAY */
export function parseIds(text: string): IntArray {
  const ids = IntArray.parse(text);
  if (typeof ids === 'string') throw new HqError('HQ_E_ARRAY', { input: text, detail: ids });
  return ids;
}
