/** Streamed output: real tasks, real logs. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OutputLog } from '../../../src/outputlog/reader.ts';
import { OutputLogWriter } from '../../../src/outputlog/writer.ts';
import { UPDATE_CANCELED, UPDATE_FAILED, UPDATE_FINISHED, type WireBody } from '../../../src/protocol/messages/worker.ts';
import { Deadlines } from '../../../src/worker/deadlines.ts';
import { EnvironmentMaker } from '../../../src/worker/executor/environment.ts';
import { Executor } from '../../../src/worker/executor/executor.ts';
import { NodeLauncher } from '../../../src/worker/executor/nodeLauncher.ts';
import { Streams } from '../../../src/worker/executor/streams.ts';
import type { HeldTask } from '../../../src/worker/heldTask.ts';
import type { TaskEnded } from '../../../src/worker/stateEvents.ts';
import { FakeServer, type RunningWorker, startRegistered } from './fakeServer.ts';
import { compute, machine, makeBody } from './stateHelp.ts';

let server: FakeServer;
let worker: RunningWorker;
let logs: string;

beforeEach(async () => {
  server = await FakeServer.start({ tls: false });
  logs = join(server.dir, 'logs');
  worker = await startRegistered(server);
});

afterEach(async () => {
  worker.abort.abort();
  await Promise.allSettled([worker.code]);
  await server.close();
});

function streamed(text: string, o: Partial<WireBody> = {}): WireBody {
  return makeBody({
    command: ['sh', '-c', text],
    cwd: server.dir,
    submitDir: server.dir,
    stream: logs,
    stdout: undefined,
    stderr: undefined,
    ...o,
  });
}

function cat(channel: 'stdout' | 'stderr', tasks?: number[], allowUnfinished = false): string {
  const pieces = [...OutputLog.open(logs).cat(1, channel, { tasks, allowUnfinished })];
  return Buffer.concat(pieces).toString();
}

test('what tasks print is in the log when their end is reported', async () => {
  server.compute(streamed('echo out $HQ_TASK_ID; echo err $HQ_TASK_ID >&2'), [1, 2, 3]);
  for (const id of [1, 2, 3]) {
    await server.waitEnd(id);
    expect(cat('stdout', [id])).toBe(`out ${id}\n`);
  }
  expect(cat('stderr')).toBe('err 1\nerr 2\nerr 3\n');
  expect(readdirSync(logs)).toEqual(['job-1.log']);
});

test('ends are told apart: finished, failed, canceled', async () => {
  server.compute(streamed('exit 0'), [1]);
  server.compute(streamed('exit 1'), [2]);
  server.compute(streamed('touch ready; sleep 60'), [3]);
  await server.waitEnd(1);
  await server.waitEnd(2);
  await vi.waitFor(() => expect(readdirSync(server.dir)).toContain('ready'));
  server.send(['cancel', [[1, 3, 0]]]);
  expect((await server.waitEnd(3))[0]).toBe(UPDATE_CANCELED);
  expect(
    OutputLog.open(logs)
      .tasks(1)
      .map((task) => task.outcome),
  ).toEqual(['finished', 'failed', 'canceled']);
});

test('output of a running task appears while it runs', async () => {
  server.compute(streamed('echo early; while [ ! -e go ]; do sleep 0.05; done; echo late'), [1]);
  await vi.waitFor(() => expect(cat('stdout', [1], true)).toBe('early\n'), { timeout: 5_000 });
  writeFileSync(join(server.dir, 'go'), '');
  expect((await server.waitEnd(1))[0]).toBe(UPDATE_FINISHED);
  expect(cat('stdout', [1])).toBe('early\nlate\n');
});

test('one channel in the stream, the other in a file', async () => {
  server.compute(streamed('echo out; echo err >&2', { stderr: { path: 'err', onClose: 'keep' } }), [1]);
  await server.waitEnd(1);
  expect(cat('stdout')).toBe('out\n');
  expect(cat('stderr')).toBe('');
});

test('output of many megabytes arrives whole', async () => {
  server.compute(streamed('head -c 5000000 /dev/zero | tr "\\0" x; echo end'), [1]);
  expect((await server.waitEnd(1))[0]).toBe(UPDATE_FINISHED);
  expect(cat('stdout')).toBe(`${'x'.repeat(5_000_000)}end\n`);
  expect(OutputLog.open(logs).verify()).toEqual([]);
});

test('a log that cannot be made fails the task, names the path, and the worker lives on', async () => {
  writeFileSync(logs, 'a file in its place');
  server.compute(streamed('touch started'), [1]);
  const end = await server.waitEnd(1);
  expect(end[0]).toBe(UPDATE_FAILED);
  expect(end[6]).toMatchObject({ kind: 'log', error: expect.stringContaining(`cannot write the log ${logs}/job-1.log`) as string });
  expect(readdirSync(server.dir)).not.toContain('started');
  rmSync(logs);
  server.compute(streamed('echo fine'), [2]);
  expect((await server.waitEnd(2))[0]).toBe(UPDATE_FINISHED);
});

test('a full disk fails the task that would lose its output, and is forgiven once there is room', async () => {
  const workDir = mkdtempSync(join(tmpdir(), 'hq-streams'));
  mkdirSync(join(workDir, 'files'));
  let full = false;
  const writeAt = (...args: Parameters<typeof writeSync>): number => {
    if (full) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return writeSync(...args);
  };
  const launcher = new NodeLauncher(join(workDir, 'files'));
  const streams = new Streams({
    makeCapture: () => launcher.capture(),
    serverUid: 'uid',
    workerId: 1,
    session: 'session',
    openWriter: (o) => OutputLogWriter.open(o, writeAt as never),
  });
  const ends: TaskEnded[] = [];
  const deadlines = new Deadlines();
  const state = machine();
  const executor = new Executor({
    launcher,
    environment: new EnvironmentMaker({ env: { PATH: process.env.PATH }, accessKey: null, hqPath: '/hq', pool: state.pool }),
    streams,
    deadlines,
    workDir,
    onEnded: (more) => ends.push(...more),
    memory: { controlGroupOf: () => null, discard: () => {}, ended: (_task, end) => ({ end, peakMemBytes: null }) },
    onReturned: () => {},
    onTimeLimit: () => {},
  });
  const [task1, task2, task3] = state.handle(compute([1, 2, 3], streamed('echo hi', { stream: join(workDir, 'logs') }))).start as [
    HeldTask,
    HeldTask,
    HeldTask,
  ];
  executor.start(task1);
  await vi.waitFor(() => expect(ends).toHaveLength(1));
  full = true;
  executor.start(task2);
  await vi.waitFor(() => expect(ends).toHaveLength(2));
  full = false;
  executor.start(task3);
  await vi.waitFor(() => expect(ends).toHaveLength(3));
  expect(ends.map((one) => one.end)).toEqual([
    { kind: 'exit', code: 0 },
    { kind: 'log', error: `cannot write the log ${workDir}/logs/job-1.log: ENOSPC: no space left on device, write` },
    { kind: 'exit', code: 0 },
  ]);
  streams.closeAll();
  expect(Buffer.concat([...OutputLog.open(join(workDir, 'logs')).cat(1, 'stdout', { tasks: [1, 3] })]).toString()).toBe('hi\nhi\n');
  expect(readdirSync(join(workDir, 'files'))).toEqual([]);
  rmSync(workDir, { recursive: true });
});
