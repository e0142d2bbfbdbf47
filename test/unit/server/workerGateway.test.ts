/** When frames leave the server: nothing before its commit, no acknowledgement before the disk, nothing before a welcome. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TaskUpdate, UPDATE_FINISHED, UPDATE_STARTED } from '../../../src/protocol/messages/worker.ts';
import { createJob } from '../../../src/protocol/schema/job.ts';
import { HqServer } from '../../../src/server/server.ts';
import { HandConnection, HandJournal, helloOf } from '../../helpers/handJournal.ts';

const SESSION = 'a'.repeat(32);
let journal: HandJournal;
let server: HqServer;
let fatal: Error[];

beforeEach(() => {
  journal = new HandJournal();
  fatal = [];
  server = new HqServer({
    journal,
    serverUid: 'uid',
    workerToken: 'token',
    idleTimeoutMs: null,
    exitWhenIdleMs: null,
    reconnectTimeoutMs: 600_000,
    paranoid: true,
    serverDir: '/nowhere',
    hqPath: '/nowhere/hq',
    env: {},
    collectSpool: () => {},
    now: () => 1_000_000,
    describe: () => ({ version: '0', pid: 1 }) as ReturnType<ConstructorParameters<typeof HqServer>[0]['describe']>,
    log: () => {},
    stopRequested: () => {},
    fatal: (error) => fatal.push(error),
  });
});
afterEach(() => server.gateway.close());

/** Lets the turns run that are due. */
async function turn(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise((done) => setImmediate(done));
}

async function connect(given: Parameters<typeof helloOf>[1] = {}): Promise<HandConnection> {
  const connection = new HandConnection();
  server.gateway.accept(connection.connection);
  connection.receive(helloOf(SESSION, given));
  await turn();
  return connection;
}

async function submit(ids: string): Promise<void> {
  const request = createJob.parse({ name: 'job', submit: { submitDir: '/w', tasks: { kind: 'array', ids, spec: { command: ['true'] } } } });
  void server.createJob(request);
  await turn();
}

const started = (task: number): TaskUpdate => [UPDATE_STARTED, 1, task, 0, 1, 0];
const finished = (task: number): TaskUpdate => [UPDATE_FINISHED, 1, task, 0, 2, null];

describe('acknowledgements', () => {
  test('name what is on disk, not what a later turn has applied', async () => {
    const worker = await connect();
    await submit('0');
    journal.sync();
    worker.receive(['updates', 1, [started(0)]]);
    await turn();
    const first = journal.batches.length;
    worker.receive(['updates', 2, [finished(0)]]);
    await turn();
    expect(journal.batches.length).toBeGreaterThan(first);
    journal.commit();
    journal.sync(first);
    expect(worker.sent.filter(([kind]) => kind === 'ack')).toEqual([['ack', 1]]);
    journal.sync();
    expect(worker.sent.filter(([kind]) => kind === 'ack')).toEqual([
      ['ack', 1],
      ['ack', 2],
    ]);
  });

  test('in a welcome name what is on disk; a repeated frame is acknowledged again and not applied again', async () => {
    const worker = await connect();
    await submit('0');
    journal.sync();
    worker.receive(['updates', 1, [started(0), finished(0)]]);
    await turn();
    journal.commit();
    worker.end();
    await turn();
    const again = await connect({ workerId: 1 });
    journal.commit();
    expect(again.sent[0]).toMatchObject(['welcome', { workerId: 1, ackedSeq: 0 }]);
    again.receive(['updates', 1, [started(0), finished(0)]]);
    await turn();
    journal.sync();
    expect(again.sent.at(-1)).toEqual(['ack', 1]);
    expect(journal.batches.flatMap(({ events }) => events?.decode() ?? []).filter(({ type }) => type === 'task-finished')).toHaveLength(1);
  });
});

describe('frames', () => {
  test('of a turn that was not committed when its worker returned do not overtake the welcome', async () => {
    const worker = await connect();
    journal.sync();
    await submit('0');
    const before = journal.batches.length;
    worker.end();
    await turn();
    const again = await connect({ workerId: 1 });
    journal.commit(before);
    expect(again.kinds).toEqual([]);
    journal.commit();
    expect(again.kinds).toEqual(['welcome', 'compute']);
    expect(again.sent[1]?.[2]).toHaveLength(1);
  });

  test('leave when their turn is committed, and not before', async () => {
    const worker = await connect();
    expect(worker.kinds).toEqual([]);
    journal.commit();
    expect(worker.kinds).toEqual(['welcome']);
    await submit('0');
    expect(worker.kinds).toEqual(['welcome']);
    journal.commit();
    expect(worker.kinds).toEqual(['welcome', 'compute']);
  });

  test('that tell a worker to stop wait for its welcome', async () => {
    const worker = await connect();
    await server.stopWorker(1);
    expect(worker.kinds).toEqual([]);
    journal.commit();
    expect(worker.kinds).toEqual(['welcome', 'stop']);
  });
});

describe('a worker that returns', () => {
  test('in the moment in which its old connection falls silent is not lost', async () => {
    const worker = await connect();
    await submit('0');
    journal.sync();
    const again = new HandConnection();
    server.gateway.accept(again.connection);
    again.receive(helloOf(SESSION, { workerId: 1, held: [[1, 0, 0, 1]] }));
    worker.end({ kind: 'timeout', detail: 'silent' });
    await turn();
    journal.sync();
    expect(again.isOpen).toBe(true);
    expect(again.sent[0]).toMatchObject(['welcome', { workerId: 1, wanted: [[1, 0, 0]] }]);
  });

  test('over two connections at once keeps the second', async () => {
    await connect();
    journal.sync();
    const [first, second] = [new HandConnection(), new HandConnection()];
    for (const connection of [first, second]) {
      server.gateway.accept(connection.connection);
      connection.receive(helloOf(SESSION, { workerId: 1 }));
    }
    await turn();
    journal.sync();
    expect([first.isOpen, second.isOpen]).toEqual([false, true]);
    expect(second.kinds[0]).toBe('welcome');
    expect(first.kinds).toEqual([]);
  });
});

describe('a journal that fails', () => {
  test('ends every request that waits with its error, and every later one', async () => {
    const request = createJob.parse({ name: 'job', open: true });
    const waiting = server.createJob(request);
    await turn();
    journal.fail(new Error('disk full'));
    await expect(waiting).rejects.toThrow('disk full');
    await expect(server.createJob(request)).rejects.toThrow('disk full');
    expect(fatal).toHaveLength(1);
  });

  test('while the server stops does not leave it waiting', async () => {
    await connect();
    journal.sync();
    const stopped = server.shutdown({ keepWorkers: false }, 600_000);
    await turn();
    journal.fail(new Error('disk full'));
    await expect(stopped).rejects.toThrow('disk full');
  });
});
