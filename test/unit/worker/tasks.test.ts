/** Tasks as real processes, through a worker against the scripted server, with every launcher. */
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseCpuDescriptor, parseResourceOption } from '../../../src/common/resourceDescriptor.ts';
import {
  UPDATE_CANCELED as CANCELED,
  UPDATE_FAILED as FAILED,
  UPDATE_FINISHED as FINISHED,
  type TaskUpdate,
  type WireBody,
} from '../../../src/protocol/messages/worker.ts';
import { detectResources } from '../../../src/worker/detect/hwdetect.ts';
import type { WorkerOverrides } from '../../../src/worker/options.ts';
import { FakeServer, processesWith, type RunningWorker, startRegistered } from './fakeServer.ts';
import { hqspawnPath, LAUNCHERS } from './launchers.ts';
import { makeBody } from './stateHelp.ts';

let launcher: (typeof LAUNCHERS)[number];
let server: FakeServer;
let workers: RunningWorker[] = [];

beforeEach(async () => {
  server = await FakeServer.start({ tls: false });
});

afterEach(async () => {
  for (const worker of workers) worker.abort.abort();
  await Promise.allSettled(workers.map((worker) => worker.code));
  workers = [];
  const marker = `HQ_SUBMIT_DIR=${server.dir}`;
  await vi.waitFor(() => expect(processesWith(marker), 'processes left behind').toEqual([]));
  await server.close();
});

/** A worker with the launcher of this round. */
async function worker(overrides: WorkerOverrides = {}, o: { env?: Record<string, string> } = {}): Promise<RunningWorker> {
  const native = launcher === 'node' ? {} : { launcherPath: await hqspawnPath(launcher) };
  const env = { ...o.env, HQ_LAUNCHER: launcher === 'node' ? 'node' : 'native', ASAN_OPTIONS: 'detect_leaks=0' };
  const started = await startRegistered(server, overrides, { ...native, env });
  workers.push(started);
  return started;
}

/** A shell script as a task, with its output in files of the server's directory. */
function script(text: string, o: Parameters<typeof makeBody>[0] = {}): WireBody {
  return makeBody({
    command: ['sh', '-c', text],
    cwd: server.dir,
    submitDir: server.dir,
    stdout: { path: 'out-%{TASK_ID}', onClose: 'keep' },
    stderr: { path: 'err-%{TASK_ID}', onClose: 'keep' },
    ...o,
  });
}

function read(name: string): string {
  return readFileSync(join(server.dir, name), 'utf8');
}

function failure(update: TaskUpdate): unknown {
  expect(update[0]).toBe(FAILED);
  return update[6];
}

// The sanitized one is for the launcher's own tests.
describe.each(LAUNCHERS.filter((one) => one !== 'native, sanitized'))('%s', (name) => {
  beforeEach(() => {
    launcher = name;
  });

  test('a task finds its environment, its directory and its input', async () => {
    await worker(
      { resources: [parseResourceOption('gpus/nvidia=[a,b]'), parseResourceOption('mem=4GiB')] },
      { env: { INHERITED: 'yes', CUDA_VISIBLE_DEVICES: 'a,b' } },
    );
    const body = script('env; echo "cwd=$PWD"; echo "stdin=$(cat)"; echo oops >&2', {
      cwd: 'dir with blanks/%{TASK_ID}-%{INSTANCE_ID}',
      stdout: { path: '../logs/%{TASK_ID}/out', onClose: 'keep' },
      env: { MINE: 'a b', HQ_TASK_ID: 'forged' },
      stdin: Buffer.from('line 1\nline 2'),
      request: [
        { nodes: 0, minTimeMs: 0, weight: 1, entries: [] },
        {
          nodes: 0,
          minTimeMs: 0,
          weight: 1,
          entries: [
            { name: 'cpus', policy: 'compact', units: 20_000, maxUnits: 30_000 },
            { name: 'gpus', policy: 'compact', units: 15_000 },
            { name: 'mem', policy: 'compact', units: 10_240_000 },
          ],
        },
      ],
    });
    server.send(['compute', [body], [[3, 5, 2, 0, '{"x":1}', 1]]]);
    expect((await server.waitEnd(5))[0]).toBe(FINISHED);
    const out = read('dir with blanks/logs/5/out').split('\n');
    for (const line of [
      'HQ=/opt/hq',
      'HQ_JOB_ID=3',
      'HQ_TASK_ID=5',
      'HQ_INSTANCE_ID=2',
      'HQ_ENTRY={"x":1}',
      `HQ_SUBMIT_DIR=${server.dir}`,
      'HQ_RESOURCE_VARIANT=1',
      'HQ_CPUS=1,2,3',
      'HQ_RESOURCE_VALUES_cpus=1,2,3',
      'HQ_RESOURCE_REQUEST_cpus=2-3 compact',
      'OMP_NUM_THREADS=3',
      'HQ_RESOURCE_REQUEST_gpus=1.5 compact',
      'HQ_RESOURCE_VALUES_gpus=b,a',
      'CUDA_VISIBLE_DEVICES=b,a',
      'CUDA_DEVICE_ORDER=PCI_BUS_ID',
      'HQ_RESOURCE_REQUEST_mem=1024 compact',
      'INHERITED=yes',
      'MINE=a b',
      `cwd=${server.dir}/dir with blanks/5-2`,
      'stdin=line 1',
      'line 2',
    ]) {
      expect(out).toContain(line);
    }
    expect(out.filter((line) => line.startsWith('HQ_RESOURCE_VALUES_mem'))).toEqual([]);
    expect(read('dir with blanks/5-2/err-5')).toBe('oops\n');
  });

  test('a task is bound to its CPUs by the kernel, or OpenMP is told', async () => {
    const [cpu] = detectResources({ env: {}, only: ['cpus'] }).map((one) => (one.kind === 'range' ? one.start : 0));
    await worker({ cpus: parseCpuDescriptor(`[${cpu}]`) }, { env: { HQ_PIN: 'of another server', HQ_RESOURCE_VARIANT: '3' } });
    const show = 'grep Cpus_allowed_list /proc/self/status; env | grep -E "^(HQ_PIN|HQ_CPUS|HQ_RESOURCE_V.*T|OMP_P.*)=" | sort';
    server.compute(script(show, { pin: 'taskset' }), [1]);
    server.compute(script(show, { pin: 'omp' }), [2]);
    server.compute(script(show, { pin: 'omp', env: { OMP_PLACES: 'cores' } }), [3]);
    server.compute(script(show), [4]);
    for (const id of [1, 2, 3, 4]) expect((await server.waitEnd(id))[0]).toBe(FINISHED);
    const free = /Cpus_allowed_list:.*/.exec(readFileSync('/proc/self/status', 'utf8'))?.[0];
    expect(read('out-1')).toBe(`Cpus_allowed_list:\t${cpu}\nHQ_CPUS=${cpu}\nHQ_PIN=taskset\n`);
    expect(read('out-2')).toBe(`${free}\nHQ_CPUS=${cpu}\nHQ_PIN=omp\nOMP_PLACES={${cpu}}\nOMP_PROC_BIND=close\n`);
    expect(read('out-3')).toBe(`${free}\nHQ_CPUS=${cpu}\nHQ_PIN=omp\nOMP_PLACES=cores\nOMP_PROC_BIND=close\n`);
    expect(read('out-4')).toBe(`${free}\nHQ_CPUS=${cpu}\n`);
  });

  test('CPUs with names cannot be bound to', async () => {
    await worker({ cpus: parseCpuDescriptor('[left,right]') });
    server.compute(script('true', { pin: 'taskset' }), [1]);
    expect(failure(await server.waitEnd(1))).toMatchObject({
      kind: 'internal',
      error: 'The task cannot run here: its CPUs have names, and a task can be bound only to CPUs with numbers.',
    });
    server.compute(script('echo $OMP_PLACES', { pin: 'omp' }), [2]);
    expect((await server.waitEnd(2))[0]).toBe(FINISHED);
    expect(read('out-2')).toBe('{right}\n');
  });

  test('the user may set OMP_NUM_THREADS; one variant sets no variable', async () => {
    await worker();
    server.compute(script('echo $OMP_NUM_THREADS-$HQ_RESOURCE_VARIANT-', { env: { OMP_NUM_THREADS: '7' } }), [1]);
    await server.waitEnd(1);
    expect(read('out-1')).toBe('7--\n');
  });

  test('failures are told in the words of the original', async () => {
    await worker();
    server.compute(script('exit 3'), [1]);
    server.compute(script('kill -9 $$'), [2]);
    server.compute(makeBody({ command: ['nosuchprog'], cwd: server.dir }), [3]);
    server.compute(script('sleep 60', { timeLimitMs: 50 }), [4]);
    expect(failure(await server.waitEnd(1))).toMatchObject({ kind: 'exit', error: 'Program terminated with exit code 3.' });
    expect(failure(await server.waitEnd(2))).toMatchObject({
      kind: 'signal',
      error: 'Program terminated with exit code -1. Received signal 9 (SIGKILL).',
    });
    expect(failure(await server.waitEnd(3))).toMatchObject({
      kind: 'spawn',
      error:
        'Cannot execute "nosuchprog": No such file or directory (os error 2)\nThe program that you have tried to execute (`nosuchprog`) was not found.',
    });
    expect(failure(await server.waitEnd(4))).toMatchObject({ kind: 'time-limit', error: 'Time limit reached' });
    expect((await server.waitEnd(1))[5]).toMatchObject({ wallMs: expect.any(Number), userMs: name === 'node' ? null : expect.any(Number) });
  });

  test('what is wrong with a program is explained', async () => {
    await worker();
    writeFileSync(join(server.dir, 'plain.sh'), 'echo hi\n');
    writeFileSync(join(server.dir, 'bad.sh'), '#!/no/such/interpreter\n', { mode: 0o755 });
    const run = async (id: number, command: string[]): Promise<string> => {
      server.compute(makeBody({ command, cwd: server.dir }), [id]);
      return (failure(await server.waitEnd(id)) as { error: string }).error;
    };
    expect(await run(1, ['./plain.sh'])).toContain('is not executable; `chmod +x ./plain.sh` changes that');
    expect(await run(2, ['plain.sh'])).toContain('write `./plain.sh`');
    expect(await run(3, ['./bad.sh'])).toContain('The interpreter `/no/such/interpreter`');
    expect(await run(4, [server.dir])).toContain('is a directory');
    chmodSync(join(server.dir, 'plain.sh'), 0o755);
    expect(await run(5, ['x\0y'])).toMatch(/^Cannot execute "x\\u0000y": /);
    expect(await run(6, ['true', 'a'.repeat(3_000_000)])).toContain('Argument list too long (os error 7)');
  });

  test('output that cannot be opened is the failure of the task alone', async () => {
    await worker();
    writeFileSync(join(server.dir, 'file'), '');
    server.compute(script('true', { stdout: { path: 'file/out', onClose: 'keep' } }), [1]);
    server.compute(script('true', { stdout: { path: '/', onClose: 'keep' } }), [2]);
    server.compute(script('true', { cwd: 'file/cwd', stdout: null }), [3]);
    expect(failure(await server.waitEnd(1))).toMatchObject({
      kind: 'spawn',
      error: expect.stringContaining('the directory of standard output') as string,
    });
    expect(failure(await server.waitEnd(2))).toMatchObject({ error: 'Cannot open "/" for standard output: Is a directory (os error 21)' });
    expect(failure(await server.waitEnd(3))).toMatchObject({
      error: expect.stringContaining(`Cannot create the working directory "${server.dir}/file/cwd"`) as string,
    });
  });

  test('a directory that was removed between two tasks is made again', async () => {
    await worker();
    const body = script('rm -rf "$PWD"', { cwd: 'gone', stdout: { path: 'sub/out', onClose: 'keep' }, stderr: null });
    for (const id of [1, 2, 3]) {
      server.compute(body, [id]);
      expect((await server.waitEnd(id))[0]).toBe(FINISHED);
    }
  });

  test('outputs: one file for both channels, nowhere, removed when finished, truncated per instance', async () => {
    await worker();
    const both = { path: 'both', onClose: 'keep' as const };
    server.compute(script('echo out; echo err >&2; echo out', { stdout: both, stderr: both }), [1]);
    server.compute(script('echo lost; echo lost >&2', { stdout: null, stderr: null }), [2]);
    const removed = (name: string) => ({ path: name, onClose: 'rm-if-finished' as const });
    server.compute(script('echo x', { stdout: removed('rm-ok') }), [3]);
    server.compute(script('echo x; false', { stdout: removed('rm-bad') }), [4]);
    for (const id of [1, 2, 3, 4]) await server.waitEnd(id);
    expect(read('both')).toBe('out\nerr\nout\n');
    expect(existsSync(join(server.dir, 'rm-ok'))).toBe(false);
    expect(read('rm-bad')).toBe('x\n');
    server.compute(script('printf short', { stdout: both, stderr: null }), [5]);
    await server.waitEnd(5);
    expect(read('both')).toBe('short');
  });

  test('cancelling interrupts the whole group and lets a trap run', async () => {
    await worker();
    server.compute(script('trap "echo trapped; exit 0" INT; touch ready; sleep 60 & wait'), [1]);
    await vi.waitFor(() => expect(existsSync(join(server.dir, 'ready'))).toBe(true));
    server.send(['cancel', [[1, 1, 0]]]);
    expect((await server.waitEnd(1))[0]).toBe(CANCELED);
    expect(read('out-1')).toBe('trapped\n');
  });

  test('who ignores the interrupt is killed after the grace period, with all its children', async () => {
    await worker();
    server.compute(script('trap "" INT; sleep 60 & touch ready; sleep 61; sleep 62'), [1]);
    await vi.waitFor(() => expect(existsSync(join(server.dir, 'ready'))).toBe(true));
    const before = performance.now();
    server.send(['cancel', [[1, 1, 0]]]);
    expect((await server.waitEnd(1))[0]).toBe(CANCELED);
    expect(performance.now() - before).toBeGreaterThan(900);
    expect(processesWith(`HQ_SUBMIT_DIR=${server.dir}`)).toEqual([]);
  });

  test('background children of a finished task are gone when its end is reported', async () => {
    await worker();
    server.compute(script('sleep 60 & (trap "" INT HUP TERM; sleep 61) & exit 0'), [1]);
    expect((await server.waitEnd(1))[0]).toBe(FINISHED);
    expect(processesWith(`HQ_SUBMIT_DIR=${server.dir}`)).toEqual([]);
  });

  test('each task leads its own session', async () => {
    await worker();
    server.compute({ ...script(''), command: ['cat', '/proc/self/stat'] }, [1]);
    await server.waitEnd(1);
    const [pid, , , , group, session] = read('out-1').split(' ');
    expect([group, session]).toEqual([pid, pid]);
  });

  test('input that is not read, and much input, do no harm', async () => {
    await worker();
    const stdin = Buffer.alloc(1_000_000, 'x');
    server.compute(script('true', { stdin }), [1]);
    server.compute(script('wc -c', { stdin }), [2]);
    expect((await server.waitEnd(1))[0]).toBe(FINISHED);
    await server.waitEnd(2);
    expect(read('out-2').trim()).toBe('1000000');
  });

  test('1,000 quick tasks all finish, each once', { timeout: 60_000 }, async () => {
    await worker();
    const ids = Array.from({ length: 1000 }, (_, i) => i);
    server.compute(makeBody({ command: ['/bin/true'], submitDir: server.dir }), ids);
    await vi.waitFor(() => expect(server.updates.filter((update) => update[0] === FINISHED)).toHaveLength(1000), { timeout: 55_000 });
    expect(new Set(server.updates.filter((update) => update[0] === FINISHED).map((update) => update[2])).size).toBe(1000);
    expect(server.updates).toHaveLength(2000);
  });

  test('what is held back while the line is cut is repeated, and nothing runs twice', { timeout: 60_000 }, async () => {
    await worker();
    const body = makeBody({ command: ['/bin/true'], submitDir: server.dir });
    const ids = Array.from({ length: 300 }, (_, i) => i);
    const finished = (): number[] => server.updates.filter((update) => update[0] === FINISHED).map((update) => update[2]);
    const welcome = server.answer;
    server.answer = (hello) => {
      // What the worker does not name and has not told of is given out again, as the real server does at once.
      const known = new Set([...hello.held.map(([, id]) => id), ...finished()]);
      setImmediate(() =>
        server.compute(
          body,
          ids.filter((id) => !known.has(id)),
        ),
      );
      return welcome(hello);
    };
    server.compute(body, ids);
    for (const enough of [20, 80, 140, 200]) {
      await vi.waitFor(() => expect(finished().length).toBeGreaterThan(enough), { timeout: 20_000, interval: 1 });
      const before = server.hellos.length;
      server.cut();
      await vi.waitFor(() => expect(server.hellos.length).toBeGreaterThan(before), { timeout: 10_000 });
    }
    await vi.waitFor(() => expect(new Set(finished()).size).toBe(300), { timeout: 20_000 });
    expect([...finished()].sort((a, b) => a - b)).toEqual(ids);
  });

  test('nothing of the worker is left in its directory', async () => {
    const one = await worker();
    server.compute(script('echo hi', { stdin: Buffer.from('x'), stream: join(server.dir, 'logs'), stdout: undefined }), [1]);
    await server.waitEnd(1);
    one.abort.abort();
    expect(await one.code).toBe(0);
    expect(readdirSync(join(server.dir, 'work'))).toEqual([]);
  });
});
