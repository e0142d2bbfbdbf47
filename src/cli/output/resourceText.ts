/** Worker resources in words: `cpus 2x4; gpus 2; mem 4.12 GiB`. */
import { formatAmount } from '../../common/amount.ts';
import { formatSize } from '../../common/size.ts';
import { UNITS_PER_WHOLE } from '../../protocol/resourceTerms.ts';
import type { ResourceDescriptor, WorkerResources } from '../../protocol/schema/resources.ts';

const BYTES_PER_MIB = 2 ** 20;

/** One line for lists. */
export function summarizeResources(resources: WorkerResources): string {
  return resources.resources.map((resource) => `${resource.name} ${amountOf(resource)}`).join('; ');
}

/** One line per resource with its indices, and one for couplings as they are typed. */
export function describeResources({ resources, coupling }: WorkerResources): string {
  const nameOf = (position: number): string => resources[position]?.name ?? '?';
  const couplings = coupling.weights.map(
    (one) => `${nameOf(one.resource1_idx)}[${one.group1_idx}]:${nameOf(one.resource2_idx)}[${one.group2_idx}]=${one.weight}`,
  );
  const lines = resources.map((resource) => `${resource.name}: ${indicesOf(resource)}`);
  return [...lines, ...(couplings.length === 0 ? [] : [`coupling: ${couplings.join(',')}`])].join('\n');
}

function amountOf(resource: ResourceDescriptor): string {
  switch (resource.kind) {
    case 'sum':
      return resource.name === 'mem' ? formatSize((resource.size / UNITS_PER_WHOLE) * BYTES_PER_MIB) : formatAmount(resource.size);
    case 'range':
      return String(resource.end - resource.start + 1);
    case 'list':
      return String(resource.values.length);
    case 'groups': {
      const sizes = new Set(resource.groups.map((group) => group.length));
      if (sizes.size === 1) return `${resource.groups.length}x${[...sizes][0]}`;
      return resource.groups.map((group) => group.length).join(' ');
    }
  }
}

function indicesOf(resource: ResourceDescriptor): string {
  switch (resource.kind) {
    case 'sum':
      return `sum(${amountOf(resource)})`;
    case 'range':
      return `range(${resource.start}-${resource.end})`;
    case 'list':
      return `[${resource.values.join(',')}]`;
    case 'groups':
      return `[${resource.groups.map((group) => `[${group.join(',')}]`).join(',')}]`;
  }
}
