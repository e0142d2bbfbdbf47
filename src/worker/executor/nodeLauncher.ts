/**
 * Starts tasks with Node's own `child_process`. Works everywhere without a compiler; Node forks its whole process for each, which costs most of
 * the time of a short task. It binds tasks to CPUs through the program `taskset`, knows no resource use, and its tasks outlive a worker that is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TaskEnd } from '../heldTask.ts';
import { type Capture, FileCapture } from './capture.ts';
import { GroupReaper, signalGroup } from './groupReaper.ts';
import type { Lane, LaunchEnd, Launcher, LaunchHandle, LaunchSpec, OnExit, OutputTarget } from './launcher.ts';
import { impossibleText, launchText } from './launchText.ts';
import { offerToOomKiller } from './oomScore.ts';
import { spawnErrorText } from './spawnErrorText.ts';

/** Directories that are remembered as existing; tasks that each have their own must not fill the memory. */
const MAX_DIRECTORIES = 10_000;

/** Nobody reading from a named pipe must not stop the whole worker, hence not blocking; for files it changes nothing. */
const OUTPUT_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NONBLOCK;

const STDIN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

const NO_PROCESS: LaunchHandle = { pid: 0, signalGroup: () => {} };

type Stdio = ('ignore' | number)[];
type SetUpStep = Exclude<Parameters<typeof launchText>[0], 'exec' | 'start'>;

/** A step before the process exists failed. */
class SetUpError extends Error {
  readonly step: SetUpStep;

  constructor(step: SetUpStep, cause: unknown) {
    super(step, { cause });
    this.step = step;
  }
}

export class NodeLauncher implements Launcher {
  /** Node names a process only when it runs: what it has started by then would be outside, and a limit with a hole says less than samples. */
  readonly entersGroups = false;
  readonly queue: null = null;
  private readonly directory: string;
  private readonly reaper = new GroupReaper();
  /** Directories known to exist, so that making them costs nothing for the second task. */
  private readonly directories = new Set<string>();
  private fileNumber = 0;

  /** @param directory node-local directory of this worker, for files of running tasks */
  constructor(directory: string) {
    this.directory = directory;
  }

  launch(given: LaunchSpec, lane: Lane, onExit: OnExit): LaunchHandle {
    const spec = lane.cpus === null ? given : { ...given, command: ['taskset', '-c', lane.cpus.join(','), ...given.command] };
    const opened: number[] = [];
    try {
      const impossible = impossibleText(spec, lane.vars);
      if (impossible !== undefined) return failed(impossible, onExit);
      const stdin = spec.stdin === null ? 'ignore' : this.openStdin(spec.stdin, opened);
      this.ensureDirectory(spec.cwd, 'make-cwd');
      const stdout = this.openOutput(spec.stdout, opened, 'stdout');
      const stderr = spec.stderr.kind === 'same' ? stdout : this.openOutput(spec.stderr, opened, 'stderr');
      return this.spawn({ spec, lane, stdio: [stdin, stdout, stderr] }, onExit);
    } catch (error) {
      const isOurs = error instanceof SetUpError;
      return failed(isOurs ? launchText(error.step, { spec, cpus: lane.cpus }, error.cause) : spawnErrorText(spec, error), onExit);
    } finally {
      for (const fd of opened) closeSync(fd);
    }
  }

  capture(): Capture {
    this.fileNumber += 1;
    return FileCapture.make(this.directory, this.fileNumber);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private spawn(o: { spec: LaunchSpec; lane: Lane; stdio: Stdio }, onExit: OnExit): LaunchHandle {
    const { spec } = o;
    let child = startProcess(o);
    if (child.pid === undefined && !existsSync(spec.cwd)) {
      // Somebody has removed a directory that was there for an earlier task.
      child.once('error', () => {});
      this.directories.delete(spec.cwd);
      this.ensureDirectory(spec.cwd, 'make-cwd');
      child = startProcess(o);
    }
    const { pid } = child;
    if (pid === undefined) {
      child.once('error', (error) => onExit(endOf({ kind: 'spawn', error: spawnErrorText(spec, error) })));
      return NO_PROCESS;
    }
    offerToOomKiller(pid);
    let ended = false;
    child.once('exit', (code, signal) => {
      ended = true;
      const end: TaskEnd = signal === null ? { kind: 'exit', code: code ?? -1 } : { kind: 'signal', signal };
      this.reaper.clear(pid, () => onExit(endOf(end)));
    });
    // After the end the number may belong to somebody else.
    return { pid, signalGroup: (signal) => void (ended || signalGroup(pid, signal)) };
  }

  /** A file without a name: nothing has to be fed while the task runs, and nothing is left when it does not read. */
  private openStdin(data: Uint8Array, opened: number[]): number {
    this.fileNumber += 1;
    const path = join(this.directory, `stdin-${this.fileNumber}`);
    try {
      const writing = openSync(path, STDIN_FLAGS, 0o600);
      try {
        for (let at = 0; at < data.length; ) at += writeSync(writing, data, at);
        // Opened again because the task must begin to read at the start.
        const fd = openSync(path, constants.O_RDONLY);
        opened.push(fd);
        return fd;
      } finally {
        closeSync(writing);
        unlinkSync(path);
      }
    } catch (error) {
      throw new SetUpError('stdin', error);
    }
  }

  private openOutput(target: OutputTarget, opened: number[], channel: 'stdout' | 'stderr'): 'ignore' | number {
    switch (target.kind) {
      case 'null':
        return 'ignore';
      case 'capture':
        // Only this launcher's own captures come here.
        return (target.capture as FileCapture).fd;
      case 'file': {
        const fd = this.openFile(target.path, channel);
        opened.push(fd);
        return fd;
      }
    }
  }

  private openFile(path: string, channel: 'stdout' | 'stderr'): number {
    const directory = dirname(path);
    try {
      this.ensureDirectory(directory, `make-${channel}-directory`);
      return openSync(path, OUTPUT_FLAGS, 0o666);
    } catch (error) {
      if (error instanceof SetUpError) throw error;
      const removed = (error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync(directory);
      if (removed && this.directories.delete(directory)) return this.openFile(path, channel);
      throw new SetUpError(`open-${channel}`, error);
    }
  }

  private ensureDirectory(path: string, step: SetUpStep): void {
    if (this.directories.has(path)) return;
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw new SetUpError(step, error);
    }
    if (this.directories.size >= MAX_DIRECTORIES) this.directories.clear();
    this.directories.add(path);
  }
}

function failed(error: string, onExit: OnExit): LaunchHandle {
  setImmediate(() => onExit(endOf({ kind: 'spawn', error })));
  return NO_PROCESS;
}

/** Node tells no more than how it ended. */
function endOf(end: TaskEnd): LaunchEnd {
  return { end, usage: null, time: null, next: null };
}

/** `detached` makes a new session, and with it a process group of the child's pid. */
function startProcess({ spec, lane, stdio }: { spec: LaunchSpec; lane: Lane; stdio: Stdio }): ChildProcess {
  const [program = '', ...args] = spec.command;
  const env = { ...spec.env.shared, ...lane.vars, ...spec.env.common, ...spec.env.own };
  return spawn(program, args, { cwd: spec.cwd, env, detached: true, stdio });
}
