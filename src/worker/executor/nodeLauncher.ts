/**
 * Starts tasks with Node's own `child_process`. Works everywhere without a compiler; Node forks its whole process for each, which costs most of
 * the time of a short task.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorWords } from '../failureText.ts';
import type { TaskEnd } from '../heldTask.ts';
import { GroupReaper, signalGroup } from './groupReaper.ts';
import type { Launcher, LaunchHandle, LaunchSpec, OnExit, OutputTarget } from './launcher.ts';
import { spawnErrorText } from './spawnErrorText.ts';

/** Directories that are remembered as existing; tasks that each have their own must not fill the memory. */
const MAX_DIRECTORIES = 10_000;

/** Nobody reading from a named pipe must not stop the whole worker, hence not blocking; for files it changes nothing. */
const OUTPUT_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NONBLOCK;

const NO_PROCESS: LaunchHandle = { signalGroup: () => {} };

type Stdio = ('ignore' | number)[];

/** A step before the process exists failed; the message is for the user. */
class SetUpError extends Error {}

export class NodeLauncher implements Launcher {
  private readonly reaper = new GroupReaper();
  /** Directories known to exist, so that making them costs nothing for the second task. */
  private readonly directories = new Set<string>();

  launch(spec: LaunchSpec, onExit: OnExit): LaunchHandle {
    const opened: number[] = [];
    try {
      this.ensureDirectory(spec.cwd, 'the working directory');
      const stdout = this.openOutput(spec.stdout, opened, 'standard output');
      const stderr = spec.stderr.kind === 'same' ? stdout : this.openOutput(spec.stderr, opened, 'standard error');
      return this.spawn(spec, [spec.stdin ?? 'ignore', stdout, stderr], onExit);
    } catch (error) {
      const text = error instanceof SetUpError ? error.message : spawnErrorText(spec, error);
      setImmediate(() => onExit({ kind: 'spawn', error: text }, null));
      return NO_PROCESS;
    } finally {
      for (const fd of opened) closeSync(fd);
    }
  }

  private spawn(spec: LaunchSpec, stdio: Stdio, onExit: OnExit): LaunchHandle {
    let child = startProcess(spec, stdio);
    if (child.pid === undefined && !existsSync(spec.cwd)) {
      // Somebody has removed a directory that was there for an earlier task.
      child.once('error', () => {});
      this.directories.delete(spec.cwd);
      this.ensureDirectory(spec.cwd, 'the working directory');
      child = startProcess(spec, stdio);
    }
    const { pid } = child;
    if (pid === undefined) {
      child.once('error', (error) => onExit({ kind: 'spawn', error: spawnErrorText(spec, error) }, null));
      return NO_PROCESS;
    }
    let ended = false;
    child.once('exit', (code, signal) => {
      ended = true;
      const end: TaskEnd = signal === null ? { kind: 'exit', code: code ?? -1 } : { kind: 'signal', signal };
      this.reaper.clear(pid, () => onExit(end, null));
    });
    // After the end the number may belong to somebody else.
    return { signalGroup: (signal) => void (ended || signalGroup(pid, signal)) };
  }

  private openOutput(target: OutputTarget, opened: number[], what: string): 'ignore' | number {
    switch (target.kind) {
      case 'null':
        return 'ignore';
      case 'fd':
        return target.fd;
      case 'file': {
        const fd = this.openFile(target.path, what);
        opened.push(fd);
        return fd;
      }
    }
  }

  private openFile(path: string, what: string): number {
    const directory = dirname(path);
    try {
      this.ensureDirectory(directory, `the directory of ${what}`);
      return openSync(path, OUTPUT_FLAGS, 0o666);
    } catch (error) {
      if (error instanceof SetUpError) throw error;
      const removed = (error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync(directory);
      if (removed && this.directories.delete(directory)) return this.openFile(path, what);
      throw new SetUpError(`Cannot open "${path}" for ${what}: ${errorWords(error)}`);
    }
  }

  private ensureDirectory(path: string, what: string): void {
    if (this.directories.has(path)) return;
    try {
      mkdirSync(path, { recursive: true });
    } catch (error) {
      throw new SetUpError(`Cannot create ${what} "${path}": ${errorWords(error)}`);
    }
    if (this.directories.size >= MAX_DIRECTORIES) this.directories.clear();
    this.directories.add(path);
  }
}

/** `detached` makes a new session, and with it a process group of the child's pid. */
function startProcess(spec: LaunchSpec, stdio: Stdio): ChildProcess {
  const [program = '', ...args] = spec.command;
  return spawn(program, args, { cwd: spec.cwd, env: spec.env as NodeJS.ProcessEnv, detached: true, stdio });
}
