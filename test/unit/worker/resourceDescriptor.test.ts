import { expect, test } from 'vitest';
import { makeWorkerResources, parseCoupling } from '../../../src/common/coupling.ts';
import { parseCpuDescriptor, parseResourceDescriptor, parseResourceOption } from '../../../src/common/resourceDescriptor.ts';
import { workerResources } from '../../../src/protocol/schema/resources.ts';

const four = (name: string): unknown => ({ name, kind: 'range', start: 0, end: 3 });
const good: [string, string, unknown][] = [
  ['cpus', '4', four('cpus')],
  ['gpus', '4', four('gpus')],
  ['gpus/amd', '4', four('gpus/amd')],
  ['licenses', '4', { name: 'licenses', kind: 'sum', size: 40_000 }],
  ['licenses', '2.25', { name: 'licenses', kind: 'sum', size: 22_500 }],
  ['licenses', 'sum(1_000.5)', { name: 'licenses', kind: 'sum', size: 10_005_000 }],
  ['mem', '4GiB', { name: 'mem', kind: 'sum', size: 40_960_000 }],
  ['mem', 'sum(512 MiB)', { name: 'mem', kind: 'sum', size: 5_120_000 }],
  ['mem', '1GB', { name: 'mem', kind: 'sum', size: 9_536_743 }],
  [
    'cpus',
    '2x2',
    {
      name: 'cpus',
      kind: 'groups',
      groups: [
        ['0', '1'],
        ['2', '3'],
      ],
    },
  ],
  ['cpus', '1x4', four('cpus')],
  ['cpus', 'range(2-5)', { name: 'cpus', kind: 'range', start: 2, end: 5 }],
  ['gpus', '[a, b,"x y"]', { name: 'gpus', kind: 'list', values: ['a', 'b', 'x y'] }],
  [
    'cpus',
    '[[0-3], [4-7]]',
    {
      name: 'cpus',
      kind: 'groups',
      groups: [
        ['0', '1', '2', '3'],
        ['4', '5', '6', '7'],
      ],
    },
  ],
  ['cpus', '[[0,1]]', { name: 'cpus', kind: 'list', values: ['0', '1'] }],
  ['cpus', '["0-3"]', { name: 'cpus', kind: 'list', values: ['0-3'] }],
  ['cpus', '[0-1,8,10-11]', { name: 'cpus', kind: 'list', values: ['0', '1', '8', '10', '11'] }],
];

test.each(good)('%s=%s', (name, text, expected) => {
  expect(parseResourceDescriptor(name, text)).toEqual({ descriptor: expected, related: false });
});

const bad: [string, string, string][] = [
  ['cpus', '', 'the descriptor is empty'],
  ['cpus', '0', 'at least one is needed'],
  ['cpus', '0x4', 'at least one is needed'],
  ['cpus', '-1', 'it is neither a number nor a list of indices'],
  ['cpus', 'sum(4)', 'CPUs have indices'],
  ['cpus', '[1,1]', "index '1' is given twice"],
  ['cpus', '[0-3,2]', "index '2' is given twice"],
  ['cpus', '[[0],[0]]', "index '0' is given twice"],
  ['cpus', '[]', 'a list is empty'],
  ['cpus', '[[]]', 'a list is empty'],
  ['cpus', '[[0],1]', 'lists and single indices cannot be mixed'],
  ['cpus', '[0,[1]]', 'an index is missing'],
  ['cpus', '[0,1', "',' or ']' is missing"],
  ['cpus', '[0 1]', "',' or ']' is missing"],
  ['cpus', '[0],[1]', 'there is text after the list'],
  ['cpus', '[0,]', 'an index is missing'],
  ['cpus', '[""]', 'an index is empty'],
  ['cpus', '[5-2]', "range '5-2' ends before it starts"],
  ['cpus', 'range(5-2)', 'the range ends before it starts'],
  ['cpus', 'range(0-4294967295)', 'more than 1000000 indices'],
  ['cpus', '[0-4294967295]', 'more than 1000000 indices'],
  ['licenses', '1.00001', 'has more than 4 decimals'],
  ['licenses', '4GiB', "'4GiB' is not an amount"],
  ['mem', '4 parsecs', "'4 parsecs' is not a size"],
  ['licenses', '0', 'the amount must be above zero'],
  ['licenses', 'sum(0)', 'the amount must be above zero'],
  ['licenses', '-4', "'-4' is not an amount"],
  ['x', 'sum(a)', "'a' is not an amount"],
  ['2x', '4', "'2x' is not a resource name"],
  ['cpus', 'related[[0],[1]]', 'cannot be used for them'],
  ['gpus', 'related[0,1]', 'needs one list of indices per CPU group'],
];

test.each(bad)('%s=%s is refused: %s', (name, text, detail) => {
  expect(() => parseResourceDescriptor(name, text)).toThrow(detail);
  expect(() => parseResourceDescriptor(name, text)).toThrow(expect.objectContaining({ code: 'HQ_E_RESOURCE_DESCRIPTOR' }) as Error);
});

test('options need a name', () => {
  expect(parseResourceOption('a=1')).toMatchObject({ descriptor: { name: 'a', size: 10_000 } });
  expect(() => parseResourceOption('4')).toThrow('NAME=DESCRIPTOR is expected');
});

test('related groups are coupled with the CPU groups of the same number', () => {
  const parsed = [parseResourceDescriptor('gpus', 'related[[0],[1]]'), { descriptor: parseCpuDescriptor('2x4'), related: false }];
  const made = makeWorkerResources(parsed);
  expect(workerResources.parse(made)).toEqual(made);
  expect(made.coupling.weights).toEqual([
    { resource1_idx: 0, group1_idx: 0, resource2_idx: 1, group2_idx: 0, weight: 256 },
    { resource1_idx: 0, group1_idx: 1, resource2_idx: 1, group2_idx: 1, weight: 256 },
  ]);
  expect(() => makeWorkerResources([parsed[0] as (typeof parsed)[0], { descriptor: parseCpuDescriptor('4'), related: false }])).toThrow(
    'related[...] has 2 groups, the CPUs have 1',
  );
});

test('couplings name groups that exist', () => {
  const parsed = [
    parseResourceDescriptor('gpus', '[[a],[b]]'),
    parseResourceDescriptor('cpus', '2x4'),
    parseResourceDescriptor('lic', '4'),
  ];
  expect(makeWorkerResources(parsed, parseCoupling('gpus[1]:cpus[0]=7, cpus[1]:gpus[0]')).coupling.weights).toEqual([
    { resource1_idx: 1, group1_idx: 1, resource2_idx: 0, group2_idx: 0, weight: 7 },
    { resource1_idx: 0, group1_idx: 1, resource2_idx: 1, group2_idx: 0, weight: 256 },
  ]);
  expect(() => makeWorkerResources(parsed, parseCoupling('cpus[2]:gpus[0]'))).toThrow("'cpus' has groups 0 to 1");
  expect(() => makeWorkerResources(parsed, parseCoupling('cpus[0]:fpgas[0]'))).toThrow("no resource 'fpgas'");
  expect(() => makeWorkerResources(parsed, parseCoupling('cpus[0]:lic[0]'))).toThrow("'lic' has no groups");
  expect(() => makeWorkerResources(parsed, parseCoupling('cpus[0]:cpus[1]'))).toThrow('coupled with itself');
  expect(() => makeWorkerResources(parsed, parseCoupling('cpus[0]:gpus[1],gpus[1]:cpus[0]=7'))).toThrow('coupled twice');
  expect(() => makeWorkerResources([...parsed, parseResourceDescriptor('cpus', '4')])).toThrow('described twice');
  expect(() => parseCoupling('cpus[0]')).toThrow("'cpus[0]' is not like");
  expect(() => parseCoupling('cpus[0]:gpus[0]=70000')).toThrow('larger than 65535');
});
