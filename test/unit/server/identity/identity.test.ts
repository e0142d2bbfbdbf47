/** Making, finding and refusing identities: numbers, permissions, symbolic links, damage. */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  currentIdentity,
  identityName,
  identityNumber,
  listIdentities,
  namedServerDir,
  resolveServerDir,
} from '../../../../src/common/serverDir.ts';
import { clientAccess, workerAccess } from '../../../../src/protocol/accessFile.ts';
import { accessFiles, clearAccess, writeAccess } from '../../../../src/server/identity/access.ts';
import { type Identity, type OpenIdentityOptions, openIdentity } from '../../../../src/server/identity/identity.ts';
import { writeLastStart } from '../../../../src/server/identity/lastStart.ts';
import { makeDir, T0 } from '../journal/helpers.ts';

const ACCESS = { hosts: ['node1', '10.0.0.1'], clientPort: 4_001, workerPort: 4_002, socketPath: '/run/x.sock', startedAtMs: T0 };

const open = (serverDir: string, o: Omit<OpenIdentityOptions, 'serverDir'> = {}): Promise<Identity> => openIdentity({ serverDir, ...o });

/** Path and mode of everything below, sorted. */
function modes(dir: string, prefix = ''): string[] {
  return readdirSync(dir)
    .sort()
    .flatMap((name) => {
      const path = join(dir, name);
      const found = lstatSync(path);
      if (found.isSymbolicLink()) return [`${prefix}${name} -> ${readlinkSync(path)}`];
      const line = `${prefix}${name} ${(found.mode & 0o777).toString(8)}`;
      return found.isDirectory() ? [line, ...modes(path, `${prefix}${name}/`)] : [line];
    });
}

async function refusal(work: Promise<unknown>, dir: string): Promise<string> {
  try {
    await work;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code} ${message.replaceAll(dir, 'DIR')}`;
  }
  return 'accepted';
}

test('the first start makes everything, private whatever the umask', async () => {
  const dir = join(makeDir(), 'deep', 'server');
  const before = process.umask(0);
  const identity = await open(dir);
  writeAccess(identity, ACCESS);
  process.umask(before);
  expect(modes(dir)).toMatchInlineSnapshot(`
    [
      "001 700",
      "001/access.json 600",
      "001/cert.pem 600",
      "001/identity.json 600",
      "001/key.pem 600",
      "001/last-start.json 600",
      "001/spool 700",
      "001/worker-access.json 600",
      "hq-current -> 001",
    ]
  `);
  expect(lstatSync(dir).mode & 0o777).toBe(0o700);
  expect(identity.uid).toMatch(/^[A-Za-z0-9]{6}$/);
  expect(identity.clientToken).toMatch(/^[0-9a-f]{64}$/);
  expect(identity.workerToken).toMatch(/^[0-9a-f]{64}$/);
  expect(identity.workerToken).not.toBe(identity.clientToken);
  expect(identity).toMatchObject({
    serverDir: dir,
    dir: join(dir, '001'),
    journalPath: join(dir, '001/journal.db'),
    spoolDir: join(dir, '001/spool'),
  });
  expect(identity).toMatchObject({ lastJournalPath: null, lastPorts: { client: null, worker: null } });
});

test('later starts use the same one, --new makes the next one, hq-current decides', async () => {
  const dir = makeDir();
  const first = await open(dir);
  expect(await open(dir)).toEqual(first);
  writeAccess(first, ACCESS);
  const second = await open(dir, { fresh: true });
  expect(second.dir).toBe(join(dir, '002'));
  expect([second.uid, second.clientToken, second.key]).not.toEqual([first.uid, first.clientToken, first.key]);
  expect((await open(dir)).dir).toBe(first.dir);
  writeAccess(second, ACCESS);
  expect(readlinkSync(join(dir, 'hq-current'))).toBe('002');
  expect((await open(dir)).dir).toBe(second.dir);
  rmSync(join(dir, 'hq-current'));
  expect((await open(dir)).dir).toBe(second.dir);
  expect((await open(join(dir, '001'))).dir).toBe(first.dir);
  expect(listIdentities(dir)).toEqual([1, 2]);
});

test('many starts at once on a new directory agree on one identity', async () => {
  const dir = makeDir();
  const all = await Promise.all(Array.from({ length: 6 }, () => open(dir)));
  expect(new Set(all.map((identity) => identity.uid)).size).toBe(1);
  expect(readdirSync(dir)).toEqual(['001']);
  const fresh = await Promise.all(Array.from({ length: 3 }, () => open(dir, { fresh: true })));
  expect(fresh.map((identity) => identity.dir).sort()).toEqual(['002', '003', '004'].map((name) => join(dir, name)));
  expect(readdirSync(dir)).toEqual(['001', '002', '003', '004']);
});

test('directories of HyperQueue itself are passed over and left alone', async () => {
  const dir = makeDir();
  mkdirSync(join(dir, '007'));
  writeFileSync(join(dir, '007/access.json'), '{}');
  symlinkSync(join(dir, '007'), join(dir, 'hq-current'));
  const identity = await open(dir);
  expect(identity.dir).toBe(join(dir, '008'));
  expect(readdirSync(join(dir, '007'))).toEqual(['access.json']);
  writeAccess(identity, ACCESS);
  expect(readlinkSync(join(dir, 'hq-current'))).toBe('008');
});

test('access files say where the server is and hold the token of their side only', async () => {
  const identity = await open(makeDir());
  const files = writeAccess(identity, ACCESS);
  expect(files).toEqual(accessFiles(identity));
  const [client, worker] = [files.client, files.worker].map((file) => readFileSync(file, 'utf8')) as [string, string];
  expect(clientAccess.parse(JSON.parse(client))).toMatchObject({
    ...{ serverUid: identity.uid, pid: process.pid, startedAtMs: T0, socket: { path: '/run/x.sock' } },
    client: { hosts: ['node1', '10.0.0.1'], port: 4_001, token: identity.clientToken, certificate: identity.certificate },
  });
  expect(workerAccess.parse(JSON.parse(worker))).toMatchObject({ worker: { port: 4_002, token: identity.workerToken } });
  expect(client).not.toContain(identity.workerToken);
  expect(worker).not.toContain(identity.clientToken);
  for (const text of [client, worker]) expect(text).not.toContain('PRIVATE KEY');
  writeAccess(identity, { ...ACCESS, clientAuth: false, workerAuth: false, socketPath: null });
  expect(JSON.parse(readFileSync(files.client, 'utf8'))).toMatchObject({ client: { token: null, certificate: null }, socket: null });
  expect(JSON.parse(readFileSync(files.worker, 'utf8'))).toMatchObject({ worker: { token: null, certificate: null } });
});

test('after an orderly end no access file is left, and the next start uses the same identity, ports and journal', async () => {
  const dir = makeDir();
  const journalPath = join(dir, 'elsewhere.db');
  const identity = await open(dir, { journalPath });
  writeAccess(identity, ACCESS);
  clearAccess(identity);
  clearAccess(identity);
  expect(existsSync(accessFiles(identity).client) || existsSync(accessFiles(identity).worker)).toBe(false);
  expect(resolveServerDir(dir)).toBe(identity.dir);
  expect(await open(dir)).toEqual({ ...identity, journalPath, lastJournalPath: journalPath, lastPorts: { client: 4_001, worker: 4_002 } });
});

test('a copied directory finds its own journal, and others cannot read it any more', async () => {
  const dir = makeDir();
  const identity = await open(join(dir, 'a'));
  writeAccess(identity, ACCESS);
  cpSync(join(dir, 'a'), join(dir, 'b'), { recursive: true, verbatimSymlinks: true });
  for (const name of ['001', '001/spool']) chmodSync(join(dir, 'b', name), 0o755);
  for (const name of ['identity.json', 'cert.pem', 'key.pem', 'last-start.json']) chmodSync(join(dir, 'b/001', name), 0o644);
  const copy = await open(join(dir, 'b'));
  expect(copy).toMatchObject({ uid: identity.uid, dir: join(dir, 'b/001'), journalPath: join(dir, 'b/001/journal.db') });
  expect(copy.lastJournalPath).toBe(copy.journalPath);
  clearAccess(copy);
  expect(modes(join(dir, 'b/001')).filter((line) => !/ (600|700)$/.test(line))).toEqual([]);
});

test('symbolic links in the place of directories and files are refused', async () => {
  const dir = makeDir();
  const real = join(dir, 'real');
  await open(real);
  symlinkSync(real, join(dir, 'link'));
  expect(await refusal(open(join(dir, 'link')), dir)).toBe(
    'HQ_E_SERVER_DIR the server directory DIR/link cannot be used: it is a symbolic link; give the directory it leads to (DIR/real)',
  );
  symlinkSync(join(dir, 'nowhere'), join(dir, 'dangling'));
  expect(await refusal(open(join(dir, 'dangling')), dir)).toMatch(/^HQ_E_SERVER_DIR .*DIR\/dangling cannot be used: it is a symbolic link/);

  renameSync(join(real, '001'), join(dir, 'moved'));
  symlinkSync(join(dir, 'moved'), join(real, '001'));
  expect(await refusal(open(real), dir)).toMatch(/DIR\/real\/001 cannot be used: it is a symbolic link/);
  expect(resolveServerDir(real)).toBe(real);
  rmSync(join(real, '001'));
  renameSync(join(dir, 'moved'), join(real, '001'));

  for (const name of ['key.pem', 'identity.json', 'cert.pem']) {
    const file = join(real, '001', name);
    renameSync(file, join(dir, name));
    symlinkSync(join(dir, name), file);
    expect(await refusal(open(real), dir)).toMatch(new RegExp(`^HQ_E_SERVER_DIR .*${name} is a symbolic link`));
    rmSync(file);
    renameSync(join(dir, name), file);
  }
  rmSync(join(real, '001/spool'), { recursive: true });
  symlinkSync('/tmp', join(real, '001/spool'));
  expect(await refusal(open(real), dir)).toMatch(/DIR\/real\/001\/spool cannot be used: it is a symbolic link/);
});

test('an access file or link that an attacker put there is replaced, never followed', async () => {
  const dir = makeDir();
  const identity = await open(join(dir, 'server'));
  const victim = join(dir, 'victim');
  writeFileSync(victim, 'precious');
  for (const file of Object.values(accessFiles(identity))) symlinkSync(victim, file);
  symlinkSync(dir, join(dir, 'server/hq-current'));
  const files = writeAccess(identity, ACCESS);
  expect(readFileSync(victim, 'utf8')).toBe('precious');
  expect(lstatSync(files.client).isFile()).toBe(true);
  expect(readlinkSync(join(dir, 'server/hq-current'))).toBe('001');
});

test('hq-current is followed to a numbered directory beside it only', async () => {
  const dir = makeDir();
  await open(join(dir, 'other'));
  const identity = await open(join(dir, 'server'));
  const link = join(dir, 'server/hq-current');
  for (const target of [join(dir, 'other/001'), '../other/001', '.', '/tmp', '002', '']) {
    rmSync(link, { force: true });
    if (target !== '') symlinkSync(target, link);
    expect([target, currentIdentity(join(dir, 'server'))]).toEqual([target, null]);
    expect((await open(join(dir, 'server'))).dir).toBe(identity.dir);
  }
  for (const target of ['001', './001', join(dir, 'server/001')]) {
    rmSync(link, { force: true });
    symlinkSync(target, link);
    expect([target, currentIdentity(join(dir, 'server'))]).toEqual([target, 1]);
  }
  rmSync(link);
  mkdirSync(link);
  expect(await refusal(open(join(dir, 'server')), dir)).toMatch(/hq-current is in the way; only a symbolic link may have this name$/);
});

test('directories of somebody else are refused', async () => {
  if (process.geteuid?.() !== 0) {
    expect(await refusal(open('/usr'), '')).toMatch(/\/usr cannot be used: it belongs to somebody else$/);
    return;
  }
  const dir = makeDir();
  const identity = await open(join(dir, 'server'));
  for (const path of [identity.dir, join(dir, 'server')]) {
    chownSync(path, 65_534, 65_534);
    expect(await refusal(open(join(dir, 'server')), dir)).toBe(
      `HQ_E_SERVER_DIR the server directory ${path.replace(dir, 'DIR')} cannot be used: it belongs to somebody else`,
    );
    chownSync(path, 0, 0);
  }
  chownSync(join(identity.dir, 'key.pem'), 65_534, 65_534);
  expect(await refusal(open(join(dir, 'server')), dir)).toMatch(/key\.pem belongs to somebody else$/);
});

test('a directory that cannot be written is refused with one line', async () => {
  const dir = makeDir();
  writeFileSync(join(dir, 'file'), '');
  expect(await refusal(open(join(dir, 'file')), dir)).toBe(
    'HQ_E_SERVER_DIR the server directory DIR/file cannot be used: it is not a directory',
  );
  expect(await refusal(open(join(dir, 'file/below')), dir)).toBe(
    'HQ_E_SERVER_DIR the server directory DIR/file/below cannot be used: a part of the path is not a directory',
  );
  mkdirSync(join(dir, 'closed'), { mode: 0o500 });
  chmodSync(dir, 0o755);
  const asNobody = process.geteuid?.() === 0;
  if (asNobody) {
    chownSync(join(dir, 'closed'), 65_534, 65_534);
    process.seteuid?.(65_534);
  }
  try {
    expect(await refusal(open(join(dir, 'closed')), dir)).toBe(
      'HQ_E_SERVER_DIR the server directory DIR/closed cannot be used: it is not writable',
    );
    expect(await refusal(open(join(dir, 'closed/below')), dir)).toBe(
      'HQ_E_SERVER_DIR the server directory DIR/closed/below cannot be used: it is not writable',
    );
  } finally {
    if (asNobody) process.seteuid?.(0);
    chmodSync(join(dir, 'closed'), 0o700);
  }
  expect(readdirSync(join(dir, 'closed'))).toEqual([]);
});

test('a damaged or incomplete identity is refused with the file and what to do', async () => {
  const dir = makeDir();
  const identity = await open(dir);
  const damage = async (name: string, text: string | null): Promise<string> => {
    const file = join(identity.dir, name);
    const before = existsSync(file) ? readFileSync(file) : null;
    rmSync(file, { force: true });
    if (text !== null) writeFileSync(file, text, { mode: 0o600 });
    const line = await refusal(open(dir), dir);
    rmSync(file, { force: true });
    if (before !== null) writeFileSync(file, before, { mode: 0o600 });
    return line;
  };
  const stored = JSON.parse(readFileSync(join(identity.dir, 'identity.json'), 'utf8'));
  expect(await damage('identity.json', '{')).toMatch(/DIR\/001\/identity\.json cannot be used: it is not JSON$/);
  expect(await damage('identity.json', JSON.stringify({ ...stored, clientToken: 'short' }))).toMatch(
    /clientToken: must be 64 hexadecimal digits$/,
  );
  expect(await damage('identity.json', JSON.stringify({ ...stored, version: 2 }))).toMatch(
    /version: was written by another version of hq-bridge$/,
  );
  expect(await damage('key.pem', null)).toMatch(
    /DIR\/001 cannot be used: it is incomplete \(key\.pem is missing\); make a new identity with: hq server start --new$/,
  );
  expect(await damage('cert.pem', 'no certificate')).toMatch(/DIR\/001 cannot be used: the certificate or its key cannot be read/);
  const other = await open(join(dir, 'other'));
  expect(await damage('key.pem', other.key)).toMatch(/the certificate belongs to another key/);
  expect(await damage('last-start.json', '[]')).toMatch(/DIR\/001\/last-start\.json cannot be used: it: /);
  expect(await open(dir)).toEqual(identity);
});

test('--new inside one identity names its parent', async () => {
  const dir = makeDir();
  await open(dir);
  expect(await refusal(open(join(dir, '001'), { fresh: true }), dir)).toMatch(
    /DIR\/001 cannot be used: it is one identity; a new one is made in DIR$/,
  );
});

test('ports and journal of the last start are remembered by number and place', async () => {
  const identity = await open(makeDir());
  writeLastStart(identity.dir, { journalPath: null, clientPort: 1, workerPort: null, pid: 7, hostname: 'n', startedAtMs: T0 });
  expect(await open(identity.serverDir)).toMatchObject({ lastPorts: { client: 1, worker: null }, lastJournalPath: identity.journalPath });
  expect(await open(identity.serverDir, { journalPath: '/x/y.db' })).toMatchObject({
    journalPath: '/x/y.db',
    lastJournalPath: identity.journalPath,
  });
});

test('clients find the same identity as the server', async () => {
  const dir = makeDir();
  expect(resolveServerDir(join(dir, 'missing'))).toBe(join(dir, 'missing'));
  expect(resolveServerDir(dir)).toBe(dir);
  const first = await open(dir);
  expect(resolveServerDir(dir)).toBe(first.dir);
  const second = await open(dir, { fresh: true });
  expect(resolveServerDir(dir)).toBe(second.dir);
  writeAccess(first, ACCESS);
  expect(resolveServerDir(dir)).toBe(first.dir);
  expect(resolveServerDir(second.dir)).toBe(second.dir);
  mkdirSync(join(dir, 'partial'));
  writeFileSync(join(dir, 'partial/access.json'), '{}');
  mkdirSync(join(dir, 'partial/001'));
  expect(resolveServerDir(join(dir, 'partial'))).toBe(join(dir, 'partial'));
});

test('names of identities and of the server directory', () => {
  expect([1, 42, 999, 1_000].map(identityName)).toEqual(['001', '042', '999', '1000']);
  expect(['001', '1000', '1', '000', '0001', 'x01', '001x', ''].map(identityNumber)).toEqual([
    1,
    1_000,
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
  const env = { HOME: '/home/a' };
  expect(namedServerDir({ env, cwd: '/w' })).toBe('/home/a/.hq-server');
  expect(namedServerDir({ env: { ...env, HQ_SERVER_DIR: 'sub' }, cwd: '/w' })).toBe('/w/sub');
  expect(namedServerDir({ serverDir: '/x', env: { ...env, HQ_SERVER_DIR: 'sub' }, cwd: '/w' })).toBe('/x');
});
