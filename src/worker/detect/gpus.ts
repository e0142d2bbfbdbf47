/** Finds GPUs: those that the environment names, else those that the NVIDIA driver lists. Called at the start of a worker and by `worker hwdetect`. */
import type { ResourceDescriptor } from '../../protocol/schema/resources.ts';
import type { HostFiles } from './hostFiles.ts';

const VARIABLES = [
  { variable: 'CUDA_VISIBLE_DEVICES', name: 'gpus/nvidia' },
  { variable: 'ROCR_VISIBLE_DEVICES', name: 'gpus/amd' },
] as const;

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
  if (named.length > 0) return named;
  // A variable that is set but empty, or -1, hides the devices on purpose.
  if (VARIABLES.some(({ variable }) => env[variable] !== undefined)) return [];
  const count = files.list('/proc/driver/nvidia/gpus').length;
  return count === 0 ? [] : [{ name: 'gpus/nvidia', kind: 'range', start: 0, end: count - 1 }];
}

function fromVariable(o: { name: string; variable: string; text: string; warn: (line: string) => void }): ResourceDescriptor[] {
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
