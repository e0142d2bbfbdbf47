/** What is legal in a submit but probably not meant. */
import { PLACEHOLDERS, unknownPlaceholders } from '../../common/placeholders.ts';
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
  for (const [flag, text] of [
    ['--cwd', flags.cwd],
    ['--stdout', flags.stdout],
    ['--stderr', flags.stderr],
    ['--stream', flags.stream],
  ] as const) {
    for (const name of unknownPlaceholders(text ?? ''))
      warnings.push(`Unknown placeholder %{${name}} in ${flag}; known are: ${PLACEHOLDERS.join(', ')}`);
  }
  return warnings;
}
