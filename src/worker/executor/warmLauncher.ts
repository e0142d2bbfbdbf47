/**
 * Starts tasks that ask for it as forks of warm runners, and all others, or where that is not possible, by their command. One runner per run,
 * interpreter, directory and environment (`warmKey.ts`); made when the first such task comes, of functions the second: each may have a directory or
 * variables of its own. Stands between the executor and the native launcher.
 */
import { formatDuration } from '../../common/duration.ts';
import type { WarmSpec } from '../../protocol/schema/task.ts';
import type { Capture } from './capture.ts';
import type { Lane, Launcher, LaunchHandle, LaunchQueue, LaunchSpec, OnExit } from './launcher.ts';
import type { NativeLauncher } from './nativeLauncher.ts';
import { warmEnvironment, warmKey } from './warmKey.ts';
import { WarmRunner } from './warmRunner.ts';
import { warmStart } from './warmStart.ts';

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
  /** So often another runner is made because tasks have been seen to load more modules. */
  lessons: 3,
  /** One that was used so short a time ago makes no room for functions, milliseconds: making runners by turns would be slower than any command. */
  busy: 2_000,
};

/** What is known of one key. In a map by key, the least recently used first. */
interface Site {
  runner: WarmRunner | undefined;
  /** Takes its place once it is ready. */
  successor: WarmRunner | undefined;
  learned: readonly string[];
  lessons: number;
  /** On the monotonic clock, milliseconds: when the last task has come. */
  usedMs: number;
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
    const known = this.sites.get(key);
    const site = known ?? newSite();
    // Behind all others: it is the one that was used last.
    this.sites.delete(key);
    this.sites.set(key, site);
    if (known === undefined) this.forgetSites();
    site.usedMs = performance.now();
    site.runner ??= site.successor;
    if (site.runner !== undefined) return site.runner;
    if (warm.kind === 'python' && known === undefined) return undefined;
    if (site.usedMs < site.restsUntilMs) return undefined;
    site.runner = this.makeRunner(site, warm, spec, lane);
    return site.runner;
  }

  /** @returns undefined, and tells why, when such tasks are always started by their command */
  private makeRunner(site: Site, warm: WarmSpec, spec: LaunchSpec, lane: Lane): WarmRunner | undefined {
    const { directory, log, tell, waitMs, idleMs, plain, launchesPerRunner = LIMITS.launches } = this.options;
    const start = warmStart(warm, {
      directory,
      cwd: spec.cwd,
      example: spec.command.at(-1) ?? '',
      restless: site.changes >= LIMITS.changes,
      learned: site.learned,
      learns: site.lessons < LIMITS.lessons,
    });
    if (typeof start === 'string') {
      tell(start);
      return undefined;
    }
    // A successor takes the place of the one that is there.
    if (site.runner === undefined && !this.makeRoom(warm, site)) return undefined;
    const runner: WarmRunner = new WarmRunner({
      start,
      env: warmEnvironment(spec, lane),
      directory,
      limit: launchesPerRunner,
      plain,
      waitMs,
      idleMs,
      log,
      tell,
      onLearned: (modules) => {
        if (site.runner !== runner || site.successor !== undefined || site.lessons >= LIMITS.lessons) return;
        site.lessons += 1;
        site.learned = modules;
        site.successor = this.makeRunner(site, warm, spec, lane);
      },
      onReady: () => {
        if (site.successor !== runner) return;
        site.successor = undefined;
        if (site.runner !== runner) site.runner?.retire('another has loaded more modules');
        site.runner = runner;
      },
      onRetired: ({ failed, outdated }) => {
        if (site.successor === runner) {
          // What it should have loaded is why; the one before it goes on.
          site.successor = undefined;
          site.learned = [];
          if (site.runner === runner) site.runner = undefined;
          return;
        }
        if (site.runner === runner) site.runner = undefined;
        if (failed) this.countFailure(site);
        if (outdated) site.changes += 1;
      },
      onEnded: () => this.runners.delete(runner),
    });
    this.runners.add(runner);
    return runner;
  }

  private countFailure(site: Site): void {
    site.failures += 1;
    if (site.failures < LIMITS.failures) return;
    const restMs = this.options.restMs ?? LIMITS.rest;
    site.restsUntilMs = performance.now() + restMs;
    // One more failure is enough to rest again.
    site.failures = LIMITS.failures - 1;
    this.options.tell(`tasks are started by their commands: their warm runners have failed; tried again in ${formatDuration(restMs)}`);
  }

  /** @returns false when there is none: the least recently used one is busy, and functions are quicker started without a runner than by turns */
  private makeRoom(warm: WarmSpec, site: Site): boolean {
    const used = [...this.sites.values()].filter(({ runner }) => runner !== undefined);
    const least = used.slice(0, Math.max(0, used.length - LIMITS.runners + 1));
    if (warm.kind === 'python' && least.some(({ usedMs }) => site.usedMs - usedMs < LIMITS.busy)) {
      this.options.tell(
        `some functions are started by their command: there are more than ${LIMITS.runners} kinds of tasks that differ in directory, variables or interpreter`,
      );
      return false;
    }
    for (const { runner } of least) runner?.retire('others are used more');
    return true;
  }

  private forgetSites(): void {
    for (const [key, { runner, successor }] of this.sites) {
      if (this.sites.size <= LIMITS.sites) break;
      if (runner === undefined && successor === undefined) this.sites.delete(key);
    }
  }
}

function newSite(): Site {
  return { runner: undefined, successor: undefined, learned: [], lessons: 0, usedMs: 0, failures: 0, changes: 0, restsUntilMs: 0 };
}
