/** Finds how much memory this process may use. Called at the start of a worker and by `worker hwdetect`. */
import { type ResourceDescriptor, UNITS_PER_WHOLE } from '../../protocol/schema/resources.ts';
import { memoryLimitBytes } from './cgroup.ts';
import type { HostFiles } from './hostFiles.ts';

const BYTES_PER_MIB = 1024 * 1024;

/**
 * The least of the machine's memory, the control group's limit and what Slurm has granted (`SLURM_MEM_PER_NODE`, MiB).
 * @returns the descriptor of `mem`, a sum in MiB; undefined when nothing says how much there is
 */
export function detectMemory(files: HostFiles, env: Readonly<Record<string, string | undefined>>): ResourceDescriptor | undefined {
  const total = /^MemTotal:\s*(\d+) kB$/m.exec(files.read('/proc/meminfo') ?? '');
  const slurm = /^\d+$/.exec(env.SLURM_MEM_PER_NODE ?? '');
  const found = [
    total === null ? undefined : Number(total[1]) * 1024,
    memoryLimitBytes(files),
    // Zero means all memory of the node.
    slurm === null || Number(slurm[0]) === 0 ? undefined : Number(slurm[0]) * BYTES_PER_MIB,
  ].filter((bytes): bytes is number => bytes !== undefined);
  if (found.length === 0) return undefined;
  return { name: 'mem', kind: 'sum', size: Math.floor((Math.min(...found) / BYTES_PER_MIB) * UNITS_PER_WHOLE) };
}
