/** The tasks of an array out of a file: one per line, or one per element of a JSON array, as far as `--array` selects them. Called by `hq submit`. */
import { IntArray, type IntRange } from '../../common/intArray.ts';
import { HqError } from '../../protocol/errors.ts';
import { readTextFile } from '../textFile.ts';

export interface EntryFlags {
  readonly array?: string;
  /** Paths as typed. */
  readonly eachLine?: string;
  readonly fromJson?: string;
}

/** Ids and entries of an array as the API takes them; null: left out. */
export interface ArrayTasks {
  readonly ids: IntArray | null;
  readonly entries: readonly string[] | null;
}

/**
 * @param cwd absolute; paths are relative to it
 * @throws HqError HQ_E_ARRAY, HQ_E_FILE, HQ_E_ENTRIES
 */
export async function arrayTasks(flags: EntryFlags, cwd: string): Promise<ArrayTasks> {
  const ids = flags.array === undefined ? null : IntArray.parse(flags.array);
  if (typeof ids === 'string') throw new HqError('HQ_E_ARRAY', { input: flags.array as string, detail: ids });
  const path = flags.eachLine ?? flags.fromJson;
  if (path === undefined) return { ids, entries: null };
  const text = await readTextFile(path, cwd);
  if (text === null) throw new HqError('HQ_E_ENTRIES', { path, detail: 'it is not UTF-8 text' });
  const entries = flags.eachLine === undefined ? elementsOf(text, path) : linesOf(text, path);
  if (entries.length === 0) throw new HqError('HQ_E_ENTRIES', { path, detail: 'it is empty' });
  return ids === null ? { ids, entries } : selected(ids, entries, path);
}

/** Ids are indices of entries; those beyond the last one are dropped, as in the original. */
function selected(ids: IntArray, entries: readonly string[], path: string): ArrayTasks {
  const ranges = ids.ranges.flatMap(({ start, step, count }): IntRange[] => {
    const kept = Math.min(count, Math.ceil((entries.length - start) / step));
    return kept <= 0 ? [] : [{ start, step: kept === 1 ? 1 : step, count: kept }];
  });
  const within = new IntArray(ranges);
  if (within.length === 0) throw new HqError('HQ_E_ENTRIES', { path, detail: `--array selects none of its ${entries.length} entries` });
  return { ids: within, entries: [...within].map((id) => entries[id] as string) };
}

/** @returns every line without its line feed; a last one without any is a line, too */
export function linesOf(text: string, path: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const bad = lines.findIndex((line) => line.includes('\0'));
  // No variable can hold one.
  if (bad >= 0) throw new HqError('HQ_E_ENTRIES', { path, detail: `line ${bad + 1} has a null byte` });
  return lines;
}

/** @returns every element as compact JSON: texts keep their quotes, `3.50` becomes `3.5` */
export function elementsOf(text: string, path: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(guardIntegers(text));
  } catch (error) {
    throw new HqError('HQ_E_ENTRIES', { path, detail: `it is not valid JSON: ${(error as Error).message}` }, { cause: error });
  }
  if (!Array.isArray(value)) throw new HqError('HQ_E_ENTRIES', { path, detail: 'it is not a JSON array' });
  return value.map((element) => JSON.stringify(element).replace(GUARDED, '$1'));
}

/** Integers that a double does not hold exactly keep all their digits: they travel as texts that no file has by chance. */
const GUARD = '\u{f0000}hq-integer:';
const GUARDED = new RegExp(`"${GUARD}(-?\\d+)"`, 'gu');

function guardIntegers(text: string): string {
  if (!/\d{16}/.test(text)) return text;
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${GUARD}${token}"` : token,
  );
}
