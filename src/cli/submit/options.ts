/** Options that describe what is submitted: those of `hq submit`, `hq job submit` and `hq job submit-task`. Used by the command table. */
import type { Option } from 'commander';
import { PIN_MODES } from '../../protocol/resourceTerms.ts';
import { append, decimal, durationMs, integer, jobName, opt, positiveDurationMs, queueName, text, val, weights } from '../options.ts';
import { isSubmitOfNextflow } from './nextflowScript.ts';
import type { DirectiveMode, SubmitFlags } from './spec.ts';
import { typedResources } from './typed.ts';

/** @returns fresh ones: options remember what was typed */
export function submitOptions(): Option[] {
  const resources = typedResources();
  return [
    val('--name <NAME>', "job name (default: the program's file name)", jobName),
    val(
      '--array <IDS>',
      'task ids, e.g. 1-100 or 1-10:2,20; with --each-line or --from-json the entries to take, from 0 (default: one task, 0; all entries)',
      text,
    ),
    val('--each-line <FILE>', 'one task per line of the file, which the task finds in HQ_ENTRY (default: none)', text).conflicts(
      'fromJson',
    ),
    val(
      '--from-json <FILE>',
      'one task per element of the JSON array in the file, which the task finds in HQ_ENTRY (default: none)',
      text,
    ).conflicts('eachLine'),
    val('--cpus <AMOUNT>', "CPUs per task, e.g. 4, 0.5, all, 2-8 or '4 compact' (default: 1)", resources.cpus),
    opt(
      '--resource <NAME=AMOUNT>',
      'other resource, repeatable, e.g. gpus=0.5 or mem=4GiB; a name given again begins the next variant (default: none)',
    ).argParser(resources.other),
    val(
      '--nodes <N>',
      'run the task on N whole workers of one group; the first of them runs the command (default: 0, a part of one worker)',
      integer(0, 65_535),
    ),
    val('--queue <NAME>', 'run only on workers of the allocation queue with this name (default: on any)', queueName),
    opt('--variant <REQUEST>', "a whole request, repeatable, the preferred one first, e.g. 'gpus=1 cpus=4' (default: none)").argParser(
      append,
    ),
    opt(
      '--weight <F>',
      'weight of the request: among tasks of one priority larger ones start first; repeatable, one for each variant: the largest is preferred (default: 1)',
    ).argParser(weights),
    opt('--pin <MODE>', 'bind the task to its CPUs: taskset (by the kernel) or omp (OpenMP is told) (default: not bound)').choices(
      PIN_MODES,
    ),
    opt('--env <NAME=VALUE>', 'environment variable, repeatable (default: none beyond those of the worker)').argParser(append),
    opt('--inherit-env', 'give tasks the environment of this command, too; its values are treated as secrets'),
    val('--cwd <DIR>', 'working directory, placeholders allowed (default: the current one)', text),
    val('--stdout <SPEC>', 'none, PATH or PATH:rm-if-finished (default: %{CWD}/job-%{JOB_ID}/%{TASK_ID}.stdout)', text),
    val('--stderr <SPEC>', 'the same for the error output (default: %{CWD}/job-%{JOB_ID}/%{TASK_ID}.stderr)', text),
    val('--stream <DIR>', 'write all output into one consolidated log per job in this directory (default: files of each task)', text),
    val('--priority <N>', 'higher first (default: 0)', integer(-0x8000_0000, 0x7fff_ffff)),
    val('--time-limit <DURATION>', 'kill the task after this time (default: never)', positiveDurationMs),
    val('--time-request <DURATION>', 'only start on workers that live at least this long (default: 0s)', durationMs),
    val('--max-fails <N>', 'abort the job when more tasks than this have failed (default: never)', integer(0, 0xffff_ffff)),
    val(
      '--crash-limit <N>',
      'fail a task lost N times with its worker, and abort the job after more than N failed tasks; or never-restart, unlimited (default: 5, per task only)',
      text,
    ),
    val('--max-retries <N>', 'run a failed task again up to N times (default: 0)', integer(0, 65_535)),
    val('--retry-delay <DURATION>', 'time between a failure and the next attempt (default: none)', positiveDurationMs),
    val('--retry-on <CODES>', 'run again only after these exit codes and reasons, e.g. 1,137,signal,memory-limit (default: all)', text),
    val('--retry-mem-factor <F>', "multiply the 'mem' request by this at each retry, e.g. 1.5 (default: 1)", decimal(1, 100)),
    afterOkOption(),
    opt('--task-dir', 'give the task an empty directory of its own on its node, named in HQ_TASK_DIR and removed at its end'),
    opt('--strict', 'refuse tasks that no connected worker could ever run'),
    opt('--dry-run', 'show the tasks and which workers fit, and submit nothing'),
    opt('--stdin', 'pass the standard input of this command to every task'),
    opt(
      '--directives <MODE>',
      'where to look for lines with #HQ and options: auto (in programs that end with .sh), file (in any program), stdin or off (default: auto)',
    ).choices(['auto', 'file', 'stdin', 'off']),
  ];
}

/** Also of job files. */
export function afterOkOption(): Option {
  return opt(
    '--after-ok <JOB[.TASKS]>',
    'wait until these tasks have finished, e.g. 3, last or 3.1-5; repeatable; when one of them fails or is canceled, these are aborted (default: none)',
  ).argParser(append);
}

/** Does a submit read whole files of the client? A script is no such file: its beginning is enough. */
export function submitReadsFiles(_args: readonly unknown[], options: Readonly<Record<string, unknown>>): boolean {
  const { eachLine, fromJson } = options as Pick<SubmitFlags, 'eachLine' | 'fromJson'>;
  return eachLine !== undefined || fromJson !== undefined;
}

/**
 * Does a submit find out by itself whether it was done, when its connection was cut?
 * @param args of the command; the last one is the command line of the task
 */
export function submitSettlesCut(args: readonly unknown[], options: Readonly<Record<string, unknown>>): boolean {
  const [program = ''] = (args.at(-1) ?? []) as readonly string[];
  return isSubmitOfNextflow(options as SubmitFlags, program);
}

/** Is the file of the program read for `#HQ` lines? */
export function mayBeScript(mode: DirectiveMode = 'auto', program: string): boolean {
  return mode === 'file' || (mode === 'auto' && program.endsWith('.sh'));
}
