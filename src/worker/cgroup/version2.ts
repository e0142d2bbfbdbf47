/**
 * Memory of tasks in control groups of version 2. After the kernel's documentation, admin-guide/cgroup-v2. Used through `MemoryHierarchy`.
 *
 * A group that hands controllers to groups in it may have no processes itself ("No Internal Process Constraint"), so all that are in the own
 * group, this worker among them, move into a group `hq-processes` in it, and back when the last worker there ends.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LEAF } from '../detect/delegation.ts';
import { processesOf, readCount, readGroup, readNumber, removeGroup, writeGroup, writeIfThere } from './groupFiles.ts';
import type { GroupUse, MemoryHierarchy, OomCause } from './hierarchy.ts';

/** Processes that start others while they are moved make another round necessary. */
const MOVE_ROUNDS = 10;

export const version2: MemoryHierarchy = {
  version: 2,

  enable(base: string, group: string): void {
    if (!handsOutMemory(base)) {
      // Only the root of all groups has no type, and may have processes.
      if (existsSync(join(base, 'cgroup.type'))) moveAndEnable(base);
      else writeGroup(base, 'cgroup.subtree_control', '+memory');
    }
    writeGroup(group, 'cgroup.subtree_control', '+memory');
  },

  disable(base: string): void {
    const leaf = join(base, LEAF);
    if (!existsSync(leaf)) return;
    try {
      writeGroup(base, 'cgroup.subtree_control', '-memory');
      move(leaf, base);
    } catch {
      // Another worker has come meanwhile: it is its turn when it ends.
    }
    removeGroup(leaf);
  },

  limit(group: string, bytes: number): void {
    writeGroup(group, 'memory.max', String(bytes));
    writeIfThere(group, 'memory.swap.max', '0');
    // Since Linux 4.19; before, the worker kills the rest, as in version 1.
    writeIfThere(group, 'memory.oom.group', '1');
  },

  useOf(group: string): GroupUse | undefined {
    const bytes = readNumber(group, 'memory.current');
    if (bytes === undefined) return undefined;
    const stat = readGroup(group, 'memory.stat');
    return { bytes, fileBytes: (readCount(stat, 'active_file') ?? 0) + (readCount(stat, 'inactive_file') ?? 0) };
  },

  /** Since Linux 5.19. */
  peakOf(group: string): number | undefined {
    return readNumber(group, 'memory.peak');
  },

  killOf(group: string): OomCause | null {
    const events = readGroup(group, 'memory.events');
    if ((readCount(events, 'oom_kill') ?? 0) === 0) return null;
    // `oom` counts where a limit was hit. Since Linux 5.2 that of the group itself is told apart from those that a task has made in it.
    const own = readGroup(group, 'memory.events.local') || events;
    return (readCount(own, 'oom') ?? 0) > 0 ? 'own-limit' : 'outside';
  },
};

function handsOutMemory(group: string): boolean {
  return readGroup(group, 'cgroup.subtree_control').split(' ').includes('memory');
}

function moveAndEnable(base: string): void {
  const leaf = join(base, LEAF);
  for (let round = 1; ; round += 1) {
    mkdirSync(leaf, { recursive: true });
    move(base, leaf);
    try {
      return writeGroup(base, 'cgroup.subtree_control', '+memory');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || round === MOVE_ROUNDS) throw error;
    }
  }
}

/** @throws Error when there are processes of others, which are not ours to move */
function move(from: string, to: string): void {
  for (const pid of processesOf(from)) {
    const owner = pid === 0 ? undefined : statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
    if (pid === 0 || (owner !== undefined && owner !== process.geteuid?.()))
      throw new Error(`the own control group ${from} has processes of others`);
    try {
      writeGroup(to, 'cgroup.procs', String(pid));
    } catch (error) {
      // It has ended.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
