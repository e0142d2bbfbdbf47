/** Text for shells. Pure. Used by the scripts of batch jobs and by the shims of `hq compare`. */

/** @returns the text as one word of a shell that interprets nothing of it; for text that is a command itself */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
