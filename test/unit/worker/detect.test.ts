import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { resourceDescriptor } from '../../../src/protocol/schema/resources.ts';
import { batchEnvironment } from '../../../src/worker/detect/batchEnvironment.ts';
import { detectBatchJob, pbsTimeLeftMs, slurmTimeLeftMs } from '../../../src/worker/detect/batchJob.ts';
import { parseKernelList } from '../../../src/worker/detect/hostFiles.ts';
import { completeResources, type DetectOptions, detectResources } from '../../../src/worker/detect/hwdetect.ts';

function detect(machine: string, options: Partial<DetectOptions> = {}): unknown {
  return detectResources({ env: {}, root: fileURLToPath(new URL(`../../../fixtures/topologies/${machine}`, import.meta.url)), ...options });
}

test('two sockets become two groups, with the memory and the GPUs of the driver', () => {
  expect(detect('twoSockets')).toEqual([
    {
      name: 'cpus',
      kind: 'groups',
      groups: [
        ['0', '1', '2', '3', '8', '9', '10', '11'],
        ['4', '5', '6', '7', '12', '13', '14', '15'],
      ],
    },
    { name: 'gpus/nvidia', kind: 'range', start: 0, end: 1 },
    { name: 'mem', kind: 'sum', size: 642_220_117 },
  ]);
});

test('without hyper-threading one CPU per core is left', () => {
  expect(detect('twoSockets', { only: ['cpus'], hyperThreading: false })).toEqual([
    {
      name: 'cpus',
      kind: 'groups',
      groups: [
        ['0', '1', '2', '3'],
        ['4', '5', '6', '7'],
      ],
    },
  ]);
});

test('the affinity mask and the limit of an enclosing control group count', () => {
  expect(detect('slurmStep')).toEqual([
    { name: 'cpus', kind: 'list', values: ['4', '5', '12', '13'] },
    { name: 'mem', kind: 'sum', size: 40_960_000 },
  ]);
  expect(detect('slurmStep', { only: ['cpus'], hyperThreading: false })).toEqual([
    { name: 'cpus', kind: 'list', values: ['4', '5', '12', '13'] },
  ]);
});

test('a mask over parts of two nodes gives two groups; a node with memory alone gives none', () => {
  const groups = [
    ['2', '3'],
    ['4', '5'],
  ];
  expect(detect('partOfNodes', { only: ['cpus'] })).toEqual([{ name: 'cpus', kind: 'groups', groups }]);
});

test('in a container of version 1 control groups quota and memory limit count', () => {
  expect(detect('container')).toEqual([
    { name: 'cpus', kind: 'range', start: 0, end: 1 },
    { name: 'mem', kind: 'sum', size: 20_480_000 },
  ]);
});

test.each<[string, Record<string, string>, number]>([
  ['of the node', { SLURM_MEM_PER_NODE: '1000' }, 10_000_000],
  ['0 means all', { SLURM_MEM_PER_NODE: '0' }, 642_220_117],
  ['of each CPU', { SLURM_MEM_PER_CPU: '500', SLURM_CPUS_ON_NODE: '4' }, 20_000_000],
  ['more than there is', { SLURM_MEM_PER_NODE: '1000000' }, 642_220_117],
])('memory that Slurm grants: %s', (_name, env, size) => {
  const slurm = { SLURM_JOB_ID: '7', ...env };
  expect(detect('twoSockets', { only: ['mem'], env: slurm })).toEqual([{ name: 'mem', kind: 'sum', size }]);
  for (const outside of [{ env }, { env: slurm, manager: 'none' as const }])
    expect(detect('twoSockets', { only: ['mem'], ...outside })).toEqual([{ name: 'mem', kind: 'sum', size: 642_220_117 }]);
});

test.each<[string, Record<string, string>]>([
  ['Slurm', { SLURM_JOB_ID: '9', SLURM_CPUS_ON_NODE: '4' }],
  ['PBS', { PBS_JOBID: '9.pbs', PBS_ENVIRONMENT: 'PBS_BATCH', NCPUS: '4' }],
  ['Torque', { PBS_JOBID: '9.pbs', PBS_ENVIRONMENT: 'PBS_BATCH', PBS_NUM_PPN: '4' }],
])('in a job of 4 CPUs on a node of 64 that binds nothing, %s says how many there are', (_name, env) => {
  expect(detect('sharedNode', { only: ['cpus'], env })).toEqual([{ name: 'cpus', kind: 'range', start: 0, end: 3 }]);
});

test('a mask wins over a larger number from Slurm; without one its number counts', () => {
  const env = { SLURM_JOB_ID: '9', SLURM_CPUS_ON_NODE: '12' };
  expect(detect('slurmStep', { only: ['cpus'], env })).toEqual([{ name: 'cpus', kind: 'list', values: ['4', '5', '12', '13'] }]);
  expect(detect('amdNode', { only: ['cpus'], env })).toEqual([{ name: 'cpus', kind: 'range', start: 0, end: 11 }]);
});

test('devices that Slurm names for all vendors are those of the vendor whose driver is there', () => {
  const env = { SLURM_JOB_ID: '9', CUDA_VISIBLE_DEVICES: '0,1', ROCR_VISIBLE_DEVICES: '0,1' };
  const of = (machine: string): unknown => detect(machine, { only: ['gpus/nvidia', 'gpus/amd'], env });
  expect(of('amdNode')).toEqual([{ name: 'gpus/amd', kind: 'list', values: ['0', '1'] }]);
  expect(of('sharedNode')).toEqual([{ name: 'gpus/nvidia', kind: 'list', values: ['0', '1'] }]);
  expect(of('container')).toEqual([{ name: 'gpus/nvidia', kind: 'list', values: ['0', '1'] }]);
});

test('GPUs that belong to another job are not counted', () => {
  expect(detect('sharedNode', { only: ['gpus/nvidia'] })).toEqual([{ name: 'gpus/nvidia', kind: 'range', start: 0, end: 1 }]);
  expect(detect('amdNode', { only: ['gpus/amd', 'gpus/nvidia'] })).toEqual([{ name: 'gpus/amd', kind: 'range', start: 0, end: 1 }]);
  expect(detect('amdNode', { only: ['gpus/amd'], env: { CUDA_VISIBLE_DEVICES: '' } })).toEqual([]);
});

test('the environment names GPUs, hides them, or is wrong', () => {
  const gpus = (env: Record<string, string>): unknown => detect('twoSockets', { only: ['gpus/nvidia', 'gpus/amd'], env });
  expect(gpus({ CUDA_VISIBLE_DEVICES: 'GPU-1,3', ROCR_VISIBLE_DEVICES: '0' })).toEqual([
    { name: 'gpus/amd', kind: 'list', values: ['0'] },
    { name: 'gpus/nvidia', kind: 'list', values: ['GPU-1', '3'] },
  ]);
  expect(gpus({ CUDA_VISIBLE_DEVICES: '' })).toEqual([]);
  expect(gpus({ CUDA_VISIBLE_DEVICES: '1,-1,2' })).toEqual([{ name: 'gpus/nvidia', kind: 'list', values: ['1'] }]);
  const warnings: string[] = [];
  expect(
    detect('twoSockets', { only: ['gpus/nvidia'], env: { CUDA_VISIBLE_DEVICES: '1,1' }, warn: (line) => warnings.push(line) }),
  ).toEqual([]);
  expect(warnings).toEqual(['CUDA_VISIBLE_DEVICES names a device twice; gpus/nvidia is not detected']);
});

test('what the user described is not detected again', () => {
  const root = fileURLToPath(new URL('../../../fixtures/topologies/twoSockets', import.meta.url));
  const given = [
    { descriptor: { name: 'gpus', kind: 'list' as const, values: ['x'] }, related: false },
    { descriptor: { name: 'mem', kind: 'sum' as const, size: 1 }, related: false },
  ];
  const all = completeResources(given, { env: {}, root });
  expect(all.map((one) => one.descriptor.name)).toEqual(['gpus', 'mem', 'cpus']);
});

test('this machine gives valid descriptors with at least one CPU', () => {
  const found = detectResources({ env: {} });
  expect(found.map((one) => resourceDescriptor.parse(one))).toEqual(found);
  expect(found.some((one) => one.name === 'cpus')).toBe(true);
});

test('kernel lists', () => {
  expect(parseKernelList('0-2,8,10-11')).toEqual([0, 1, 2, 8, 10, 11]);
  expect(parseKernelList('')).toEqual([]);
});

test('remaining times of batch jobs', () => {
  expect(slurmTimeLeftMs('JobId=7 RunTime=00:10:00 TimeLimit=1-01:00:00 TimeMin=N/A')).toBe((24 * 60 + 50) * 60_000);
  expect(slurmTimeLeftMs('RunTime=10:00 TimeLimit=09:00')).toBe(0);
  expect(slurmTimeLeftMs('RunTime=00:10:00 TimeLimit=UNLIMITED')).toBeNull();
  expect(slurmTimeLeftMs('no such job')).toBeUndefined();
  const pbs = { Jobs: { '1.pbs': { Resource_List: { walltime: '01:00:00' }, resources_used: { walltime: '00:15:00' } } } };
  expect(pbsTimeLeftMs(JSON.stringify(pbs))).toBe(45 * 60_000);
  expect(pbsTimeLeftMs('{"Jobs":{"1.pbs":{}}}')).toBeNull();
  expect(pbsTimeLeftMs('<html>')).toBeUndefined();
});

test('a batch job whose batch system does not answer is still a batch job', async () => {
  const warnings: string[] = [];
  const env = { SLURM_JOB_ID: '7', PATH: '/nonexistent' };
  expect(await detectBatchJob('detect', env, (line) => warnings.push(line))).toEqual({ manager: 'Slurm', id: '7', timeLeftMs: null });
  expect(warnings[0]).toMatch(/^the remaining time of the batch job is unknown \(.*scontrol/);
  expect(await detectBatchJob('pbs', env, () => {})).toBeNull();
  expect(await detectBatchJob('none', env, () => {})).toBeNull();
});

test('an allocation that says itself what it is comes before the batch job around its server', async () => {
  const end = Math.floor(Date.now() / 1_000) + 600;
  const env = { HQ_ALLOCATION_MANAGER: 'local', HQ_ALLOCATION_ID: 'ab12', HQ_ALLOCATION_END: String(end), SLURM_JOB_ID: '7' };
  const job = await detectBatchJob('detect', env, () => {});
  expect(job).toMatchObject({ manager: 'local', id: 'ab12' });
  expect(job?.timeLeftMs).toBeGreaterThan(590_000);
  expect(job?.timeLeftMs).toBeLessThanOrEqual(600_000);
  expect(await detectBatchJob('none', env, () => {})).toBeNull();
  expect(await detectBatchJob('detect', { HQ_ALLOCATION_MANAGER: 'x', HQ_ALLOCATION_ID: '1' }, () => {})).toMatchObject({
    timeLeftMs: null,
  });
  expect(await detectBatchJob('detect', { HQ_ALLOCATION_ID: '1' }, () => {})).toBeNull();
  expect(batchEnvironment('detect', env)?.cpus).toBeUndefined();
  expect(batchEnvironment('detect', { ...env, HQ_ALLOCATION_CPUS: '4', SLURM_CPUS_ON_NODE: '9' })?.cpus).toBe(4);
});
