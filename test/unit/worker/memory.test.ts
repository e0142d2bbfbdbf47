/**
 * Tasks that really use memory, through a worker against the scripted server: what every way of guarding it does. Control groups are tested in
 * the version that this machine has, where the tests may make some.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseResourceOption } from '../../../src/common/resourceDescriptor.ts';
import {
  UPDATE_FAILED as FAILED,
  UPDATE_FINISHED as FINISHED,
  type TaskUpdate,
  type WireBody,
} from '../../../src/protocol/messages/worker.ts';
import type { TaskUsage } from '../../../src/protocol/schema/task.ts';
import type { WorkerOverrides } from '../../../src/worker/options.ts';
import { describeWays, LIMIT_FILE, type MemoryWay, MOUNT, madeGroups, OWN_GROUP } from '../../helpers/memoryWays.ts';
import { FakeServer, processesWith, type RunningWorker, startRegistered } from './fakeServer.ts';
import { hqspawnPath } from './launchers.ts';
import { makeBody } from './stateHelp.ts';

const MIB = 2 ** 20;
/** Holds this much in `tail`, which keeps what has no line break, until what follows the pipe ends. */
const HELD_MIB = 120;
const HOLD = `head -c ${HELD_MIB}M /dev/zero | tail`;

let server: FakeServer;
let worker: RunningWorker | undefined;

beforeEach(async () => {
  server = await FakeServer.start({ tls: false });
});

afterEach(async () => {
  worker?.abort.abort();
  await worker?.code.catch(() => {});
  worker = undefined;
  await vi.waitFor(() => expect(processesWith(`HQ_SUBMIT_DIR=${server.dir}`), 'processes left behind').toEqual([]));
  expect(madeGroups(), 'control groups left behind').toEqual([]);
  await server.close();
});

async function start({ launcher, guard }: MemoryWay, overrides: WorkerOverrides = {}): Promise<void> {
  const native = launcher === 'node' ? {} : { launcherPath: await hqspawnPath('native') };
  const resources = [parseResourceOption('mem=sum(1000)')];
  const env = { HQ_LAUNCHER: launcher, HQ_MEM_GUARD: guard };
  worker = await startRegistered(server, { resources, ...overrides }, { ...native, env });
}

/** A task with this request of memory, MiB; none for 0. */
function task(command: string[], memMib: number): WireBody {
  const mem = memMib === 0 ? [] : [{ name: 'mem', policy: 'compact' as const, units: memMib * 10_000 }];
  const entries = [{ name: 'cpus', policy: 'compact' as const, units: 1_000 }, ...mem];
  return makeBody({ command, cwd: server.dir, submitDir: server.dir, entries });
}

const shell = (text: string, memMib: number): WireBody => task(['sh', '-c', text], memMib);
const until = (name: string): string => `until [ -e ${name} ]; do sleep 0.05; done`;
const touch = (name: string): void => writeFileSync(join(server.dir, name), '');
const usageOf = (update: TaskUpdate): TaskUsage => update[5] as TaskUsage;

/** Polls longer than a busy machine takes for some samples. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 20 });

/** `more`: what the error says beside the figures where the kernel has refused more. */
const MORE = { proc: '', cgroup: ' when it wanted more' } as const;

describeWays('any', (way) => {
  const { launcher, guard } = way;

  test('who holds more than it has requested is killed alone', async () => {
    await start(way);
    server.compute(shell(until('go'), 50), [1]);
    server.compute(shell(`${HOLD} | sleep 60`, 50), [2]);
    const end = await server.waitEnd(2);
    expect(end[0]).toBe(FAILED);
    expect(end[6]).toMatchObject({ kind: 'memory-limit', exitCode: null, signal: 'SIGKILL' });
    const { error } = end[6] as { error: string };
    const [, used, more] = /^Memory limit exceeded: ([\d.]+) MiB used(.*), 50 MiB requested\.$/.exec(error) ?? [];
    expect(more).toBe(MORE[guard]);
    // No sample comes in between, and no page more.
    if (guard === 'cgroup') expect(Number(used)).toBeCloseTo(50, 0);
    else expect(Number(used)).toBeGreaterThan(50);
    expect(usageOf(end).peakMemBytes).toBeGreaterThanOrEqual(50 * MIB);
    expect(server.end(1)).toBeUndefined();
    touch('go');
    expect((await server.waitEnd(1))[0]).toBe(FINISHED);
  });

  test('also what has left the session of its task', async () => {
    await start(way);
    server.compute(shell(`setsid sh -c '${HOLD} | sleep 60' & wait`, 50), [1]);
    expect((await server.waitEnd(1))[6]).toMatchObject({ kind: 'memory-limit' });
    // That nothing is left is looked at after each test.
  });

  test('all processes of a task count together', async () => {
    await start(way);
    server.compute(shell(`(${HOLD} | sleep 60) & ${HOLD} | sleep 60`, 1.5 * HELD_MIB), [1]);
    const end = await server.waitEnd(1);
    expect(end[6]).toMatchObject({ kind: 'memory-limit' });
    const { maxRssBytes, peakMemBytes } = usageOf(end);
    expect(peakMemBytes).toBeGreaterThanOrEqual(1.5 * HELD_MIB * MIB);
    if (launcher === 'node') expect(maxRssBytes).toBeNull();
    else expect(maxRssBytes).toBeLessThan(1.5 * HELD_MIB * MIB);
  });

  test('with `warn` the worker says so, once', async () => {
    await start(way, { memEnforce: 'warn' });
    const lines = (): string[] => (worker as RunningWorker).log().match(/^.*Memory limit.*$/gm) ?? [];
    server.compute(shell(`${HOLD} | (${until('go')})`, 50), [7]);
    await eventually(() => expect(lines()).toHaveLength(1));
    expect(lines()[0]).toMatch(/ WARN task 1@7: Memory limit exceeded: [\d.]+ MiB used, 50 MiB requested\.$/);
    touch('go');
    const end = await server.waitEnd(7);
    expect(end[0]).toBe(FINISHED);
    expect(usageOf(end).peakMemBytes).toBeGreaterThan(50 * MIB);
    expect(lines()).toHaveLength(1);
  });

  test('short tasks have what the system tells of their largest process', async () => {
    await start(way);
    server.compute(shell('true', 50), [1]);
    const { maxRssBytes, peakMemBytes } = usageOf(await server.waitEnd(1));
    if (guard === 'proc') expect(peakMemBytes).toBe(maxRssBytes);
    // The kernel counts what others have not had before, the system what is there.
    else expect(peakMemBytes).toBeGreaterThanOrEqual(maxRssBytes as number);
  });

  test('the kernel takes tasks before the worker', async () => {
    await start(way);
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
    // Node tells the kernel when the task runs already.
    server.compute(shell(`until grep -qx ${Math.min(1_000, own + 500)} /proc/$$/oom_score_adj; do sleep 0.05; done`, 0), [1]);
    expect((await server.waitEnd(1))[0]).toBe(FINISHED);
  });

  test('with `off` nobody stops a task, whose peak is known all the same', async () => {
    await start(way, { memEnforce: 'off' });
    server.compute(shell(`${HOLD} | (${until('go')})`, 50), [1]);
    await server.waitStarted(1);
    expect(madeGroups()).toEqual([]);
    touch('go');
    expect((await server.waitEnd(1))[0]).toBe(FINISHED);
  });

  test('memory that processes share counts once', async () => {
    await start(way);
    const text = `import mmap, os, time
data = mmap.mmap(-1, ${HELD_MIB * MIB})
for at in range(0, len(data), 4096): data[at] = 1
for _ in range(2):
    if os.fork() == 0: break
sum(data[at] for at in range(0, len(data), 4096))
open('ready', 'a').write('x')
while not os.path.exists('go'): time.sleep(0.05)
`;
    server.compute(task(['python3', '-c', text], 2 * HELD_MIB), [1]);
    await eventually(() => expect(readFileSync(join(server.dir, 'ready'), 'utf8')).toBe('xxx'));
    touch('go');
    const end = await server.waitEnd(1);
    expect(end[0]).toBe(FINISHED);
    if (guard === 'proc') return;
    expect(usageOf(end).peakMemBytes).toBeGreaterThan(HELD_MIB * MIB);
    expect(usageOf(end).peakMemBytes).toBeLessThan(2 * HELD_MIB * MIB);
  });

  test('pages of files that are read do not stop a task, and are no part of its peak', async () => {
    await start(way);
    writeFileSync(join(server.dir, 'large'), Buffer.alloc(HELD_MIB * MIB, 'x'));
    server.compute(shell('cat large > copy; cat copy copy > /dev/null', 50), [1]);
    const end = await server.waitEnd(1);
    expect(end[0]).toBe(FINISHED);
    // Null where it was over before the first sample.
    expect(usageOf(end).peakMemBytes ?? 0).toBeLessThan(50 * MIB);
  });

  test('the worker says how it guards memory', async () => {
    await start(way);
    expect((worker as RunningWorker).registered[0]?.configuration.memoryGuard).toBe(way.told);
    // What was tried at the start has left nothing: the group of the worker is all there is.
    expect(madeGroups()).toHaveLength(guard === 'cgroup' ? 1 : 0);
  });

  if (guard !== 'cgroup') return;

  describe('and no sample is needed:', () => {
    test('what fills memory faster than any sample is held at its request', async () => {
      await start(way);
      const text = `import mmap
data = mmap.mmap(-1, ${2_000 * MIB})
for at in range(0, len(data), 4096): data[at] = 1
open('filled', 'w')`;
      server.compute(task(['python3', '-c', text], 60), [1]);
      const end = await server.waitEnd(1);
      expect(end[6]).toMatchObject({ kind: 'memory-limit', signal: 'SIGKILL' });
      // Pages of programs that others use, too, count in the largest process.
      expect(usageOf(end).peakMemBytes).toBeLessThan(120 * MIB);
    });

    test('a task of which one process was killed has failed, though its main process ends well', async () => {
      await start(way);
      server.compute(shell(`${HOLD} | wc -c; exit 0`, 50), [1]);
      expect((await server.waitEnd(1))[6]).toMatchObject({ kind: 'memory-limit' });
    });

    test('what a task leaves behind ends with it', async () => {
      await start(way);
      server.compute(shell('setsid sleep 1000 > /dev/null 2>&1 & exit 0', 50), [1]);
      expect((await server.waitEnd(1))[0]).toBe(FINISHED);
      await eventually(() => expect(processesWith(`HQ_SUBMIT_DIR=${server.dir}`)).toEqual([]));
      await eventually(() => expect(madeGroups().filter((name) => name.includes('@'))).toEqual([]));
    });

    test('groups that a task makes in its own do not stay', async () => {
      await start(way);
      const path = `$(${OWN_GROUP})`;
      server.compute(
        shell(`mkdir ${MOUNT}${path}/deep ${MOUNT}${path}/deep/deeper && echo 0 > ${MOUNT}${path}/deep/deeper/cgroup.procs`, 50),
        [1],
      );
      expect((await server.waitEnd(1))[0]).toBe(FINISHED);
      await eventually(() => expect(madeGroups().filter((name) => name.includes('@'))).toEqual([]));
    });

    test('tasks that follow each other in the launcher have each a group of their own', async () => {
      await start(way);
      const ids = Array.from({ length: 200 }, (_, index) => index + 1);
      server.compute(shell(`test $HQ_TASK_ID != 150 || { ${HOLD} | wc -c; }; ${OWN_GROUP} >> groups`, 50), ids);
      for (const id of ids) expect([id, (await server.waitEnd(id))[0]]).toEqual([id, id === 150 ? FAILED : FINISHED]);
      const seen = readFileSync(join(server.dir, 'groups'), 'utf8')
        .trim()
        .split('\n')
        .map((path) => path.slice(path.lastIndexOf('/') + 1));
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.length).toBeGreaterThanOrEqual(ids.length - 1);
    });

    test('a kill because there is no more around the task is told apart', async () => {
      await start(way);
      const [around = ''] = madeGroups();
      writeFileSync(join(around, LIMIT_FILE), String(80 * MIB));
      server.compute(shell(`${HOLD} | wc -c; exit $HQ_TASK_ID`, 900), [7]);
      expect((await server.waitEnd(7))[6]).toMatchObject({
        kind: 'memory-limit',
        error: 'Program terminated with exit code 7. The kernel has killed a process of it, because no memory was left.',
      });
      server.compute(shell(`${HOLD} | wc -c; exit 0`, 900), [8]);
      expect((await server.waitEnd(8))[0]).toBe(FINISHED);
    });

    test('a task without a request stays in the group of the launcher', async () => {
      await start(way);
      server.compute(shell(`${OWN_GROUP} > group`, 0), [1]);
      expect((await server.waitEnd(1))[0]).toBe(FINISHED);
      expect(readFileSync(join(server.dir, 'group'), 'utf8')).not.toContain('@');
    });
  });
});
