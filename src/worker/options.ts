/** What starts a worker: given by `worker start` (after parsing) and by tests. Times in milliseconds. */
import type { Writable } from 'node:stream';
import type { NamedCoupling } from '../common/coupling.ts';
import type { ParsedDescriptor } from '../common/resourceDescriptor.ts';
import type { Detectable } from '../protocol/resourceTerms.ts';
import type { ResourceDescriptor } from '../protocol/schema/resources.ts';
import type { OnServerLost, WorkerInfo } from '../protocol/schema/worker.ts';
import type { ManagerChoice } from './detect/batchEnvironment.ts';
import type { MemEnforce } from './monitor/memoryMonitor.ts';

/** A chance for tasks to save what they have. */
export interface SignalBeforeEnd {
  /** `SIGUSR1` */
  readonly signal: string;
  readonly beforeMs: number;
}

/** Everything that is left out is detected or has the default of the option of the same name. */
export interface WorkerOverrides {
  readonly cpus?: ResourceDescriptor;
  readonly resources?: readonly ParsedDescriptor[];
  readonly coupling?: readonly NamedCoupling[];
  /** What to detect; default: everything. */
  readonly detect?: readonly Detectable[];
  /** False: one CPU per core. */
  readonly hyperThreading?: boolean;
  /** Default: id of the batch job, else `default`. */
  readonly group?: string;
  readonly hostname?: string;
  readonly heartbeatMs?: number;
  /** Default: what the server says. */
  readonly idleTimeoutMs?: number;
  /** Default: remaining time of the batch job. */
  readonly timeLimitMs?: number;
  readonly onServerLost?: OnServerLost;
  /** Running tasks get this signal so long before the time limit. */
  readonly signalBeforeEnd?: SignalBeforeEnd;
  readonly minUtilization?: number;
  /** What happens to a task that holds more memory than it has requested; default: `on`, it is killed. */
  readonly memEnforce?: MemEnforce;
  /** How often the memory of tasks without a request is measured; 0: never. */
  readonly overviewIntervalMs?: number;
  /** How often tasks that wait here go back when the worker no longer lives long enough for them. */
  readonly retractCheckMs?: number;
  readonly manager?: ManagerChoice;
  /** Directory for files of running tasks; a directory of its own is made inside. Default: TMPDIR. */
  readonly workDir?: string;
}

export interface WorkerIo {
  /** Log lines go to stderr. */
  readonly stderr: Writable;
  /** Environment of the worker and, through it, of its tasks. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted: the worker stops its tasks and leaves. */
  readonly signal: AbortSignal;
}

export interface WorkerOptions {
  /** Absolute path of a server directory, one of its numbered subdirectories, or an access file. */
  readonly serverDir: string;
  readonly overrides?: WorkerOverrides;
  readonly io: WorkerIo;
  /** Absolute path of hqspawn; default: where the build puts it. HQ_LAUNCHER in the environment decides whether it is used. */
  readonly launcherPath?: string;
  /** Absolute path of the `hq` executable, which tasks find in HQ; default: the running script. */
  readonly hqPath?: string;
  /** How long to wait for a server that does not answer at the start; default 20 s. */
  readonly connectTimeoutMs?: number;
  /** Called once, when the server has accepted the worker. */
  onRegistered?(worker: WorkerInfo): void;
}
