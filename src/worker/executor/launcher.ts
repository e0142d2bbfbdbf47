/**
 * The seam between the executor and whatever starts processes. Narrow on purpose, so that a launcher outside this process can stand behind it:
 * one call per task, nothing but plain data in, one call back at the end.
 */
import type { TaskEnd } from '../heldTask.ts';

/** Where a channel of the process goes. */
export type OutputTarget =
  | { readonly kind: 'null' }
  /** Created or truncated; directories on the way are made. */
  | { readonly kind: 'file'; readonly path: string }
  /** An open file of this process; the caller closes its own copy after `launch`. */
  | { readonly kind: 'fd'; readonly fd: number };

export interface LaunchSpec {
  /** Program (looked up in PATH of `env`) and arguments. */
  readonly command: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; made when it does not exist. */
  readonly cwd: string;
  /** File descriptor to read from, null for nothing. */
  readonly stdin: number | null;
  readonly stdout: OutputTarget;
  /** `same`: where stdout goes, in one stream. */
  readonly stderr: OutputTarget | { readonly kind: 'same' };
}

/** Use of resources as far as the launcher can know it. */
export interface LaunchUsage {
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssBytes: number;
}

/** Called once, never during `launch`; nothing of the process group is left then. */
export type OnExit = (end: TaskEnd, usage: LaunchUsage | null) => void;

export interface LaunchHandle {
  /** Signals every process of the task's group; without effect once they are gone. */
  signalGroup(signal: 'SIGINT' | 'SIGKILL'): void;
}

export interface Launcher {
  /** Starts the process in its own session and process group. What goes wrong is told through `onExit`, nothing is thrown. */
  launch(spec: LaunchSpec, onExit: OnExit): LaunchHandle;
}
