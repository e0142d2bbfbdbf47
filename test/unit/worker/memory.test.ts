/** Tasks that really use memory, through a worker against the scripted server, with both launchers. */
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
import { FakeServer, processesWith, type RunningWorker, startRegistered } from './fakeServer.ts';
import { hqspawnPath, LAUNCHERS } from './launchers.ts';
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
  await server.close();
});

async function start(launcher: string, overrides: WorkerOverrides = {}): Promise<void> {
  const native = launcher === 'node' ? {} : { launcherPath: await hqspawnPath('native') };
  const resources = [parseResourceOption('mem=sum(1000)')];
  worker = await startRegistered(server, { resources, ...overrides }, { ...native, env: { HQ_LAUNCHER: launcher } });
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

describe.each(LAUNCHERS.filter((one) => one !== 'native, sanitized'))('%s', (launcher) => {
  test('who holds more than it has requested is killed alone', async () => {
    await start(launcher);
    server.compute(shell(until('go'), 50), [1]);
    server.compute(shell(`${HOLD} | sleep 60`, 50), [2]);
    const end = await server.waitEnd(2);
    expect(end[0]).toBe(FAILED);
    expect(end[6]).toMatchObject({ kind: 'memory-limit', exitCode: null, signal: 'SIGKILL' });
    const used = /^Memory limit exceeded: ([\d.]+) MiB used, 50 MiB requested\.$/.exec((end[6] as { error: string }).error)?.[1];
    expect(Number(used)).toBeGreaterThan(50);
    expect(usageOf(end).peakMemBytes).toBeGreaterThan(50 * MIB);
    expect(server.end(1)).toBeUndefined();
    touch('go');
    expect((await server.waitEnd(1))[0]).toBe(FINISHED);
  });

  test('also what has left the session of its task', async () => {
    await start(launcher);
    server.compute(shell(`setsid sh -c '${HOLD} | sleep 60' & wait`, 50), [1]);
    expect((await server.waitEnd(1))[6]).toMatchObject({ kind: 'memory-limit' });
    // That nothing is left is looked at after each test.
  });

  test('all processes of a task count together', async () => {
    await start(launcher);
    server.compute(shell(`(${HOLD} | sleep 60) & ${HOLD} | sleep 60`, 1.5 * HELD_MIB), [1]);
    const end = await server.waitEnd(1);
    expect(end[6]).toMatchObject({ kind: 'memory-limit' });
    const { maxRssBytes, peakMemBytes } = usageOf(end);
    expect(peakMemBytes).toBeGreaterThan(1.5 * HELD_MIB * MIB);
    if (launcher === 'node') expect(maxRssBytes).toBeNull();
    else expect(maxRssBytes).toBeLessThan(1.5 * HELD_MIB * MIB);
  });

  test('with `warn` the worker says so, once', async () => {
    await start(launcher, { memEnforce: 'warn' });
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
    await start(launcher);
    server.compute(shell('true', 50), [1]);
    const { maxRssBytes, peakMemBytes } = usageOf(await server.waitEnd(1));
    expect(peakMemBytes).toBe(maxRssBytes);
  });

  test('the kernel takes tasks before the worker', async () => {
    await start(launcher);
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
    // Node tells the kernel when the task runs already.
    server.compute(shell(`until grep -qx ${Math.min(1_000, own + 500)} /proc/$$/oom_score_adj; do sleep 0.05; done`, 0), [1]);
    expect((await server.waitEnd(1))[0]).toBe(FINISHED);
  });
});
