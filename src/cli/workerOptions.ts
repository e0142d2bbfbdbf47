/**
 * The options that say what a worker provides and when it leaves: the same for a worker that is started by hand and for one that an allocation
 * starts. Loaded with the command table.
 */
import { InvalidArgumentError, type Option } from 'commander';
import { DETECTABLE, type Detectable } from '../protocol/resourceTerms.ts';
import { append, decimal, durationMs, opt, positiveDurationMs, signalAt, text, val } from './options.ts';

/** As commander delivers them; durations in milliseconds. */
export interface WorkerFlags {
  readonly cpus?: string;
  readonly resource?: string[];
  readonly coupling?: string;
  /** False: `--no-detect-resources`. */
  readonly detectResources?: readonly Detectable[] | false;
  readonly hyperThreading?: boolean;
  readonly group?: string;
  readonly idleTimeout?: number;
  readonly minUtilization?: number;
  readonly signalBeforeEnd?: { readonly signal: string; readonly beforeMs: number };
}

/** @param fallback what happens without it */
export function onServerLostOption(fallback: string): Option {
  const choices = ['reconnect', 'stop', 'finish-running'];
  return opt('--on-server-lost <ACTION>', `reconnect, stop or finish-running (default: ${fallback})`).choices(choices);
}

export function workerOptions(): Option[] {
  return [
    val('--cpus <CPUS>', 'CPUs, e.g. 8, 2x4 or [[0-3],[4-7]] (default: all that this process may use)', text),
    opt(
      '--resource <NAME=DESC>',
      'other resource, repeatable, e.g. licenses=4, gpus=[0,1], ids=range(1-10), mem=sum(4096), gpus=related[[0],[1]] (default: what is detected)',
    ).argParser(append),
    val('--coupling <SPEC>', 'groups that belong together, e.g. cpus[0]:gpus[0],cpus[1]:gpus[1]=128 (default: none)', text),
    val('--detect-resources <NAMES>', `what to detect: all, none or some of ${DETECTABLE.join(',')} (default: all)`, detectList),
    opt('--no-detect-resources', 'the same as --detect-resources none'),
    opt('--no-hyper-threading', 'when CPUs are detected, one per core'),
    val('--group <NAME>', 'group for multi-node tasks (default: id of the batch job, else default)', text),
    val('--idle-timeout <DURATION>', "leave after this time without tasks (default: the server's)", positiveDurationMs),
    val('--min-utilization <PART>', 'take tasks only when at least this part of the CPUs gets busy, 0 to 1 (default: 0)', decimal(0, 1)),
    val(
      '--signal-before-end <SIGNAL@DURATION>',
      'send running tasks a signal so long before the worker ends, e.g. USR1@60s (default: none)',
      signalAt,
    ),
  ];
}

function detectList(typed: string): readonly Detectable[] {
  if (typed === 'all') return DETECTABLE;
  if (typed === 'none') return [];
  const names = typed.split(',').map((name) => name.trim());
  return names.map((name) => {
    const known = DETECTABLE.find((one) => one === name);
    if (known === undefined) throw new InvalidArgumentError(`'${name}' is not all, none or one of ${DETECTABLE.join(', ')}`);
    return known;
  });
}

/** Also of allocation queues, for their workers. */
export function overviewOption(): Option {
  return val(
    '--overview-interval <DURATION>',
    "how often the memory of running tasks without a 'mem' request is measured; 0s: never (default: 1s)",
    durationMs,
  );
}

/** Options of `hq worker start`. */
export function workerStartOptions(): Option[] {
  return [
    ...workerOptions(),
    val('--time-limit <DURATION>', 'lifetime of the worker (default: the rest of the batch job around it, else none)', positiveDurationMs),
    val('--heartbeat <DURATION>', 'heartbeat interval (default: 8s)', positiveDurationMs),
    onServerLostOption('reconnect'),
    opt(
      '--mem-enforce <ACTION>',
      "what happens to a task that uses more memory than its 'mem' request: on (it is killed), warn (a line in the log of the worker) or off (default: on)",
    ).choices(['on', 'warn', 'off']),
    opt('--manager <MANAGER>', 'batch system around the worker: detect, none, pbs or slurm (default: detect)').choices([
      'detect',
      'none',
      'pbs',
      'slurm',
    ]),
    overviewOption(),
    val(
      '--retract-check-interval <DURATION>',
      'how often tasks that wait in this worker go back because it lives too short for their --time-request (default: 1s)',
      positiveDurationMs,
    ),
    val('--work-dir <DIR>', 'directory for temporary files (default: a fresh one in TMPDIR)', text),
    val('--hostname <NAME>', 'name shown for this worker (default: the host name)', text),
  ];
}
