/** Runs programs for the scripts: shown or captured, with a time limit, and never left behind when the script is interrupted. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { root } from './paths.mjs';
import { lastLines, Trouble } from './text.mjs';

/** Between the polite and the final signal: Snakemake, pytest and vitest need a moment to stop what they have started. */
const GRACE_MS = 10_000;

/** How long output may still come after a program has ended. */
const DRAIN_MS = 1_000;

/** Programs that run now, each at the head of an own process group. */
const running = new Set();

/** The user ended the script. Passes through `finally` blocks, so that what was started in the background is stopped too. */
export class Interrupted extends Trouble {
  constructor(signal) {
    super(`interrupted by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

function signalGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // the group has ended by itself
  }
}

function stop(child) {
  signalGroup(child, 'SIGTERM');
  setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS).unref();
}

function interrupt(signal) {
  if (running.size === 0) process.exit(128 + constants.signals[signal]);
  for (const child of running) {
    // Snakemake cancels its jobs on SIGINT and waits for them on SIGTERM; who presses Ctrl-C a second time wants neither
    signalGroup(child, child.interruptedBy === undefined ? 'SIGINT' : 'SIGKILL');
    child.interruptedBy ??= signal;
    setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS).unref();
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);

/** Collects the output of a program and hands on its complete lines. */
function collector(child, onLine) {
  let output = '';
  let rest = '';
  const collect = (chunk) => {
    output += chunk;
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) onLine?.(line);
  };
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', collect);
  return () => output;
}

/** Calls back once with the exit code: 127 when the program could not be started. */
function whenEnded(child, callback) {
  let isOver = false;
  const end = (code, problem) => {
    if (isOver) return;
    isOver = true;
    child.stdout?.destroy();
    child.stderr?.destroy();
    callback(code, problem);
  };
  const codeOf = (code, signal) => code ?? 128 + constants.signals[signal];
  child.once('error', (error) => end(127, error.message));
  child.once('close', (code, signal) => end(codeOf(code, signal), ''));
  // a daemon that the program has left behind may hold its output open, and must not hold us; nor must the timer when the output has ended
  child.once('exit', (code, signal) => setTimeout(end, DRAIN_MS, codeOf(code, signal), '').unref());
}

/**
 * Run a program to its end.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, show?: boolean, limitMs?: number, onLine?: (line: string) => void }} [options]
 *   show: pass the output on instead of collecting it; env: added to the environment
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>}
 */
export function run(program, args, options = {}) {
  const { cwd = root, env = {}, show = false, limitMs, onLine } = options;
  return new Promise((resolve, reject) => {
    const stdio = show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'];
    // an own process group, so that a time limit ends the program together with everything it has started
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio, detached: true });
    if (child.pid !== undefined) running.add(child);
    const output = collector(child, onLine);
    let timedOut = false;
    const onLimit = () => {
      timedOut = true;
      stop(child);
    };
    const timer = limitMs === undefined ? undefined : setTimeout(onLimit, limitMs);
    whenEnded(child, (code, problem) => {
      clearTimeout(timer);
      running.delete(child);
      if (child.interruptedBy === undefined) resolve({ code, output: output() + problem, timedOut });
      else reject(new Interrupted(child.interruptedBy));
    });
  });
}

/** Run a program whose failure ends the step; its last lines are shown then. */
export async function mustRun(what, program, args, options) {
  const result = await run(program, args, options);
  if (result.code !== 0) throw new Trouble(`${lastLines(result.output, 30)}\n${what} failed (exit code ${result.code})`);
  return result.output;
}
