/** Who is the server: real processes on one directory, of which one holds the lock, and the takeover when it is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openIdentity } from '../../../../src/server/identity/identity.ts';
import { readLastStart } from '../../../../src/server/identity/lastStart.ts';
import { takeJournal } from '../../../../src/server/identity/takeJournal.ts';
import type { Journal } from '../../../../src/server/journal/types.ts';
import { type Compiled, compile } from '../journal/compiled.ts';
import { assigned, batchOf, job, makeDir, submit } from '../journal/helpers.ts';

let compiled: Compiled;
beforeAll(() => {
  const modules = ['server/identity/identity.ts', 'server/identity/takeJournal.ts', 'server/journal/journalThread.ts'];
  compiled = compile('identity', modules);
}, 60_000);
afterAll(() => compiled.remove());

/** A process that takes the directory, says how that went, and serves batches from its standard input until it ends. */
const SERVER = `
  const [, dir, serverDir, journalPath] = process.argv;
  const { openIdentity } = await import(dir + '/server/identity/identity.js');
  const { takeJournal } = await import(dir + '/server/identity/takeJournal.js');
  try {
    const opened = await openIdentity({ serverDir, ...(journalPath ? { journalPath } : {}) });
    const { journal, identity } = await takeJournal(opened);
    const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
    say({ ok: identity.uid, tasks: journal.restored.jobs.flatMap((each) => each.tasks).length });
    journal.onCommit(say);
    process.stdin.on('data', (text) => String(text).trim().split('\\n').forEach((line) => journal.append(JSON.parse(line))));
    process.stdin.on('end', () => journal.close());
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: error.message }) + '\\n');
  }
`;

interface Server {
  readonly child: ChildProcess;
  /** Next line that it says. */
  next(): Promise<Record<string, unknown>>;
  /** Skips lines until one fits. */
  until(fits: (line: Record<string, unknown>) => boolean): Promise<void>;
  end(signal: NodeJS.Signals): Promise<void>;
}

function start(serverDir: string, journalPath = ''): Server {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SERVER, compiled.dir, serverDir, journalPath], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  onTestFinished(() => end('SIGKILL'));
  const next = async (): Promise<Record<string, unknown>> => JSON.parse((await lines.next()).value);
  const until: Server['until'] = async (fits) => {
    while (!fits(await next()));
  };
  return { child, next, until, end };
}

/** Becomes the server in this process; gives up the lock after the test. */
async function take(
  serverDir: string,
  o: { journalPath?: string; fresh?: boolean } = {},
): Promise<Awaited<ReturnType<typeof takeJournal>>> {
  const taken = await takeJournal(await openIdentity({ serverDir, ...o }));
  onTestFinished(() => taken.journal.close());
  return taken;
}

const code = (error: unknown): string => (error as { code: string }).code;

test('of two processes that start at the same time one is the server; the other one names it', async () => {
  const dir = makeDir();
  const servers = [start(dir), start(dir)];
  const said = await Promise.all(servers.map((server) => server.next()));
  const winner = said.findIndex((line) => 'ok' in line);
  expect(said.filter((line) => 'ok' in line)).toHaveLength(1);
  expect(said[1 - winner]?.['error']).toMatch(/^a server already runs on /);
  const late = start(dir);
  expect(await late.next()).toEqual({ error: `a server already runs on ${dir} (host ${hostname()}, pid ${servers[winner]?.child.pid})` });
  await expect(take(dir)).rejects.toMatchObject({ code: 'HQ_E_SERVER_RUNNING', data: { pid: servers[winner]?.child.pid } });
});

test('after kill -9 the next one takes over with everything that was committed', async () => {
  const dir = makeDir();
  const first = start(dir);
  const { ok: uid } = await first.next();
  const entries = [job(), submit(1, { ids: '0-99' }), assigned(Array.from({ length: 50 }, (_, id) => id))];
  first.child.stdin?.write(`${JSON.stringify(batchOf(entries, { durable: true }))}\n`);
  await first.until((line) => line['durable'] === 1);
  first.child.stdin?.write(`${JSON.stringify(batchOf([assigned([50, 51])]))}\n`);
  await first.until((line) => line['committed'] === 2);
  await first.end('SIGKILL');
  const second = start(dir);
  expect(await second.next()).toEqual({ ok: uid, tasks: 52 });
  await second.end('SIGKILL');
  expect((await take(dir)).journal.restored.jobs[0]?.tasks).toHaveLength(52);
});

test('an orderly end frees the lock', async () => {
  const dir = makeDir();
  const first = start(dir);
  const { ok: uid } = await first.next();
  first.child.stdin?.end();
  await once(first.child, 'exit');
  expect((await take(dir)).identity.uid).toBe(uid);
});

test('another journal does not make a second server of the identity', async () => {
  const [dir, elsewhere] = [makeDir(), makeDir()];
  const first = start(dir);
  await first.next();
  await expect(take(dir, { journalPath: join(elsewhere, 'j.db') })).rejects.toMatchObject({ code: 'HQ_E_SERVER_RUNNING' });
  expect(existsSync(join(elsewhere, 'j.db'))).toBe(false);
  expect(readLastStart(join(dir, '001'))?.journalPath).toBeNull();
  await first.end('SIGKILL');
  const taken = await take(dir, { journalPath: join(elsewhere, 'j.db') });
  expect(readLastStart(join(dir, '001'))).toMatchObject({ journalPath: join(elsewhere, 'j.db'), pid: process.pid, hostname: hostname() });
  await taken.journal.close();
  expect((await openIdentity({ serverDir: dir })).journalPath).toBe(join(elsewhere, 'j.db'));
});

test('a start that looked at the directory before another one took it with a third journal gives up', async () => {
  const [dir, elsewhere] = [makeDir(), makeDir()];
  const early = await openIdentity({ serverDir: dir });
  const winner = await take(dir, { journalPath: join(elsewhere, 'j.db') });
  await expect(takeJournal(early)).rejects.toMatchObject({ code: 'HQ_E_SERVER_RUNNING', data: { pid: process.pid } });
  expect(readLastStart(early.dir)?.journalPath).toBe(winner.identity.journalPath);
});

test('--new starts beside a server that runs', async () => {
  const dir = makeDir();
  const first = await take(dir);
  const second = await take(dir, { fresh: true });
  expect(second.identity.uid).not.toBe(first.identity.uid);
});

test('a journal that outlived its directory brings its uid along', async () => {
  const [lost, found, elsewhere] = [makeDir(), makeDir(), makeDir()];
  const journalPath = join(elsewhere, 'j.db');
  const first = await take(lost, { journalPath });
  first.journal.append(batchOf([job(), submit()], { durable: true }));
  await first.journal.close();
  const second = await take(found, { journalPath });
  expect(second.identity.uid).toBe(first.identity.uid);
  expect(second.identity.clientToken).not.toBe(first.identity.clientToken);
  expect(second.journal.restored.jobs).toHaveLength(1);
  await second.journal.close();
  expect((await openIdentity({ serverDir: found })).uid).toBe(first.identity.uid);
});

test('a lost journal is begun anew under the same uid', async () => {
  const dir = makeDir();
  const first = await take(dir);
  await first.journal.close();
  rmSync(first.identity.journalPath);
  const second = await take(dir);
  expect(second.journal.restored).toMatchObject({ serverUid: first.identity.uid, jobs: [] });
});

test('a journal that cannot be used leaves the directory as it was', async () => {
  const dir = makeDir();
  const identity = await openIdentity({ serverDir: dir });
  mkdirSync(join(dir, 'folder'));
  for (const journalPath of [join(dir, 'folder'), join(dir, 'missing/j.db')]) {
    const error = await take(dir, { journalPath }).catch((thrown: unknown) => thrown);
    expect([code(error), (error as { data: { path: string } }).data.path]).toEqual(['HQ_E_JOURNAL', journalPath]);
  }
  writeFileSync(identity.journalPath, 'no database, but long enough to be taken for one by its size '.repeat(100), { mode: 0o600 });
  copyFileSync(identity.journalPath, join(dir, 'before'));
  await expect(take(dir)).rejects.toMatchObject({ code: 'HQ_E_JOURNAL', data: { path: identity.journalPath } });
  expect(readFileSync(identity.journalPath).equals(readFileSync(join(dir, 'before')))).toBe(true);
  expect(readLastStart(identity.dir)).toBeNull();
});

test('the lock is free again when the start fails after it', async () => {
  const dir = makeDir();
  const identity = await openIdentity({ serverDir: dir });
  mkdirSync(join(identity.dir, 'last-start.json'));
  const error = await takeJournal(identity).catch((thrown: unknown) => thrown);
  expect(code(error)).toBe('HQ_E_SERVER_DIR');
  rmSync(join(identity.dir, 'last-start.json'), { recursive: true });
  const { journal }: { journal: Journal } = await take(dir);
  expect(journal.restored.serverUid).toBe(identity.uid);
});
