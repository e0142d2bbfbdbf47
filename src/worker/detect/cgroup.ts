/**
 * The limits that control groups put on this process: CPU time and memory, version 2 and 1, the tightest of all enclosing groups.
 * Called by the detection of CPUs and memory and by the watch over kills.
 */
import { dirname, join } from 'node:path';
import type { HostFiles } from './hostFiles.ts';

/** @returns CPUs' worth of time that this process may use, or undefined without a limit; may be fractional */
export function cpuQuota(files: HostFiles): number | undefined {
  const version2 = limits(files, { controller: '', mount: '/sys/fs/cgroup', file: 'cpu.max' }).map((text) => {
    const [quota, period] = text.split(/\s+/);
    return quota === 'max' ? undefined : Number(quota) / Number(period);
  });
  const version1 = ['cpu', 'cpu,cpuacct'].flatMap((controller) =>
    paths(files, { controller: 'cpu', mount: `/sys/fs/cgroup/${controller}` }).map((path) => {
      const quota = Number(files.read(join(path, 'cpu.cfs_quota_us')) ?? -1);
      return quota > 0 ? quota / Number(files.read(join(path, 'cpu.cfs_period_us')) ?? Number.NaN) : undefined;
    }),
  );
  return smallest([...version2, ...version1]);
}

/** @returns bytes of memory that this process may use, or undefined without a limit */
export function memoryLimitBytes(files: HostFiles): number | undefined {
  const version2 = limits(files, { controller: '', mount: '/sys/fs/cgroup', file: 'memory.max' }).map((text) =>
    text === 'max' ? undefined : Number(text),
  );
  const version1 = limits(files, { controller: 'memory', mount: '/sys/fs/cgroup/memory', file: 'memory.limit_in_bytes' }).map(Number);
  return smallest([...version2, ...version1]);
}

/** @returns the directory of this process's own group, as a list of one; empty when it has none */
export function ownGroup(files: HostFiles, o: { readonly controller: string; readonly mount: string }): string[] {
  return paths(files, o).slice(0, 1);
}

function limits(files: HostFiles, o: { controller: string; mount: string; file: string }): string[] {
  return paths(files, o).flatMap((path) => files.read(join(path, o.file)) ?? []);
}

/** Directories of this process's group and of all groups around it. Inside a container the own path may not exist; its parents then count. */
function paths(files: HostFiles, { controller, mount }: { controller: string; mount: string }): string[] {
  const line = (files.read('/proc/self/cgroup') ?? '').split('\n').find((one) => one.split(':')[1]?.split(',').includes(controller));
  if (line === undefined) return [];
  const found: string[] = [];
  for (let path = line.slice(line.indexOf(':', line.indexOf(':') + 1) + 1); ; path = dirname(path)) {
    found.push(join(mount, path));
    if (path === '/' || path === '.') return found;
  }
}

function smallest(values: readonly (number | undefined)[]): number | undefined {
  const limited = values.filter((value): value is number => value !== undefined && Number.isFinite(value) && value > 0);
  return limited.length === 0 ? undefined : Math.min(...limited);
}
