/**
 * Makes sure that nothing of a task's process group survives the task: kills what is left when its main process has ended, and waits until it is
 * gone. Used by launchers that cannot do better.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Waiting times before looking again, milliseconds; a killed process is usually gone within the first. */
const WAITS_MS = [1, 2, 4, 8, 16, 50];

/** A process in an uninterruptible wait (a hanging file system) cannot be waited for longer than this, milliseconds. */
const GIVE_UP_MS = 2_000;

export class GroupReaper {
  /**
   * @param pid process group whose leader has been reaped
   * @param done called when no process of the group is left, at once in the usual case that there is none
   */
  clear(pid: number, done: () => void): void {
    if (signalGroup(pid, 'SIGKILL')) this.wait({ pid, done, round: 0, sinceMs: performance.now() });
    else done();
  }

  private wait(o: { pid: number; done: () => void; round: number; sinceMs: number }): void {
    const waitMs = WAITS_MS[Math.min(o.round, WAITS_MS.length - 1)] as number;
    setTimeout(() => {
      if (performance.now() - o.sinceMs > GIVE_UP_MS || isGone(o.pid, o.round)) o.done();
      else this.wait({ ...o, round: o.round + 1 });
    }, waitMs);
  }
}

/** @returns false when there is no such group */
export function signalGroup(pid: number, signal: 'SIGINT' | 'SIGKILL' | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    // EPERM: there is a process, but of another user; nothing can be done about it.
    return (error as NodeJS.ErrnoException).code === 'EPERM' && signal === 0;
  }
}

/** Where nobody collects orphans, a killed process stays as a zombie, which still counts for kill(2); those are told apart in /proc. */
function isGone(pid: number, round: number): boolean {
  if (!signalGroup(pid, 0)) return true;
  return round >= WAITS_MS.length - 1 && livingMembers(pid) === 0;
}

function livingMembers(group: number): number {
  let count = 0;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      // The program's name in parentheses may hold anything; state, parent and group follow the last one.
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(pgrp) === group && state !== 'Z' && state !== 'X') count += 1;
    } catch {
      // It ended while we looked.
    }
  }
  return count;
}
