/**
 * One line out of a failed zod check: where the first bad field is and what is wrong with it. Called wherever input from outside is
 * checked (HTTP bodies and queries, access files, job files).
 */
import type * as z from 'zod';

type Issue = z.core.$ZodIssue;

/** Longest line in characters; keys and values of a request may be of any size. */
const LINE_MAX = 300;

/**
 * @param error failed check
 * @param root  what to call the input itself when the fault is not in one of its fields
 * @returns e.g. `submit.tasks.tasks[17].priority: expected int, received string`
 */
export function badField(error: { readonly issues: readonly Issue[] }, root = 'the body'): string {
  const bad = firstBadField(error);
  if (bad === null) return `${root} is not valid`;
  const { path, text } = bad;
  const where = fieldPath(path);
  return clip(`${where === '' ? root : where}: ${text}`.replace(/\s+/g, ' '));
}

/** @returns where the first bad field is and what is wrong with it; null when nothing is */
export function firstBadField(error: { readonly issues: readonly Issue[] }): { path: readonly PropertyKey[]; text: string } | null {
  const issue = error.issues[0];
  return issue === undefined ? null : innermost(issue, []);
}

/** `['tasks', 3, 'a b']` -> `tasks[3]["a b"]` */
export function fieldPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`;
    else text += `[${JSON.stringify(String(key))}]`;
  }
  return text;
}

/** Shortens a text that is shown back to its sender. */
export function clip(text: string, max: number = LINE_MAX): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}

/** Descends into the branch of a union that fits best: the one whose fault lies deepest. */
function innermost(issue: Issue, prefix: readonly PropertyKey[]): { path: readonly PropertyKey[]; text: string } {
  const path = [...prefix, ...issue.path];
  if (issue.code !== 'invalid_union') return { path, text: words(issue) };
  const branches = issue.errors.map((issues) => issues[0]).filter((first) => first !== undefined);
  if (branches.length === 0) return { path, text: words(issue) };
  const deepest = branches.reduce((best, next) => (next.path.length > best.path.length ? next : best));
  if (deepest.path.length > 0) return innermost(deepest, path);
  const expected = branches.map((branch) => innermost(branch, []).text);
  return { path, text: [...new Set(expected)].join(', or ') };
}

function words(issue: Issue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return `unknown ${issue.keys.length === 1 ? 'field' : 'fields'} ${issue.keys.map((key) => `'${key}'`).join(', ')}`;
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'is missing' : plain(issue.message);
    default:
      return plain(issue.message);
  }
}

/** zod's sentences without their shouting start. */
function plain(message: string): string {
  const text = message.replace(/^(Invalid input|Invalid option|Too big|Too small|Invalid string): /, '');
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}
