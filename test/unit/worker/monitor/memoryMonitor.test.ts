/** The memory monitor on real processes: what it counts, and when it complains. Every test waits for samples, not for time. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HeldTask, MemoryExcess } from '../../../../src/worker/heldTask.ts';
import { type MemEnforce, MemoryMonitor } from '../../../../src/worker/monitor/memoryMonitor.ts';
import { requestedBytes } from '../../../../src/worker/requestedMemory.ts';
import { compute, machine, makeBody } from '../stateHelp.ts';

const MIB = 2 ** 20;
const HELD_MIB = 120;

let dir: string;
let groups: number[] = [];
let monitors: MemoryMonitor[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hq-memory-'));
});

afterEach(() => {
  for (const monitor of monitors) monitor.close();
  for (const pid of groups) killGroup(pid);
  [monitors, groups] = [[], []];
  rmSync(dir, { recursive: true, force: true });
});

/** A program that has ended by itself fails its test; it is no second failure here. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {}
}

/** A task that runs since a minute, with this request of memory, MiB; 0 for none. */
function taskOf(memMib: number): HeldTask {
  const entries = memMib === 0 ? [] : [{ name: 'mem', policy: 'compact' as const, units: memMib * 10_000 }];
  const state = machine(['cpus=1', 'mem=sum(1000)']);
  return state.handle({ ...compute([1], makeBody({ entries })), nowMs: Date.now() - 60_000 } as Parameters<typeof state.handle>[0])
    .start[0] as HeldTask;
}

/** Starts a program as a launcher does and waits until it has made the file `ready`. */
async function run(command: [string, ...string[]]): Promise<number> {
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd: dir, detached: true, stdio: 'ignore' });
  groups.push(child.pid as number);
  const isReady = (): boolean => {
    if (child.exitCode !== null) throw new Error(`${program} has ended with exit code ${child.exitCode}`);
    return existsSync(join(dir, 'ready'));
  };
  await vi.waitUntil(isReady, { timeout: 30_000, interval: 20 });
  return child.pid as number;
}

interface Watch {
  readonly told: { excess: MemoryExcess; strays: readonly number[] }[];
  /** The highest use in samples from now on, once there is one. */
  nextPeak(): Promise<number>;
}

function watch(task: HeldTask, pid: number, enforce: MemEnforce): Watch {
  const told: Watch['told'] = [];
  const monitor = new MemoryMonitor({
    enforce,
    intervalMs: 1_000,
    running: () => [task],
    pidOf: () => pid,
    onExceeded: (_task, excess, strays) => told.push({ excess, strays }),
  });
  monitors.push(monitor);
  const nextPeak = (): Promise<number> => {
    monitor.takePeak(task);
    const probe = (): number => {
      const peak = monitor.takePeak(task);
      expect(peak).not.toBeNull();
      return peak as number;
    };
    return vi.waitFor(probe, { timeout: 30_000, interval: 20 });
  };
  return { told, nextPeak };
}

/** Python that holds memory and then does `then`, tells that it is ready, and stays. */
const python = (text: string): [string, ...string[]] => [
  'python3',
  '-c',
  `import time\n${text}\nopen('ready', 'w').close()\ntime.sleep(600)`,
];
const HOLD = `data = b'x' * ${HELD_MIB * MIB}`;

test('a limit is told once, with what is held', async () => {
  const { told, nextPeak } = watch(taskOf(50), await run(python(HOLD)), 'on');
  expect(await nextPeak()).toBeGreaterThan(HELD_MIB * MIB);
  expect(told).toEqual([{ excess: { usedBytes: expect.any(Number), limitBytes: 50 * MIB }, strays: [] }]);
  expect(told[0]?.excess.usedBytes).toBeGreaterThan(HELD_MIB * MIB);
  await nextPeak();
  expect(told).toHaveLength(1);
});

test.each([
  ['off', 50],
  ['on', 0],
  ['on', 200],
] as const)('with `%s` and a request of %i MiB nothing is told', async (enforce, memMib) => {
  const { told, nextPeak } = watch(taskOf(memMib), await run(python(HOLD)), enforce);
  expect(await nextPeak()).toBeGreaterThan(HELD_MIB * MIB);
  expect(told).toEqual([]);
});

test('without an interval only tasks with a limit are measured', async () => {
  const [limited, unlimited] = [taskOf(200), taskOf(0)];
  const pid = await run(python(HOLD));
  const monitor = new MemoryMonitor({
    enforce: 'on',
    intervalMs: 0,
    running: () => [unlimited, limited],
    pidOf: (task) => (task === limited ? pid : process.pid),
    onExceeded: () => {},
  });
  monitors.push(monitor);
  await vi.waitFor(() => expect(monitor.takePeak(limited)).not.toBeNull(), { timeout: 30_000, interval: 20 });
  expect(monitor.takePeak(unlimited)).toBeNull();
});

test('processes that have left the group are named', async () => {
  const text = `import os
if os.fork() == 0:
    os.setsid()
    ${HOLD}
    open('child', 'w').write(str(os.getpid()))
    time.sleep(600)
while not os.path.exists('child') or not open('child').read():
    time.sleep(0.01)`;
  const pid = await run(python(text));
  const child = Number(readFileSync(join(dir, 'child'), 'utf8'));
  groups.push(child);
  const { told, nextPeak } = watch(taskOf(50), pid, 'on');
  expect(await nextPeak()).toBeGreaterThan(HELD_MIB * MIB);
  expect(told.map(({ strays }) => strays)).toEqual([[child]]);
});

test('memory that processes share counts once', async () => {
  // Five processes with the same memory: five times the limit in a plain sum.
  const text = `import os\n${HOLD}\nfor _ in range(4):\n    if os.fork() == 0:\n        time.sleep(600)`;
  const { told, nextPeak } = watch(taskOf(200), await run(python(text)), 'on');
  const peak = await nextPeak();
  expect(peak).toBeGreaterThan(HELD_MIB * MIB);
  expect(peak).toBeLessThan(200 * MIB);
  expect(told).toEqual([]);
});

test('a large file that is only mapped is no reason to complain', async () => {
  const text = `import mmap
with open('large', 'wb') as file:
    for _ in range(${HELD_MIB}):
        file.write(b'x' * ${MIB})
file = open('large', 'rb')
data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
sum(data[at] for at in range(0, len(data), 4096))`;
  const { told, nextPeak } = watch(taskOf(60), await run(python(text)), 'on');
  expect(await nextPeak()).toBeGreaterThan(HELD_MIB * MIB);
  expect(told).toEqual([]);
});

test('the limit of a task is what it has got, and no list that is called mem', () => {
  expect(requestedBytes(taskOf(50))).toBe(50 * MIB);
  expect(requestedBytes(taskOf(0))).toBeUndefined();
  const entries = [{ name: 'mem', policy: 'compact' as const, units: 10_000 }];
  const [task] = machine(['cpus=1', 'mem=[a,b]']).handle(compute([1], makeBody({ entries }))).start;
  expect(requestedBytes(task as HeldTask)).toBeUndefined();
});
