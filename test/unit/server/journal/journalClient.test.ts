/**
 * The journal as the server uses it, once with its thread (compiled) and once on the calling thread (from the sources): tickets, order,
 * errors, history, a copy of the directory and the end.
 */
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { HqEvent } from '../../../../src/protocol/schema/event.ts';
import { type OpenJournalOptions, openJournal as openFromSource } from '../../../../src/server/journal/journalClient.ts';
import type { Journal } from '../../../../src/server/journal/types.ts';
import { type Compiled, compile } from './compiled.ts';
import {
  assigned,
  batchOf,
  completed,
  failed,
  finished,
  job,
  makeDir,
  openStore,
  restore,
  started,
  submit,
  T0,
  worker,
} from './helpers.ts';

type Open = (options: OpenJournalOptions) => Promise<Journal>;
let compiled: Compiled;

beforeAll(() => {
  compiled = compile('journal', ['server/journal/journalClient.ts', 'server/journal/journalThread.ts']);
}, 60_000);
afterAll(() => compiled.remove());

const threaded: Open = async (options) =>
  (await compiled.load<{ openJournal: Open }>('server/journal/journalClient.ts')).openJournal(options);

/** Waits for something that comes by itself, on a machine that may be busy. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8_000, interval: 5 });

/** Collects what the journal says. */
function listen(journal: Journal) {
  const heard = { tickets: [] as { committed: number; durable: number }[], errors: [] as { ticket: number; message: string }[] };
  journal.onCommit((tickets) => heard.tickets.push(tickets));
  journal.onError((ticket, error) => heard.errors.push({ ticket, message: error.message }));
  return heard;
}

test.each([
  [undefined, 80],
  [300, 280],
  // Workers would wait for it.
  [30_000, 980],
])('a flush period of %s begins to write to the disk after %i ms', async (flushMs, delayMs) => {
  const journal = await openFromSource({ path: join(makeDir(), 'j.db'), ...(flushMs === undefined ? {} : { flushMs }) });
  onTestFinished(() => journal.close());
  const heard = listen(journal);
  journal.append(batchOf([job(), submit()], { durable: true }));
  await eventually(() => expect(heard.tickets.at(-1)).toEqual({ committed: 1, durable: 1 }));
  const timers = vi.spyOn(globalThis, 'setTimeout');
  onTestFinished(() => timers.mockRestore());
  journal.append(batchOf([assigned([0])]));
  await eventually(() => expect(heard.tickets.at(-1)).toEqual({ committed: 2, durable: 2 }));
  expect(timers.mock.calls.map(([, ms]) => ms)).toContain(delayMs);
});

describe.each([
  ['with its thread', threaded],
  ['on the calling thread', openFromSource],
])('a journal %s', (_name, openJournal) => {
  async function open(path: string, options: Partial<OpenJournalOptions> = {}): Promise<Journal> {
    const journal = await openJournal({ path, ...options });
    onTestFinished(() => journal.close());
    return journal;
  }

  test('commits in order, fsyncs durable batches at once and all others soon', async () => {
    const journal = await open(join(makeDir(), 'j.db'), { serverUid: 'abc123' });
    const heard = listen(journal);
    expect(journal.restored).toMatchObject({ serverUid: 'abc123', lastSeq: 0, jobs: [] });
    expect(journal.append(batchOf([job(), submit()], { durable: true }))).toBe(1);
    await eventually(() => expect(heard.tickets.at(-1)).toEqual({ committed: 1, durable: 1 }));
    expect(journal.append(batchOf([assigned([0])]))).toBe(2);
    await eventually(() => expect(heard.tickets.at(-1)?.committed).toBe(2));
    const before = heard.tickets.find((tickets) => tickets.committed === 2);
    expect(before).toEqual({ committed: 2, durable: 1 });
    await eventually(() => expect(heard.tickets.at(-1)).toEqual({ committed: 2, durable: 2 }));
    for (const { committed, durable } of heard.tickets) expect(durable).toBeLessThanOrEqual(committed);
    expect(heard.errors).toEqual([]);
  });

  test('what waits together is one transaction, and one durable batch makes all of it durable', async () => {
    const journal = await open(join(makeDir(), 'j.db'));
    const heard = listen(journal);
    journal.append(batchOf([job(), submit(1, { ids: '0-999' })]));
    for (let task = 0; task < 200; task++) journal.append(batchOf([assigned([task])]));
    const last = journal.append(batchOf([assigned([200])], { durable: true }));
    await eventually(() => expect(heard.tickets.at(-1)).toEqual({ committed: last, durable: last }));
    expect(heard.tickets.length).toBeLessThan(20);
  });

  test('questions see every batch before them', async () => {
    const journal = await open(join(makeDir(), 'j.db'));
    const events: HqEvent[] = [{ seq: 1, timeMs: T0, type: 'job-created', jobId: 1, name: 'job 1', open: false }];
    journal.append(batchOf([job(), submit(), worker(), assigned([0, 1]), started(0), finished(0)], { events }));
    expect(await journal.jobs({ completedOnly: false })).toMatchObject([{ jobId: 1, header: { name: 'job 1' }, taskCount: 10 }]);
    expect(await journal.jobs({ completedOnly: true })).toEqual([]);
    journal.append(batchOf([completed()]));
    expect(await journal.jobs({ completedOnly: true })).toMatchObject([{ jobId: 1, completed: true }]);
    expect(await journal.job(1)).toMatchObject({ stats: { finished: 10 }, finishedAtMs: T0 + 30 });
    expect(await journal.job(2)).toBeNull();
    expect(await journal.submits(1)).toMatchObject([{ taskIds: '0-9' }]);
    expect(await journal.taskRows(1, { limit: 10 })).toMatchObject([
      { taskId: 0, state: 'finished' },
      { taskId: 1, state: 'assigned' },
    ]);
    expect(await journal.taskRows(1, { ids: '1-5', limit: 10 })).toMatchObject([{ taskId: 1 }]);
    journal.append(batchOf([{ kind: 'bulk-ended', jobId: 1, taskIds: '2-9', state: 'canceled', atMs: T0, error: 'why' }]));
    expect(await journal.bulkRows(1)).toEqual([{ taskIds: '2-9', state: 'canceled', atMs: T0, error: 'why' }]);
    expect(await journal.workers()).toMatchObject([{ workerId: 1, ackedSeq: 0 }]);
    const kept = await journal.events(0, 10);
    expect([kept.first, kept.pages.flatMap((page) => page.decode())]).toEqual([1, events]);
    expect(await journal.events(1, 10)).toEqual({ first: 1, pages: [] });
  });

  test('lists of any length come whole, in order', async () => {
    const journal = await open(join(makeDir(), 'j.db'));
    const count = 5_200;
    const ids = Array.from({ length: count }, (_, id) => id);
    const events = ids.map((id): HqEvent => ({ seq: id + 1, timeMs: T0 + id, type: 'job-closed', jobId: id + 1 }));
    journal.append(
      batchOf([...ids.map((id) => job(id + 1)), submit(1, { ids: `0-${count}` }), assigned(ids), ...ids.map((id) => worker(id + 1))], {
        events,
      }),
    );
    expect((await journal.taskRows(1, { limit: count })).map((row) => row.taskId)).toEqual(ids);
    expect((await journal.taskRows(1, { after: 7, limit: 5_100 })).map((row) => row.taskId)).toEqual(ids.slice(8, 5_108));
    expect((await journal.jobs({ completedOnly: false })).map((row) => row.jobId - 1)).toEqual(ids);
    expect((await journal.workers()).map((row) => row.workerId - 1)).toEqual(ids);
    expect((await journal.events(3, 5_000)).pages.flatMap((page) => page.decode())).toEqual(events);
  });

  test('closing puts everything on disk; what comes afterwards is refused', async () => {
    const path = join(makeDir(), 'j.db');
    const journal = await open(path);
    const heard = listen(journal);
    const ticket = journal.append(batchOf([job(), submit(), assigned([3])]));
    const [first, second] = [journal.close(), journal.close()];
    await Promise.all([first, second]);
    expect(heard.tickets.at(-1)).toEqual({ committed: ticket, durable: ticket });
    expect(readdirSync(join(path, '..'))).toEqual(['j.db']);
    await expect(journal.job(1)).rejects.toMatchObject({ code: 'HQ_E_SERVER_GONE' });
    const late = journal.append(batchOf([job(2)]));
    expect(heard.errors).toEqual([]);
    await eventually(() => expect(heard.errors).toEqual([{ ticket: late, message: expect.stringContaining('the journal was closed') }]));
    const store = openStore(path);
    expect(restore(store).jobs).toMatchObject([{ tasks: [{ taskId: 3, state: 'assigned' }] }]);
    store.close();
  });

  test('a batch that cannot be written is told with its ticket, and so is every later one', async () => {
    const path = join(makeDir(), 'j.db');
    const journal = await open(path);
    const heard = listen(journal);
    journal.append(batchOf([job()], { durable: true }));
    await eventually(() => expect(heard.tickets.at(-1)?.durable).toBe(1));
    const tickets = [journal.append(batchOf([job()])), journal.append(batchOf([job(2)]))];
    await eventually(() => expect(heard.errors.map(({ ticket }) => ticket)).toEqual(tickets));
    expect(heard.errors[0]?.message).toMatch(/^the journal could not be written: .*j\.db: UNIQUE constraint failed/);
    tickets.push(journal.append(batchOf([job(3)])));
    await eventually(() => expect(heard.errors.map(({ ticket }) => ticket)).toEqual(tickets));
    expect(heard.tickets.at(-1)).toEqual({ committed: 1, durable: 1 });
    expect((await journal.jobs({ completedOnly: false })).map((row) => row.jobId)).toEqual([1]);
    await journal.close();
    const store = openStore(path);
    expect(restore(store).jobs.map((each) => each.job.jobId)).toEqual([1]);
    store.close();
  });

  test('prunes while batches go on, and sweeps what is forgotten', async () => {
    const journal = await open(join(makeDir(), 'j.db'));
    const heard = listen(journal);
    const ids = Array.from({ length: 20_000 }, (_, id) => id);
    journal.append(
      batchOf([job(1), submit(1), assigned(ids), completed(1, T0), job(2), submit(2), assigned([1], { jobId: 2 }), completed(2, T0)]),
    );
    const pruned = journal.prune(T0 + 1);
    journal.append(batchOf([job(3), { kind: 'job-forgotten', jobId: 3 }]));
    await pruned;
    expect(await journal.jobs({ completedOnly: false })).toEqual([]);
    expect(await journal.taskRows(1, { limit: 5 })).toEqual([]);
    expect(heard.errors).toEqual([]);
    await journal.close();
  });

  test('refuses a journal that somebody has open, and a file that is none', async () => {
    const path = join(makeDir(), 'j.db');
    const journal = await open(path);
    await expect(openJournal({ path })).rejects.toMatchObject({ code: 'HQ_E_SERVER_RUNNING' });
    await expect(openJournal({ path: join(path, 'x') })).rejects.toMatchObject({ code: 'HQ_E_JOURNAL', data: { path: join(path, 'x') } });
    journal.append(batchOf([job()], { durable: true }));
    expect(await journal.job(1)).not.toBeNull();
  });

  test('restores for a new server what the old one had', async () => {
    const path = join(makeDir(), 'j.db');
    const before = await open(path, { serverUid: 'abc123' });
    before.append(batchOf([job(), submit(), worker(), assigned([0, 1, 2]), started(1), failed(2)]));
    await before.close();
    const { restored } = await open(path, { serverUid: 'other1' });
    expect(restored).toMatchObject({
      ...{ serverUid: 'abc123', maxJobId: 1, maxWorkerId: 1, workers: [{ workerId: 1 }] },
      jobs: [{ submits: [{ taskIds: '0-9' }], tasks: [{ state: 'assigned' }, { state: 'running' }, { state: 'failed', exitCode: 3 }] }],
    });
  });

  test('a copy of the directory that is taken while the server runs is complete up to the last commit', async () => {
    const dir = makeDir();
    mkdirSync(join(dir, '001'));
    const journal = await open(join(dir, '001', 'j.db'));
    const heard = listen(journal);
    journal.append(batchOf([job(), submit(1, { ids: '0-999' })], { durable: true }));
    for (let task = 0; task < 500; task++) journal.append(batchOf([assigned([task]), started(task)]));
    const last = journal.append(batchOf([finished(0)]));
    await eventually(() => expect(heard.tickets.at(-1)?.committed).toBe(last));
    cpSync(join(dir, '001'), join(dir, 'copy'), { recursive: true });
    const store = openStore(join(dir, 'copy', 'j.db'));
    const [restored] = restore(store).jobs;
    expect(restored?.tasks).toHaveLength(500);
    expect(restored?.tasks.slice(0, 2)).toMatchObject([{ state: 'finished' }, { state: 'running' }]);
    store.close();
  });
});

test('a thread that dies is told to everybody who waits', async () => {
  const dir = makeDir();
  cpSync(compiled.dir, join(dir, 'broken'), { recursive: true });
  symlinkSync(join(compiled.dir, '../../node_modules'), join(dir, 'node_modules'));
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
  const load = async (thread: string): Promise<Open> => {
    writeFileSync(join(dir, 'broken/server/journal/journalThread.js'), thread);
    return (await import(join(dir, 'broken/server/journal/journalClient.js'))).openJournal;
  };
  const path = join(dir, 'j.db');
  const refused = (await load('throw new Error("boom");'))({ path });
  await expect(refused).rejects.toMatchObject({ code: 'HQ_E_JOURNAL', data: { path, detail: 'its thread failed: boom' } });
  const dying = `import { parentPort } from 'node:worker_threads';
    import { packBytes } from './pack.js';
    const part = packBytes({ kind: 'head', serverUid: null, lastSeq: 0, maxJobId: 0, maxWorkerId: 0 });
    parentPort.postMessage({ type: 'restored', part });
    parentPort.postMessage({ type: 'ready' });
    parentPort.on('message', () => process.exit(3));`;
  const journal = await (await load(dying))({ path });
  const heard = listen(journal);
  const ticket = journal.append(batchOf([job()]));
  await eventually(() => expect(heard.errors).toEqual([{ ticket, message: expect.stringContaining('its thread has ended') }]));
  await expect(journal.job(1)).rejects.toMatchObject({ code: 'HQ_E_JOURNAL' });
  await journal.close();
});
