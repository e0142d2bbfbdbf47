/** Which files a journal opens and refuses, and that its lock keeps every other process out. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { JournalStore } from '../../../../src/server/journal/journalStore.ts';
import { isLockedForOthers, probeFileSystem } from '../../../../src/server/journal/lockProbe.ts';
import { APPLICATION_ID, SCHEMA_VERSION } from '../../../../src/server/journal/schema.ts';
import { assigned, job, makeDir, openStore, restore, submit, write } from './helpers.ts';

const FILE = 'journal.db';

function refusal(path: string, options: Parameters<typeof openStore>[1] = {}): string {
  try {
    openStore(path, options).close();
  } catch (error) {
    return (error as Error).message.replace(path, 'PATH');
  }
  return 'opened';
}

test('the file and its log are private', () => {
  const dir = makeDir();
  const before = process.umask(0);
  const store = openStore(join(dir, FILE));
  process.umask(before);
  write(store, job());
  for (const name of readdirSync(dir)) expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
  expect(readdirSync(dir).sort()).toEqual([FILE, `${FILE}-wal`]);
  store.close();
  expect(readdirSync(dir)).toEqual([FILE]);
});

test('the lock is held from the beginning, in this process and for others, and is free after the end', () => {
  const path = join(makeDir(), FILE);
  const store = openStore(path);
  expect(() => openStore(path)).toThrow(expect.objectContaining({ code: 'HQ_E_SERVER_RUNNING' }));
  expect(isLockedForOthers(path)).toBe(true);
  write(store, job(), submit(), assigned([1]));
  store.sync();
  expect(isLockedForOthers(path)).toBe(true);
  store.close();
  expect(isLockedForOthers(path)).toBe(false);
});

test('a refused opening leaves the lock and the data of the other one alone', () => {
  const path = join(makeDir(), FILE);
  const store = openStore(path);
  onTestFinished(() => store.close());
  write(store, job());
  expect(() => openStore(path)).toThrow();
  expect(isLockedForOthers(path)).toBe(true);
  expect(restore(store).jobs).toHaveLength(1);
});

test('the file system is examined once per file', () => {
  const path = join(makeDir(), FILE);
  const asked: string[] = [];
  const probe = (directory: string) => {
    asked.push(directory);
    return 'works' as const;
  };
  for (let start = 0; start < 3; start++) openStore(path, { probe }).close();
  expect(asked).toHaveLength(1);
  const copy = join(makeDir(), FILE);
  copyFileSync(path, copy);
  openStore(copy, { probe }).close();
  expect(asked).toHaveLength(2);
});

test('a file system that does not lock is refused with a line that says what to do, and nothing is left', () => {
  const dir = makeDir();
  const problem = 'locks of this file system are not seen by other processes';
  expect(refusal(join(dir, FILE), { probe: () => ({ problem }) })).toBe(`the journal PATH cannot be used: ${problem}`);
  expect(readdirSync(dir)).toEqual([]);
  const error = catchError(() => openStore(join(dir, FILE), { probe: () => ({ problem }) }));
  expect(error).toMatchObject({ code: 'HQ_E_JOURNAL', hint: expect.stringContaining('--journal PATH') });
});

test('a lock that nobody can take is told from a server that runs', () => {
  const path = join(makeDir(), FILE);
  const store = openStore(path);
  onTestFinished(() => store.close());
  const problem = 'files cannot be locked on this file system';
  expect(refusal(path, { probe: () => ({ problem }) })).toBe(`the journal PATH cannot be used: ${problem}`);
  expect(existsSync(path)).toBe(true);
});

test('the probe works here, says no where it must, and removes what it made', () => {
  const dir = makeDir();
  expect(probeFileSystem(dir)).toBe('works');
  expect(readdirSync(dir)).toEqual([]);
  expect(probeFileSystem(join(dir, 'missing'))).toMatchObject({ problem: expect.stringContaining('ENOENT') });
  const unlocked = new Database(join(dir, 'plain.db'));
  unlocked.exec('CREATE TABLE t (x)');
  expect(isLockedForOthers(join(dir, 'plain.db'))).toBe(false);
  unlocked.close();
  expect(isLockedForOthers(join(dir, 'missing.db'))).toBeNull();
});

test('what is no journal of ours is refused and stays as it is', () => {
  const dir = makeDir();
  const text = join(dir, 'text.db');
  writeFileSync(text, 'this is not a database, it is a letter to a friend\n'.repeat(100));
  const before = readFileSync(text);
  expect(refusal(text)).toBe('the journal PATH cannot be used: it is not a database');
  expect(readFileSync(text).equals(before)).toBe(true);
  const foreign = join(dir, 'foreign.db');
  new Database(foreign).exec('CREATE TABLE things (x)').close();
  expect(refusal(foreign)).toBe('the journal PATH cannot be used: it is a database of another program');
  mkdirSync(join(dir, 'folder.db'));
  expect(refusal(join(dir, 'folder.db'))).toBe('the journal PATH cannot be used: it is not a regular file');
  expect(refusal(join(dir, 'missing', FILE))).toBe('the journal PATH cannot be used: its directory does not exist');
  symlinkSync(join(dir, 'nowhere', FILE), join(dir, 'dangling.db'));
  expect(refusal(join(dir, 'dangling.db'))).toMatch(/^the journal PATH cannot be used: /);
});

test('a journal of a newer version is refused with one line', () => {
  const path = join(makeDir(), FILE);
  openStore(path).close();
  const db = new Database(path);
  expect(db.pragma('application_id', { simple: true })).toBe(APPLICATION_ID);
  db.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
  db.close();
  expect(refusal(path)).toBe(
    `the journal PATH cannot be used: it was written by a newer version of hq-bridge (schema ${SCHEMA_VERSION + 1}, this one knows ${SCHEMA_VERSION})`,
  );
});

test('a damaged journal is refused with one line that names it', () => {
  const path = join(makeDir(), FILE);
  const store = openStore(path);
  write(store, job(), submit(1, { ids: '0-4999' }), assigned(Array.from({ length: 5_000 }, (_, id) => id)));
  store.close();
  truncateSync(path, 4_096);
  expect(refusal(path)).toBe('the journal PATH cannot be used: it is damaged; save what is readable with: hq server recover DIR');
});

test('a file of somebody else is refused', () => {
  // Root can give a file away; everybody else finds one of root's.
  let path = '/etc/hosts';
  if (process.geteuid?.() === 0) {
    path = join(makeDir(), FILE);
    openStore(path).close();
    chownSync(path, 65_534, 65_534);
  }
  expect(refusal(path)).toBe('the journal PATH cannot be used: it belongs to somebody else');
});

test('a copy that others can read is taken from them', () => {
  const dir = makeDir();
  const store = openStore(join(dir, FILE));
  write(store, job());
  for (const name of [FILE, `${FILE}-wal`]) {
    copyFileSync(join(dir, name), join(dir, `copy-${name}`));
    chmodSync(join(dir, `copy-${name}`), 0o644);
  }
  store.close();
  const copy = openStore(join(dir, `copy-${FILE}`));
  expect(restore(copy).jobs).toHaveLength(1);
  for (const name of readdirSync(dir)) expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
  copy.close();
});

test('the default probe is the real one', () => {
  const store = JournalStore.open({ path: join(makeDir(), FILE) });
  expect(store.reader.meta<string>('lockProbe')).toMatch(/:\d+:\d+$/);
  store.close();
});

function catchError(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}
