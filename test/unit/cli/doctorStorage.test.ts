/** The checks of `hq doctor` that concern files and the server: real directories, and the real API behind a socket. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkServer } from '../../../src/cli/doctor/server.ts';
import { checkServerDirectory } from '../../../src/cli/doctor/serverDirectory.ts';
import { checkFileSystem, checkLocks, checkRoom, checkSync, roomFinding } from '../../../src/cli/doctor/storage.ts';
import { checkTemporaryDirectory } from '../../../src/cli/doctor/temporaryDirectory.ts';
import { fileSystemOf } from '../../../src/common/fileSystem.ts';
import { VERSION } from '../../../src/protocol/version.ts';
import { CliWorld } from '../../helpers/cli.ts';

const isRoot = process.geteuid?.() === 0;

function makeDir(): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'hq-doctor-test-')));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

describe('server directory', () => {
  test('before the first start it may be missing, with parents', () => {
    const dir = makeDir();
    const path = join(dir, 'a/b');
    expect(checkServerDirectory(path)).toEqual({
      finding: { check: 'server-directory', level: 'ok', found: `${path} does not exist yet; the first server start makes it`, advice: '' },
      place: dir,
      isWritable: true,
    });
    expect(readdirSync(dir)).toEqual([]);
  });

  test('a file or a link in its place, or on the way', () => {
    const dir = makeDir();
    writeFileSync(join(dir, 'file'), '');
    symlinkSync(dir, join(dir, 'link'));
    const found = (path: string) => checkServerDirectory(path).finding;
    expect(found(join(dir, 'file'))).toMatchObject({ level: 'problem', found: expect.stringContaining('not a directory') });
    expect(found(join(dir, 'link'))).toMatchObject({ level: 'problem', found: expect.stringContaining('symbolic link') });
    expect(found(join(dir, 'file/below'))).toMatchObject({ level: 'problem', found: expect.stringContaining('ENOTDIR') });
  });

  test('modes: ours alone, entered or written by others', () => {
    const dir = makeDir();
    const identity = join(dir, '001');
    mkdirSync(identity, { mode: 0o700 });
    expect(checkServerDirectory(dir).finding).toMatchObject({ level: 'ok', found: `${identity}, yours alone` });
    chmodSync(identity, 0o755);
    expect(checkServerDirectory(dir).finding).toMatchObject({ level: 'warning', advice: `Run: chmod 700 ${identity}` });
    chmodSync(dir, 0o777);
    expect(checkServerDirectory(dir).finding).toMatchObject({ level: 'problem', advice: `Run: chmod 700 ${dir}` });
  });

  // For root every directory can be read and written.
  test.skipIf(isRoot)('an unreadable one', () => {
    const dir = makeDir();
    chmodSync(dir, 0o000);
    onTestFinished(() => chmodSync(dir, 0o700));
    expect(checkServerDirectory(dir)).toMatchObject({ finding: { level: 'problem' }, place: dir, isWritable: false });
    expect(checkServerDirectory(join(dir, 'below'))).toMatchObject({ finding: { level: 'problem' } });
  });
});

describe('file system', () => {
  test('a good one: every check passes and leaves nothing', async () => {
    const dir = makeDir();
    expect(checkFileSystem(dir)).toMatchObject({ check: 'file-system', found: expect.stringContaining(`(${dir})`) });
    expect(await checkLocks(dir)).toMatchObject({ check: 'locks', level: 'ok' });
    const { finding, skewMs } = checkSync(dir);
    expect(finding).toMatchObject({ check: 'fsync', found: expect.stringMatching(/^writing to disk takes [\d.]+ ms/) });
    expect(Math.abs(skewMs as number)).toBeLessThan(60_000);
    expect(checkRoom(dir).check).toBe('free-space');
    expect(readdirSync(dir)).toEqual([]);
  });

  test('one on which no file can be made', async () => {
    expect(await checkLocks('/proc')).toMatchObject({ level: 'problem', advice: expect.stringContaining('--journal') });
    expect(checkSync('/proc')).toMatchObject({ finding: { level: 'problem' }, skewMs: null });
    expect(checkFileSystem('/no/such/place')).toMatchObject({ level: 'problem' });
    expect(checkRoom('/no/such/place')).toMatchObject({ level: 'problem' });
  });

  test('room: bytes and inodes', () => {
    const level = (bavail: number, files = 100_000, ffree = 50_000) => roomFinding({ bavail, bsize: 4_096, files, ffree }).level;
    expect(level(2 ** 20)).toBe('ok');
    expect(level(2 ** 17)).toBe('warning');
    expect(level(100)).toBe('problem');
    expect(level(2 ** 20, 100_000, 10)).toBe('warning');
    expect(level(2 ** 20, 0, 0)).toBe('ok');
  });

  test('temporary directory: a good one, a missing one, one that refuses files', () => {
    const dir = makeDir();
    expect(checkTemporaryDirectory(dir)).toMatchObject({ check: 'temporary-directory', level: 'ok' });
    expect(readdirSync(dir)).toEqual([]);
    expect(checkTemporaryDirectory(join(dir, 'missing'))).toMatchObject({ level: 'problem', found: expect.stringContaining('ENOENT') });
    expect(checkTemporaryDirectory('/proc')).toMatchObject({ level: 'problem' });
  });

  const noexec = ['/dev/shm', '/run', '/run/lock', '/run/shm'].find((path) => {
    try {
      return fileSystemOf(path).options.has('noexec') && checkTemporaryDirectory(path).level !== 'problem';
    } catch {
      return false;
    }
  });
  // Only where this machine has a directory that is mounted so.
  test.skipIf(noexec === undefined)('temporary directory: programs there cannot be run', () => {
    expect(checkTemporaryDirectory(noexec as string)).toMatchObject({ level: 'warning', found: expect.stringContaining('cannot be run') });
  });
});

describe('server', () => {
  async function world(): Promise<{ world: CliWorld; check: () => ReturnType<typeof checkServer> }> {
    const one = new CliWorld();
    onTestFinished(() => one.stop());
    const check = () => checkServer({ serverDir: one.serverDir, env: {}, cwd: one.work, signal: new AbortController().signal });
    return { world: one, check };
  }

  test('none', async () => {
    const { check } = await world();
    expect(await check()).toMatchObject({ level: 'ok', found: 'none runs on this directory' });
  });

  test('one that answers, of another version, with another clock, gone', async () => {
    const { world: one, check } = await world();
    await one.start();
    const { facade } = one;
    expect(await check()).toMatchObject({ level: 'ok', found: `version ${VERSION} answers on login1 (pid 4711), 0 workers, 0 jobs` });
    facade.info = { ...facade.info, nowMs: Date.now() };
    expect(await check()).toMatchObject({ level: 'ok' });
    facade.info = { ...facade.info, nowMs: Date.now() + 600_000 };
    expect(await check()).toMatchObject({ level: 'warning', found: expect.stringMatching(/its clock is (600|599\.\d|600\.\d) s ahead/) });
    facade.info = { ...facade.info, version: '0.0.1' };
    expect(await check()).toMatchObject({ level: 'warning', found: expect.stringContaining('version 0.0.1') });
    await one.closeServer();
    expect(await check()).toMatchObject({ level: 'warning', found: expect.stringContaining('gone without having ended in order') });
  });

  test('an access file that others can write', async () => {
    const { world: one, check } = await world();
    await one.start();
    chmodSync(join(one.serverDir, 'access.json'), 0o666);
    expect(await check()).toMatchObject({ level: 'problem', found: expect.stringContaining('others can write it') });
  });
});
