/** Finds how much memory this process may use. Called at the start of a worker and by `worker hwdetect`. */
import { type ResourceDescriptor, UNITS_PER_WHOLE } from '../../protocol/schema/resources.ts';
import { memoryLimitBytes } from './cgroup.ts';
import type { HostFiles } from './hostFiles.ts';

const BYTES_PER_MIB = 1024 * 1024;

/**
 * The least of the machine's memory, the control group's limit and what the batch system has granted.
 * @param grantedMib undefined when no batch system says how much
 * @returns the descriptor of `mem`, a sum in MiB; undefined when nothing says how much there is
 */
export function detectMemory(files: HostFiles, grantedMib: number | undefined): ResourceDescriptor | undefined {
  const total = /^MemTotal:\s*(\d+) kB$/m.exec(files.read('/proc/meminfo') ?? '');
  const found = [
    total === null ? undefined : Number(total[1]) * 1024,
    memoryLimitBytes(files),
    grantedMib === undefined ? undefined : grantedMib * BYTES_PER_MIB,
  ].filter((bytes): bytes is number => bytes !== undefined);
  if (found.length === 0) return undefined;
  return { name: 'mem', kind: 'sum', size: Math.floor((Math.min(...found) / BYTES_PER_MIB) * UNITS_PER_WHOLE) };
}
