/**
 * The control group of one worker, in which those of its tasks are. Its name says whose it is, so that the next worker removes what a killed one
 * has left. Called by `openGroups.ts` and by `taskGroups.ts`.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { groupsIn } from './groupFiles.ts';

const NAME = /^hq-worker-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/;

/** Place of the start time behind the name of the program in /proc/PID/stat. */
const START_TIME = 19;

/**
 * Makes the group of this process's worker.
 * @param base the group in which groups may be made, absolute
 * @returns its path. @throws Error of the system
 */
export function makeWorkerGroup(base: string): string {
  // A process may run several workers.
  const group = join(base, `hq-worker-${process.pid}-${startTimeOf(process.pid)}-${pidNamespace()}-${randomBytes(4).toString('hex')}`);
  mkdirSync(group);
  return group;
}

/** @returns groups of workers in `base`, absolute */
export function workerGroups(base: string): string[] {
  return groupsIn(base).flatMap((name) => (NAME.test(name) ? [join(base, name)] : []));
}

/** @returns groups in `base` whose worker has ended without removing them, absolute */
export function abandonedGroups(base: string): string[] {
  return workerGroups(base).filter((group) => {
    const [, pid, startTime, namespace] = NAME.exec(group.slice(base.length + 1)) as RegExpExecArray;
    // In another namespace the same number is another process: nobody here can tell whether it lives.
    return namespace === pidNamespace() && startTimeOf(Number(pid)) !== startTime;
  });
}

/** Clock ticks from the start of the machine to that of the process: with its number it is one of a kind. Empty when there is no such process. */
function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME] ?? '';
  } catch {
    return '';
  }
}

/** The number in `pid:[4026531836]`; 0 where that is not told. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}
