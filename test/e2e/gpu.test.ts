/**
 * A machine with NVIDIA GPUs: they are found, shared and shown to tasks, which ask the driver itself what they may use. Skipped where there is none,
 * as on the machine of the test runs; whoever has one runs `npx vitest run --project e2e test/e2e/gpu.test.ts`.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';

/** UUIDs of the GPUs as the driver numbers them; none where there is no driver. */
function installedGpus(): string[] {
  const { stdout } = spawnSync('nvidia-smi', ['--query-gpu=uuid', '--format=csv,noheader'], { encoding: 'utf8', timeout: 60_000 });
  return (stdout ?? '').split('\n').filter((line) => line.startsWith('GPU-'));
}

const GPUS = installedGpus();

/** Writes what CUDA shows the process, takes 64 MiB of the first device, and stays until there is a file `go`. */
const LOOK = `
import ctypes, os, time, uuid
cuda = ctypes.CDLL('libcuda.so.1')
def call(name, *args):
    status = getattr(cuda, name)(*args)
    if status != 0:
        raise SystemExit(f'{name}: error {status}')
count, device, context, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
raw = (ctypes.c_ubyte * 16)()
seen = 'none'
if cuda.cuInit(0) == 0:
    call('cuDeviceGetCount', ctypes.byref(count))
    if count.value > 0:
        call('cuDeviceGet', ctypes.byref(device), 0)
        call('cuDeviceGetUuid', raw, device)
        call('cuCtxCreate_v2', ctypes.byref(context), 0, device)
        call('cuMemAlloc_v2', ctypes.byref(memory), ctypes.c_size_t(64 << 20))
        seen = f'{count.value} GPU-{uuid.UUID(bytes=bytes(raw))}'
name = 'told-' + os.environ['HQ_JOB_ID'] + '-' + os.environ['HQ_TASK_ID']
with open('tmp-' + name, 'w') as file:
    file.write(seen)
os.rename('tmp-' + name, name)
while not os.path.exists('go'):
    time.sleep(0.02)
`;

describe.skipIf(GPUS.length === 0)('NVIDIA GPUs of this machine', () => {
  let cluster: Cluster;
  let client: HqClient;
  beforeEach(async () => {
    cluster = new Cluster();
    writeFileSync(join(cluster.work, 'look.py'), LOOK);
    await cluster.startServer();
    client = await clientOf(cluster);
  });
  afterEach(async () => {
    client.close();
    await cluster.stop();
  });

  const submit = async (...args: string[]): Promise<number> =>
    Number(await cluster.ok(['--output-mode', 'quiet', 'submit', ...args, '--', 'python3', 'look.py']));

  const told = (): string[] => {
    const names = readdirSync(cluster.work).filter((name) => name.startsWith('told-'));
    return names.map((name) => readFileSync(join(cluster.work, name), 'utf8')).sort();
  };

  async function allTold(count: number): Promise<string[]> {
    await waitFor(`${count} tasks to run at the same time`, () => told().length >= count);
    return told();
  }

  async function letAllEnd(...jobs: number[]): Promise<void> {
    writeFileSync(join(cluster.work, 'go'), '');
    for (const job of jobs) expect((await ended(client, job)).stats.failed).toBe(0);
  }

  test('are found without being named', async () => {
    const { resources } = await cluster.json<{ resources: { name: string; kind: string }[] }>(['worker', 'hwdetect']);
    expect(resources.find(({ name }) => name === 'gpus/nvidia')).toEqual({
      name: 'gpus/nvidia',
      kind: 'range',
      start: 0,
      end: GPUS.length - 1,
    });
  });

  test('four quarters run at once on one device, each with its own context; a fifth waits', async () => {
    await cluster.startWorker(['--cpus', '8']);
    const quarters = await submit('--array', `1-${4 * GPUS.length}`, '--resource', 'gpus/nvidia=0.25');
    const seen = await allTold(4 * GPUS.length);
    expect(seen).toEqual(GPUS.flatMap((uuid) => Array.from({ length: 4 }, () => `1 ${uuid}`)).sort());
    const fifth = await submit('--resource', 'gpus/nvidia=0.25');
    expect((await client.listTasks(fifth)).map(({ state }) => state)).toEqual(['waiting']);
    await letAllEnd(quarters, fifth);
  });

  test('a whole device for one task at a time', async () => {
    await cluster.startWorker(['--cpus', '8']);
    const whole = await submit('--array', `1-${GPUS.length}`, '--resource', 'gpus/nvidia=1');
    expect(await allTold(GPUS.length)).toEqual(GPUS.map((uuid) => `1 ${uuid}`).sort());
    await letAllEnd(whole);
  });

  test('a worker from which they are hidden has none, and says so at submit', async () => {
    await cluster.startWorker(['--cpus', '2'], { CUDA_VISIBLE_DEVICES: '' });
    const { stderr } = await cluster.hq(['submit', '--resource', 'gpus/nvidia=1', '--', 'true']);
    expect(stderr).toContain('gpus/nvidia');
    const job = await submit('--cpus', '1');
    expect(await allTold(1)).toEqual(['none']);
    await letAllEnd(job);
  });
});
