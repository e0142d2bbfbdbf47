/** Reads, writes and removes control groups, which the kernel shows as directories. Called by both versions of the hierarchy and their users. */
import { readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @returns the trimmed text of a file of a group; empty when there is none, or no such group any more */
export function readGroup(group: string, file: string): string {
  try {
    return readFileSync(join(group, file), 'utf8').trim();
  } catch {
    return '';
  }
}

/** @returns a file that holds one number; undefined when it does not, or is not there */
export function readNumber(group: string, file: string): number | undefined {
  const text = readGroup(group, file);
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** @returns the number of a line `name number` of a file; undefined when there is none */
export function readCount(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** @throws Error with the code of the system: the kernel refuses what is not possible at the write */
export function writeGroup(group: string, file: string, text: string): void {
  // Without O_CREAT: what is not there is no file of a group.
  writeFileSync(join(group, file), text, { flag: 'r+' });
}

/** As `writeGroup`, for a file that this kernel may not have: limits on swap where swap is not accounted. */
export function writeIfThere(group: string, file: string, text: string): void {
  try {
    writeGroup(group, file, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/** @returns process ids in a group itself; 0 for those that this process cannot see */
export function processesOf(group: string): number[] {
  const text = readGroup(group, 'cgroup.procs');
  return text === '' ? [] : text.split('\n').map(Number);
}

/** @returns process ids in a group and in all below it, because a task may have divided its own; only those that this process can see */
export function allProcessesOf(group: string): number[] {
  return [...processesOf(group).filter((pid) => pid !== 0), ...groupsIn(group).flatMap((name) => allProcessesOf(join(group, name)))];
}

/** @returns names of the groups in a group; empty when it is gone */
export function groupsIn(group: string): string[] {
  try {
    return readdirSync(group, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));
  } catch {
    return [];
  }
}

/** Kills everything in a group and below it. What is not gone at once ends soon; what is being born meanwhile needs another call. */
export function killAll(group: string): void {
  try {
    // Since Linux 5.14, version 2: none escapes by forking.
    return writeGroup(group, 'cgroup.kill', '1');
  } catch {
    for (const pid of allProcessesOf(group)) kill(pid);
  }
}

/** @returns whether a group and all below it are gone; false while there are processes */
export function removeGroup(group: string): boolean {
  if (isRemoved(group)) return true;
  for (const name of groupsIn(group)) removeGroup(join(group, name));
  return isRemoved(group);
}

function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
