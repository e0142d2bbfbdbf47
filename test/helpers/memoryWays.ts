/** The ways of guarding the memory of tasks, as far as they are possible where the tests run. */
import { join } from 'node:path';
import { describe } from 'vitest';
import type { WorkerConfiguration } from '../../src/protocol/schema/worker.ts';
import { groupsIn } from '../../src/worker/cgroup/groupFiles.ts';
import { workerGroups } from '../../src/worker/cgroup/workerGroup.ts';
import { memoryDelegation } from '../../src/worker/detect/delegation.ts';
import { HostFiles } from '../../src/worker/detect/hostFiles.ts';
import { NATIVE_LAUNCHERS } from '../unit/worker/launchers.ts';

export interface MemoryWay {
  readonly name: string;
  readonly launcher: 'node' | 'native';
  readonly guard: 'proc' | 'cgroup';
  readonly canRun: boolean;
  /** As the worker tells it. */
  readonly told: NonNullable<WorkerConfiguration['memoryGuard']>;
}

const found = memoryDelegation(new HostFiles());
const noLauncher = NATIVE_LAUNCHERS.length > 0 ? null : 'there is no C compiler';

/** Where control groups are mounted whose paths `OWN_GROUP` prints. */
export const MOUNT: string = 'path' in found && found.version === 1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup';

/** File of a group with its limit, bytes. */
export const LIMIT_FILE: string = 'path' in found && found.version === 1 ? 'memory.limit_in_bytes' : 'memory.max';

/** A command that prints the control group of its process, from the mount on. */
export const OWN_GROUP: string =
  'path' in found && found.version === 1 ? "sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup" : "sed -n 's/^0:://p' /proc/self/cgroup";

const MEMORY_WAYS: readonly MemoryWay[] = [
  way({ name: 'node, /proc sampling', launcher: 'node', guard: 'proc', told: 'proc' }, null),
  way({ name: 'native, /proc sampling', launcher: 'native', guard: 'proc', told: 'proc' }, noLauncher),
  'path' in found
    ? way({ name: `native, cgroup v${found.version}`, launcher: 'native', guard: 'cgroup', told: `cgroup-v${found.version}` }, noLauncher)
    : way({ name: 'native, cgroup', launcher: 'native', guard: 'cgroup', told: 'proc' }, found.why),
];

/** @param why it is not possible here, told with whatever is skipped; null where it is */
function way(o: Omit<MemoryWay, 'canRun'>, why: string | null): MemoryWay {
  return { ...o, name: why === null ? o.name : `${o.name} (not here: ${why})`, canRun: why === null };
}

/** The same tests for each way with such a launcher; where one is not possible they are skipped, and their title says why. */
export function describeWays(launcher: MemoryWay['launcher'] | 'any', tests: (way: MemoryWay) => void): void {
  for (const way of MEMORY_WAYS)
    if (launcher === 'any' || launcher === way.launcher) describe.skipIf(!way.canRun)(way.name, () => tests(way));
}

/** @returns control groups that workers have made here: theirs and, as `‹worker›/‹task›`, those of tasks; of the worker of this process only by default */
export function madeGroups(pid: number = process.pid): string[] {
  if (!('path' in found)) return [];
  const { path } = found;
  const own = workerGroups(path).filter((group) => group.includes(`/hq-worker-${pid}-`));
  return own.flatMap((group) => [group, ...groupsIn(group).map((name) => join(group, name))]);
}
