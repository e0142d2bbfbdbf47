/** Puts a worker's configuration together from what the user said and what is detected. Called once at its start. */
import { hostname } from 'node:os';
import { makeWorkerResources } from '../common/coupling.ts';
import type { ParsedDescriptor } from '../common/resourceDescriptor.ts';
import { badField } from '../protocol/badField.ts';
import { HqError } from '../protocol/errors.ts';
import type { WorkerResources } from '../protocol/schema/resources.ts';
import { type WorkerConfiguration, workerConfiguration } from '../protocol/schema/worker.ts';
import { VERSION } from '../protocol/version.ts';
import { detectBatchJob } from './detect/batchJob.ts';
import { completeResources } from './detect/hwdetect.ts';
import type { WorkerOverrides } from './options.ts';

const DEFAULT_HEARTBEAT_MS = 8_000;

/** What the user said and where to look for the rest. */
export interface Surroundings {
  readonly overrides: WorkerOverrides;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told in one line about what could not be detected. */
  warn(line: string): void;
}

export interface ConfigurationOptions extends Surroundings {
  readonly resources: WorkerResources;
  readonly workDir: string;
  readonly startedAtMs: number;
  readonly memoryGuard: NonNullable<WorkerConfiguration['memoryGuard']>;
}

/** @throws HqError HQ_E_USAGE when the parts do not go together */
export async function makeConfiguration(options: ConfigurationOptions): Promise<WorkerConfiguration> {
  const { overrides, env, resources, workDir, startedAtMs, memoryGuard, warn } = options;
  const batchJob = await detectBatchJob(overrides.manager ?? 'detect', env, warn);
  const made = workerConfiguration.safeParse({
    resources,
    hostname: overrides.hostname ?? hostname(),
    group: overrides.group ?? batchJob?.id ?? 'default',
    pid: process.pid,
    workDir,
    heartbeatMs: overrides.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    idleTimeoutMs: overrides.idleTimeoutMs ?? null,
    timeLimitMs: lifetimeMs(overrides.timeLimitMs, batchJob?.timeLeftMs),
    startedAtMs,
    onServerLost: overrides.onServerLost ?? 'reconnect',
    minUtilization: overrides.minUtilization ?? 0,
    memoryGuard,
    ...(overrides.overviewIntervalMs === undefined ? {} : { overviewIntervalMs: overrides.overviewIntervalMs }),
    allocation: batchJob === null ? null : { manager: batchJob.manager, id: batchJob.id },
    version: VERSION,
  });
  if (!made.success) throw new HqError('HQ_E_USAGE', { detail: `worker configuration: ${badField(made.error, 'it')}` });
  return made.data;
}

/** No worker outlives the batch job around it, however late that has begun. */
function lifetimeMs(given: number | undefined, jobLeft: number | null | undefined): number | null {
  const least = Math.min(given ?? Number.POSITIVE_INFINITY, jobLeft ?? Number.POSITIVE_INFINITY);
  return Number.isFinite(least) ? Math.max(1, least) : null;
}

/** @throws HqError HQ_E_RESOURCE_DESCRIPTOR or HQ_E_USAGE when what was said is not possible here */
export function resourcesOf({ overrides, env, warn }: Surroundings): WorkerResources {
  const given: ParsedDescriptor[] = [...(overrides.resources ?? [])];
  if (overrides.cpus !== undefined) given.push({ descriptor: overrides.cpus, related: false });
  const all = completeResources(given, {
    env,
    warn,
    ...(overrides.detect === undefined ? {} : { only: overrides.detect }),
    ...(overrides.manager === undefined ? {} : { manager: overrides.manager }),
    ...(overrides.hyperThreading === undefined ? {} : { hyperThreading: overrides.hyperThreading }),
  });
  if (!all.some((one) => one.descriptor.name === 'cpus')) {
    throw new HqError('HQ_E_USAGE', { detail: 'a worker needs CPUs: let them be detected or give --cpus' });
  }
  return makeWorkerResources(all, overrides.coupling);
}
