/**
 * One warm runner: a Python process from which tasks are forked, driven as hqspawn is. While it starts, tasks wait for it, as long as that is no
 * slower than to start them by their command. Owned by `WarmLauncher`.
 */
import { readFileSync } from 'node:fs';
import type { Lane, Launcher, LaunchHandle, LaunchSpec, OnExit } from './launcher.ts';
import { NativeLauncher } from './nativeLauncher.ts';
import type { WarmStart } from './warmStart.ts';

/** A first task waits so long for its runner to be ready: starting tasks by their command meanwhile would keep both from getting done, milliseconds. */
const WAIT_MS = 10_000;

/** Parsing a workflow may take minutes; nobody waits for it, milliseconds. */
const READY_MS = 600_000;

/** A runner that is ready and not used gives its memory back, milliseconds. */
const IDLE_MS = 120_000;

/** Large captured output is read from the runner's files after the end of its task, milliseconds. */
const LINGER_MS = 5_000;

/** Its size is looked at this often, launches. */
const LOOK_EVERY = 200;

/** A runner may become so much larger than it was, bytes: it does nothing that needs memory. */
const GROWTH_BYTES = 64 * 1024 * 1024;

const PAGE_BYTES = 4_096;

export interface WarmRunnerOptions {
  readonly start: WarmStart;
  readonly env: Readonly<Record<string, string>>;
  /** Node-local directory of this worker. */
  readonly directory: string;
  /** Launches after which it is replaced. */
  readonly limit: number;
  /** Starts by command what this runner does not. */
  readonly plain: Launcher;
  /** How long a task waits for it, milliseconds; default: 10 s. */
  readonly waitMs?: number | undefined;
  /** After so long without a task it is put away, milliseconds; default: 2 min. */
  readonly idleMs?: number | undefined;
  log(level: 'INFO' | 'WARN', line: string): void;
  /** Why tasks are not started as they asked to be, for the server's event log. */
  tell(line: string): void;
  /** Tasks load these modules, so that another runner should have done it before. */
  onLearned(modules: readonly string[]): void;
  /** Called once, unless it is retired before: tasks need not wait for it any more. */
  onReady(): void;
  /** Called once: no task may be given to it any more. `failed`: it did not start, or died. */
  onRetired(why: { readonly failed: boolean; readonly outdated: boolean }): void;
  /** Called once: its process is gone. */
  onEnded(): void;
}

/** A task of this runner. Until it runs, a signal is kept for it. */
interface Launch {
  readonly spec: LaunchSpec;
  readonly lane: Lane;
  readonly onExit: OnExit;
  handle: LaunchHandle | undefined;
}

export class WarmRunner {
  private readonly options: WarmRunnerOptions;
  /** `starting` -> `ready` -> `retired`, or `starting` -> `retired`. */
  private mode: 'starting' | 'ready' | 'retired' = 'starting';
  private native: NativeLauncher | undefined;
  private readonly waiting = new Set<Launch>();
  private readonly waitTimer: NodeJS.Timeout;
  /** From the moment in which it is ready: parsing may take longer than anybody has a new task. */
  private idleTimer: NodeJS.Timeout | undefined;
  private patient = true;
  private active = 0;
  private launches = 0;
  private firstBytes = 0;
  private readonly unwanted = new AbortController();
  private readonly started: Promise<void>;

  constructor(options: WarmRunnerOptions) {
    const { start, env, directory } = options;
    this.options = options;
    this.waitTimer = setTimeout(() => this.onImpatient(), options.waitMs ?? WAIT_MS);
    this.started = NativeLauncher.start({
      ...start,
      env,
      directory,
      helloTimeoutMs: READY_MS,
      restarts: false,
      unwanted: this.unwanted.signal,
      onNote: (text, outdated) => this.onNote(text, outdated),
      onLearned: (modules) => options.onLearned(modules),
      onBroken: (why) => this.leave(`a warm runner has ended: ${why}`, { failed: true, outdated: false }),
    }).then(
      (native) => this.onReady(native),
      (error: Error) => {
        this.leave(`a warm runner could not be started: ${error.message}`, { failed: true, outdated: false });
        options.onEnded();
      },
    );
  }

  launch(spec: LaunchSpec, lane: Lane, onExit: OnExit): LaunchHandle {
    this.idleTimer?.refresh();
    const launch: Launch = { spec, lane, onExit, handle: undefined };
    if (this.native !== undefined) this.begin(launch, this.native);
    else if (this.patient) this.waiting.add(launch);
    else this.beginPlain(launch);
    return {
      get pid() {
        return launch.handle?.pid ?? 0;
      },
      signalGroup: (signal) => this.signal(launch, signal),
    };
  }

  /** No more tasks are given to it; it ends when those that it has have ended. */
  retire(why: string): void {
    this.leave(`a warm runner is put away: ${why}`, { failed: false, outdated: false });
  }

  /** Ends it, and what it runs. */
  async close(): Promise<void> {
    this.leave(null, { failed: false, outdated: false });
    await this.started;
    await this.end();
  }

  private onReady(native: NativeLauncher): void {
    clearTimeout(this.waitTimer);
    this.native = native;
    if (this.mode === 'retired') {
      this.endWhenDone();
      return;
    }
    this.mode = 'ready';
    this.idleTimer = setTimeout(() => this.retire('it was not used for a while'), this.options.idleMs ?? IDLE_MS);
    this.idleTimer.unref();
    this.firstBytes = residentBytes(native.holderPid);
    for (const launch of this.takeWaiting()) this.begin(launch, native);
    this.options.onReady();
  }

  private onImpatient(): void {
    this.patient = false;
    if (this.waiting.size > 0) this.options.tell('tasks are started by their commands until their warm runner is ready, which takes long');
    this.startWaitingPlainly();
  }

  private startWaitingPlainly(): void {
    for (const launch of this.takeWaiting()) this.beginPlain(launch);
  }

  /** Nobody else may find them afterwards: the start of one may be what retires this runner. */
  private takeWaiting(): Launch[] {
    const launches = [...this.waiting];
    this.waiting.clear();
    return launches;
  }

  private begin(launch: Launch, native: NativeLauncher): void {
    this.active += 1;
    this.launches += 1;
    launch.handle = native.launch(launch.spec, launch.lane, (ended) => {
      this.active -= 1;
      launch.onExit(ended);
      if (this.mode === 'retired') this.endWhenDone();
    });
    if (this.launches >= this.options.limit) this.retire(`it has started ${this.launches} tasks`);
    else if (this.launches % LOOK_EVERY === 0 && residentBytes(native.holderPid) > this.firstBytes + GROWTH_BYTES)
      this.retire('it has grown');
  }

  private beginPlain(launch: Launch): void {
    launch.handle = this.options.plain.launch(launch.spec, launch.lane, launch.onExit);
  }

  private signal(launch: Launch, signal: 'SIGINT' | 'SIGKILL'): void {
    if (!this.waiting.delete(launch)) {
      launch.handle?.signalGroup(signal);
      return;
    }
    // Nothing of it exists yet.
    setImmediate(() => launch.onExit({ end: { kind: 'signal', signal }, usage: null, time: null, next: null }));
  }

  private onNote(text: string, outdated: boolean): void {
    if (outdated) this.leave(`a warm runner is put away: ${text}`, { failed: false, outdated: true });
    else {
      this.options.log('INFO', `warm runner: ${text}`);
      this.options.tell(`warm runner: ${text}`);
    }
  }

  private leave(line: string | null, why: { failed: boolean; outdated: boolean }): void {
    if (this.mode === 'retired') return;
    this.mode = 'retired';
    clearTimeout(this.waitTimer);
    clearTimeout(this.idleTimer);
    if (line !== null) this.options.log(why.failed ? 'WARN' : 'INFO', line);
    if (line !== null && (why.failed || why.outdated)) this.options.tell(line);
    this.options.onRetired(why);
    this.startWaitingPlainly();
    // One that is still parsing a workflow would do so for minutes, for nobody.
    this.unwanted.abort();
    this.endWhenDone();
  }

  private endWhenDone(): void {
    if (this.active === 0 && this.native !== undefined) setTimeout(() => void this.end(), LINGER_MS).unref();
  }

  private async end(): Promise<void> {
    await this.native?.close();
    this.options.onEnded();
  }
}

/** @returns 0 when it is not known */
function residentBytes(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
