/** Groups of tasks and workers as directories: whose they are, what is left behind, and what happens where none can be made. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { GroupUse, MemoryHierarchy, OomCause } from '../../../../src/worker/cgroup/hierarchy.ts';
import { TaskGroups } from '../../../../src/worker/cgroup/taskGroups.ts';
import { abandonedGroups, makeWorkerGroup, workerGroups } from '../../../../src/worker/cgroup/workerGroup.ts';
import type { HeldTask } from '../../../../src/worker/heldTask.ts';
import { compute, machine, makeBody } from '../stateHelp.ts';

const MIB = 2 ** 20;

function makeBase(): string {
  const base = mkdtempSync(join(tmpdir(), 'hq-groups-'));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  return base;
}

/** Started tasks with such a request of memory. */
function tasks(ids: number[], mem: { units: number; maxUnits?: number } | null): HeldTask[] {
  const entries = mem === null ? [] : [{ name: 'mem', policy: 'compact' as const, ...mem }];
  return [...machine(['cpus=1', 'mem=sum(1000)']).handle(compute(ids, makeBody({ entries }))).start];
}

/** What the kernel would say. */
interface Kernel {
  use: GroupUse | undefined;
  peak: number | undefined;
  kill: OomCause | null;
  readonly limits: [string, number][];
}

function groupsWith(o: Partial<Kernel> & { base?: string; group?: string } = {}): { groups: TaskGroups; kernel: Kernel; lines: string[] } {
  const kernel: Kernel = { use: undefined, peak: undefined, kill: null, limits: [], ...o };
  const hierarchy: MemoryHierarchy = {
    version: 2,
    enable: () => {},
    disable: () => {},
    limit: (group, bytes) => kernel.limits.push([basename(group), bytes]),
    useOf: () => kernel.use,
    peakOf: () => kernel.peak,
    killOf: () => kernel.kill,
  };
  const base = o.base ?? makeBase();
  const lines: string[] = [];
  const group = o.group ?? makeWorkerGroup(base);
  return { groups: new TaskGroups({ hierarchy, base, group, limits: true, warn: (line) => lines.push(line) }), kernel, lines };
}

test('a group is abandoned when its worker is no more; nobody can tell in another namespace', () => {
  const base = makeBase();
  const own = makeWorkerGroup(base);
  const [, pid, start, namespace] = /-(\d+)-(\d+)-(\d+)-[0-9a-f]+$/.exec(own) as RegExpExecArray;
  const others = [
    `hq-worker-${pid}-1-${namespace}-aa`,
    `hq-worker-${pid}-1-1-aa`,
    `hq-worker-4194305-${start}-${namespace}-aa`,
    'hq-processes',
  ];
  for (const name of others) mkdirSync(join(base, name));
  expect(
    abandonedGroups(base)
      .map((group) => basename(group))
      .sort(),
  ).toEqual([others[0], others[2]].sort());
  expect(workerGroups(base)).toHaveLength(4);
});

test('groups of dead workers are removed at once when nothing is in them', () => {
  const base = makeBase();
  mkdirSync(join(base, 'hq-worker-4194305-1-0-aa'));
  const namespaced = makeWorkerGroup(base).replace(/hq-worker-\d+-\d+/, 'hq-worker-4194305-1');
  mkdirSync(join(namespaced, '1@1.0'), { recursive: true });
  groupsWith({ base });
  expect(existsSync(namespaced)).toBe(false);
  expect(existsSync(join(base, 'hq-worker-4194305-1-0-aa'))).toBe(true);
});

test('the limit is what was requested, none without a request; a staged task of a range waits without', () => {
  const { groups, kernel } = groupsWith();
  const [one] = tasks([1], { units: 505_000 }) as [HeldTask];
  expect(groups.make(one)).toMatch(/\/1@1\.0\/cgroup\.procs$/);
  expect(kernel.limits).toEqual([['1@1.0', 50.5 * MIB]]);
  expect(groups.make(tasks([2], null)[0] as HeldTask)).toBeNull();
  const [ranged] = tasks([3], { units: 10_000, maxUnits: 40_000 }) as [HeldTask];
  groups.make(ranged);
  expect(kernel.limits[1]).toEqual(['1@3.0', 4 * MIB]);
  groups.discard(ranged);
  ranged.allocation = null;
  expect(groups.make(ranged)).toBeNull();
  one.allocation = null;
  groups.discard(one);
  expect(groups.make(one)).not.toBeNull();
  expect(kernel.limits[2]).toEqual(['1@1.0', 50.5 * MIB]);
});

test('where a group cannot be made the task starts without, and that is said once', () => {
  const { groups, lines } = groupsWith({ group: join(makeBase(), 'gone') });
  for (const task of tasks([1, 2], { units: 10_000 })) {
    expect(groups.make(task)).toBeNull();
    expect(groups.end(task)).toBeNull();
  }
  expect(lines).toEqual([expect.stringMatching(/^no control group can be made for a task, its memory is sampled: ENOENT/)]);
});

test('the peak is that of the kernel without pages of files, never less than what was seen', () => {
  const endOf = (o: Partial<Kernel>, seen?: GroupUse) => {
    const { groups, kernel } = groupsWith({ use: seen ?? { bytes: 0, fileBytes: 0 } });
    const [task] = tasks([1], { units: 1_000_000 }) as [HeldTask];
    groups.make(task);
    if (seen !== undefined) groups.excessOf(task);
    Object.assign(kernel, o);
    return groups.end(task);
  };
  const use = { bytes: 40 * MIB, fileBytes: 30 * MIB };
  expect(endOf({ peak: 60 * MIB, use })).toEqual({ peakBytes: 30 * MIB, excess: null, killedBy: null });
  expect(endOf({ peak: 60 * MIB, use }, { bytes: 50 * MIB, fileBytes: 0 })?.peakBytes).toBe(50 * MIB);
  expect(endOf({ peak: undefined, use }, { bytes: 50 * MIB, fileBytes: 10 * MIB })?.peakBytes).toBe(40 * MIB);
  expect(endOf({ peak: undefined, use })?.peakBytes).toBeNull();
  const atLimit = { usedBytes: 100 * MIB, limitBytes: 100 * MIB, atLimit: true };
  expect(endOf({ peak: 100 * MIB, use, kill: 'own-limit' })).toEqual({ peakBytes: 100 * MIB, excess: atLimit, killedBy: 'own-limit' });
  expect(endOf({ peak: undefined, use, kill: 'own-limit' })?.excess).toEqual(atLimit);
  expect(endOf({ peak: 60 * MIB, use, kill: 'outside' })).toMatchObject({ excess: null, killedBy: 'outside' });
});
