/** What a run costs on the submitting host: CPU time of this process and of all its children that have ended, and files that it leaves. Used by `hq compare`. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ComparedFiles } from '../../protocol/schema/compare.ts';

/** Linux tells CPU time of processes in hundredths of a second on all its platforms (proc(5), USER_HZ). */
const TICK_MS = 10;
/** Columns of /proc/PID/stat behind the name: CPU time of children that were waited for, theirs included (proc(5)). */
const CHILD_USER = 13;
const CHILD_SYSTEM = 14;

/** Output of tasks, batch jobs, workers and workflow managers, by their usual names. */
const LOG_FILE = /^(std(out|err)|.*\.(log(\.w\d+)?|out|err|stdout|stderr))$/;

/** @returns milliseconds of CPU time so far, of this process and of those of its children that have ended */
export function cpuSoFarMs(): number {
  const { user, system } = process.cpuUsage();
  const columns = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (user + system) / 1_000 + (Number(columns[CHILD_USER]) + Number(columns[CHILD_SYSTEM])) * TICK_MS;
}

/** @returns true for a file that holds output of something that ran */
export function isLogFile(path: string): boolean {
  return LOG_FILE.test(basename(path));
}

/** @returns what has been added */
export function filesBetween(before: ComparedFiles, after: ComparedFiles): ComparedFiles {
  return { inodes: after.inodes - before.inodes, logFiles: after.logFiles - before.logFiles };
}

/** @param directory is not counted itself */
export function countFiles(directory: string): ComparedFiles {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const logs = entries.filter((entry) => entry.isFile() && isLogFile(join(entry.parentPath, entry.name)));
  return { inodes: entries.length, logFiles: logs.length };
}
