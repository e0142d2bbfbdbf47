/** The worker against a server that comes and goes. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseResourceOption } from '../../../src/common/resourceDescriptor.ts';
import {
  UPDATE_FINISHED as FINISHED,
  UPDATE_RETRACTED as RETRACTED,
  UPDATE_STARTED as STARTED,
  UPDATE_STOPPED as STOPPED,
  type WireBody,
} from '../../../src/protocol/messages/worker.ts';
import { PROTOCOL, PROTOCOL_TEXT } from '../../../src/protocol/version.ts';
import { FakeServer, processesWith, type RunningWorker, startRegistered, startWorker } from './fakeServer.ts';
import { makeBody } from './stateHelp.ts';

let server: FakeServer;
let workers: RunningWorker[] = [];

beforeEach(async () => {
  server = await FakeServer.start();
});

afterEach(async () => {
  server.ackAll();
  for (const worker of workers) worker.abort.abort();
  await Promise.allSettled(workers.map((worker) => worker.code));
  workers = [];
  await vi.waitFor(() => expect(processesWith(`HQ_SUBMIT_DIR=${server.dir}`)).toEqual([]));
  await server.close();
});

async function worker(...args: Parameters<typeof startRegistered> extends [unknown, ...infer Rest] ? Rest : never): Promise<RunningWorker> {
  const started = await startRegistered(server, ...args);
  workers.push(started);
  return started;
}

function unregistered(...args: Parameters<typeof startWorker> extends [unknown, ...infer Rest] ? Rest : never): RunningWorker {
  const started = startWorker(server, ...args);
  workers.push(started);
  return started;
}

function script(text: string, o: Parameters<typeof makeBody>[0] = {}): WireBody {
  return makeBody({ command: ['sh', '-c', text], cwd: server.dir, submitDir: server.dir, ...o });
}

const waitGo = 'touch started-$HQ_TASK_ID; while [ ! -e go ]; do sleep 0.02; done; echo $HQ_TASK_ID >> done';

function go(): void {
  writeFileSync(join(server.dir, 'go'), '');
}

async function reconnected(count: number): Promise<void> {
  await vi.waitFor(() => expect(server.hellos).toHaveLength(count), { timeout: 8_000 });
}

test('the hello says who the worker is; heartbeats follow', async () => {
  const one = await worker({ group: 'g', hostname: 'node9', resources: [parseResourceOption('licenses=3')] });
  expect(server.hellos[0]).toMatchObject({
    protocol: [PROTOCOL.major, PROTOCOL.minor],
    role: 'worker',
    token: 'secret',
    serverUid: 'fAke01',
    workerId: null,
    configuration: { hostname: 'node9', group: 'g', onServerLost: 'reconnect', allocation: null, timeLimitMs: null },
    held: [],
  });
  expect(server.hellos[0]?.configuration.resources.resources.map((resource) => resource.name)).toEqual(['cpus', 'licenses']);
  expect(one.registered[0]).toMatchObject({ id: 7, state: 'running' });
  await vi.waitFor(() => expect(server.heartbeats).toBeGreaterThan(1));
});

test('tasks go on while the server is away; results are repeated once it is back on another port', async () => {
  const one = await worker();
  server.acks = false;
  server.compute(script(waitGo), [1, 2, 3, 4, 5]);
  for (const id of [1, 2, 3, 4]) await server.waitStarted(id);
  await server.vanish();
  go();
  await vi.waitFor(() => expect(readFileSync(join(server.dir, 'done'), 'utf8').trim().split('\n')).toHaveLength(5));
  await server.listen();
  await reconnected(2);
  const [first, second] = server.hellos;
  expect(second?.session).toBe(first?.session);
  expect(second?.workerId).toBe(7);
  for (const id of [1, 2, 3, 4, 5]) expect((await server.waitEnd(id))[0]).toBe(FINISHED);
  // Nothing was acknowledged, so the frame with the starts came twice with its number.
  expect(server.frames.filter((frame) => frame.seq === 1)).toHaveLength(2);
  expect(server.frames.map((frame) => frame.seq).slice(1)).toEqual(
    [...server.frames.map((frame) => frame.seq).slice(1)].sort((a, b) => a - b),
  );
  expect(one.log()).toContain('WARN the connection to the server was lost');
  expect(one.log()).toContain('INFO reconnected to the server as worker 7');
});

test('what was acknowledged is not repeated', async () => {
  await worker();
  server.compute(script('true'), [1]);
  await server.waitEnd(1);
  const frames = server.frames.length;
  server.cut();
  await reconnected(2);
  server.compute(script('true'), [2]);
  await server.waitEnd(2);
  expect(server.frames.slice(frames).every((frame) => frame.updates.every((update) => update[2] === 2))).toBe(true);
});

test('on a reconnect held tasks are named, unwanted ones killed without a word', async () => {
  await worker();
  server.compute(script(waitGo), [1, 2, 3, 4]);
  for (const id of [1, 2, 3, 4]) await server.waitStarted(id);
  server.compute(script(waitGo), [5, 6]);
  // Its failure tells that the frame before it has arrived.
  server.compute(script('true', { cpus: 100 }), [99]);
  await server.waitEnd(99);
  server.answer = (hello) =>
    server.welcome(hello, [
      [1, 1, 0],
      [1, 5, 0],
    ]);
  server.cut();
  await reconnected(2);
  expect(server.hellos[1]?.held.toSorted((a, b) => a[1] - b[1])).toEqual([
    [1, 1, 0, 1],
    [1, 2, 0, 1],
    [1, 3, 0, 1],
    [1, 4, 0, 1],
    [1, 5, 0, 0],
    [1, 6, 0, 0],
  ]);
  await server.waitStarted(5);
  expect(existsSync(join(server.dir, 'started-6'))).toBe(false);
  go();
  await server.waitEnd(1);
  await server.waitEnd(5);
  expect(readFileSync(join(server.dir, 'done'), 'utf8').trim().split('\n').sort()).toEqual(['1', '5']);
  expect(
    server.updates
      .filter((update) => update[0] === FINISHED)
      .map((update) => update[2])
      .sort(),
  ).toEqual([1, 5]);
});

test('a task whose result is being repeated is not run again', async () => {
  await worker();
  server.acks = false;
  server.compute(script('echo ran >> runs'), [1]);
  await server.waitEnd(1);
  server.cut();
  await reconnected(2);
  server.compute(script('echo ran >> runs'), [1]);
  server.compute(script('true'), [2]);
  expect((await server.waitEnd(2))[0]).toBe(FINISHED);
  expect(readFileSync(join(server.dir, 'runs'), 'utf8')).toBe('ran\n');
});

test('what was given back is not claimed after a reconnect, and can be given again', async () => {
  await worker();
  server.acks = false;
  server.compute(script(waitGo, { cpus: 4 }), [1, 2]);
  await server.waitStarted(1);
  server.send(['retract', [[1, 2, 0]]]);
  expect((await server.waitEnd(2))[0]).toBe(RETRACTED);
  server.cut();
  await reconnected(2);
  server.compute(script('true', { cpus: 4 }), [2]);
  go();
  await vi.waitFor(() => expect(server.updates.some((update) => update[0] === FINISHED && update[2] === 2)).toBe(true));
  const repeated = server.frames.filter((frame, i) => server.frames.findIndex((other) => other.seq === frame.seq) !== i);
  expect(repeated.flatMap((frame) => frame.updates).some((update) => update[0] === RETRACTED)).toBe(false);
});

test('a server that forgot the worker gives it a new id; its old tasks are killed', async () => {
  await worker();
  server.compute(script('sleep 60'), [1]);
  await server.waitStarted(1);
  server.answer = () => [
    'welcome',
    { workerId: 9, serverUid: 'fAke01', serverVersion: '0.1.0', ackedSeq: 0, idleTimeoutMs: null, wanted: [] },
  ];
  server.cut();
  await reconnected(2);
  await vi.waitFor(() => expect(processesWith(`HQ_SUBMIT_DIR=${server.dir}`)).toEqual([]), { timeout: 5_000 });
  server.compute(script('true'), [1], { instance: 1 });
  await vi.waitFor(() => expect(server.updates.filter((update) => update[0] === FINISHED)).toHaveLength(1));
});

test.each([
  ['random bytes', Buffer.from('ff00ff00deadbeef', 'hex')],
  ['an unknown kind', Buffer.from([0x91, 0xa3, 0x66, 0x6f, 0x6f])],
  ['a second welcome', undefined],
])('a server that sends %s is left and found again', async (_what, bytes) => {
  const one = await worker();
  if (bytes === undefined) server.send(server.welcome(server.hellos[0] as never, []));
  else server.connection?.send(bytes);
  await reconnected(2);
  server.compute(script('true'), [1]);
  await server.waitEnd(1);
  expect(one.log()).toContain('protocol error');
});

test('a server that answered heartbeats and falls silent is left', async () => {
  await worker();
  server.send(['heartbeat']);
  await vi.waitFor(() => expect(server.hellos).toHaveLength(2), { timeout: 8_000 });
});

test('refusals end the worker with the reason', async () => {
  server.answer = () => ['refused', 'HQ_E_WORKER_REFUSED', 'the server refused this worker: wrong token'];
  await expect(unregistered().code).rejects.toMatchObject({
    code: 'HQ_E_WORKER_REFUSED',
    message: 'the server refused this worker: wrong token',
  });
  server.answer = () => ['refused', 'HQ_E_VERSION', 'protocol version 1.0 does not fit 2.0'];
  await expect(unregistered().code).rejects.toMatchObject({
    code: 'HQ_E_VERSION',
    message: `protocol version 2.0 does not fit ${PROTOCOL_TEXT}`,
  });
});

test('no access file, a broken one, a server that does not answer', async () => {
  const dead = unregistered({}, { connectTimeoutMs: 0 });
  await server.vanish();
  await expect(dead.code).rejects.toMatchObject({ code: expect.stringMatching(/HQ_E_SERVER_(UNREACHABLE|LOST)/) as string });
  await expect(unregistered({}, { connectTimeoutMs: 100 }).code).rejects.toMatchObject({ code: 'HQ_E_SERVER_UNREACHABLE' });
  writeFileSync(join(server.dir, 'worker-access.json'), '{"version":"0.1.0"}');
  await expect(unregistered().code).rejects.toMatchObject({ code: 'HQ_E_ACCESS_FILE' });
  await expect(startWorker({ ...server, dir: join(server.dir, 'nowhere') } as FakeServer).code).rejects.toMatchObject({
    code: 'HQ_E_NO_SERVER',
  });
});

test('a worker that starts just before its server finds it', async () => {
  await server.vanish();
  const one = unregistered();
  await vi.waitFor(() => expect(one.log()).toContain('trying for 5 s'));
  await server.listen();
  await vi.waitFor(() => expect(one.registered).toHaveLength(1), { timeout: 8_000 });
});

test('stopped by the server: tasks are interrupted, reported, and the worker says goodbye', async () => {
  const one = await worker();
  server.compute(script('trap "exit 0" INT; touch ready; while true; do sleep 0.02; done', { cpus: 4 }), [1, 2]);
  await vi.waitFor(() => expect(existsSync(join(server.dir, 'ready'))).toBe(true));
  server.send(['stop']);
  expect(await one.code).toBe(0);
  expect((await server.waitEnd(1))[0]).toBe(STOPPED);
  expect((await server.waitEnd(2))[0]).toBe(RETRACTED);
  expect(server.leaving).toEqual(['STOPPED']);
  expect(server.spool().names).toEqual([]);
});

test('a signal stops the worker in order; a second one does not wait for the grace period', async () => {
  const one = await worker();
  server.compute(script('trap "" INT; touch ready; while true; do sleep 0.02; done'), [1]);
  await vi.waitFor(() => expect(existsSync(join(server.dir, 'ready'))).toBe(true));
  one.abort.abort('SIGINT');
  process.emit('SIGINT');
  expect(await one.code).toBe(0);
  expect(server.leaving).toEqual(['STOPPED']);
  expect(process.listenerCount('SIGINT')).toBe(0);
});

test('time limit and idle timeout end the worker, each with its reason', async () => {
  const limited = await worker({ timeLimitMs: 600 });
  server.compute(script('sleep 60'), [1]);
  expect(await limited.code).toBe(0);
  expect((await server.waitEnd(1))[0]).toBe(STOPPED);
  const idle = await worker({ idleTimeoutMs: 100 });
  server.compute(script('sleep 0.3'), [2]);
  expect(await idle.code).toBe(0);
  expect(server.leaving).toEqual(['TIME LIMIT REACHED', 'IDLE TIMEOUT']);
});

test("the server's idle timeout holds for a worker without one", async () => {
  server.idleTimeoutMs = 100;
  const idle = await worker();
  expect(await idle.code).toBe(0);
  expect(server.leaving).toEqual(['IDLE TIMEOUT']);
});

test('results that are not confirmed at the end go to the spool', async () => {
  const one = await worker();
  server.acks = false;
  server.compute(script('true'), [1]);
  await server.waitEnd(1);
  await server.vanish();
  one.abort.abort();
  expect(await one.code).toBe(0);
  const { names, updates } = server.spool();
  expect(names).toEqual([`7-${server.hellos[0]?.session}.spool`]);
  expect(updates.map((update) => [update[0], update[2]])).toEqual([
    [STARTED, 1],
    [FINISHED, 1],
  ]);
});

test('--on-server-lost stop: tasks are stopped, results spooled, exit with the reason', async () => {
  const one = await worker({ onServerLost: 'stop' });
  server.compute(script('sleep 60'), [1]);
  await server.waitStarted(1);
  await server.vanish();
  await expect(one.code).rejects.toMatchObject({ code: 'HQ_E_SERVER_LOST' });
  expect(server.spool().updates.map((update) => update[0])).toContain(STOPPED);
});

test('--on-server-lost finish-running: running tasks finish, queued ones do not start', async () => {
  const one = await worker({ onServerLost: 'finish-running' });
  server.compute(script(waitGo, { cpus: 4 }), [1, 2]);
  await server.waitStarted(1);
  await server.vanish();
  go();
  await expect(one.code).rejects.toMatchObject({ code: 'HQ_E_SERVER_LOST' });
  expect(readFileSync(join(server.dir, 'done'), 'utf8')).toBe('1\n');
  expect(
    server
      .spool()
      .updates.filter((update) => update[0] !== STARTED)
      .map((update) => [update[0], update[2]]),
  ).toEqual([
    [RETRACTED, 2],
    [FINISHED, 1],
  ]);
});

test('an access file of another server is not followed', async () => {
  await worker();
  await server.vanish();
  const path = join(server.dir, 'worker-access.json');
  await server.listen();
  const moved = JSON.parse(readFileSync(path, 'utf8')) as { serverUid: string };
  writeFileSync(path, JSON.stringify({ ...moved, serverUid: 'other' }));
  await vi.waitFor(() => expect(workers[0]?.log()).toContain('it belongs to another server now'), { timeout: 8_000 });
  expect(server.hellos).toHaveLength(1);
  writeFileSync(path, JSON.stringify(moved));
  await reconnected(2);
});
