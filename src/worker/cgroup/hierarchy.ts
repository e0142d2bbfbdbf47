/**
 * What both versions of control groups can do about the memory of a task. Implemented by `version1.ts` and `version2.ts`; used by `taskGroups.ts`,
 * which knows nothing of the files.
 */

/** Memory in a group now, bytes. */
export interface GroupUse {
  /** Everything that counts against the limit of the group. */
  readonly bytes: number;
  /** The part that is pages of files, which the kernel drops before it kills. */
  readonly fileBytes: number;
}

/** Why the kernel has killed a process of a group: its own limit, or another one, mostly around it, the machine's included. */
export type OomCause = 'own-limit' | 'outside';

export interface MemoryHierarchy {
  readonly version: 1 | 2;
  /**
   * Makes it possible that groups in `group`, itself in `base`, have limits.
   * @throws Error with the reason
   */
  enable(base: string, group: string): void;
  /** Takes back what `enable` did to `base`, as far as that is possible, when no worker uses it any more. */
  disable(base: string): void;
  /** The kernel keeps the processes of the group at this many bytes and kills when that does not do. @throws Error of the system */
  limit(group: string, bytes: number): void;
  /** @returns undefined when the group is gone */
  useOf(group: string): GroupUse | undefined;
  /** @returns the most that was in the group, bytes; undefined where the kernel does not note it */
  peakOf(group: string): number | undefined;
  /** @returns why the kernel has killed a process of the group; null when it has killed none */
  killOf(group: string): OomCause | null;
}
