/**
 * Processes and directories of a benchmark, and what the kernel says about a process. Whatever ends the run, nothing stays behind. Used by
 * everything that starts something.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Trouble } from '../../../scripts/lib/text.mjs';

/** The kernel counts CPU time of a process in these, whatever its own tick is; milliseconds. */
const TICK_MS = 10;
/** Places in /proc/PID/stat, counted from the state. */
const STAT_FIELDS = { parent: 1, user: 11, system: 12, childrenUser: 13, childrenSystem: 14 };
/** A process that does not follow its signal within this time is killed, milliseconds. */
const END_LIMIT_MS = 30_000;

const running = new Set();
const folders = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Keeps a process in mind until it has ended; it emits 'broken' when it ends before it was told to. @returns the same process */
export function track(child) {
  running.add(child);
  child.once('exit', () => {
    running.delete(child);
    if (!child.killed) child.emit('broken');
  });
  return child;
}

/**
 * @param {string} program @param {readonly string[]} args @param {{ cwd?: string, env?: NodeJS.ProcessEnv, stdio?: unknown }} options
 * @returns a process whose last words on stderr are kept in `complaint`
 */
export function start(program, args, options) {
  const child = track(spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], ...options }));
  child.complaint = '';
  child.stderr?.on('data', (chunk) => {
    child.complaint = (child.complaint + chunk).slice(-2_000);
  });
  child.once('error', (error) => {
    child.complaint = error.message;
    running.delete(child);
  });
  return child;
}

export const hasEnded = (child) => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;

/** Ends a process and waits for it. @throws Trouble when it had to be killed */
export async function end(child, signal = 'SIGINT') {
  if (hasEnded(child)) return;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, END_LIMIT_MS);
  child.kill(signal);
  await new Promise((done) => child.once('exit', done));
  clearTimeout(timer);
  if (late) throw new Trouble(`${child.spawnargs.join(' ')} did not end after ${signal}`);
}

/** A fresh directory, removed at the end at the latest. */
export function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'hq-bench-'));
  folders.add(folder);
  return folder;
}

export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

/** @returns {number} bytes of memory that the process has resident */
export function residentBytes(pid) {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (kib === null) throw new Error(`/proc/${pid}/status has no VmRSS`);
  return Number(kib[1]) * 1024;
}

function fieldsOf(statFile) {
  const text = readFileSync(statFile, 'utf8');
  // The name in parentheses may hold blanks; the fields after it do not.
  return text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
}

const cpuMsOf = (statFile) => cpuMs(fieldsOf(statFile));
const cpuMs = (fields) => (fields[STAT_FIELDS.user] + fields[STAT_FIELDS.system]) * TICK_MS;

/** @returns {{ allMs: number, mainMs: number }} CPU time of all threads since the start, and of the main one */
export function cpuTimes(pid) {
  return { allMs: cpuMsOf(`/proc/${pid}/stat`), mainMs: cpuMsOf(`/proc/${pid}/task/${pid}/stat`) };
}

/** @returns {number} CPU time of the process and of all that it and they have started and waited for, or that still run, milliseconds */
export function treeCpuMs(pid) {
  const known = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      known.set(Number(name), fieldsOf(`/proc/${name}/stat`));
    } catch {
      // It has ended meanwhile.
    }
  }
  const belongs = (at) => at === pid || (known.has(at) && belongs(known.get(at)[STAT_FIELDS.parent]));
  const ended = (fields) => (fields[STAT_FIELDS.childrenUser] + fields[STAT_FIELDS.childrenSystem]) * TICK_MS;
  return [...known].filter(([at]) => belongs(at)).reduce((sum, [, fields]) => sum + cpuMs(fields) + ended(fields), 0);
}
