/** What is legal in a submit but probably not meant. */
import { PLACEHOLDERS, STREAM_PLACEHOLDERS, unknownPlaceholders } from '../../common/placeholders.ts';
import type { SubmitFlags } from './spec.ts';

/** More output files than this are a burden for parallel file systems. */
const MANY_FILES = 999;

/** @returns sentences */
export function submitWarnings(o: { flags: SubmitFlags; taskCount: number }): string[] {
  const { flags, taskCount } = o;
  const pathOf = (spec: string | undefined): string | null | undefined =>
    spec === 'none' ? null : spec?.startsWith(':') ? undefined : spec;
  const paths = { '--stdout': pathOf(flags.stdout), '--stderr': pathOf(flags.stderr) };
  const warnings = arrayWarnings({ taskCount, isStreamed: flags.stream !== undefined, streamName: '`--stream` option', paths });
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

/**
 * What an array may do to a file system, or to its own output.
 * @param o.paths of output, by where they stand; null: nowhere, undefined: the default
 * @param o.streamName what to use instead of many files
 * @returns sentences
 */
export function arrayWarnings(o: {
  taskCount: number;
  isStreamed: boolean;
  streamName: string;
  paths: Readonly<Record<string, string | null | undefined>>;
}): string[] {
  if (o.taskCount === 1) return [];
  const paths = Object.entries(o.paths);
  const files = paths.filter(([, path]) => path !== null).length * o.taskCount;
  const shared = paths.filter(([, path]) => typeof path === 'string' && !path.includes('%{TASK_ID}'));
  const isMany = !o.isStreamed && files > MANY_FILES;
  return [
    ...(isMany
      ? [`The job will create up to ${files} files for output. Consider using the ${o.streamName} to write all output into a single file.`]
      : []),
    ...shared.map(([where]) => `The path of ${where} does not contain %{TASK_ID}: all tasks of the array write into the same file.`),
  ];
}

/** @returns the sentence about a placeholder that is never filled, and where it stands */
export function placeholderWarning(name: string, where: string, known: readonly string[]): string {
  return `Unknown placeholder %{${name}} in ${where}; known are: ${known.join(', ')}`;
}
