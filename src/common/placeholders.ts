/**
 * Placeholders in paths: `%{JOB_ID}`, `%{TASK_ID}`, `%{INSTANCE_ID}`, `%{SUBMIT_DIR}`, `%{CWD}`, `%{SERVER_UID}`. The server fills what is known
 * at submit, the worker the rest; the command line warns of unknown ones.
 */

/** Every name that is ever filled. */
export const PLACEHOLDERS = ['SERVER_UID', 'JOB_ID', 'TASK_ID', 'INSTANCE_ID', 'SUBMIT_DIR', 'CWD'] as const;

/** Those of a stream: one log serves all tasks of a job, so nothing of a single task can be in its path. */
export const STREAM_PLACEHOLDERS = ['SERVER_UID', 'JOB_ID', 'SUBMIT_DIR'] as const;

const PATTERN = /%\{([A-Za-z_]+)\}/g;

/** @returns the text with every placeholder replaced that has a value; others are left as they are */
export function fillPlaceholders(text: string, values: Readonly<Record<string, string>>): string {
  if (!text.includes('%{')) return text;
  return text.replace(PATTERN, (whole, name: string) => (Object.hasOwn(values, name) ? (values[name] as string) : whole));
}

/** Names in the order of their appearance, repeated ones too. */
export function placeholdersIn(text: string): string[] {
  return [...text.matchAll(PATTERN)].map((match) => match[1] as string);
}

/** Names that nobody will ever fill. */
export function unknownPlaceholders(text: string, known: readonly string[] = PLACEHOLDERS): string[] {
  return placeholdersIn(text).filter((name) => !known.includes(name));
}
