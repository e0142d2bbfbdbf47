import { expect, test } from 'vitest';
import { makeWorkerResources, parseCoupling } from '../../../src/common/coupling.ts';
import { parseResourceOption } from '../../../src/common/resourceDescriptor.ts';
import type { AllocationPolicy, ResourceEntry } from '../../../src/protocol/schema/resources.ts';
import { type Allocation, type ResolvedRequest, ResourcePool } from '../../../src/resources/pool.ts';

function pool(descriptors: string[], coupling = ''): ResourcePool {
  return new ResourcePool(makeWorkerResources(descriptors.map(parseResourceOption), coupling === '' ? [] : parseCoupling(coupling)));
}

/** `cpus=4`, `gpus=0.5 tight`, `cpus=2-8`, `cpus=all`, several after commas. */
function request(text: string): { entries: ResourceEntry[] } {
  const entries = text.split(',').map((one) => {
    const [name, value] = one.split('=') as [string, string];
    const [amount, policy = 'compact'] = value.split(' ') as [string, AllocationPolicy?];
    if (amount === 'all') return { name, policy: 'all' as const, units: 0 };
    const [least, most] = amount.split('-').map((number) => Math.round(Number(number) * 10_000));
    return { name, policy, units: least as number, ...(most === undefined ? {} : { maxUnits: most }) };
  });
  return { entries };
}

function resolved(target: ResourcePool, text: string): ResolvedRequest {
  const found = target.resolve({ nodes: 0, minTimeMs: 0, weight: 10_000, ...request(text) });
  if (typeof found === 'string') throw new Error(found);
  return found;
}

function take(target: ResourcePool, text: string): Allocation | undefined {
  return target.tryAllocate(resolved(target, text));
}

/** Labels per entry, `-` when nothing fits. */
function show(target: ResourcePool, text: string): string {
  const allocation = take(target, text);
  return allocation === undefined ? '-' : allocation.entries.map((entry) => target.labels(entry).join(',')).join(' ');
}

test.each([
  ['3', '1,2,3'],
  ['5', '2,3,13,14,15'],
  ['6', '1,2,3,13,14,15'],
  ['5 tight', '3,12,13,14,15'],
  ['6 tight', '2,3,12,13,14,15'],
  ['4 scatter', '3,7,11,15'],
  ['6 scatter', '2,3,6,7,11,15'],
  ['0.5', '0'],
  ['all', '0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15'],
])('a fresh worker with 4x4 CPUs gives %s as many groups as the original does', (amount, expected) => {
  const groupsOf = (labels: string): string =>
    labels
      .split(',')
      .map((label) => Math.floor(Number(label) / 4))
      .sort()
      .join('');
  const labels = show(pool(['cpus=4x4']), `cpus=${amount}`);
  const spread = (text: string): string =>
    [...new Set(groupsOf(text))]
      .map((group) => [...groupsOf(text)].filter((one) => one === group).length)
      .sort()
      .join('+');
  expect(spread(labels)).toBe(spread(expected));
});

test('whole indices come from the top, a fraction from the bottom', () => {
  expect(show(pool(['cpus=4']), 'cpus=2')).toBe('2,3');
  expect(show(pool(['cpus=4']), 'cpus=0.5')).toBe('0');
  expect(show(pool(['gpus=[[a,b],[c,d]]']), 'gpus=1.5')).toBe('b,a');
});

test('fractions share an index until it is full', () => {
  const gpus = pool(['gpus=2']);
  expect([
    show(gpus, 'gpus=0.5'),
    show(gpus, 'gpus=0.5'),
    show(gpus, 'gpus=0.75'),
    show(gpus, 'gpus=0.5'),
    show(gpus, 'gpus=0.25'),
  ]).toEqual(['0', '0', '1', '-', '1']);
  expect(gpus.freeUnits(0)).toBe(0);
});

test('a fraction that was released makes its index whole again', () => {
  const gpus = pool(['gpus=1']);
  const [a, b] = [take(gpus, 'gpus=0.5'), take(gpus, 'gpus=0.5')] as [Allocation, Allocation];
  expect(show(gpus, 'gpus=1')).toBe('-');
  gpus.release(a);
  expect(show(gpus, 'gpus=1')).toBe('-');
  gpus.release(b);
  expect(show(gpus, 'gpus=1')).toBe('0');
});

test('compact leaves larger gaps alone, tight starts with the freest group', () => {
  const holes = (): ResourcePool => {
    const cpus = pool(['cpus=2x4']);
    take(cpus, 'cpus=3');
    return cpus; // one group has 4 free, the other 1
  };
  const compact = holes();
  const before = show(compact, 'cpus=1');
  expect(show(compact, 'cpus=4')).not.toBe('-');
  const tight = holes();
  expect(show(tight, 'cpus=1 tight')).not.toBe(before);
  expect(show(tight, 'cpus=4 compact!')).toBe('-');
});

test('a forced policy waits for the number of groups of an unused worker', () => {
  const cpus = pool(['cpus=2x4']);
  const one = take(cpus, 'cpus=2 scatter') as Allocation;
  expect(show(cpus, 'cpus=4 compact!')).toBe('-');
  expect(show(cpus, 'cpus=4 tight!')).toBe('-');
  expect(show(cpus, 'cpus=4').split(',')).toHaveLength(4);
  cpus.release(one);
});

test('all needs the resource unused', () => {
  const both = pool(['cpus=4', 'mem=4GiB']);
  const held = take(both, 'cpus=0.5') as Allocation;
  expect(show(both, 'cpus=all')).toBe('-');
  both.release(held);
  expect(show(both, 'cpus=all,mem=all')).toBe('0,1,2,3 ');
  expect(both.freeUnits(1)).toBe(0);
});

test('a range takes what is free, at least its minimum', () => {
  const cpus = pool(['cpus=6']);
  expect(show(cpus, 'cpus=2-4').split(',')).toHaveLength(4);
  expect(show(cpus, 'cpus=2-4').split(',')).toHaveLength(2);
  expect(show(cpus, 'cpus=1-4')).toBe('-');
  expect(show(pool(['cpus=2x4']), 'cpus=2-6 compact!').split(',')).toHaveLength(6);
  expect(show(pool(['cpus=4']), 'cpus=2-99').split(',')).toHaveLength(4);
});

test('a range does not count shared indices as whole ones', () => {
  const cpus = pool(['cpus=4']);
  for (const share of ['0.4', '0.7', '0.7']) take(cpus, `cpus=${share}`);
  expect(cpus.freeUnits(0)).toBe(22_000);
  expect(show(cpus, 'cpus=1-3').split(',')).toHaveLength(1);
});

test('coupled resources come from groups that belong together', () => {
  const coupling = 'cpus[0]:gpus[0],cpus[1]:gpus[1]';
  const node = pool(['cpus=2x4', 'gpus=[[a,b],[c,d]]'], coupling);
  const sideOf = (text: string): number[] => {
    const [cpus, gpus] = text.split(' ') as [string, string];
    return [Math.floor(Number(cpus.split(',')[0]) / 4), 'ab'.includes(gpus.split(',')[0] as string) ? 0 : 1];
  };
  for (let i = 0; i < 4; i += 1) {
    const [cpuSide, gpuSide] = sideOf(show(node, 'cpus=2,gpus=1'));
    expect(cpuSide).toBe(gpuSide);
  }
  expect(show(node, 'cpus=1,gpus=1')).toBe('-');
});

test('with couplings a forced request waits for its own side', () => {
  const node = pool(['cpus=2x2', 'gpus=[[a],[b]]'], 'cpus[0]:gpus[0],cpus[1]:gpus[1]');
  const gpuA = take(node, 'gpus=1') as Allocation;
  expect(show(node, 'gpus=1')).toBe('b');
  node.release(gpuA);
  const cpus = take(node, 'cpus=2') as Allocation;
  expect(node.labels(cpus.entries[0] as Allocation['entries'][0])).toEqual(['0', '1']);
  expect(show(node, 'cpus=2 compact!,gpus=1 compact!')).toBe('-');
  const loose = take(node, 'cpus=2,gpus=1') as Allocation;
  expect(loose).toBeDefined();
  node.release(loose);
  node.release(cpus);
  expect(show(node, 'cpus=2 compact!,gpus=1 compact!')).toBe('0,1 a');
});

test('gpus is met by the GPUs of a vendor', () => {
  expect(show(pool(['gpus/amd=[x,y]']), 'gpus=1')).toBe('y');
  expect(show(pool(['gpus/amd=[x]', 'gpus=[z]']), 'gpus=1')).toBe('z');
});

test('what can never fit is named', () => {
  const node = pool(['cpus=4', 'gpus/nvidia=1']);
  const why = (text: string): unknown => node.resolve({ nodes: 0, minTimeMs: 0, weight: 1, ...request(text) });
  expect(why('fpgas=1')).toBe("this worker has no resource 'fpgas'");
  expect(why('cpus=4.5')).toBe("this worker has 4 of 'cpus', 4.5 requested");
  expect(why('gpus=1,gpus/nvidia=1')).toBe("'gpus/nvidia' is requested twice under different names");
});

test('what is kept for a waiting task is not given to others', () => {
  const node = pool(['cpus=4', 'gpus=1']);
  take(node, 'gpus=1');
  const kept: number[] = [];
  node.keepFor(resolved(node, 'cpus=3,gpus=1'), kept);
  expect(node.tryAllocate(resolved(node, 'cpus=2'), kept)).toBeUndefined();
  expect(node.tryAllocate(resolved(node, 'cpus=1-4'), kept)?.entries[0]?.units).toBe(10_000);
});
