/** `hq worker start` */
import { resolve } from 'node:path';
import { parseCoupling } from '../../common/coupling.ts';
import { parseCpuDescriptor, parseResourceOption } from '../../common/resourceDescriptor.ts';
import { HqError } from '../../protocol/errors.ts';
import type { OnServerLost } from '../../protocol/schema/worker.ts';
import type { ManagerChoice } from '../../worker/detect/batchEnvironment.ts';
import type { MemEnforce } from '../../worker/monitor/memoryMonitor.ts';
import type { WorkerOverrides } from '../../worker/options.ts';
import type { Context } from '../context.ts';
import type { WorkerFlags } from '../workerOptions.ts';

/** As commander delivers them; durations in milliseconds. */
export interface StartOptions extends WorkerFlags {
  readonly timeLimit?: number;
  readonly heartbeat?: number;
  readonly onServerLost?: OnServerLost;
  readonly memEnforce?: MemEnforce;
  readonly overviewInterval?: number;
  readonly retractCheckInterval?: number;
  readonly manager?: ManagerChoice;
  readonly workDir?: string;
  readonly hostname?: string;
}

/** Works until it is told to end. */
export async function runWorkerStart(context: Context, _args: [], options: StartOptions): Promise<number> {
  const overrides = overridesOf(context, options);
  const { runWorker } = await import('../../worker/main.ts');
  const { io } = context;
  return runWorker({ serverDir: context.serverDir, overrides, io, onRegistered: (worker) => context.output.workerStarted(worker) });
}

/** @throws HqError HQ_E_USAGE, HQ_E_RESOURCE_DESCRIPTOR */
export function overridesOf(context: Context, options: StartOptions): WorkerOverrides {
  const resources = (options.resource ?? []).map(parseResourceOption);
  if (options.cpus !== undefined && resources.some(({ descriptor }) => descriptor.name === 'cpus')) {
    throw new HqError('HQ_E_USAGE', { detail: '--cpus and --resource cpus= say the same thing twice: use one of them' });
  }
  if (options.cpus !== undefined && options.hyperThreading === false)
    context.warn('--no-hyper-threading changes nothing: the CPUs are given by --cpus');
  const onServerLost = options.onServerLost ?? (context.compat.stopOnServerLost ? 'stop' : undefined);
  return {
    resources,
    ...(options.cpus === undefined ? {} : { cpus: parseCpuDescriptor(options.cpus) }),
    ...(options.coupling === undefined ? {} : { coupling: parseCoupling(options.coupling) }),
    ...(options.detectResources === undefined ? {} : { detect: options.detectResources || [] }),
    ...(options.hyperThreading === undefined ? {} : { hyperThreading: options.hyperThreading }),
    ...(options.minUtilization === undefined ? {} : { minUtilization: options.minUtilization }),
    ...(options.signalBeforeEnd === undefined ? {} : { signalBeforeEnd: options.signalBeforeEnd }),
    ...(options.manager === undefined ? {} : { manager: options.manager }),
    ...(options.timeLimit === undefined ? {} : { timeLimitMs: options.timeLimit }),
    ...(options.idleTimeout === undefined ? {} : { idleTimeoutMs: options.idleTimeout }),
    ...(options.heartbeat === undefined ? {} : { heartbeatMs: options.heartbeat }),
    ...(onServerLost === undefined ? {} : { onServerLost }),
    ...(options.memEnforce === undefined ? {} : { memEnforce: options.memEnforce }),
    ...(options.overviewInterval === undefined ? {} : { overviewIntervalMs: options.overviewInterval }),
    ...(options.retractCheckInterval === undefined ? {} : { retractCheckMs: options.retractCheckInterval }),
    ...(options.workDir === undefined ? {} : { workDir: resolve(context.io.cwd, options.workDir) }),
    ...(options.group === undefined ? {} : { group: options.group }),
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
  };
}
