/**
 * Finds the CPUs that this process may use: affinity mask, CPU quota of the control group, what a batch system has granted, NUMA nodes as groups.
 * Called at the start of a worker and by `worker hwdetect`.
 */
import { availableParallelism } from 'node:os';
import type { ResourceDescriptor } from '../../protocol/schema/resources.ts';
import { cpuQuota } from './cgroup.ts';
import { type HostFiles, parseKernelList } from './hostFiles.ts';

export interface CpuOptions {
  /** False: one CPU per core (the first allowed sibling) is used. */
  readonly hyperThreading: boolean;
  /** Number of CPUs that the batch system has granted on this node; undefined when it says nothing. */
  readonly granted: number | undefined;
}

/** @returns the descriptor of `cpus`: groups when the CPUs lie on several NUMA nodes, else a list or range */
export function detectCpus(files: HostFiles, { hyperThreading, granted }: CpuOptions): ResourceDescriptor {
  const allowed = allowedCpus(files);
  const cores = hyperThreading ? allowed : firstSiblings(files, allowed);
  // A batch system that binds nothing and grants more than there is has been told so on purpose.
  if (granted !== undefined && granted > allowed.length && isUnbound(files, allowed)) return rangeOf(0, granted - 1);
  const usable = cores.slice(0, Math.min(granted ?? cores.length, wholeQuota(files)));
  const groups = numaGroups(files, usable);
  if (groups.length > 1) return { name: 'cpus', kind: 'groups', groups: groups.map((group) => group.map(String)) };
  const [first = 0] = usable;
  const last = usable[usable.length - 1] ?? 0;
  if (last - first === usable.length - 1) return rangeOf(first, last);
  return { name: 'cpus', kind: 'list', values: usable.map(String) };
}

function rangeOf(start: number, end: number): ResourceDescriptor {
  return { name: 'cpus', kind: 'range', start, end };
}

function allowedCpus(files: HostFiles): number[] {
  const line = /^Cpus_allowed_list:\s*(.*)$/m.exec(files.read('/proc/self/status') ?? '');
  const cpus = parseKernelList(line?.[1] ?? '');
  return cpus.length > 0 ? cpus : Array.from({ length: availableParallelism() }, (_, cpu) => cpu);
}

function firstSiblings(files: HostFiles, cpus: readonly number[]): number[] {
  const allowed = new Set(cpus);
  return cpus.filter((cpu) => {
    const siblings = parseKernelList(files.read(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`) ?? '');
    return siblings.find((sibling) => allowed.has(sibling)) === cpu || siblings.length === 0;
  });
}

/** Neither a mask nor a quota says what this process may use. */
function isUnbound(files: HostFiles, allowed: readonly number[]): boolean {
  const online = parseKernelList(files.read('/sys/devices/system/cpu/online') ?? '');
  return online.length === allowed.length && cpuQuota(files) === undefined;
}

/** A quota of 2.5 CPUs runs two tasks at full speed, not three. */
function wholeQuota(files: HostFiles): number {
  const quota = cpuQuota(files);
  return quota === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(quota));
}

function numaGroups(files: HostFiles, cpus: readonly number[]): number[][] {
  const left = new Set(cpus);
  const groups: number[][] = [];
  for (const node of parseKernelList(files.read('/sys/devices/system/node/possible') ?? '')) {
    const group = parseKernelList(files.read(`/sys/devices/system/node/node${node}/cpulist`) ?? '').filter((cpu) => left.delete(cpu));
    if (group.length > 0) groups.push(group);
  }
  // CPUs that no node names must not get lost.
  if (left.size > 0) groups.push([...left]);
  return groups;
}
