/**
 * The seam between the executor and whatever starts processes. Narrow on purpose, so that a launcher outside this process can stand behind it:
 * one call per task, nothing but plain data in, one call back at the end.
 */
import type { WarmSpec } from '../../protocol/schema/task.ts';
import type { TaskEnd } from '../heldTask.ts';
import type { Capture } from './capture.ts';

/** Where a channel of the process goes. */
export type OutputTarget =
  | { readonly kind: 'null' }
  /** Created or truncated; directories on the way are made. */
  | { readonly kind: 'file'; readonly path: string }
  /** A fresh file, made by `Launcher.capture`; for one launch. */
  | { readonly kind: 'capture'; readonly capture: Capture };

/**
 * Variables of a task. What many tasks have in common is the same object for all of them, so that it is handed over once (`shared`) or at least
 * put into words once (`common`).
 */
export interface TaskEnvironment {
  /** Of all tasks of a worker. */
  readonly shared: Readonly<Record<string, string>>;
  /** Of all tasks that are alike; these win over those of the lane. */
  readonly common: Readonly<Record<string, string>>;
  /** Of this one; none of them is among the common ones. */
  readonly own: Readonly<Record<string, string>>;
}

/** What a running task holds that the next one of its group can take over as it is. */
export interface Lane {
  /** 0: nothing is handed over. */
  readonly group: number;
  /** Variables that tell what it is; they win over shared ones. */
  readonly vars: Readonly<Record<string, string>>;
  /** Numbers of the CPUs that the process may use; null for those of the worker. */
  readonly cpus: readonly number[] | null;
}

export interface LaunchSpec {
  /** Program (looked up in PATH of `env`) and arguments. */
  readonly command: readonly string[];
  /** The whole environment. */
  readonly env: TaskEnvironment;
  /** Absolute; made when it does not exist. */
  readonly cwd: string;
  /** What the process reads, null for nothing. Must not be changed afterwards. */
  readonly stdin: Uint8Array | null;
  /** `cgroup.procs` of the control group in which it starts, absolute; null for that of the launcher. Only where `entersGroups`. */
  readonly controlGroup: string | null;
  readonly stdout: OutputTarget;
  /** `same`: where stdout goes, in one stream. */
  readonly stderr: OutputTarget | { readonly kind: 'same' };
  /** How a warm runner starts it; absent where it is started by its command. Only of use to `WarmLauncher`. */
  readonly warm?: WarmSpec;
  /** When the worker is gone it is killed at once, without an interrupt. Only of use where tasks do not outlive their worker. */
  readonly diesUnnoticed?: true;
}

/** Use of resources by the process and the children that it has waited for. */
export interface LaunchUsage {
  readonly userMs: number;
  readonly systemMs: number;
  /** Of the largest single process. */
  readonly maxRssBytes: number;
}

export interface LaunchEnd {
  readonly end: TaskEnd;
  /** Null where the launcher cannot know it. */
  readonly usage: LaunchUsage | null;
  /** Unix time of the end and duration, milliseconds; null where the launcher does not look at the clock. */
  readonly time: { readonly atMs: number; readonly wallMs: number } | null;
  /** The waiting task that has taken over the lane, and runs. */
  readonly next: LaunchHandle | null;
}

/** Called once, never during `launch`; nothing of the process group is left then. */
export type OnExit = (ended: LaunchEnd) => void;

export interface LaunchHandle {
  /** Main process, which leads its session and group; 0 while it is not known. */
  readonly pid: number;
  /** Signals every process of the task's group; without effect before it runs and once they are gone. */
  signalGroup(signal: 'SIGINT' | 'SIGKILL'): void;
}

export interface QueuedHandle extends LaunchHandle {
  /** Asks it back; without effect once it runs. */
  withdraw(): void;
}

/** What becomes of a waiting task: one of the two is called, once, never during `add`. */
export interface QueuedEvents {
  /** As for other tasks; that it runs was told by the end of the one before it. */
  readonly onExit: OnExit;
  /** It will not run: it was asked back, or no task of its group runs any more. `lost`: the launcher has died, it may have run. */
  onReturned(lost: boolean): void;
}

/** Tasks that wait for the end of others of their group, so that short ones follow each other without a round trip to the worker. */
export interface LaunchQueue {
  add(spec: LaunchSpec, group: number, events: QueuedEvents): QueuedHandle;
}

export interface Launcher {
  /**
   * Starts the process in its own session and process group, at the latest when the current turn of the event loop ends. What goes wrong is told
   * through `onExit`, nothing is thrown.
   */
  launch(spec: LaunchSpec, lane: Lane, onExit: OnExit): LaunchHandle;
  /** A task can start in a control group of its own. */
  readonly entersGroups: boolean;
  /** Null where tasks cannot wait in the launcher. */
  readonly queue: LaunchQueue | null;
  /**
   * A place for the output of one channel of one task.
   * @throws HqError HQ_E_LOG_WRITE when it cannot be made; a launcher that makes it later ends the task with kind `log` then
   */
  capture(): Capture;
  /** Ends the launcher, for the end of the worker when no task is left. Nothing may be launched afterwards. */
  close(): Promise<void>;
}
