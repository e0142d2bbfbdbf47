/**
 * What is special about `.command.run`, the script that Nextflow's own executor submits for a task: how Nextflow writes its `#HQ` lines, and what must
 * not be asked for it. Pure; called by `script.ts`, `spec.ts` and the commands that submit. Written as in nextflow-io/nextflow, `HyperQueueExecutor` of 20.07 to 25.04.
 */
import { basename } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { StdioSpec } from '../../protocol/schema/task.ts';
import { shellWords } from './shellWords.ts';
import type { DirectiveMode, SubmitFlags } from './spec.ts';

/** Nextflow gives it to `hq submit` by this name, relative to the task's directory. */
const SCRIPT = '.command.run';
/** Where Nextflow looks for all that the script has printed. */
const LOG = '.command.log';

/** One attempt is one directory there, and what is to be repeated is decided by the pipeline. */
const NOT_FOR_NEXTFLOW: readonly [keyof SubmitFlags, string][] = [
  ['maxRetries', '--max-retries'],
  ['array', '--array'],
  ['eachLine', '--each-line'],
  ['fromJson', '--from-json'],
];

export function isNextflowScript(mode: DirectiveMode | undefined, program: string): boolean {
  return mode === 'file' && basename(program) === SCRIPT;
}

/** Is this submit as Nextflow does it: a job of its own, and nothing waited for? */
export function isSubmitOfNextflow({ directives, job, wait, progress, dryRun }: SubmitFlags, program: string): boolean {
  return isNextflowScript(directives, program) && job === undefined && wait !== true && progress !== true && dryRun !== true;
}

/**
 * Nextflow does not quote names, escapes and quotes paths at the same time, and writes numbers that mean nothing; lines of `clusterOptions` are the
 * user's, and read as everywhere.
 * @param line what stands behind `#HQ`
 * @returns words of a command line, none for a line without meaning, or a sentence that says what is wrong
 */
export function nextflowWords(line: string): string[] | string {
  const [, option = '', value = ''] = /^\s*(--[a-z-]+)\s+(.*?)\s*$/s.exec(line) ?? [];
  switch (option) {
    case '--name':
      return [`--name=${value}`];
    case '--cwd':
    case '--stream':
    case '--log':
      return [`${option}=${pathOf(value)}`];
    case '--resource':
      // Less than a MiB of memory is cut to 0; an accelerator whose `request` was given without a number for `limit` is null.
      if (value === 'mem=0' || value === 'gpus=null') return [];
      break;
    case '--time-limit':
      // Less than a second is cut to 0.
      if (value === '0sec') return [option, '1sec'];
      break;
  }
  return shellWords(line);
}

/** A path with any character that a shell could understand stands between quotes, and has a backslash before each of them all the same. */
function pathOf(value: string): string {
  return /^".*"$/s.test(value) ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value;
}

/**
 * @param stream as in `--stream`
 * @returns the one plain file of both channels where a stream stands for what Nextflow reads as text; undefined for other streams
 */
export function plainLogOf(stream: string | undefined): StdioSpec | undefined {
  return stream !== undefined && basename(stream) === LOG ? { path: stream, onClose: 'keep' } : undefined;
}

/**
 * @param flags of the submit of a script of Nextflow
 * @throws HqError HQ_E_USAGE for what would let two attempts share the directory of a task
 */
export function refuseForNextflow(flags: SubmitFlags): void {
  const found = NOT_FOR_NEXTFLOW.find(([key]) => flags[key] !== undefined && flags[key] !== 0);
  if (found === undefined) return;
  throw new HqError('HQ_E_USAGE', {
    detail: `the argument '${found[1]}' cannot be used with Nextflow's ${SCRIPT}: say in the pipeline what is repeated, e.g. errorStrategy 'retry'`,
  });
}
