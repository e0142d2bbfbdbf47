/** The ways to name jobs, workers and tasks on the command line: `last`, `all`, and lists like `1-3,7`. */
import { IntArray } from '../common/intArray.ts';
import { HqError } from '../protocol/errors.ts';
import type { Context } from './context.ts';

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

/** What a selector means among the things that exist. */
export interface Selected {
  /** In the order given. */
  readonly ids: readonly number[];
  /** The first of the ids that are named but unknown. */
  readonly missing: readonly number[];
  readonly missingCount: number;
}

/** A mistyped range names billions of ids: only the first ones are told one by one. */
const MISSING_MAX = 10;

/**
 * @param known ids in rising order
 * @param what for the message: `job`, `worker`
 * @throws HqError HQ_E_NOTHING_SELECTED for `last` when there is none
 */
export function select(selector: Selector, known: readonly number[], what: string): Selected {
  switch (selector.kind) {
    case 'all':
      return { ids: [...known], missing: [], missingCount: 0 };
    case 'last': {
      const last = known.at(-1);
      if (last === undefined) throw new HqError('HQ_E_NOTHING_SELECTED', { what });
      return { ids: [last], missing: [], missingCount: 0 };
    }
    case 'ids':
      return selectIds(selector.ids, known);
  }
}

/** The same for a plain list, e.g. of task ids. Costs as much as there are known ids, however many are named. */
export function selectIds(named: IntArray, known: readonly number[]): Selected {
  const found = known
    .map((id) => ({ id, index: named.indexOf(id) }))
    .filter(({ index }) => index >= 0)
    .sort((a, b) => a.index - b.index);
  const present = new Set(found.map(({ id }) => id));
  const missing: number[] = [];
  for (const id of named) {
    if (missing.length === MISSING_MAX || missing.length === named.length - found.length) break;
    if (!present.has(id)) missing.push(id);
  }
  return { ids: found.map(({ id }) => id), missing, missingCount: named.length - found.length };
}

/**
 * Tells of every missing id, or of the first ones and how many more.
 * @param always they count for the exit code, whatever the original does
 * @throws HqError when nothing but one unknown id was named: then it is the answer, in every output mode
 */
export function reportMissing(context: Context, selected: Selected, error: (id: number) => HqError, always = false): void {
  const [only] = selected.missing;
  const isAll = selected.ids.length === 0 && selected.missingCount === 1;
  if (isAll && only !== undefined && (always || !context.compat.unknownIdsExitZero)) throw error(only);
  for (const id of selected.missing) context.fail(error(id), always);
  const more = selected.missingCount - selected.missing.length;
  if (more > 0) context.note(`ERROR ${more} more were not found`);
}
