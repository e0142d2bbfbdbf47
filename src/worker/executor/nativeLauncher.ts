/**
 * Starts tasks through hqspawn, a tiny C program: this process neither forks nor touches the file system for a task. When hqspawn dies, its
 * tasks die with it and are reported as failed, and it is started again.
 */
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { TaskEnd } from '../heldTask.ts';
import { type Capture, captureError } from './capture.ts';
import { GroupReaper } from './groupReaper.ts';
import type {
  Lane,
  LaunchEnd,
  Launcher,
  LaunchHandle,
  LaunchQueue,
  LaunchSpec,
  LaunchUsage,
  OnExit,
  QueuedEvents,
  QueuedHandle,
} from './launcher.ts';
import { type AnswerEnd, ENVIRONMENTS, type LaunchStep, NONE } from './launcherFrames.ts';
import { LauncherProcess } from './launcherProcess.ts';
import { impossibleText, launchText } from './launchText.ts';
import { NativeCapture } from './nativeCapture.ts';
import { NativeRun } from './nativeRun.ts';

const SIGNAL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    // Two names for one number: the usual one counts.
    .filter(([name]) => name !== 'SIGIOT' && name !== 'SIGPOLL' && name !== 'SIGUNUSED')
    .map(([name, number]) => [number, name]),
);

const NO_VARS: Lane['vars'] = {};
const NO_CPUS: readonly number[] = [];

export interface NativeLauncherOptions {
  /** The program hqspawn, or one that speaks as it does. */
  readonly path: string;
  /** Its arguments; default: the directory. */
  readonly args?: readonly string[];
  /** Node-local directory of this worker, for captured output. */
  readonly directory: string;
  /** It starts in this directory, and others may read and print before it does; left out: neither. */
  readonly apart?: string | undefined;
  /** Environment of hqspawn itself; default: empty. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long it may take to its greeting, milliseconds. */
  readonly helloTimeoutMs?: number;
  /** Aborted when it is not wanted any more before it has greeted; afterwards it is ended with `close`. */
  readonly unwanted?: AbortSignal;
  /** False: when it dies it is not started again. */
  readonly restarts?: boolean;
  /** It has something to say for the log; `outdated`: nothing more should be started here. */
  onNote?(text: string, outdated: boolean): void;
  /** Tasks load these modules of Python. */
  onLearned?(modules: readonly string[]): void;
  /** It has died and could not be started again: nothing can be launched any more. Called before the tasks' ends are told. */
  onBroken(why: string): void;
}

export class NativeLauncher implements Launcher {
  readonly entersGroups = true;
  readonly queue: LaunchQueue = { add: (spec, group, events) => this.enqueue(spec, group, events) };
  private readonly options: NativeLauncherOptions;
  private readonly reaper = new GroupReaper();
  private process: LauncherProcess;
  /** `starting` -> `up` -> `restarting` -> `up` ...; `broken` and `closed` are final. */
  private mode: 'starting' | 'up' | 'restarting' | 'broken' | 'closed' = 'starting';
  private runs = new Map<number, NativeRun>();
  private lastId = 0;
  /** Shared environments that hqspawn has, by number. */
  private readonly environments: LaunchSpec['env']['shared'][] = [];
  private nextEnvironment = 0;

  private constructor(options: NativeLauncherOptions) {
    this.options = options;
    this.process = this.startProcess();
  }

  /** Starts hqspawn and waits for its greeting. @throws Error when it cannot be run, with the reason */
  static async start(options: NativeLauncherOptions): Promise<NativeLauncher> {
    const launcher = new NativeLauncher(options);
    const { process } = launcher;
    const end = (): void => void process.end();
    options.unwanted?.addEventListener('abort', end);
    try {
      await process.ready;
    } finally {
      options.unwanted?.removeEventListener('abort', end);
    }
    launcher.mode = 'up';
    return launcher;
  }

  /** Process id of hqspawn. */
  get pid(): number | undefined {
    return this.process.pid;
  }

  /** The process that makes and holds the tasks: hqspawn, or a fork of a warm runner. */
  get holderPid(): number | undefined {
    return this.process.holderPid;
  }

  launch(spec: LaunchSpec, lane: Lane, onExit: OnExit): LaunchHandle {
    return this.begin('L', new NativeRun(this.nextId(), this, { spec, cpus: lane.cpus, onExit, onReturned: null }), lane.group, lane.vars);
  }

  private enqueue(spec: LaunchSpec, group: number, { onExit, onReturned }: QueuedEvents): QueuedHandle {
    return this.begin('Q', new NativeRun(this.nextId(), this, { spec, cpus: null, onExit, onReturned }), group, NO_VARS);
  }

  private nextId(): number {
    this.lastId = (this.lastId % (NONE - 1)) + 1;
    return this.lastId;
  }

  /** @param laneVars variables of its lane; none when it waits for one */
  private begin(kind: 'L' | 'Q', run: NativeRun, group: number, laneVars: Lane['vars']): NativeRun {
    const { id, spec } = run;
    const impossible = impossibleText(spec, laneVars);
    if (impossible !== undefined || this.mode === 'broken') {
      this.refuse(run, impossible);
      return run;
    }
    this.runs.set(id, run);
    const { process } = this;
    process.requests.launch(kind, {
      id,
      environment: this.environmentOf(spec.env.shared),
      group,
      args: spec.command,
      common: spec.env.common,
      vars: spec.env.own,
      lane: laneVars,
      cwd: spec.cwd,
      controlGroup: spec.controlGroup ?? '',
      cpus: run.cpus ?? NO_CPUS,
      stdin: spec.stdin,
      outputs: [spec.stdout.kind, spec.stderr.kind],
      paths: run.paths,
      diesUnnoticed: spec.diesUnnoticed === true,
    });
    process.flushSoon();
    return run;
  }

  /** What cannot be started ends at once; what would have to wait for a lane goes back, and ends so when it is started by itself. */
  private refuse(run: NativeRun, impossible: string | undefined): void {
    const end: TaskEnd = impossible === undefined ? lostEnd('it cannot be started') : { kind: 'spawn', error: impossible };
    setImmediate(() => (run.onReturned === null ? this.finish(run, end) : run.onReturned(false)));
  }

  capture(): Capture {
    return new NativeCapture();
  }

  async close(): Promise<void> {
    const { mode } = this;
    this.mode = 'closed';
    if (mode !== 'broken') await this.process.end();
  }

  private startProcess(): LauncherProcess {
    const { path, directory, args = [directory], env = {}, helloTimeoutMs, apart } = this.options;
    return new LauncherProcess({
      path,
      apart: apart === undefined ? undefined : { cwd: apart, directory },
      args,
      env,
      helloTimeoutMs,
      handlers: {
        started: (id, o) => this.onStarted(id, o),
        failed: (id, o) => this.onFailed(id, o),
        returned: (id) => this.onReturned(id),
        noted: (text, outdated) => this.options.onNote?.(text, outdated),
        learned: (modules) => this.options.onLearned?.(modules),
        ended: (id, end, output) => this.onEnded(id, end, output),
      },
      onEnd: (why) => this.onProcessEnd(why),
    });
  }

  private environmentOf(shared: LaunchSpec['env']['shared']): number {
    const known = this.environments.indexOf(shared);
    if (known >= 0) return known;
    const number = this.nextEnvironment;
    this.nextEnvironment = (number + 1) % ENVIRONMENTS;
    this.environments[number] = shared;
    this.process.requests.environment(number, shared);
    return number;
  }

  /** Called by runs: signals the group of one. */
  signal(id: number, signal: 'SIGINT' | 'SIGKILL'): void {
    if (!this.runs.has(id)) return;
    this.process.requests.signal(id, constants.signals[signal]);
    this.process.flushSoon();
  }

  /** Called by runs: asks one back that waits for a lane. */
  withdraw(id: number): void {
    if (!this.runs.has(id)) return;
    this.process.requests.withdraw(id);
    this.process.flushSoon();
  }

  private onStarted(id: number, o: { pid: number; fds: readonly [number, number]; atMs: number }): void {
    const run = this.runs.get(id);
    if (run === undefined) return;
    run.pid = o.pid;
    run.startedAtMs = o.atMs;
    for (const index of run.captured) run.captures[index]?.started(`/proc/${this.holderPid}/fd/${o.fds[index]}`);
  }

  private onReturned(id: number): void {
    const run = this.runs.get(id);
    if (run === undefined) return;
    this.runs.delete(id);
    run.onReturned?.(false);
  }

  private onFailed(id: number, { step, errno, next }: { step: LaunchStep; errno: number; next: number }): void {
    const run = this.runs.get(id);
    if (run === undefined) return;
    this.runs.delete(id);
    const code = getSystemErrorName(-errno);
    const error = Object.assign(new Error(`spawn ${run.spec.command[0]} ${code}`), { code });
    const end: TaskEnd =
      step === 'capture'
        ? { kind: 'log', error: captureError(this.options.directory, error).message }
        : { kind: 'spawn', error: launchText(step === 'none' ? 'start' : step, run, error) };
    this.finish(run, end, this.handOver(next));
  }

  /** @returns the handle of the waiting task that runs from now on */
  private handOver(next: number): LaunchHandle | null {
    const run = this.runs.get(next);
    if (run === undefined) return null;
    run.onReturned = null;
    return run;
  }

  private onEnded(id: number, end: AnswerEnd, output: readonly [Buffer | undefined, Buffer | undefined]): void {
    const run = this.runs.get(id);
    if (run === undefined) return;
    this.runs.delete(id);
    let open = run.captured.length;
    for (const index of run.captured) {
      const content = output[index];
      if (content !== undefined) run.captures[index]?.ended(content);
      run.captures[index]?.whenClosed(() => {
        open -= 1;
        if (open === 0) this.release(id);
      });
    }
    const wallMs = end.wallUs / 1000;
    const time = { wallMs, atMs: run.startedAtMs + wallMs };
    run.onExit({ end: endOf(end.status), usage: usageOf(end), time, next: this.handOver(end.next) });
  }

  /** Files of captured output stay as they are until nobody here looks at them any more. */
  private release(id: number): void {
    if (this.mode === 'broken' || this.mode === 'closed') return;
    this.process.requests.release(id);
    this.process.flushSoon();
  }

  private finish(run: NativeRun, end: TaskEnd, next: LaunchEnd['next'] = null): void {
    run.endCaptures();
    run.onExit({ end, usage: null, time: null, next });
  }

  private onProcessEnd(why: string): void {
    const lost = this.runs;
    this.runs = new Map();
    if (this.mode === 'up' && this.options.restarts !== false) this.restart();
    else if (this.mode === 'up' || this.mode === 'restarting') {
      this.mode = 'broken';
      this.options.onBroken(why);
    }
    const end = lostEnd(why);
    for (const run of lost.values()) {
      if (run.onReturned !== null) run.onReturned(true);
      // The main process has died with hqspawn, but not what it has started.
      else if (run.pid === 0) this.finish(run, end);
      else this.reaper.clear(run.pid, () => this.finish(run, end));
    }
  }

  private restart(): void {
    this.mode = 'restarting';
    this.environments.length = 0;
    this.nextEnvironment = 0;
    this.process = this.startProcess();
    this.process.ready.then(
      () => {
        if (this.mode === 'restarting') this.mode = 'up';
      },
      // Its end is told to `onProcessEnd`.
      () => {},
    );
  }
}

function lostEnd(why: string): TaskEnd {
  return { kind: 'internal', error: `The launcher of the worker has been lost: ${why}.` };
}

/** As in <sys/wait.h>. */
function endOf(status: number): TaskEnd {
  const signal = status & 0x7f;
  if (signal === 0) return { kind: 'exit', code: (status >> 8) & 0xff };
  return { kind: 'signal', signal: SIGNAL_NAMES.get(signal) ?? `SIG${signal}` };
}

function usageOf({ userUs, systemUs, peakKb }: AnswerEnd): LaunchUsage {
  return { userMs: userUs / 1000, systemMs: systemUs / 1000, maxRssBytes: peakKb * 1024 };
}
