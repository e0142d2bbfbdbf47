/** Decides whether tasks get control groups of their own for their memory. Called once by `runWorker`. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import { memoryDelegation } from '../detect/delegation.ts';
import { HostFiles } from '../detect/hostFiles.ts';
import type { Launcher } from '../executor/launcher.ts';
import { runTrue } from '../launcherProbe.ts';
import { removeGroup } from './groupFiles.ts';
import type { MemoryHierarchy } from './hierarchy.ts';
import { TaskGroups } from './taskGroups.ts';
import { version1 } from './version1.ts';
import { version2 } from './version2.ts';
import { makeWorkerGroup, workerGroups } from './workerGroup.ts';

/** Limit of the group in which a program is tried: far more than it needs, bytes. */
const TRIAL_BYTES = 2 ** 28;

export interface GroupsChoice {
  /** HQ_MEM_GUARD: `cgroup`, `proc`, or `auto`, which is the default: control groups where they can be had. */
  readonly setting: string | undefined;
  readonly launcher: Launcher;
  /** What tasks hold is kept to their limit, or only noted. */
  readonly limits: boolean;
  /** Variable PATH, to find a program that is tried. */
  readonly searchPath: string;
  warn(line: string): void;
}

/**
 * @returns null where memory is sampled instead: it was asked for, or nothing else is possible, which is as usual on many machines and not said
 * @throws HqError HQ_E_USAGE for an unknown setting, and for `cgroup` when it cannot be had
 */
export async function openTaskGroups(o: GroupsChoice): Promise<TaskGroups | null> {
  const { setting = 'auto' } = o;
  if (setting === 'proc') return null;
  if (setting !== 'cgroup' && setting !== 'auto' && setting !== '')
    throw new HqError('HQ_E_USAGE', { detail: `HQ_MEM_GUARD must be auto, cgroup or proc, not '${setting}'` });
  const opened = await open(o);
  if (opened instanceof TaskGroups) return opened;
  if (setting !== 'cgroup') return null;
  throw new HqError('HQ_E_USAGE', { detail: `HQ_MEM_GUARD is cgroup, but ${opened.why}: use HQ_MEM_GUARD=auto` });
}

async function open({ launcher, limits, searchPath, warn }: GroupsChoice): Promise<TaskGroups | { why: string }> {
  if (!launcher.entersGroups) return { why: 'tasks are started by Node, which cannot put them into control groups' };
  const found = memoryDelegation(new HostFiles());
  if ('why' in found) return found;
  const { path: base } = found;
  const hierarchy = found.version === 1 ? version1 : version2;
  let group: string | undefined;
  try {
    group = makeWorkerGroup(base);
    hierarchy.enable(base, group);
    await tryOut(hierarchy, { launcher, group, searchPath });
    return new TaskGroups({ hierarchy, base, group, limits, warn });
  } catch (error) {
    if (group !== undefined) removeGroup(group);
    if (workerGroups(base).length === 0) hierarchy.disable(base);
    return { why: `control groups in ${base} cannot be used: ${(error as Error).message}` };
  }
}

/** Runs a program in a group with a limit. @throws Error with the reason when that is not possible */
async function tryOut(hierarchy: MemoryHierarchy, o: { launcher: Launcher; group: string; searchPath: string }): Promise<void> {
  const trial = join(o.group, 'trial');
  mkdirSync(trial);
  hierarchy.limit(trial, TRIAL_BYTES);
  const end = await runTrue(o.launcher, { searchPath: o.searchPath, controlGroup: join(trial, 'cgroup.procs') });
  if (end.kind !== 'exit' || end.code !== 0) throw new Error('error' in end ? end.error : 'a program that was tried there has been killed');
}
