/** Decides whether tasks get control groups of their own for their memory. Called once by `runWorker`. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HqError } from '../../protocol/errors.ts';
import type { WorkerResources } from '../../protocol/schema/resources.ts';
import type { WorkerConfiguration } from '../../protocol/schema/worker.ts';
import { memoryDelegation } from '../detect/delegation.ts';
import { HostFiles } from '../detect/hostFiles.ts';
import type { Launcher } from '../executor/launcher.ts';
import { runTrue } from '../launcherProbe.ts';
import type { MemEnforce } from '../monitor/memoryMonitor.ts';
import { removeGroup } from './groupFiles.ts';
import type { MemoryHierarchy } from './hierarchy.ts';
import { TaskGroups } from './taskGroups.ts';
import { version1 } from './version1.ts';
import { version2 } from './version2.ts';
import { makeWorkerGroup, workerGroups } from './workerGroup.ts';

/** Limit of the group in which a program is tried: far more than it needs, bytes. */
const TRIAL_BYTES = 2 ** 28;

export interface GroupsChoice {
  /** HQ_MEM_GUARD in it: `cgroup`, `proc`, or `auto`, which is the default: control groups where they can be had. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly launcher: Launcher;
  readonly enforce: MemEnforce;
  /** Of the worker. */
  readonly resources: WorkerResources;
  warn(line: string): void;
}

/**
 * @returns null where no task has a group: memory is not guarded, or sampled because that was asked for or nothing else is possible, which is
 * usual on many machines and not said
 * @throws HqError HQ_E_USAGE for an unknown setting, and for `cgroup` when it cannot be had
 */
export async function openTaskGroups(o: GroupsChoice): Promise<TaskGroups | null> {
  const { HQ_MEM_GUARD: setting = 'auto' } = o.env;
  if (!['auto', 'cgroup', 'proc', ''].includes(setting))
    throw new HqError('HQ_E_USAGE', { detail: `HQ_MEM_GUARD must be auto, cgroup or proc, not '${setting}'` });
  // Without such a resource no task can request any.
  const hasMemory = o.resources.resources.some(({ name, kind }) => name === 'mem' && kind === 'sum');
  if (setting === 'proc' || o.enforce === 'off' || !hasMemory) return null;
  const opened = await open(o);
  if (opened instanceof TaskGroups) return opened;
  if (setting !== 'cgroup') return null;
  throw new HqError('HQ_E_USAGE', { detail: `HQ_MEM_GUARD is cgroup, but ${opened.why}: use HQ_MEM_GUARD=auto` });
}

/** @returns how the worker keeps tasks to their memory, as it tells the server */
export function memoryGuardOf(enforce: MemEnforce, groups: TaskGroups | null): NonNullable<WorkerConfiguration['memoryGuard']> {
  if (enforce === 'off') return 'off';
  return groups === null ? 'proc' : `cgroup-v${groups.version}`;
}

async function open({ env, launcher, enforce, warn }: GroupsChoice): Promise<TaskGroups | { why: string }> {
  if (!launcher.entersGroups) return { why: 'tasks are started by Node, which cannot put them into control groups' };
  const found = memoryDelegation(new HostFiles());
  if ('why' in found) return found;
  const { path: base } = found;
  const hierarchy = found.version === 1 ? version1 : version2;
  let group: string | undefined;
  try {
    group = makeWorkerGroup(base);
    hierarchy.enable(base, group);
    await tryOut(hierarchy, { launcher, group, searchPath: env.PATH ?? '' });
    return new TaskGroups({ hierarchy, base, group, limits: enforce === 'on', warn });
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
  removeGroup(trial);
  if (end.kind !== 'exit' || end.code !== 0) throw new Error('error' in end ? end.error : 'a program that was tried there has been killed');
}
