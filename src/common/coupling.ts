/**
 * Couplings: which groups of two resources lie close together (a NUMA node's CPUs and its GPUs). Reads `--coupling` and puts a worker's
 * descriptors together. Called by `worker start` and `alloc add`. Pure.
 */
import { HqError } from '../protocol/errors.ts';
import type { ResourceDescriptor, WorkerResources } from '../protocol/schema/resources.ts';
import type { ParsedDescriptor } from './resourceDescriptor.ts';

/** Weight of a coupling without a number, as in the original. */
const DEFAULT_WEIGHT = 256;
const MAX_WEIGHT = 65_535;

/** One item of `--coupling` with names instead of positions. */
export interface NamedCoupling {
  readonly first: { readonly name: string; readonly group: number };
  readonly second: { readonly name: string; readonly group: number };
  readonly weight: number;
}

/**
 * Reads `cpus[0]:gpus[0],cpus[1]:gpus[1]=128`.
 * @throws HqError HQ_E_RESOURCE_DESCRIPTOR
 */
export function parseCoupling(text: string): NamedCoupling[] {
  return text.split(',').map((item) => {
    const match = /^\s*([A-Za-z][\w/.-]*)\[(\d+)\]\s*:\s*([A-Za-z][\w/.-]*)\[(\d+)\]\s*(?:=\s*(\d+)\s*)?$/.exec(item);
    if (match === null) throw fault(text, `'${item.trim()}' is not like cpus[0]:gpus[0] or cpus[0]:gpus[0]=128`);
    const weight = match[5] === undefined ? DEFAULT_WEIGHT : Number(match[5]);
    if (weight > MAX_WEIGHT) throw fault(text, `weight ${match[5]} is larger than ${MAX_WEIGHT}`);
    return {
      first: { name: match[1] as string, group: Number(match[2]) },
      second: { name: match[3] as string, group: Number(match[4]) },
      weight,
    };
  });
}

/**
 * Everything that a worker provides, sorted by name, couplings resolved to positions.
 * @throws HqError HQ_E_RESOURCE_DESCRIPTOR for a name given twice or a coupling of something that has no such group
 */
export function makeWorkerResources(parsed: readonly ParsedDescriptor[], coupling: readonly NamedCoupling[] = []): WorkerResources {
  const sorted = [...parsed].sort((a, b) => (a.descriptor.name < b.descriptor.name ? -1 : 1));
  const resources = sorted.map((one) => one.descriptor);
  resources.forEach((one, i) => {
    if (resources[i + 1]?.name === one.name) throw fault(one.name, 'the resource is described twice');
  });
  const all = [...coupling, ...sorted.filter((one) => one.related).flatMap((one) => relatedToCpus(one.descriptor, resources))];
  const weights = all.map(({ first, second, weight }) => ({
    resource1_idx: groupPosition(resources, first),
    group1_idx: first.group,
    resource2_idx: groupPosition(resources, second),
    group2_idx: second.group,
    weight,
  }));
  refuseUseless(weights, resources);
  return { resources, coupling: { weights } };
}

function refuseUseless(weights: WorkerResources['coupling']['weights'], resources: readonly ResourceDescriptor[]): void {
  const pairs = new Set<string>();
  for (const { resource1_idx: first, group1_idx: groupOfFirst, resource2_idx: second, group2_idx: groupOfSecond } of weights) {
    if (first === second) throw fault(nameAt(resources, first), 'a resource cannot be coupled with itself');
    const ends = [`${nameAt(resources, first)}[${groupOfFirst}]`, `${nameAt(resources, second)}[${groupOfSecond}]`];
    const pair = ends.sort().join(':');
    if (pairs.has(pair)) throw fault(pair, 'these groups are coupled twice');
    pairs.add(pair);
  }
}

function relatedToCpus(descriptor: ResourceDescriptor, all: readonly ResourceDescriptor[]): NamedCoupling[] {
  const cpus = all.find((one) => one.name === 'cpus');
  const groups = groupCount(descriptor);
  // With one group of each there is nothing to choose.
  if (groups === 1 && cpus !== undefined && groupCount(cpus) === 1) return [];
  if (cpus === undefined || groupCount(cpus) !== groups) {
    throw fault(descriptor.name, `related[...] has ${groups} groups, the CPUs have ${cpus === undefined ? 0 : groupCount(cpus)}`);
  }
  return Array.from({ length: groups }, (_, group) => ({
    first: { name: 'cpus', group },
    second: { name: descriptor.name, group },
    weight: DEFAULT_WEIGHT,
  }));
}

function groupPosition(resources: readonly ResourceDescriptor[], { name, group }: { name: string; group: number }): number {
  const position = resources.findIndex((one) => one.name === name);
  const descriptor = resources[position];
  if (descriptor === undefined) throw fault(`${name}[${group}]`, `the worker has no resource '${name}'`);
  if (groupCount(descriptor) < 2) throw fault(`${name}[${group}]`, `'${name}' has no groups`);
  if (group >= groupCount(descriptor)) throw fault(`${name}[${group}]`, `'${name}' has groups 0 to ${groupCount(descriptor) - 1}`);
  return position;
}

function groupCount(descriptor: ResourceDescriptor): number {
  return descriptor.kind === 'groups' ? descriptor.groups.length : 1;
}

function nameAt(resources: readonly ResourceDescriptor[], position: number): string {
  return (resources[position] as ResourceDescriptor).name;
}

function fault(input: string, detail: string): HqError {
  return new HqError('HQ_E_RESOURCE_DESCRIPTOR', { input, detail });
}
