/** The launchers under test: Node's, hqspawn as it is shipped and with the checks of the compiler built in, and the loop of warm runners. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildProgram, hasCompiler, LAUNCHER, SANITIZED } from '../../../scripts/lib/launcher.mjs';
import type { Lane, LaunchEnd, Launcher, LaunchHandle, LaunchSpec } from '../../../src/worker/executor/launcher.ts';
import { NativeLauncher } from '../../../src/worker/executor/nativeLauncher.ts';
import { NodeLauncher } from '../../../src/worker/executor/nodeLauncher.ts';

export type LauncherName = 'node' | 'native' | 'native, sanitized' | 'warm runner';

/** Where there is no compiler, only Node's is left to test. */
const COMPILER = await hasCompiler();

export const NATIVE_LAUNCHERS: readonly LauncherName[] = COMPILER ? ['native', 'native, sanitized'] : [];
export const LAUNCHERS: readonly LauncherName[] = ['node', ...NATIVE_LAUNCHERS, 'warm runner'];

/** @returns the program, compiled when it is not there yet */
export async function hqspawnPath(name: LauncherName): Promise<string> {
  const path = resolve('build/test-launcher', name === 'native' ? 'hqspawn' : 'hqspawn-sanitized');
  if (!(await buildProgram(LAUNCHER, path, name === 'native' ? {} : SANITIZED))) throw new Error('no compiler');
  return path;
}

/** The loop of a warm runner, whose tasks all become their commands. */
function plainRunner(directory: string): { path: string; args: string[]; restarts: boolean } {
  return { path: 'python3', args: [resolve('test/unit/worker/plainRunner.py'), directory], restarts: false };
}

/** One launcher with a directory of its own. */
export class LauncherFixture {
  readonly launcher: Launcher;
  readonly directory: string;
  /** What `onBroken` was called with. */
  readonly broken: string[] = [];
  private readonly running: LaunchHandle[] = [];

  private constructor(launcher: Launcher, directory: string, broken: string[]) {
    this.launcher = launcher;
    this.directory = directory;
    this.broken = broken;
  }

  static async start(name: LauncherName, o: { path?: string } = {}): Promise<LauncherFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'hq-launcher-'));
    if (name === 'node') return new LauncherFixture(new NodeLauncher(directory), directory, []);
    const broken: string[] = [];
    const launcher = await NativeLauncher.start({
      ...(name === 'warm runner' ? plainRunner(directory) : { path: o.path ?? (await hqspawnPath(name)) }),
      directory,
      // Tasks are forked from a process with little memory, which the sanitizer would otherwise look through at each exit.
      env: { ASAN_OPTIONS: 'detect_leaks=0', PATH: process.env.PATH ?? '/usr/bin', PYTHONPATH: resolve('python-shim/src') },
      onBroken: (why) => broken.push(why),
    });
    return new LauncherFixture(launcher, directory, broken);
  }

  get native(): NativeLauncher {
    return this.launcher as NativeLauncher;
  }

  spec(o: SpecOptions = {}): LaunchSpec {
    const { sh, lane: _lane, ...rest } = o;
    return {
      command: ['sh', '-c', sh ?? ''],
      env: { shared: ENVIRONMENT, common: {}, own: { MARKER: this.directory } },
      cwd: this.directory,
      stdin: null,
      controlGroup: null,
      stdout: { kind: 'file', path: join(this.directory, 'out') },
      stderr: { kind: 'file', path: join(this.directory, 'err') },
      ...rest,
    };
  }

  start(o: SpecOptions): { handle: LaunchHandle; ended: Promise<Ended> } {
    let handle: LaunchHandle | undefined;
    const ended = new Promise<Ended>((done) => {
      handle = this.launcher.launch(this.spec(o), { ...NO_LANE, ...o.lane }, done);
    });
    this.running.push(handle as LaunchHandle);
    return { handle: handle as LaunchHandle, ended };
  }

  run(o: SpecOptions): Promise<Ended> {
    return this.start(o).ended;
  }

  async stop(): Promise<void> {
    for (const handle of this.running) handle.signalGroup('SIGKILL');
    await this.launcher.close();
    if (existsSync(this.directory)) rmSync(this.directory, { recursive: true });
  }
}

export type SpecOptions = Partial<LaunchSpec> & { sh?: string; lane?: Partial<Lane> };
export type Ended = LaunchEnd;

/** A task that hands nothing over. */
export const NO_LANE: Lane = { group: 0, vars: {}, cpus: null };

/** Of all tasks; the same object, as in a worker. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  SHARED: 'shared',
  REPLACED: 'no',
};
