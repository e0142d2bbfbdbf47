/** What of the words of a job's own Snakemake is worth reading after a failure. Pure. Used by `hq logs snakemake --failed`. */

/** Snakemake stamps what it says. */
const TIME_STAMP = /^\[\w{3} \w{3} +\d+ [\d:]+ \d{4}\]$/;
/** Ends what it says of the job before it starts it. */
const ANNOUNCED = '    resources: ';
/** Begins what it says of the rule afterwards, as the main process does, too. */
const EXPLAINED = 'Error in rule ';

/**
 * Snakemake says around a job what the main process says anyway; between that is what the job has written, and why it was no success.
 * @param text standard error of a job, or the end of it
 * @param count most lines
 * @returns the last lines that tell something, without empty ones; of a text without such an inner part all that fit
 */
export function tellingLines(text: string, count: number): string[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  const explained = lines.findIndex((line) => line.startsWith(EXPLAINED));
  const end = explained === -1 ? lines.length : explained;
  const begin = lines.slice(0, end).findLastIndex((line) => line.startsWith(ANNOUNCED)) + 1;
  const inner = lines.slice(begin, end).filter((line) => !TIME_STAMP.test(line));
  return (inner.length > 0 ? inner : lines).slice(-count);
}
