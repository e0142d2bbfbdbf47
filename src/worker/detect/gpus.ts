/**
 * Finds GPUs: those that the environment names, else those that the drivers list and this process may open. Called at the start of a worker
 * and by `worker hwdetect`.
 */
import type { ResourceDescriptor } from '../../protocol/schema/resources.ts';
import type { HostFiles } from './hostFiles.ts';

type GpuName = 'gpus/nvidia' | 'gpus/amd';

const VARIABLES = [
  { variable: 'CUDA_VISIBLE_DEVICES', name: 'gpus/nvidia' },
  { variable: 'ROCR_VISIBLE_DEVICES', name: 'gpus/amd' },
] as const;

const NVIDIA_DRIVER = '/proc/driver/nvidia/gpus';
const AMD_DRIVER = '/sys/class/kfd/kfd/topology/nodes';

/**
 * @param warn told about values that were left out
 * @returns descriptors of `gpus/nvidia` and `gpus/amd`, as far as there are any
 */
export function detectGpus(
  files: HostFiles,
  env: Readonly<Record<string, string | undefined>>,
  warn: (line: string) => void,
): ResourceDescriptor[] {
  const named = VARIABLES.flatMap(({ variable, name }) => fromVariable({ name, variable, text: env[variable] ?? '', warn }));
  if (named.length > 0) return withoutDoubles(files, named);
  // A variable that is set but empty, or -1, hides the devices on purpose.
  if (VARIABLES.some(({ variable }) => env[variable] !== undefined)) return [];
  return [...numbered('gpus/amd', amdCount(files)), ...numbered('gpus/nvidia', nvidiaCount(files))];
}

/** Slurm may set the variables of all vendors to the same devices; which vendor's they are, only a driver knows. */
function withoutDoubles(files: HostFiles, named: ResourceDescriptor[]): ResourceDescriptor[] {
  const [first, second] = named.map((one) => (one.kind === 'list' ? one.values.join() : ''));
  if (first !== second) return named;
  const isAmd = amdCount(files) > 0;
  if (isAmd && files.list(NVIDIA_DRIVER).length > 0) return named;
  return named.filter((one) => one.name === (isAmd ? 'gpus/amd' : 'gpus/nvidia'));
}

/** Runtimes number the devices that a process may open from 0. */
function numbered(name: GpuName, count: number): ResourceDescriptor[] {
  return count === 0 ? [] : [{ name, kind: 'range', start: 0, end: count - 1 }];
}

/** On a shared node the driver lists the devices of all jobs; those of others cannot be opened. */
function nvidiaCount(files: HostFiles): number {
  // Device files may not be there before the first use of the driver; then none of them tells anything.
  const hasDevices = files.list('/dev').some((name) => /^nvidia\d+$/.test(name));
  return files.list(NVIDIA_DRIVER).filter((bus) => {
    const minor = /^Device Minor:\s*(\d+)$/m.exec(files.read(`${NVIDIA_DRIVER}/${bus}/information`) ?? '');
    return !hasDevices || minor === null || files.canOpen(`/dev/nvidia${minor[1]}`);
  }).length;
}

/** CPUs are nodes of this topology, too; their id is 0. The kernel does not show the id of a device of others. */
function amdCount(files: HostFiles): number {
  return files.list(AMD_DRIVER).filter((node) => Number(files.read(`${AMD_DRIVER}/${node}/gpu_id`) ?? 0) > 0).length;
}

function fromVariable(o: { name: GpuName; variable: string; text: string; warn: (line: string) => void }): ResourceDescriptor[] {
  const values = o.text
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');
  // For CUDA everything from the first -1 on is invisible.
  const end = values.indexOf('-1');
  const visible = end < 0 ? values : values.slice(0, end);
  if (visible.length === 0) return [];
  if (new Set(visible).size !== visible.length) {
    o.warn(`${o.variable} names a device twice; ${o.name} is not detected`);
    return [];
  }
  return [{ name: o.name, kind: 'list', values: visible }];
}
