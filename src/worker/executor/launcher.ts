/**
 * The seam between the executor and whatever starts processes. Narrow on purpose, so that a launcher outside this process can stand behind it:
 * one call per task, nothing but plain data in, one call back at the end.
 */
import type { TaskEnd } from '../heldTask.ts';
import type { Capture } from './capture.ts';

/** Where a channel of the process goes. */
export type OutputTarget =
  | { readonly kind: 'null' }
  /** Created or truncated; directories on the way are made. */
  | { readonly kind: 'file'; readonly path: string }
  /** A fresh file, made by `Launcher.capture`; for one launch. */
  | { readonly kind: 'capture'; readonly capture: Capture };

/** Variables of a task. What many tasks have in common is the same object for all of them, so that it is handed over once. */
export interface TaskEnvironment {
  readonly shared: Readonly<Record<string, string>>;
  /** These win. */
  readonly own: Readonly<Record<string, string>>;
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
  readonly stdout: OutputTarget;
  /** `same`: where stdout goes, in one stream. */
  readonly stderr: OutputTarget | { readonly kind: 'same' };
  /** Numbers of the CPUs that the process may use; null for those of the worker. */
  readonly cpus: readonly number[] | null;
}

/** Use of resources by the process and the children that it has waited for. */
export interface LaunchUsage {
  readonly userMs: number;
  readonly systemMs: number;
  /** Of the largest single process. */
  readonly maxRssBytes: number;
}

/** Called once, never during `launch`; nothing of the process group is left then. `usage` is null where the launcher cannot know it. */
export type OnExit = (end: TaskEnd, usage: LaunchUsage | null) => void;

export interface LaunchHandle {
  /** Signals every process of the task's group; without effect once they are gone. */
  signalGroup(signal: 'SIGINT' | 'SIGKILL'): void;
}

export interface Launcher {
  /**
   * Starts the process in its own session and process group, at the latest when the current turn of the event loop ends. What goes wrong is told
   * through `onExit`, nothing is thrown.
   */
  launch(spec: LaunchSpec, onExit: OnExit): LaunchHandle;
  /**
   * A place for the output of one channel of one task.
   * @throws HqError HQ_E_LOG_WRITE when it cannot be made; a launcher that makes it later ends the task with kind `log` then
   */
  capture(): Capture;
  /** Ends the launcher, for the end of the worker when no task is left. Nothing may be launched afterwards. */
  close(): Promise<void>;
}
