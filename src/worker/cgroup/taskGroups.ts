/**
 * Control groups of running tasks: one for each task that has requested memory, with that as its limit, so that the kernel kills it in the moment
 * in which it asks for more. Made by `openGroups.ts`; owned by `runWorker`, used through the memory guard.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { HeldTask, MemoryExcess } from '../heldTask.ts';
import { requestedBytes } from '../requestedMemory.ts';
import { allProcessesOf, groupsIn } from './groupFiles.ts';
import { GroupRemovals } from './groupRemovals.ts';
import type { MemoryHierarchy, OomCause } from './hierarchy.ts';
import { abandonedGroups, workerGroups } from './workerGroup.ts';

/** What a killed worker's launcher needs to end its tasks in order, and more, milliseconds. */
const ABANDONED_GRACE_MS = 5_000;

export interface TaskGroupsOptions {
  readonly hierarchy: MemoryHierarchy;
  /** The group that the worker may divide, absolute. */
  readonly base: string;
  /** The group of this worker in it. */
  readonly group: string;
  /** Told once when a group cannot be made. */
  warn(line: string): void;
  /** False: what a task holds is noted, and nothing else. */
  readonly limits: boolean;
}

interface TaskGroup {
  readonly path: string;
  readonly limitBytes: number;
  /** The most without pages of files in samples, bytes. */
  heldBytes: number;
}

/** What the group of an ended task knew. */
export interface GroupEnd {
  /** Highest use, bytes; null when nothing has noted it. */
  readonly peakBytes: number | null;
  /** Set when it held more than it had requested, or wanted to. */
  readonly excess: MemoryExcess | null;
  readonly killedBy: OomCause | null;
}

export class TaskGroups {
  readonly version: 1 | 2;
  private readonly options: TaskGroupsOptions;
  private readonly groups = new Map<HeldTask, TaskGroup>();
  private readonly removals = new GroupRemovals();
  private hasWarned = false;

  constructor(options: TaskGroupsOptions) {
    this.options = options;
    this.version = options.hierarchy.version;
    for (const group of abandonedGroups(options.base)) this.removals.add(group, ABANDONED_GRACE_MS);
  }

  /**
   * Makes the group of a task that is about to start, or to wait in the launcher.
   * @returns the file through which a process enters it; null for a task without a request of memory, or whose amount is not known yet
   */
  make(task: HeldTask): string | null {
    const limitBytes = requestedBytes(task);
    if (limitBytes === undefined) return null;
    const path = join(this.options.group, `${task.job}@${task.task}.${task.instance}`);
    try {
      mkdirSync(path);
    } catch (error) {
      return this.notMade(error);
    }
    try {
      if (this.options.limits) this.options.hierarchy.limit(path, Math.floor(limitBytes));
    } catch (error) {
      this.removals.add(path, 0);
      return this.notMade(error);
    }
    this.groups.set(task, { path, limitBytes, heldBytes: 0 });
    return join(path, 'cgroup.procs');
  }

  has(task: HeldTask): boolean {
    return this.groups.has(task);
  }

  /** @returns what a task holds that is over its request; null while it is not. Notes what it sees. */
  excessOf(task: HeldTask): MemoryExcess | null {
    const group = this.groups.get(task);
    const use = group === undefined ? undefined : this.options.hierarchy.useOf(group.path);
    if (group === undefined || use === undefined) return null;
    const usedBytes = Math.max(0, use.bytes - use.fileBytes);
    group.heldBytes = Math.max(group.heldBytes, usedBytes);
    return usedBytes > group.limitBytes ? { usedBytes, limitBytes: group.limitBytes } : null;
  }

  /** @returns set when the kernel has killed a process of the task at its limit: the rest of it is of no use */
  killOf(task: HeldTask): MemoryExcess | null {
    const group = this.groups.get(task);
    return group === undefined || this.options.hierarchy.killOf(group.path) !== 'own-limit' ? null : this.excessAtKill(group);
  }

  /** All processes of a task, wherever they have gone in the meantime. */
  processesOf(task: HeldTask): number[] {
    const group = this.groups.get(task);
    return group === undefined ? [] : allProcessesOf(group.path);
  }

  /**
   * The task has ended: what is left in its group is killed, and the group removed.
   * @returns null for a task without a group
   */
  end(task: HeldTask): GroupEnd | null {
    const group = this.groups.get(task);
    if (group === undefined) return null;
    const killedBy = this.options.hierarchy.killOf(group.path);
    if (killedBy === 'own-limit') {
      const excess = this.excessAtKill(group);
      this.discard(task);
      return { peakBytes: excess.usedBytes, excess, killedBy };
    }
    const peakBytes = this.peakOf(group);
    this.discard(task);
    const isOver = peakBytes !== null && peakBytes > group.limitBytes;
    return { peakBytes, excess: isOver ? { usedBytes: peakBytes, limitBytes: group.limitBytes } : null, killedBy };
  }

  /** The task will not run, or nobody wants to know. */
  discard(task: HeldTask): void {
    const group = this.groups.get(task);
    if (group === undefined) return;
    this.groups.delete(task);
    this.removals.add(group.path, 0);
  }

  /** Tries again to remove what was not possible so far. */
  sweep(): void {
    this.removals.retry();
  }

  /** Removes everything, for the end of the worker when no task is left; waits for what takes its time to die. */
  async close(): Promise<void> {
    const { base, group, hierarchy } = this.options;
    for (const task of this.groups.keys()) this.discard(task);
    for (const name of groupsIn(group)) this.removals.add(join(group, name), 0);
    this.removals.add(group, 0);
    await this.removals.finish();
    if (workerGroups(base).length === 0) hierarchy.disable(base);
  }

  private notMade(error: unknown): null {
    if (!this.hasWarned) this.options.warn(`no control group can be made for a task, its memory is sampled: ${(error as Error).message}`);
    this.hasWarned = true;
    return null;
  }

  /** What was asked for and not given is not counted anywhere: the limit was reached. */
  private excessAtKill({ path, limitBytes, heldBytes }: TaskGroup): MemoryExcess {
    const usedBytes = this.options.hierarchy.peakOf(path) ?? Math.max(limitBytes, heldBytes);
    return { usedBytes, limitBytes, atLimit: true };
  }

  /**
   * The kernel's peak counts pages of files, which a request need not: those that the group holds at the end have, as long as no limit was reached,
   * mostly come to stay. Without them it is too small where files were read after the peak, but never smaller than what was sampled.
   */
  private peakOf({ path, heldBytes }: TaskGroup): number | null {
    const { hierarchy } = this.options;
    const peakBytes = hierarchy.peakOf(path);
    const known = Math.max(heldBytes, peakBytes === undefined ? 0 : peakBytes - (hierarchy.useOf(path)?.fileBytes ?? 0));
    return known > 0 ? known : null;
  }
}
