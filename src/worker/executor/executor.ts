/**
 * Runs tasks: sets them up, starts them through the launcher, limits their time, stops them, and reports their ends in batches, one per turn of
 * the event loop, after their output is in the log. Owned by the worker.
 */
import { rmSync } from 'node:fs';
import type { Channel, Outcome } from '../../outputlog/format.ts';
import { HqError } from '../../protocol/errors.ts';
import type { TaskUsage } from '../../protocol/schema/task.ts';
import type { Deadline, Deadlines } from '../deadlines.ts';
import { type HeldTask, outcomeOf, type TaskEnd, type TaskOutcome } from '../heldTask.ts';
import type { ReturnedTask, TaskEnded } from '../stateEvents.ts';
import type { EnvironmentMaker } from './environment.ts';
import type { LaunchEnd, Launcher, LaunchHandle, LaunchSpec, LaunchUsage, OutputTarget, QueuedHandle } from './launcher.ts';
import type { Streams, TaskStream } from './streams.ts';
import { makeTaskDirectory, type TaskDirectory } from './taskDirectory.ts';
import { filesToRemove, isStreamed, type TaskPaths, taskPaths } from './taskSetup.ts';
import { earlierEnd, hasWrapper, settleWrapper, stopsUnnoticed } from './wrapperEnd.ts';

/** Time between the interrupt and the kill when a task is stopped, milliseconds; as in the original. */
export const STOP_GRACE_MS = 1_000;

/** A task between its start, or its staging, and the report of its end. */
interface Run {
  readonly task: HeldTask;
  readonly paths: TaskPaths;
  /** Monotonic. */
  startedMs: number;
  stream: TaskStream | undefined;
  directory: TaskDirectory | null;
  handle: LaunchHandle | undefined;
  /** Where it waits for a task of its class; undefined once it runs. */
  staged: QueuedHandle | undefined;
  limit: Deadline | undefined;
  grace: Deadline | undefined;
  end: TaskEnd | undefined;
  usage: LaunchUsage | null;
  /** Sum of all its processes, bytes; null when it was not looked at. */
  peakMemBytes: number | null;
  wallMs: number;
  /** Unix time, milliseconds. */
  endedAtMs: number;
  /** The task that has taken over what it held. */
  next: HeldTask | null;
}

export interface ExecutorMemory {
  /** @returns `controlGroup` of the launch of a task that is about to start */
  controlGroupOf(task: HeldTask): string | null;
  /** A task that had one comes back without having run. */
  discard(task: HeldTask): void;
  /** @returns its end as lack of memory explains it, and its highest use, bytes; null when that is not known */
  ended(task: HeldTask, end: TaskEnd): { readonly end: TaskEnd; readonly peakMemBytes: number | null };
}

export interface ExecutorOptions {
  readonly launcher: Launcher;
  readonly environment: EnvironmentMaker;
  readonly streams: Streams;
  readonly deadlines: Deadlines;
  /** Node-local, absolute: directories of tasks are made below it. */
  readonly workDir: string;
  /** What guards the memory of tasks. */
  readonly memory: ExecutorMemory;
  /** All tasks that ended in one turn. */
  onEnded(ends: TaskEnded[]): void;
  /** Staged tasks that came back in one turn. */
  onReturned(returned: ReturnedTask[]): void;
  /** The task has run as long as it may; the answer is expected to be a stop. */
  onTimeLimit(task: HeldTask): void;
}

export class Executor {
  private readonly options: ExecutorOptions;
  private readonly runs = new Map<HeldTask, Run>();
  private readonly staged = new Map<LaunchHandle, Run>();
  private ended: Run[] = [];
  private returned: ReturnedTask[] = [];

  constructor(options: ExecutorOptions) {
    this.options = options;
  }

  /** Starts a task; whatever goes wrong is its end. */
  start(task: HeldTask): void {
    const run = this.begin(task);
    if (run === undefined) return;
    const { launcher, environment } = this.options;
    run.handle = launcher.launch(this.specOf(run), environment.lane(task), (ended) => this.onExit(run, ended));
    this.limit(run);
  }

  /** Lets a task wait in the launcher for the end of one of its class. Only of use where the launcher has a queue. */
  stage(task: HeldTask): void {
    const run = this.begin(task);
    if (run === undefined) return;
    run.staged = this.options.launcher.queue?.add(this.specOf(run), task.queueClass.id, {
      onExit: (ended) => this.onExit(run, ended),
      onReturned: (lost) => this.onReturned(run, lost),
    });
    run.handle = run.staged;
    if (run.staged !== undefined) this.staged.set(run.staged, run);
  }

  /** Asks a staged task back; it comes through `onReturned`, unless it has started. */
  unstage(task: HeldTask): void {
    this.runs.get(task)?.staged?.withdraw();
  }

  /** Main process of a running task; 0 when it has none, or its number is not known yet. */
  pidOf(task: HeldTask): number {
    return this.runs.get(task)?.handle?.pid ?? 0;
  }

  /** Interrupts a task; after a second what is left of it is killed. Memory that is running out does not wait, nor what must not notice. */
  stop(task: HeldTask): void {
    const run = this.runs.get(task);
    if (run === undefined || run.end !== undefined || run.grace !== undefined) return;
    run.handle?.signalGroup(task.stop === 'memory-limit' || stopsUnnoticed(task) ? 'SIGKILL' : 'SIGINT');
    run.grace = this.options.deadlines.after(STOP_GRACE_MS, () => run.handle?.signalGroup('SIGKILL'));
  }

  /** Kills everything at once. Their ends are reported as usual. */
  killAll(): void {
    for (const run of this.runs.values()) if (run.end === undefined) run.handle?.signalGroup('SIGKILL');
  }

  private begin(task: HeldTask): Run | undefined {
    const run: Run = {
      task,
      paths: taskPaths(task),
      startedMs: performance.now(),
      stream: undefined,
      directory: null,
      handle: undefined,
      staged: undefined,
      limit: undefined,
      grace: undefined,
      end: undefined,
      usage: null,
      peakMemBytes: null,
      wallMs: 0,
      endedAtMs: 0,
      next: null,
    };
    this.runs.set(task, run);
    const earlier = earlierEnd(task, run.paths.cwd);
    if (earlier !== undefined) {
      if (task.state === 'staged') this.onReturned(run, false);
      else this.endUnstarted(run, earlier);
      return undefined;
    }
    try {
      run.stream = this.beginStream(run);
    } catch (error) {
      if (!(error instanceof HqError)) throw error;
      if (task.state === 'staged') this.onReturned(run, false);
      else this.endUnstarted(run, { kind: 'log', error: error.message });
      return undefined;
    }
    if (task.nodes === null && task.body.taskDir !== true) return run;
    const directory = makeTaskDirectory(this.options.workDir, task);
    if (typeof directory !== 'string') run.directory = directory;
    else if (task.state === 'staged') this.onReturned(run, false);
    else this.endUnstarted(run, { kind: 'internal', error: directory });
    return run.directory === null ? undefined : run;
  }

  private endUnstarted(run: Run, end: TaskEnd): void {
    this.onExit(run, { end, usage: null, time: null, next: null });
  }

  private limit(run: Run): void {
    const { timeLimitMs } = run.task.body;
    if (timeLimitMs !== null && run.end === undefined)
      run.limit = this.options.deadlines.after(timeLimitMs, () => this.options.onTimeLimit(run.task));
  }

  /** Once per second: copies the output of running streamed tasks. */
  sweep(nowMs: number): void {
    this.options.streams.sweep(nowMs);
  }

  private beginStream({ task, paths }: Run): TaskStream | undefined {
    if (!isStreamed(task.body)) return undefined;
    const channels: Channel[] = [];
    if (paths.stdout === undefined) channels.push('stdout');
    if (paths.stderr === undefined) channels.push('stderr');
    return this.options.streams.begin(task, channels, Date.now());
  }

  private specOf(run: Run): LaunchSpec {
    const { task, paths } = run;
    const stdout = this.target(run, 'stdout');
    const same = typeof paths.stdout === 'string' && paths.stdout === paths.stderr;
    return {
      command: task.body.command,
      env: this.options.environment.make(task, run.directory),
      cwd: paths.cwd,
      stdin: task.body.stdin,
      controlGroup: this.options.memory.controlGroupOf(task),
      stdout,
      stderr: same ? { kind: 'same' } : this.target(run, 'stderr'),
      ...(task.body.warm === undefined ? {} : { warm: task.body.warm }),
      ...(hasWrapper(task) ? { diesUnnoticed: true } : {}),
    };
  }

  private target({ paths, stream }: Run, channel: Channel): OutputTarget {
    const path = paths[channel];
    if (typeof path === 'string') return { kind: 'file', path };
    const capture = stream === undefined ? undefined : this.options.streams.captureOf(stream, channel);
    return capture === undefined ? { kind: 'null' } : { kind: 'capture', capture };
  }

  private onExit(run: Run, { end, usage, time, next }: LaunchEnd): void {
    run.end = end;
    run.usage = usage;
    run.wallMs = time?.wallMs ?? performance.now() - run.startedMs;
    run.endedAtMs = Math.round(time?.atMs ?? Date.now());
    this.options.deadlines.cancel(run.limit);
    this.options.deadlines.cancel(run.grace);
    if (next !== null) run.next = this.runsNow(next).task;
    this.ended.push(run);
    if (this.ended.length === 1) setImmediate(() => this.reportEnds());
  }

  /** A staged task has started. */
  private runsNow(handle: LaunchHandle): Run {
    const run = this.staged.get(handle);
    if (run === undefined) throw new Error('invariant broken: a task took over that was not staged');
    this.staged.delete(handle);
    run.staged = undefined;
    run.startedMs = performance.now();
    this.limit(run);
    return run;
  }

  private onReturned(run: Run, lost: boolean): void {
    if (run.staged !== undefined) this.staged.delete(run.staged);
    this.runs.delete(run.task);
    this.options.memory.discard(run.task);
    if (run.stream !== undefined) this.options.streams.abandon(run.stream);
    run.directory?.remove();
    this.returned.push({ task: run.task, lost });
    if (this.returned.length === 1) setImmediate(() => this.options.onReturned(this.returned.splice(0)));
  }

  private reportEnds(): void {
    const runs = this.ended;
    this.ended = [];
    for (const run of runs) {
      Object.assign(run, this.options.memory.ended(run.task, run.end as TaskEnd));
      run.end = settleWrapper(run.task, run.paths.cwd, run.end as TaskEnd);
    }
    this.completeLogs(runs);
    const ends: TaskEnded[] = [];
    for (const run of runs) {
      this.runs.delete(run.task);
      const end = withMessage(run);
      run.directory?.remove();
      if (outcomeOf(run.task, end) === 'finished') removeFiles(filesToRemove(run.task, run.paths));
      ends.push({ task: run.task, end, usage: usageOf(run), atMs: run.endedAtMs, next: run.next });
    }
    this.options.onEnded(ends);
  }

  /** The log must hold the end of a task before anybody hears of it; a task whose output is lost has failed. */
  private completeLogs(runs: readonly Run[]): void {
    const streamed = runs.filter((run) => run.stream !== undefined);
    if (streamed.length === 0) return;
    for (const run of streamed) {
      try {
        this.options.streams.end(run.stream as TaskStream, logOutcome(outcomeOf(run.task, run.end as TaskEnd)), run.endedAtMs);
      } catch (error) {
        if (!(error instanceof HqError)) throw error;
        failByLog(run, error);
      }
    }
    const errors = this.options.streams.flush();
    for (const run of streamed) {
      const error = errors.get((run.stream as TaskStream).log);
      if (error !== undefined) failByLog(run, error);
    }
  }
}

/** The end with what the task itself has said about its failure. */
function withMessage({ task, directory, end }: Run): TaskEnd {
  const known = end as TaskEnd;
  const says = (known.kind === 'exit' || known.kind === 'signal') && task.stop === null && outcomeOf(task, known) === 'failed';
  const message = says ? (directory?.errorMessage() ?? null) : null;
  return message === null ? known : ({ ...known, message } as TaskEnd);
}

/** Only a success is taken back: another failure says more. */
function failByLog(run: Run, error: HqError): void {
  if (outcomeOf(run.task, run.end as TaskEnd) === 'finished') run.end = { kind: 'log', error: error.message };
}

function logOutcome(outcome: TaskOutcome): Outcome {
  return outcome === 'unwanted' ? 'canceled' : outcome;
}

/** What was too short for a look at its memory has been no larger than its largest process. */
function usageOf({ wallMs, usage, end, peakMemBytes }: Run): TaskUsage | null {
  if (end?.kind === 'spawn') return null;
  const maxRssBytes = usage?.maxRssBytes ?? null;
  const known = [peakMemBytes, maxRssBytes].filter((bytes) => bytes !== null);
  const peak = known.length === 0 ? null : Math.max(...known);
  return { wallMs, userMs: usage?.userMs ?? null, systemMs: usage?.systemMs ?? null, maxRssBytes, peakMemBytes: peak };
}

function removeFiles(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      rmSync(path, { force: true });
    } catch {
      // The task has finished; a file that cannot be removed is no reason to say otherwise.
    }
  }
}
