/** The ways to name jobs, workers and tasks on the command line: `last`, `all`, and lists like `1-3,7`. */
import { IntArray } from '../common/intArray.ts';
import { HqError } from '../protocol/errors.ts';

export type Selector = { readonly kind: 'last' } | { readonly kind: 'all' } | { readonly kind: 'ids'; readonly ids: IntArray };

/** @throws HqError HQ_E_ARRAY */
export function parseIdList(text: string): IntArray {
  const ids = IntArray.parse(text);
  if (typeof ids === 'string') throw new HqError('HQ_E_ARRAY', { input: text, detail: ids });
  return ids;
}

/** @throws HqError HQ_E_USAGE */
export function parseSelector(text: string, allowAll = true): Selector {
  if (text === 'last') return { kind: 'last' };
  if (text === 'all' && allowAll) return { kind: 'all' };
  const ids = IntArray.parse(text);
  if (typeof ids !== 'string') return { kind: 'ids', ids };
  const words = allowAll ? '`last`, `all`' : '`last`';
  throw new HqError('HQ_E_USAGE', { detail: `invalid value '${text}': expected ${words} or ids like 1-3,7 (${ids})` });
}

/** Does the selector name exactly one thing by its id? */
export function isPlainId(selector: Selector): boolean {
  return selector.kind === 'ids' && selector.ids.length === 1;
}

/**
 * @param known ids in rising order
 * @param what for the message: `job`, `worker`
 * @returns the selected ids, and those that are named but unknown
 * @throws HqError HQ_E_NOTHING_SELECTED for `last` when there is none
 */
export function select(selector: Selector, known: readonly number[], what: string): { ids: number[]; missing: number[] } {
  switch (selector.kind) {
    case 'all':
      return { ids: [...known], missing: [] };
    case 'last': {
      const last = known.at(-1);
      if (last === undefined) throw new HqError('HQ_E_NOTHING_SELECTED', { what });
      return { ids: [last], missing: [] };
    }
    case 'ids': {
      const present = new Set(known);
      const named = [...selector.ids];
      return { ids: named.filter((id) => present.has(id)), missing: named.filter((id) => !present.has(id)) };
    }
  }
}
