/** Workers that are wrong in every way a peer can be wrong: the server refuses them, stays whole, and the jobs of others finish. */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { FRAME_LIMIT_BYTES, HELLO_FRAME_LIMIT_BYTES, type TaskUpdate, type ToWorker } from '../../src/protocol/messages/worker.ts';
import { encodeFromWorker } from '../../src/protocol/messages/workerCodec.ts';
import type { TaskSpecInput } from '../../src/protocol/schema/task.ts';
import { clientOf, scriptSubmit, taskStates } from '../helpers/api.ts';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';
import { RawWorker, readWorkerAccess } from '../helpers/rawWorker.ts';

let cluster: Cluster;
let server: HqProcess;
let client: HqClient;
const raw: RawWorker[] = [];
beforeAll(async () => {
  cluster = new Cluster();
  server = await cluster.startServer();
  client = await clientOf(cluster);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

/** Whatever a test did, the server lives, and an honest worker of its own gets a job done. */
afterEach(async () => {
  expect(server.isRunning, server.stderr).toBe(true);
  for (const worker of raw.splice(0)) await worker.leave();
  for (const job of await client.listJobs({ live: true })) await client.cancel(job.id);
  expect(await workerCount()).toBe(0);
  const honest = new RawWorker(cluster);
  await honest.register();
  await honestly(honest, await submit());
  await honest.leave();
  expect(server.isRunning, server.stderr).toBe(true);
});

function made(session?: string): RawWorker {
  const worker = new RawWorker(cluster, session);
  raw.push(worker);
  return worker;
}

const ended = (job: number, task: number, instance: number, atMs = Date.now()): TaskUpdate => [1, job, task, instance, atMs, null];
const started = (job: number, task: number, instance: number): TaskUpdate => [0, job, task, instance, Date.now(), 0];

/** Reports the tasks of the job as finished, as they come, until the job has ended. */
async function honestly(worker: RawWorker, job: number): Promise<void> {
  let reported = 0;
  await waitFor(`job ${job} to end`, async () => {
    const news = worker.tasks.slice(reported);
    reported += news.length;
    if (news.length > 0) worker.update(news.flatMap(([id, task, instance]) => [started(id, task, instance), ended(id, task, instance)]));
    return (await states(job)).every((state) => state === 'finished');
  });
}

async function submit(o: { ids?: string } & Partial<TaskSpecInput> = {}): Promise<number> {
  return (await client.createJob({ name: 'job', submit: scriptSubmit(cluster, 'true', o) })).jobId;
}

async function states(job: number): Promise<string[]> {
  return [...(await taskStates(client, job)).values()];
}

const workerCount = async (): Promise<number> => (await client.listWorkers()).length;

describe('a hello that is not acceptable is answered with the reason', () => {
  test.each<[string, object, RegExp]>([
    ['another major version', { protocol: [2, 0] }, /protocol version 2\.0/],
    ['a wrong token', { token: 'x'.repeat(43) }, /token/],
    ['an empty token', { token: '' }, /token/],
    ['the uid of another server', { serverUid: 'elsewhere' }, /elsewhere/],
  ])('%s', async (_name, given, text) => {
    const worker = await made().connect();
    worker.send(['hello', worker.hello(given)]);
    const [, , detail] = await worker.message('refused');
    expect(detail).toMatch(text);
    expect((await worker.end()).kind).toBe('peer');
    expect(await workerCount()).toBe(0);
  });

  test('a newer minor version is accepted', async () => {
    expect((await made().register({ protocol: [1, 99] })).workerId).toBeGreaterThan(0);
  });
});

describe('a first frame that is no valid hello ends the connection', () => {
  test.each<[string, Buffer]>([
    ['updates', encodeFromWorker(['updates', 1, []])],
    ['a heartbeat', encodeFromWorker(['heartbeat'])],
    ['an unknown kind', encodeFromWorker(['teleport', 1] as unknown as ['heartbeat'])],
    ['nothing', Buffer.alloc(0)],
    ['no msgpack', Buffer.from([0xc1, 0xc1, 0xc1])],
    ['no tuple', encodeFromWorker({ kind: 'hello' } as unknown as ['heartbeat'])],
    ['a hello without content', encodeFromWorker(['hello', null] as unknown as ['heartbeat'])],
    ['a nested bomb', Buffer.concat([Buffer.alloc(60_000, 0x91), Buffer.from([0xc0])])],
    ['an array that claims four billion elements', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff, 0x01])],
  ])('%s', async (_name, body) => {
    const worker = await made().connect();
    worker.sendBytes(body);
    await worker.end();
    expect(worker.received).toEqual([]);
    expect(await workerCount()).toBe(0);
  });

  test('a frame above 64 KiB', async () => {
    const worker = await made().connect();
    worker.sendBytes(Buffer.alloc(HELLO_FRAME_LIMIT_BYTES + 1));
    await worker.end();
  });

  test('bytes that are no TLS', async () => {
    const { worker } = readWorkerAccess(cluster);
    const socket = connectTcp({ host: '127.0.0.1', port: worker.port });
    socket.on('error', () => {});
    const closed = new Promise((done) => socket.once('close', done));
    socket.write(randomBytes(1_000));
    await closed;
  });
});

describe('after the hello', () => {
  test('an oversized frame, an unknown kind, a second hello and a malformed update end the connection, not the tasks', async () => {
    const worker = made();
    await worker.register();
    const job = await submit();
    await waitFor('the task', () => worker.tasks.length === 1);
    worker.update([started(job, 0, 0)]);
    await worker.acknowledged(1);
    const large = Buffer.alloc(5);
    large.writeUInt32LE(FRAME_LIMIT_BYTES + 1, 0);
    const wrongs: (() => void)[] = [
      () => (worker.connection as unknown as { socket: { write(bytes: Buffer): void } }).socket.write(large),
      () => worker.sendBytes(encodeFromWorker(['teleport'] as unknown as ['heartbeat'])),
      () => worker.send(['hello', worker.hello()]),
      () => worker.send(['updates', 2, [[1, 'one', 0, 0, 0, null]]] as never),
      () => worker.send(['updates', 2, [[1, job, 0, 0, Number.NaN, null]]]),
      () => worker.send(['updates', 2, [[1, job, 0, 0, -1, null]]]),
      () => worker.send(['updates', 2, [[1, job, 0, 0, 8.64e15 + 1, null]]]),
      () => worker.send(['updates', 0, []]),
    ];
    for (const wrong of wrongs) {
      wrong();
      await worker.end();
      const welcome = await worker.register({ held: [[job, 0, 0, 1]] });
      expect(welcome).toMatchObject({ ackedSeq: 1, wanted: [[job, 0, 0]] });
    }
    worker.update([ended(job, 0, 0)], 2);
    await waitFor('the end', async () => (await states(job))[0] === 'finished');
  });

  test('results of tasks that it does not hold, of other instances and of jobs that do not exist change nothing', async () => {
    const [holder, liar] = [made(), made()];
    await holder.register();
    const job = await submit();
    await waitFor('the task', () => holder.tasks.length === 1);
    await liar.register();
    const failure = { kind: 'exit' as const, error: 'a lie', exitCode: 1, signal: null };
    liar.update([
      started(job, 0, 0),
      ended(job, 0, 0),
      [2, job, 0, 0, 1, null, failure],
      [3, job, 0, 0, 1],
      [4, job, 0, 0, 1],
      [5, job, 0, 0, 1],
      ended(job, 1, 0),
      ended(4_000_000_000, 0, 0),
      ended(job, 4_294_967_295, 4_294_967_295),
    ]);
    await liar.acknowledged(1);
    holder.update([ended(job, 0, 1), started(job, 0, 7)]);
    await holder.acknowledged(1);
    expect(await states(job)).toEqual(['waiting']);
    holder.update([started(job, 0, 0), ended(job, 0, 0)]);
    await waitFor('the end', async () => (await states(job))[0] === 'finished');
    holder.update([[2, job, 0, 0, 1, null, failure], ended(job, 0, 0), started(job, 0, 0)]);
    await holder.acknowledged(3);
    expect(await states(job)).toEqual(['finished']);
  });

  test('repeated and older sequence numbers count once, and are acknowledged again', async () => {
    const worker = made();
    await worker.register();
    const job = await submit({ maxRetries: 1 });
    await waitFor('the task', () => worker.tasks.length === 1);
    const failure = { kind: 'exit' as const, error: 'once', exitCode: 1, signal: null };
    const frame: TaskUpdate[] = [started(job, 0, 0), [2, job, 0, 0, Date.now(), null, failure]];
    worker.update(frame, 5);
    worker.update(frame, 5);
    worker.update(frame, 3);
    await waitFor('the second instance', () => worker.tasks.length === 2);
    await waitFor('three acknowledgements', () => worker.received.filter((message) => message[0] === 'ack').length >= 3);
    expect(
      worker.received.filter((message): message is Extract<ToWorker, readonly ['ack', number]> => message[0] === 'ack').at(-1),
    ).toEqual(['ack', 5]);
    expect(worker.tasks.map(([, , instance]) => instance)).toEqual([0, 1]);
    // An old number with a new result is a repetition as well: it must not end the second instance.
    worker.update([ended(job, 0, 1)], 4);
    worker.update([started(job, 0, 1)], 6);
    await worker.acknowledged(6);
    expect(await states(job)).toEqual(['running']);
    worker.update([ended(job, 0, 1)], Number.MAX_SAFE_INTEGER);
    await waitFor('the end', async () => (await states(job))[0] === 'finished');
  });

  test('times, exit codes and texts out of every range are stored and shown', async () => {
    const worker = made();
    const { configuration } = worker.hello();
    await worker.register({
      configuration: { ...configuration, heartbeatMs: 1e300, startedAtMs: -1e300, timeLimitMs: 1e301, pid: 2 ** 40 },
    });
    const job = await submit({ ids: '1-4', request: [{ resources: { cpus: '0.25' } }] });
    await waitFor('the tasks', () => worker.tasks.length === 4);
    const usage = { wallMs: 1e300, userMs: -5, systemMs: 0.001, maxRssBytes: 1e18, peakMemBytes: null };
    worker.update([
      [0, job, 1, 0, 8.64e15, 4_000_000],
      [1, job, 1, 0, 0, usage],
      [0, job, 2, 0, 0.5, 0],
      [2, job, 2, 0, 8.64e15, usage, { kind: 'exit', error: `\u0000${'ä'.repeat(1_000)}`, exitCode: 2 ** 60, signal: 'X' }],
      [0, job, 3, 0, 0, 0],
      [1, job, 3, 0, 8.64e15, null],
      ended(job, 4, 0, Number.MIN_VALUE),
    ]);
    await worker.acknowledged(1);
    expect(await states(job)).toEqual(['finished', 'failed', 'finished', 'finished']);
    for (const mode of ['cli', 'json']) {
      for (const command of [
        ['task', 'list', '-v'],
        ['task', 'info'],
        ['job', 'info'],
      ]) {
        const tasks = command[1] === 'info' && command[0] === 'task' ? ['1-4'] : [];
        const result = await cluster.hq(['--output-mode', mode, ...command, String(job), ...tasks], { loose: true });
        if (mode === 'json') JSON.parse(result.stdout);
        expect(result.stderr, `${mode} ${command.join(' ')}`).toBe('');
        expect(result.code).toBe(0);
      }
    }
  });

  test('a task that was canceled unasked or stopped runs again as its next instance, one that was given back as the same', async () => {
    const worker = made();
    await worker.register();
    const job = await submit();
    const given = async (count: number) => {
      await waitFor(`the task to be sent ${count} times`, () => worker.tasks.length === count);
      return worker.tasks.at(-1)?.[2];
    };
    expect(await given(1)).toBe(0);
    worker.update([[3, job, 0, 0, Date.now()]]);
    expect(await given(2)).toBe(1);
    worker.update([[4, job, 0, 1, Date.now()]]);
    expect(await given(3)).toBe(1);
    worker.update([[5, job, 0, 1, Date.now()]]);
    expect(await given(4)).toBe(2);
    // A result of what was given back in the same breath counts for nothing.
    worker.update([[4, job, 0, 2, Date.now()], ended(job, 0, 2)]);
    expect(await given(5)).toBe(2);
    expect(await states(job)).toEqual(['waiting']);
  });
});

describe('sessions', () => {
  test('a second connection of a session takes over from the first', async () => {
    const first = made();
    const second = made(first.session);
    await first.register();
    const job = await submit();
    await waitFor('the task', () => first.tasks.length === 1);
    const welcome = await second.register({ workerId: first.workerId, held: [[job, 0, 0, 1]] });
    expect(welcome).toMatchObject({ workerId: first.workerId, wanted: [[job, 0, 0]] });
    await first.end();
    expect(await workerCount()).toBe(1);
    second.update([started(job, 0, 0), ended(job, 0, 0)]);
    await waitFor('the end', async () => (await states(job))[0] === 'finished');
  });

  test('two connections of one session in the same instant leave one worker', async () => {
    const session = randomBytes(16).toString('hex');
    const pair = [made(session), made(session)];
    await Promise.allSettled(pair.map((worker) => worker.register()));
    await waitFor('one of them to be cut off', () => pair.filter((worker) => worker.closed !== undefined).length === 1);
    expect(pair.find((worker) => worker.closed === undefined)?.workerId).toBeGreaterThan(0);
    expect(await workerCount()).toBe(1);
  });

  test('a hello that claims tasks of others, and more than once, gets none of them', async () => {
    const [holder, liar] = [made(), made()];
    await holder.register();
    const job = await submit();
    await waitFor('the task', () => holder.tasks.length === 1);
    const claimed = await liar.register({
      held: [
        [job, 0, 0, 1],
        [job, 0, 0, 2],
        [job, 0, 9, 0],
        [77_777, 1, 0, 1],
        [-1, -1, -1, 7],
      ],
    });
    expect(claimed.wanted).toEqual([]);
    liar.drop();
    const again = await liar.register({
      held: [
        [job, 0, 0, 1],
        [job, 0, 0, 1],
      ],
    });
    expect(again.wanted).toEqual([]);
    holder.drop();
    const back = await holder.register({
      held: [
        [job, 0, 0, 1],
        [job, 0, 0, 1],
        [job, 0, 0, 0],
      ],
    });
    expect(new Set(back.wanted.map(String))).toEqual(new Set([`${job},0,0`]));
    holder.update([started(job, 0, 0), ended(job, 0, 0)]);
    await waitFor('the end', async () => (await states(job))[0] === 'finished');
  });

  test('results after having been declared lost are acknowledged and dropped; the worker is a new one', async () => {
    const lost = made();
    const { configuration } = lost.hello();
    await lost.register({ configuration: { ...configuration, heartbeatMs: 150 } });
    const job = await submit({ crashLimit: 'unlimited' });
    await waitFor('the task', () => lost.tasks.length === 1);
    lost.update([started(job, 0, 0)]);
    await lost.acknowledged(1);
    lost.drop();
    const id = lost.workerId;
    await waitFor('the loss', async () => (await workerCount()) === 0);
    const other = made();
    await other.register();
    await waitFor('the next instance', () => other.tasks.length === 1);
    expect(other.tasks[0]?.slice(0, 3)).toEqual([job, 0, 1]);
    const welcome = await lost.register({ held: [[job, 0, 0, 2]] });
    expect(welcome.workerId).not.toBe(id);
    expect(welcome).toMatchObject({ ackedSeq: 0, wanted: [] });
    lost.update([ended(job, 0, 0)], 2);
    lost.update([started(job, 0, 1), ended(job, 0, 1)], 3);
    await lost.acknowledged(3);
    expect(await states(job)).toEqual(['waiting']);
    other.update([started(job, 0, 1), ended(job, 0, 1)]);
    await waitFor('the end', async () => (await states(job))[0] === 'finished');
  });

  test('what it says after it has left is not heard', async () => {
    const worker = made();
    await worker.register();
    const job = await submit();
    await waitFor('the task', () => worker.tasks.length === 1);
    worker.send(['leaving', 'STOPPED']);
    worker.update([started(job, 0, 0), ended(job, 0, 0)]);
    await worker.end();
    expect(await states(job)).toEqual(['waiting']);
  });
});

test('a worker with absurd resources is taken or refused, and counts for what it says', async () => {
  const worker = made();
  const { configuration } = worker.hello();
  const resources = [
    { name: 'cpus', kind: 'range' as const, start: 5, end: 2 },
    { name: 'cpus', kind: 'sum' as const, size: Number.MAX_SAFE_INTEGER },
    { name: 'mem', kind: 'sum' as const, size: 0 },
  ];
  await worker
    .register({ configuration: { ...configuration, resources: { resources, coupling: { weights: [] } } } })
    .catch(() => undefined);
  expect(worker.workerId !== null || worker.closed !== undefined).toBe(true);
  const listed = await cluster.hq(['worker', 'list']);
  expect(listed).toMatchObject({ code: 0, stderr: '' });
});
