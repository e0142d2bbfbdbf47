/**
 * Runs one worker from its start to its end. Called by `worker start` through a dynamic import.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { HqError } from '../protocol/errors.ts';
import { findWorkerAccess, readWorkerAccess } from './access.ts';
import { memoryGuardOf, openTaskGroups } from './cgroup/openGroups.ts';
import type { TaskGroups } from './cgroup/taskGroups.ts';
import { makeConfiguration, resourcesOf, type Surroundings } from './configuration.ts';
import { chooseLauncher } from './executor/chooseLauncher.ts';
import type { Launcher } from './executor/launcher.ts';
import { NativeLauncher } from './executor/nativeLauncher.ts';
import { WarmLauncher } from './executor/warmLauncher.ts';
import { NoteSocket } from './noteSocket.ts';
import { Notices } from './notices.ts';
import type { WorkerOptions } from './options.ts';
import { Worker, type WorkerParts } from './worker.ts';

const CONNECT_TIMEOUT_MS = 20_000;
/** Defaults of `--overview-interval` and `--retract-check-interval`. */
const OVERVIEW_INTERVAL_MS = 1_000;
const RETRACT_CHECK_MS = 1_000;

/**
 * @returns the exit code, 0 after an orderly end (stopped by the server, by a signal, by its time limit or idle timeout)
 * @throws HqError HQ_E_NO_SERVER, HQ_E_ACCESS_FILE, HQ_E_SERVER_UNREACHABLE, HQ_E_WORKER_REFUSED, HQ_E_AUTH, HQ_E_VERSION when it did not get to
 * work, HQ_E_SERVER_LOST when it ended because of its server, HQ_E_USAGE and HQ_E_RESOURCE_DESCRIPTOR for a wrong configuration
 */
export async function runWorker(options: WorkerOptions): Promise<number> {
  const startedAtMs = Date.now();
  const { io, overrides = {} } = options;
  const log: WorkerParts['log'] = (level, line) => {
    io.stderr.write(`${new Date().toISOString().slice(0, 19)}Z ${level} ${line}\n`);
  };
  const surroundings: Surroundings = { overrides, env: io.env, warn: (line) => log('WARN', line) };
  // First of all what was typed: a mistake in it has nothing to do with any server.
  const resources = resourcesOf(surroundings);
  const accessPath = findWorkerAccess(options.serverDir);
  readWorkerAccess(accessPath);
  const workDir = makeWorkDir(overrides.workDir ?? io.env.TMPDIR ?? tmpdir());
  /** Aborted when no task can be started any more: the worker leaves, and its tasks run elsewhere. */
  const broken = new AbortController();
  let launcher: Launcher | undefined;
  const notices = new Notices();
  let notes: NoteSocket | null = null;
  let groups: TaskGroups | null = null;
  const { memEnforce = 'on' } = overrides;
  try {
    notes = await NoteSocket.open(workDir).catch((error: Error) => {
      log('WARN', `tasks cannot use 'hq task notify': no socket can be made: ${error.message}`);
      return null;
    });
    const plain = await chooseLauncher({
      setting: io.env.HQ_LAUNCHER,
      directory: workDir,
      path: options.launcherPath,
      warn: (line) => log('WARN', line),
      onBroken: (why) => {
        log('ERROR', `tasks cannot be started any more: hqspawn has died and cannot be started again: ${why}`);
        broken.abort();
      },
    });
    launcher =
      plain instanceof NativeLauncher ? new WarmLauncher({ plain, directory: workDir, log, tell: (line) => notices.tell(line) }) : plain;
    groups = await openTaskGroups({ env: io.env, launcher: plain, enforce: memEnforce, resources, warn: surroundings.warn });
    const memoryGuard = memoryGuardOf(memEnforce, groups);
    const configuration = await makeConfiguration({ ...surroundings, resources, workDir, startedAtMs, memoryGuard });
    await work({
      configuration,
      accessPath,
      session: randomBytes(16).toString('hex'),
      launcher,
      notes,
      notices,
      env: io.env,
      memEnforce,
      groups,
      overviewIntervalMs: overrides.overviewIntervalMs ?? OVERVIEW_INTERVAL_MS,
      retractCheckMs: overrides.retractCheckMs ?? RETRACT_CHECK_MS,
      signalBeforeEnd: overrides.signalBeforeEnd ?? null,
      hqPath: options.hqPath ?? resolve(process.argv[1] ?? 'hq'),
      connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      log,
      onRegistered: (worker) => options.onRegistered?.(worker),
      signal: AbortSignal.any([io.signal, broken.signal]),
    });
    return 0;
  } finally {
    notes?.close();
    await launcher?.close();
    await groups?.close();
    rmSync(workDir, { recursive: true, force: true });
  }
}

/** Resolves when the worker has ended in order, else rejects. */
async function work({ signal, ...parts }: Omit<WorkerParts, 'done'> & { signal: AbortSignal }): Promise<void> {
  let stop = (): void => {};
  let kill = (): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const worker = new Worker({ ...parts, done: (error) => (error === null ? resolve() : reject(error)) });
      kill = () => worker.killAll();
      // Tasks have sessions of their own: without this they would outlive a worker that ends by a defect.
      process.on('exit', kill);
      stop = () => {
        // The caller turns the first signal into the abort; whoever sends another one does not want to wait for the grace period.
        process.on('SIGINT', kill).on('SIGTERM', kill).on('SIGHUP', kill);
        worker.stop();
      };
      worker.start();
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    process.off('SIGINT', kill).off('SIGTERM', kill).off('SIGHUP', kill).off('exit', kill);
  }
}

/** A fresh directory of this worker, for nobody else. */
function makeWorkDir(parent: string): string {
  try {
    mkdirSync(parent, { recursive: true });
    return mkdtempSync(join(parent, 'hq-worker'));
  } catch (error) {
    throw new HqError(
      'HQ_E_FILE',
      { path: parent, detail: `no working directory can be made: ${(error as Error).message}` },
      { cause: error },
    );
  }
}
