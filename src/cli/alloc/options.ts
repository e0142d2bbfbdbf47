/** The options of `hq alloc add` and `hq alloc dry-run`, and the queue that they describe. */
import type { Option } from 'commander';
import { HqError } from '../../protocol/errors.ts';
import type { CreateQueueInput, ModifyQueue } from '../../protocol/schema/allocation.ts';
import type { OnServerLost } from '../../protocol/schema/worker.ts';
import type { Compat } from '../compat.ts';
import { durationMs, integer, noneAsNull, opt, orNone, positiveDurationMs, text, val } from '../options.ts';
import { onServerLostOption, overviewOption, type WorkerFlags, workerOptions } from '../workerOptions.ts';

/** As commander delivers them; durations in milliseconds. */
export interface QueueFlags extends WorkerFlags {
  readonly timeLimit: number;
  readonly backlog?: number;
  readonly maxWorkersPerAlloc?: number;
  readonly workersPerAlloc?: number;
  readonly maxWorkerCount?: number;
  readonly name?: string;
  readonly onServerLost?: OnServerLost;
  readonly workerStartCmd?: string;
  readonly workerStopCmd?: string;
  readonly workerWrapCmd?: string;
  readonly workerTimeLimit?: number;
  readonly drainBefore?: number;
  readonly overviewInterval?: number;
  /** `--no-dry-run` makes it false. */
  readonly dryRun?: boolean;
}

const count: (text: string) => number = integer(1, 1_000_000);

export function queueOptions(o: { trial: boolean }): Option[] {
  return [
    val('-t, --time-limit <DURATION>', 'time limit of an allocation', positiveDurationMs).makeOptionMandatory(),
    val('-b, --backlog <N>', 'most allocations that wait in the batch system at a time (default: 1)', count),
    val('-m, --max-workers-per-alloc <N>', 'most nodes of an allocation, with a worker each (default: 1)', count),
    val('--workers-per-alloc <N>', 'the same as --max-workers-per-alloc', count).conflicts('maxWorkersPerAlloc'),
    val('--max-worker-count <N>', 'most workers of the queue, queued and running (default: no limit)', integer(1, 0xffff_ffff)),
    val('-n, --name <NAME>', 'part of the names of jobs and directories (default: none)', text),
    val('--worker-time-limit <DURATION>', 'lifetime of a worker (default: the time limit)', positiveDurationMs),
    val(
      '--drain-before <DURATION>',
      'a worker gets nothing new for so long before its end (default: 5min, or 10 % of its lifetime if that is less)',
      durationMs,
    ),
    onServerLostOption('reconnect'),
    val('--worker-start-cmd <SHELL>', 'run on each node before the worker (default: nothing)', text),
    val('--worker-stop-cmd <SHELL>', 'run on each node after the worker (default: nothing)', text),
    val('--worker-wrap-cmd <SHELL>', 'put in front of the command that starts the worker (default: nothing)', text),
    overviewOption(),
    ...(o.trial ? [opt('--no-dry-run', 'do not submit an allocation for a trial first')] : []),
    ...workerOptions(),
  ];
}

/** As commander delivers them. */
export interface ModifyQueueFlags {
  readonly timeLimit?: number;
  readonly backlog?: number;
  readonly maxWorkersPerAlloc?: number;
  readonly workersPerAlloc?: number;
  readonly maxWorkerCount?: number | 'none';
  readonly workerTimeLimit?: number | 'none';
  readonly idleTimeout?: number;
  readonly drainBefore?: number | 'none';
  readonly workerStartCmd?: string;
  readonly workerStopCmd?: string;
  readonly workerWrapCmd?: string;
}

/** Options of `hq alloc modify`. */
export function modifyQueueOptions(): Option[] {
  return [
    val('-t, --time-limit <DURATION>', 'time limit of an allocation', positiveDurationMs),
    val('-b, --backlog <N>', 'most allocations that wait in the batch system at a time', count),
    val('-m, --max-workers-per-alloc <N>', 'most nodes of an allocation, with a worker each', count),
    val('--workers-per-alloc <N>', 'the same as --max-workers-per-alloc', count).conflicts('maxWorkersPerAlloc'),
    val('--max-worker-count <N>', 'most workers of the queue, queued and running; none: no limit', orNone(integer(1, 0xffff_ffff))),
    val('--worker-time-limit <DURATION>', 'lifetime of a worker; none: the time limit', orNone(positiveDurationMs)),
    val('--idle-timeout <DURATION>', 'a worker without tasks ends after this time', positiveDurationMs),
    val('--drain-before <DURATION>', 'a worker gets nothing new for so long before its end; none: the default', orNone(durationMs)),
    val('--worker-start-cmd <SHELL>', 'run on each node before the worker; none: nothing', orNone(text)),
    val('--worker-stop-cmd <SHELL>', 'run on each node after the worker; none: nothing', orNone(text)),
    val('--worker-wrap-cmd <SHELL>', 'put in front of the command that starts the worker; none: nothing', orNone(text)),
  ];
}

/** @param rest arguments for the batch system; none: those of the queue stay @throws HqError HQ_E_USAGE */
export function queueChangeOf(flags: ModifyQueueFlags, rest: readonly string[]): ModifyQueue {
  const { timeLimit, workersPerAlloc, workerTimeLimit, idleTimeout, drainBefore, ...same } = noneAsNull(flags);
  const change = {
    ...same,
    ...(workersPerAlloc === undefined ? {} : { maxWorkersPerAlloc: workersPerAlloc }),
    ...(timeLimit === undefined ? {} : { timeLimitMs: timeLimit }),
    ...(workerTimeLimit === undefined ? {} : { workerTimeLimitMs: workerTimeLimit }),
    ...(idleTimeout === undefined ? {} : { idleTimeoutMs: idleTimeout }),
    ...(drainBefore === undefined ? {} : { drainBeforeMs: drainBefore }),
    ...(rest.length === 0 ? {} : { additionalArgs: [...rest] }),
  };
  if (Object.keys(change).length === 0)
    throw new HqError('HQ_E_USAGE', { detail: 'there is nothing to change: give an option, or arguments for the batch system behind --' });
  return change;
}

/** @param o.rest arguments for the batch system, word for word @throws HqError HQ_E_USAGE */
export function queueParamsOf(
  system: string,
  flags: QueueFlags,
  o: { readonly rest: readonly string[]; readonly compat: Compat },
): CreateQueueInput['params'] {
  if (flags.cpus !== undefined && (flags.resource ?? []).some((one) => one.startsWith('cpus='))) {
    throw new HqError('HQ_E_USAGE', { detail: '--cpus and --resource cpus= say the same thing twice: use one of them' });
  }
  const given = <Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } =>
    (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value };
  return {
    system,
    timeLimitMs: flags.timeLimit,
    additionalArgs: [...o.rest],
    ...given('name', flags.name),
    ...given('backlog', flags.backlog),
    ...given('maxWorkersPerAlloc', flags.maxWorkersPerAlloc ?? flags.workersPerAlloc),
    ...given('maxWorkerCount', flags.maxWorkerCount),
    ...given('workerTimeLimitMs', flags.workerTimeLimit),
    ...given('idleTimeoutMs', flags.idleTimeout),
    ...given('onServerLost', flags.onServerLost ?? (o.compat.finishOnServerLost ? 'finish-running' : undefined)),
    ...given('drainBeforeMs', flags.drainBefore),
    ...given('signalBeforeEnd', flags.signalBeforeEnd),
    ...given('workerStartCmd', flags.workerStartCmd),
    ...given('workerStopCmd', flags.workerStopCmd),
    ...given('workerWrapCmd', flags.workerWrapCmd),
    worker: {
      ...given('cpus', flags.cpus),
      resources: flags.resource ?? [],
      ...given('coupling', flags.coupling),
      ...given('group', flags.group),
      ...given('hyperThreading', flags.hyperThreading),
      ...given('detectResources', detectText(flags.detectResources)),
      ...given('minUtilization', flags.minUtilization),
    },
  };
}

function detectText(names: QueueFlags['detectResources']): string | undefined {
  if (names === undefined) return undefined;
  return names === false || names.length === 0 ? 'none' : names.join(',');
}
