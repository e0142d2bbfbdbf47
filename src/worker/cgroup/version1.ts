/**
 * Memory of tasks in control groups of version 1, as RHEL 8 has them. After the kernel's documentation, admin-guide/cgroup-v1/memory.
 * The kernel kills one process of a group, not all: the worker kills the rest. Used through `MemoryHierarchy`.
 */
import { readCount, readGroup, readNumber, writeGroup, writeIfThere } from './groupFiles.ts';
import type { GroupUse, MemoryHierarchy, OomCause } from './hierarchy.ts';

/** The kernel kills for a request of eight pages at most (its costly order); larger ones may fail. Of the largest pages eight are half of it. */
const SMALL_BYTES = 2 ** 20;

export const version1: MemoryHierarchy = {
  version: 1,

  /** Groups of this version have all controllers of their hierarchy, and processes may be anywhere. */
  enable(): void {},

  disable(): void {},

  limit(group: string, bytes: number): void {
    writeGroup(group, 'memory.limit_in_bytes', String(bytes));
    // Memory and swap together, never less than memory alone: nothing is left for swap.
    writeIfThere(group, 'memory.memsw.limit_in_bytes', String(bytes));
  },

  useOf(group: string): GroupUse | undefined {
    const bytes = readNumber(group, 'memory.usage_in_bytes');
    if (bytes === undefined) return undefined;
    const stat = readGroup(group, 'memory.stat');
    const count = (name: string): number => readCount(stat, `total_${name}`) ?? 0;
    return { bytes, fileBytes: count('active_file') + count('inactive_file') };
  },

  peakOf(group: string): number | undefined {
    return readNumber(group, 'memory.max_usage_in_bytes');
  },

  killOf(group: string): OomCause | null {
    if ((readCount(readGroup(group, 'memory.oom_control'), 'oom_kill') ?? 0) === 0) return null;
    // Some kernels do not count failures where the limit with swap is the first that is hit.
    const roomBytes = (readNumber(group, 'memory.limit_in_bytes') ?? 0) - (readNumber(group, 'memory.max_usage_in_bytes') ?? 0);
    return roomBytes < SMALL_BYTES ? 'own-limit' : 'outside';
  },
};
