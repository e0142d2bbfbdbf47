/** Runs programs for the scripts: shown or captured, with a time limit, and never left behind when the script is interrupted. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { root } from './paths.mjs';
import { lastLines, Trouble } from './text.mjs';

/** Between the polite and the final signal: pytest and vitest need a moment to stop what they have started. */
const GRACE_MS = 5_000;

/** Process groups of the programs that are running now. */
const running = new Set();

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group has ended by itself
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    for (const pid of running) signalGroup(pid, signal);
    setTimeout(
      () => {
        for (const pid of running) signalGroup(pid, 'SIGKILL');
        process.exit(128 + constants.signals[signal]);
      },
      running.size > 0 ? GRACE_MS : 0,
    ).unref();
    if (running.size === 0) process.exit(128 + constants.signals[signal]);
  });
}

/**
 * Run a program to its end.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, show?: boolean, limitMs?: number, onLine?: (line: string) => void }} [options]
 *   show: pass the output on instead of collecting it; env: added to the environment
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>} code 127 when the program could not be started
 */
export function run(program, args, options = {}) {
  const { cwd = root, env = {}, show = false, limitMs, onLine } = options;
  return new Promise((resolve) => {
    const stdio = show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
    // an own process group, so that a time limit ends the program together with everything it has started
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio, detached: true });
    let output = '';
    let rest = '';
    let timedOut = false;
    const collect = (chunk) => {
      output += chunk;
      if (onLine === undefined) return;
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) onLine(line);
    };
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', collect);
    const stop = () => {
      timedOut = true;
      signalGroup(child.pid, 'SIGTERM');
      setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS).unref();
    };
    const timer = limitMs === undefined ? undefined : setTimeout(stop, limitMs);
    const end = (code) => {
      clearTimeout(timer);
      running.delete(child.pid);
      resolve({ code, output, timedOut });
    };
    if (child.pid !== undefined) running.add(child.pid);
    child.once('error', (error) => {
      output += error.message;
      end(127);
    });
    child.once('close', (code, signal) => end(code ?? 128 + constants.signals[signal]));
  });
}

/** Run a program whose failure ends the step; its last lines are shown then. */
export async function mustRun(what, program, args, options) {
  const result = await run(program, args, options);
  if (result.code !== 0) throw new Trouble(`${lastLines(result.output, 30)}\n${what} failed (exit code ${result.code})`);
  return result.output;
}
