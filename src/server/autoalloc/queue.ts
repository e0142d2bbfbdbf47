/**
 * One allocation queue as the journal keeps it, and what follows from what it was asked for: shape of its workers, options of their command
 * line, names. Pure; used by the allocation service.
 */
import { parseCpuDescriptor, parseResourceOption } from '../../common/resourceDescriptor.ts';
import type { WorkerShape } from '../../core/query.ts';
import { QUEUE_PLACES, QUEUE_RESOURCE } from '../../protocol/resourceTerms.ts';
import type { QueueParams } from '../../protocol/schema/allocation.ts';
import type { ResourceDescriptor, WorkerResources } from '../../protocol/schema/resources.ts';
import { unitsOf } from '../../resources/pool.ts';
import type { WorkerOption } from './batchSystem.ts';
import type { FailureCount } from './failures.ts';

/** A queue; `draining`: removed, waits for the end of its last allocations. */
export interface QueueRecord {
  readonly id: number;
  readonly params: QueueParams;
  readonly state: 'active' | 'paused' | 'draining';
  readonly pausedReason: string | null;
  readonly failures: FailureCount;
  /** Of its worker that connected last. */
  readonly knownResources: WorkerResources | null;
  /** Number of its last allocation. */
  readonly lastNumber: number;
}

/** So much of a worker's time passes before its first task can start, milliseconds, at most the part below. */
const START_MS = 30_000;
const START_PART = 0.05;

/** Lifetime of a worker of the queue, milliseconds. */
export function workerLimitMs({ timeLimitMs, workerTimeLimitMs }: QueueParams): number {
  return workerTimeLimitMs ?? timeLimitMs;
}

/** Its workers get nothing new for so long before their end, milliseconds. */
export function drainMs(params: QueueParams): number {
  return params.drainBeforeMs ?? Math.min(300_000, workerLimitMs(params) / 10);
}

/** What a worker of the queue will be like, as far as it is known. */
export function shapeOf({ params, knownResources }: Pick<QueueRecord, 'params' | 'knownResources'>): WorkerShape {
  const limitMs = workerLimitMs(params);
  return {
    resources: unitsByName(knownResources?.resources ?? givenResources(params)),
    isOpen: knownResources === null && !(params.worker.cpus !== undefined && params.worker.detectResources === 'none'),
    lifetimeMs: limitMs - Math.min(START_MS, limitMs * START_PART),
    minUtilization: params.worker.minUtilization,
  };
}

/** @throws HqError HQ_E_RESOURCE_DESCRIPTOR for one that cannot be read */
export function givenResources({ name, worker }: QueueParams): ResourceDescriptor[] {
  const given = [...worker.resources, ...queueResource(name)].map((text) => parseResourceOption(text).descriptor);
  return worker.cpus === undefined ? given : [...given, parseCpuDescriptor(worker.cpus)];
}

function unitsByName(resources: readonly ResourceDescriptor[]): Map<string, number> {
  return new Map(resources.map((resource) => [resource.name, unitsOf(resource)]));
}

/** What tasks that are meant for this queue alone take, as it is typed for a worker. */
function queueResource(name: string | undefined): string[] {
  return name === undefined ? [] : [`${QUEUE_RESOURCE}${name}=${QUEUE_PLACES}`];
}

/** Options of the worker's command line in the order of the original; see `WorkerCommand.options`. */
export function workerOptions({ name, worker, signalBeforeEnd }: QueueParams): WorkerOption[] {
  const seconds = (ms: number): string => `${ms / 1_000}s`;
  return [
    ...(worker.cpus === undefined ? [] : [['--cpus', worker.cpus] as const]),
    ...[...worker.resources, ...queueResource(name)].map((text) => ['--resource', text] as const),
    ...(worker.coupling === undefined ? [] : [['--coupling', worker.coupling] as const]),
    ...(worker.group === undefined ? [] : [['--group', worker.group] as const]),
    ...(worker.hyperThreading ? [] : [['--no-hyper-threading'] as const]),
    ...(worker.detectResources === undefined ? [] : [['--detect-resources', worker.detectResources] as const]),
    ...(worker.overviewIntervalMs === undefined ? [] : [['--overview-interval', seconds(worker.overviewIntervalMs)] as const]),
    ...(worker.minUtilization === 0 ? [] : [['--min-utilization', String(worker.minUtilization)] as const]),
    ...(signalBeforeEnd === undefined
      ? []
      : [['--signal-before-end', `${signalBeforeEnd.signal.slice(3)}@${seconds(signalBeforeEnd.beforeMs)}`] as const]),
  ];
}

/** Words of the command line as the original shows them: values keep their quotes. */
export function workerArgs(params: QueueParams): string[] {
  return workerOptions(params).flatMap(([flag, value]) => (value === undefined ? [flag] : [flag, `"${value}"`]));
}

/** Name of the batch job, HyperQueue's. @param number of the allocation */
export function jobName({ id, params }: Pick<QueueRecord, 'id' | 'params'>, number: number): string {
  return params.name === undefined ? `hq-${id}-${number}` : `${params.name}-${number}`;
}

/** Directory of an allocation below the server's `autoalloc`, HyperQueue's. */
export function directoryName({ id, params }: Pick<QueueRecord, 'id' | 'params'>, number: number): string {
  return `${params.name === undefined ? id : `${id}-${params.name}`}/${String(number).padStart(3, '0')}`;
}
