/**
 * Finds the CPUs that this process may use: affinity mask, CPU quota of the control group, NUMA nodes as groups. Called at the start of a worker
 * and by `worker hwdetect`.
 */
import { availableParallelism } from 'node:os';
import type { ResourceDescriptor } from '../../protocol/schema/resources.ts';
import { cpuQuota } from './cgroup.ts';
import { type HostFiles, parseKernelList } from './hostFiles.ts';

/**
 * @param hyperThreading false: one CPU per core (the first allowed sibling) is used
 * @returns the descriptor of `cpus`: groups when the CPUs lie on several NUMA nodes, else a list or range
 */
export function detectCpus(files: HostFiles, { hyperThreading }: { hyperThreading: boolean }): ResourceDescriptor {
  const allowed = allowedCpus(files);
  const usable = withinQuota(files, hyperThreading ? allowed : firstSiblings(files, allowed));
  const groups = numaGroups(files, usable);
  if (groups.length > 1) return { name: 'cpus', kind: 'groups', groups: groups.map((group) => group.map(String)) };
  const [first = 0] = usable;
  const last = usable[usable.length - 1] ?? 0;
  if (last - first === usable.length - 1) return { name: 'cpus', kind: 'range', start: first, end: last };
  return { name: 'cpus', kind: 'list', values: usable.map(String) };
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

/** A quota of 2.5 CPUs runs two tasks at full speed, not three. */
function withinQuota(files: HostFiles, cpus: number[]): number[] {
  const quota = cpuQuota(files);
  return quota === undefined ? cpus : cpus.slice(0, Math.max(1, Math.floor(quota)));
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
