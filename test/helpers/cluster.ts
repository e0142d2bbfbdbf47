/**
 * Real servers and workers for end-to-end tests: processes of the built command line in a directory of their own, stopped and checked for
 * leftovers at the end. Nothing is mocked.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { checkJson } from './jsonContract.ts';

export const HQ: string = resolve('dist/bin/hq.js');

/** Built where there is a C compiler. HQ_FRONT=off: tests run without it, too. */
export const FRONT: string = resolve('dist/bin/hqfront');

/** What a shell would start for `hq …`. */
function commandOf(args: readonly string[]): [string, string[]] {
  return existsSync(FRONT) ? [FRONT, [...args]] : [process.execPath, [HQ, ...args]];
}

/** Longest wait for a condition, milliseconds: generous, because the machine may be busy. */
const WAIT_MS = 30_000;

export interface HqResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Polls until `probe` gives something other than undefined, null or false. */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs: number = WAIT_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
    if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** A long-running process of the command line with its output. */
export class HqProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  private readonly ended: Promise<number | string>;

  constructor(args: readonly string[], o: { env: NodeJS.ProcessEnv; cwd: string }) {
    this.child = spawn(...commandOf(args), { env: o.env, cwd: o.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = new Promise((done) => this.child.once('exit', (code, signal) => done(code ?? signal ?? 'unknown')));
  }

  get pid(): number {
    return this.child.pid as number;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Exit code, or the signal's name. */
  exit(): Promise<number | string> {
    return this.ended;
  }

  kill(signal: NodeJS.Signals): Promise<number | string> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** A server directory with everything that a test starts on it. */
export class Cluster {
  readonly root: string;
  readonly serverDir: string;
  /** Working directory of commands. */
  readonly work: string;
  readonly env: NodeJS.ProcessEnv;
  private readonly processes: HqProcess[] = [];

  constructor(env: NodeJS.ProcessEnv = {}) {
    this.root = mkdtempSync(join(tmpdir(), 'hq-e2e-'));
    this.serverDir = join(this.root, 'server');
    this.work = mkdtempSync(join(this.root, 'work-'));
    this.env = { ...process.env, HQ_SERVER_DIR: this.serverDir, HQ_PARANOID: '1', TMPDIR: this.root, XDG_CONFIG_HOME: this.root, ...env };
  }

  /**
   * Runs one command to its end; never throws for an exit code. JSON that it prints is held to its schema, unless it is `loose`: a worker may lie about
   * what it did.
   */
  async hq(args: readonly string[], o: { cwd?: string; input?: string; env?: NodeJS.ProcessEnv; loose?: boolean } = {}): Promise<HqResult> {
    const result = await execa(...commandOf(args), {
      cwd: o.cwd ?? this.work,
      env: { ...this.env, ...o.env },
      extendEnv: false,
      reject: false,
      stripFinalNewline: false,
      ...(o.input === undefined ? { stdin: 'ignore' as const } : { input: o.input }),
    });
    const { exitCode: code = -1, stdout, stderr } = result;
    if (o.loose !== true) checkJson({ args, env: { ...this.env, ...o.env }, code, stdout });
    return { code, stdout, stderr };
  }

  /** Runs one command that must succeed; its stdout. */
  async ok(args: readonly string[], o: { cwd?: string; input?: string; env?: NodeJS.ProcessEnv } = {}): Promise<string> {
    const result = await this.hq(args, o);
    if (result.code !== 0) throw new Error(`hq ${args.join(' ')} exited with ${result.code}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  /** Runs one command in JSON mode that must succeed; its value. */
  async json<T = unknown>(args: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok(['--output-mode', 'json', ...args])) as T;
  }

  /** Starts a server on 127.0.0.1 and waits until it answers. */
  async startServer(args: readonly string[] = []): Promise<HqProcess> {
    const server = this.start(['server', 'start', '--host', '127.0.0.1', ...args]);
    await waitFor('the server', async () => {
      if (!server.isRunning) throw new Error(`the server exited: ${server.stderr}${server.stdout}`);
      const info = await this.hq(['--output-mode', 'json', 'server', 'info']);
      return info.code === 0 && (JSON.parse(info.stdout) as { pid: number }).pid === server.pid;
    });
    return server;
  }

  /** Starts a worker and waits until it is registered. */
  async startWorker(args: readonly string[] = ['--cpus', '2'], env: NodeJS.ProcessEnv = {}): Promise<HqProcess> {
    const worker = this.start(['--output-mode', 'json', 'worker', 'start', ...args], env);
    await waitFor('the worker', () => {
      // First what it printed: a worker with a short idle timeout may have come and gone.
      if (worker.stdout.includes('"id"')) return true;
      if (!worker.isRunning) throw new Error(`the worker exited: ${worker.stderr}${worker.stdout}`);
      return false;
    });
    return worker;
  }

  /** Starts a long-running command without waiting for anything. */
  start(args: readonly string[], env: NodeJS.ProcessEnv = {}): HqProcess {
    const started = new HqProcess(args, { env: { ...this.env, ...env }, cwd: this.work });
    this.processes.push(started);
    return started;
  }

  /** Text of a file below the working directory; empty when it is not there. */
  read(path: string): string {
    const full = resolve(this.work, path);
    return existsSync(full) ? readFileSync(full, 'utf8') : '';
  }

  /** Ends everything; throws when a process started from here survives its end, because a test must leave nothing behind. */
  async stop(): Promise<void> {
    try {
      await this.hq(['server', 'stop']);
      const late = setTimeout(() => {
        for (const running of this.processes) running.child.kill('SIGKILL');
      }, 10_000);
      for (const running of this.processes) if (running.isRunning) running.child.kill('SIGTERM');
      await Promise.all(this.processes.map((running) => running.exit()));
      clearTimeout(late);
      await waitFor('all processes of the test to end', () => processesBelow(this.root).length === 0, 10_000).catch(() => {
        const left = processesBelow(this.root);
        for (const { pid } of left) process.kill(pid, 'SIGKILL');
        throw new Error(`left behind: ${left.map(({ pid, command }) => `${pid} ${command}`).join('; ')}`);
      });
    } finally {
      rmSync(this.root, { recursive: true, force: true });
    }
  }
}

/** Processes whose working directory lies below `root` (tasks, workers, servers of a test). */
export function processesBelow(root: string): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        if (!readlinkSync(`/proc/${name}/cwd`).startsWith(root)) return [];
        return [{ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }].filter(
          ({ command }) => command !== '',
        );
      } catch {
        return []; // it ended meanwhile
      }
    });
}
