/** Asks and ends the server of one server directory through the built `hq`, and finds processes that were left behind. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { mustRun, run } from './command.mjs';
import { hq } from './paths.mjs';
import { Trouble } from './text.mjs';

/** Time for server, workers and their helpers to end after `server stop`. */
const END_LIMIT_MS = 15_000;
const POLL_MS = 100;

const call = (serverDir, ...args) => [process.execPath, [hq, ...args], { env: { HQ_SERVER_DIR: serverDir } }];

/** What `hq --output-mode json …` answers. */
export async function ask(serverDir, ...args) {
  const text = await mustRun(`hq ${args.join(' ')}`, ...call(serverDir, '--output-mode', 'json', ...args));
  return JSON.parse(text);
}

function startInBackground(serverDir, ...words) {
  const [command, args, { env }] = call(serverDir, ...words);
  spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore', detached: true }).unref();
}

/**
 * Starts a server that ends when nobody has used it for a while.
 * @param {{ workerCpus?: number }} [o] workerCpus: with a worker that has so many
 */
export async function startServer(serverDir, { workerCpus } = {}) {
  startInBackground(serverDir, 'server', 'start', '--host', '127.0.0.1', '--exit-when-idle', '10min');
  await mustRun('hq server wait', ...call(serverDir, 'server', 'wait', '--timeout', '30s'));
  if (workerCpus !== undefined) startInBackground(serverDir, 'worker', 'start', '--cpus', String(workerCpus));
}

/** Jobs and workers of the server, past ones included. */
export async function whatHappened(serverDir) {
  const { code } = await run(...call(serverDir, 'server', 'info'));
  // an embedded server has ended with its last user; the journal knows everything, so a server on the same directory can tell
  if (code !== 0) await startServer(serverDir);
  const jobs = await ask(serverDir, 'job', 'list', '--all');
  const workers = await ask(serverDir, 'worker', 'list', '--all');
  const count = (state) => jobs.reduce((sum, job) => sum + (job.task_stats[state] ?? 0), 0);
  return {
    jobs: jobs.length,
    tasks: jobs.reduce((sum, job) => sum + job.task_count, 0),
    finished: count('finished'),
    workers: workers.length,
  };
}

/** Processes that carry this server directory in their environment: whatever was started for it, at any depth. */
export function processesOf(serverDir) {
  const mark = `\0HQ_SERVER_DIR=${serverDir}\0`;
  const isMarked = (pid) => {
    try {
      return `\0${readFileSync(`/proc/${pid}/environ`, 'utf8')}`.includes(mark);
    } catch {
      return false; // it has ended, or is somebody else's
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isMarked(name));
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

function killAll(serverDir) {
  const left = processesOf(serverDir).map((pid) => ({ pid, command: commandOf(pid) }));
  for (const { pid } of left) process.kill(Number(pid), 'SIGKILL');
  const lines = left.map(({ pid, command }) => `${pid} ${command}`);
  throw new Trouble(`left behind after hq server stop, and killed now:\n${lines.join('\n')}`);
}

/** Stop the server, if it still runs, and wait until nothing of it is left. */
export async function stopServer(serverDir) {
  if (processesOf(serverDir).length > 0) await run(...call(serverDir, 'server', 'stop'));
  const deadline = performance.now() + END_LIMIT_MS;
  while (processesOf(serverDir).length > 0) {
    if (performance.now() > deadline) killAll(serverDir);
    await delay(POLL_MS);
  }
}
