/**
 * Starts tasks that ask for it as forks of warm runners, and all others, or where that is not possible, by their command. One runner per run,
 * interpreter, directory and environment (`warmKey.ts`); made when the first such task comes. Stands between the executor and the native launcher.
 */
import { formatDuration } from '../../common/duration.ts';
import type { WarmSpec } from '../../protocol/schema/task.ts';
import type { Capture } from './capture.ts';
import type { Lane, Launcher, LaunchHandle, LaunchQueue, LaunchSpec, OnExit } from './launcher.ts';
import type { NativeLauncher } from './nativeLauncher.ts';
import { warmEnvironment, warmKey } from './warmKey.ts';
import { WarmRunner } from './warmRunner.ts';

const LIMITS = {
  /** At a time; each keeps some 80 MB. */
  runners: 8,
  /** Keys that are remembered for their failures. */
  sites: 1_000,
  /** A runner is replaced after so many launches, in case that something in it grows unseen. */
  launches: 10_000,
  /** After so many failures tasks of a key are started by their command for a while. */
  failures: 2,
  /** Then it is tried once more, milliseconds: what was the matter may have been the node's, such as a full disk or a slow file system. */
  rest: 600_000,
  /** After so many changes of what a workflow has read while it was parsed, each job parses it. */
  changes: 3,
  /** The longest command that fits into an argument, bytes; a runner gets one as its example. */
  exampleBytes: 120_000,
};

/** What is known of one key. In a map by key, the least recently used first. */
interface Site {
  runner: WarmRunner | undefined;
  failures: number;
  changes: number;
  /** On the monotonic clock, milliseconds: until then tasks are started by their command. */
  restsUntilMs: number;
}

export interface WarmLauncherOptions {
  readonly plain: NativeLauncher;
  /** Node-local directory of this worker. */
  readonly directory: string;
  /** How long a task waits for its runner, milliseconds. */
  readonly waitMs?: number;
  /** After so long without a task a runner is put away, milliseconds. */
  readonly idleMs?: number;
  /** After repeated failures nothing is tried for so long, milliseconds. */
  readonly restMs?: number;
  readonly launchesPerRunner?: number;
  log(level: 'INFO' | 'WARN', line: string): void;
  /** Why tasks are not started as they asked to be, for the server's event log. */
  tell(line: string): void;
}

export class WarmLauncher implements Launcher {
  readonly queue: LaunchQueue | null;
  readonly entersGroups = true;
  private readonly options: WarmLauncherOptions;
  private readonly sites = new Map<string, Site>();
  /** Also those that are on their way out. */
  private readonly runners = new Set<WarmRunner>();

  constructor(options: WarmLauncherOptions) {
    this.options = options;
    this.queue = options.plain.queue;
  }

  launch(spec: LaunchSpec, lane: Lane, onExit: OnExit): LaunchHandle {
    const { plain } = this.options;
    const launcher = spec.warm === undefined ? plain : (this.runnerOf(spec.warm, spec, lane) ?? plain);
    return launcher.launch(spec, lane, onExit);
  }

  capture(): Capture {
    return this.options.plain.capture();
  }

  async close(): Promise<void> {
    await Promise.all([...this.runners].map((runner) => runner.close()));
    await this.options.plain.close();
  }

  /** @returns undefined when the task is to be started by its command */
  private runnerOf(warm: WarmSpec, spec: LaunchSpec, lane: Lane): WarmRunner | undefined {
    const key = warmKey(warm, spec, lane);
    const site = this.sites.get(key) ?? { runner: undefined, failures: 0, changes: 0, restsUntilMs: 0 };
    // Behind all others: it is the one that was used last.
    this.sites.delete(key);
    this.sites.set(key, site);
    if (site.runner !== undefined) return site.runner;
    const example = exampleOf(spec);
    if (example === undefined) {
      this.options.tell('a job is started by its command: its command is too long for a warm runner');
      return undefined;
    }
    if (performance.now() < site.restsUntilMs) return undefined;
    const level = site.changes >= LIMITS.changes ? 'imports' : warm.level;
    this.makeRoom();
    const { directory, log, tell, waitMs, idleMs, plain, launchesPerRunner = LIMITS.launches } = this.options;
    const runner = new WarmRunner({
      python: warm.python,
      args: ['-m', 'hq_bridge.warm', warm.kind, level, directory, spec.cwd, example],
      env: warmEnvironment(spec, lane),
      directory,
      limit: launchesPerRunner,
      plain,
      waitMs,
      idleMs,
      log,
      tell,
      onRetired: ({ failed, outdated }) => {
        site.runner = undefined;
        if (failed) this.countFailure(site);
        if (outdated) site.changes += 1;
      },
      onEnded: () => this.runners.delete(runner),
    });
    this.runners.add(runner);
    site.runner = runner;
    return runner;
  }

  private countFailure(site: Site): void {
    site.failures += 1;
    if (site.failures < LIMITS.failures) return;
    const restMs = this.options.restMs ?? LIMITS.rest;
    site.restsUntilMs = performance.now() + restMs;
    // One more failure is enough to rest again.
    site.failures = LIMITS.failures - 1;
    this.options.tell(
      `jobs are started by their commands: warm runners of a workflow have failed; tried again in ${formatDuration(restMs)}`,
    );
  }

  private makeRoom(): void {
    const used = [...this.sites.values()].flatMap(({ runner }) => runner ?? []);
    for (const runner of used.slice(0, Math.max(0, used.length - LIMITS.runners + 1))) runner.retire('others are used more');
    for (const [key, site] of this.sites) {
      if (this.sites.size <= LIMITS.sites) break;
      if (site.runner === undefined) this.sites.delete(key);
    }
  }
}

/** @returns a shell command of the run from which a runner learns what all have in common; undefined when it is too long for an argument */
function exampleOf({ command }: LaunchSpec): string | undefined {
  const example = command.at(-1);
  return example !== undefined && Buffer.byteLength(example) <= LIMITS.exampleBytes ? example : undefined;
}
