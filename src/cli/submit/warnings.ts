/** What is legal in a submit but probably not meant. */
import { PLACEHOLDERS, STREAM_PLACEHOLDERS, unknownPlaceholders } from '../../common/placeholders.ts';
import type { SubmitFlags } from './spec.ts';

/** More output files than this are a burden for parallel file systems. */
const MANY_FILES = 999;

/** @returns sentences */
export function submitWarnings(o: { flags: SubmitFlags; taskCount: number }): string[] {
  const { flags, taskCount } = o;
  const files = [flags.stdout, flags.stderr].filter((spec) => spec !== 'none').length * taskCount;
  const warnings: string[] = [];
  if (flags.stream === undefined && taskCount > 1 && files > MANY_FILES) {
    warnings.push(
      `The job will create up to ${files} files for output. Consider using the \`--stream\` option to write all output into a single file.`,
    );
  }
  for (const [name, spec] of [
    ['stdout', flags.stdout],
    ['stderr', flags.stderr],
  ] as const) {
    if (spec === undefined || spec === 'none' || spec.startsWith(':') || taskCount === 1) continue;
    if (!spec.includes('%{TASK_ID}'))
      warnings.push(`The path of --${name} does not contain %{TASK_ID}: all tasks of the array write into the same file.`);
  }
  for (const [flag, text, known] of [
    ['--cwd', flags.cwd, PLACEHOLDERS],
    ['--stdout', flags.stdout, PLACEHOLDERS],
    ['--stderr', flags.stderr, PLACEHOLDERS],
    ['--stream', flags.stream, STREAM_PLACEHOLDERS],
  ] as const) {
    for (const name of new Set(unknownPlaceholders(text ?? '', known))) warnings.push(placeholderWarning(name, flag, known));
  }
  const variables = (flags.env ?? []).map((pair) => pair.replace(/=.*/s, ''));
  const repeated = variables.filter((name, index) => variables.indexOf(name) < index);
  for (const name of new Set(repeated)) warnings.push(`The environment variable '${name}' is given more than once; the last value counts`);
  return warnings;
}

/** @returns the sentence about a placeholder that is never filled, and where it stands */
export function placeholderWarning(name: string, where: string, known: readonly string[]): string {
  return `Unknown placeholder %{${name}} in ${where}; known are: ${known.join(', ')}`;
}
