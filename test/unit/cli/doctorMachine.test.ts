/** The checks of `hq doctor` that concern the machine: launcher, network, batch systems, limits. Everything bad is really made. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkBatchSystems } from '../../../src/cli/doctor/batchSystems.ts';
import { checkLauncher } from '../../../src/cli/doctor/launcher.ts';
import { checkHostName, checkPorts, checkSocket } from '../../../src/cli/doctor/network.ts';
import { checkClock, checkLimits, checkNode } from '../../../src/cli/doctor/runtime.ts';
import { briefRun, firstLine } from '../../../src/common/briefRun.ts';
import { NODE_NEEDED } from '../../../src/protocol/version.ts';
import { chooseSocketPath } from '../../../src/server/identity/socketPath.ts';
import { memoryDelegation } from '../../../src/worker/detect/delegation.ts';
import { HostFiles } from '../../../src/worker/detect/hostFiles.ts';
import { hqspawnPath, NATIVE_LAUNCHERS } from '../worker/launchers.ts';

/** For what hangs: long enough for a script on a busy machine to get there. */
const HANG_TIMEOUT_MS = 2_000;

function makeDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'hq-doctor-test-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function script(dir: string, name: string, body: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

const systemPath = process.env['PATH'] ?? '';

describe('process', () => {
  test.each([
    ['20.19.0', 'ok'],
    ['20.18.9', 'problem'],
    ['22.0.0', 'ok'],
    ['18.20.0', 'problem'],
  ])('Node %s is %s', (version, level) => {
    expect(checkNode(version, '20.19')).toMatchObject({ check: 'node', level });
  });

  test('what is needed is what package.json asks for', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    expect(engines.node).toBe(`>=${NODE_NEEDED}`);
    expect(checkNode(process.versions.node, NODE_NEEDED).level).toBe('ok');
  });

  test('limits: this process, and a miserly one', () => {
    expect(checkLimits(readFileSync('/proc/self/limits', 'utf8')).map(({ check }) => check)).toEqual(['open-files', 'processes']);
    const line = (name: string, soft: string) => `Max ${name.padEnd(20)} ${soft.padEnd(20)} unlimited units`;
    const levels = (files: string, processes: string) =>
      checkLimits([line('open files', files), line('processes', processes)].join('\n')).map(({ level }) => level);
    expect(levels('65536', 'unlimited')).toEqual(['ok', 'ok']);
    expect(levels('1024', '500')).toEqual(['warning', 'warning']);
    expect(levels('100', '4096')).toEqual(['problem', 'ok']);
    expect(checkLimits('')).toEqual([]);
  });

  test('clock: absurd times, and a file system that disagrees', () => {
    const now = Date.UTC(2026, 5, 1);
    expect(checkClock(now, 0).level).toBe('ok');
    expect(checkClock(now, null).level).toBe('ok');
    expect(checkClock(0, null)).toMatchObject({ level: 'problem', found: 'the clock says 1970-01-01T00:00:00.000Z' });
    expect(checkClock(now, 3_500)).toMatchObject({ level: 'warning', found: expect.stringContaining('3.5 s ahead') });
    expect(checkClock(now, -60_000)).toMatchObject({ level: 'warning', found: expect.stringContaining('60 s behind') });
  });
});

describe('launcher', () => {
  const check = (env: Record<string, string>, path: string) =>
    checkLauncher({ env: { PATH: systemPath, ...env }, tmpDir: makeDir(), path });

  test.runIf(NATIVE_LAUNCHERS.length > 0)('the native one is tried, and nothing is left behind', async () => {
    const tmpDir = makeDir();
    const path = await hqspawnPath('native');
    const [launcher, compiler] = await checkLauncher({ env: { PATH: systemPath }, tmpDir, path });
    expect(launcher).toMatchObject({ check: 'launcher', level: 'ok', found: expect.stringContaining(`native (${path}); a task`) });
    expect(compiler).toMatchObject({ check: 'c-compiler', level: 'ok' });
    expect(readdirSync(tmpDir)).toEqual([]);
  });

  test("Node's, when it is asked for", async () => {
    const [launcher] = await check({ HQ_LAUNCHER: 'node' }, '/nowhere/hqspawn');
    expect(launcher).toMatchObject({ level: 'ok', found: expect.stringContaining('because HQ_LAUNCHER is node') });
  });

  test('not built: slower, with what to do', async () => {
    const [launcher] = await check({}, '/nowhere/hqspawn');
    expect(launcher).toMatchObject({ level: 'warning', found: expect.stringContaining('/nowhere/hqspawn is not built') });
    expect(launcher?.advice).toContain('npm run build');
  });

  test('built for another machine', async () => {
    const dir = makeDir();
    script(dir, 'hqspawn', 'exit 3');
    const [launcher] = await check({}, join(dir, 'hqspawn'));
    expect(launcher).toMatchObject({ level: 'warning', found: expect.stringContaining('exit code 3') });
  });

  test('a wrong HQ_LAUNCHER, and a native one that is required but missing', async () => {
    expect((await check({ HQ_LAUNCHER: 'fast' }, '/nowhere/hqspawn'))[0]).toMatchObject({
      level: 'problem',
      found: "HQ_LAUNCHER must be auto, native or node, not 'fast'",
    });
    expect((await check({ HQ_LAUNCHER: 'native' }, '/nowhere/hqspawn'))[0]).toMatchObject({
      level: 'problem',
      found: expect.stringContaining('/nowhere/hqspawn is missing'),
    });
  });

  test('without a compiler and without a launcher', async () => {
    const empty = makeDir();
    const findings = await checkLauncher({ env: { PATH: empty, HQ_LAUNCHER: 'node' }, tmpDir: makeDir(), path: '/nowhere/hqspawn' });
    // Not even `true` is on this PATH.
    expect(findings.map(({ check: name, level }) => [name, level])).toEqual([
      ['launcher', 'problem'],
      ['c-compiler', 'warning'],
    ]);
  });
});

describe('network', () => {
  test('loopback works; an address of somebody else does not', async () => {
    expect(await checkPorts(['name', '127.0.0.1'])).toMatchObject([
      { check: 'loopback', level: 'ok' },
      { check: 'host-address', level: 'warning' },
    ]);
    // 127.0.0.2 stands for a second address of this host; 203.0.113.1 is kept for examples and nobody's.
    expect((await checkPorts(['name', '127.0.0.2', '127.0.0.1']))[1]).toMatchObject({ level: 'ok' });
    expect((await checkPorts(['name', '203.0.113.1', '127.0.0.1']))[1]).toMatchObject({
      level: 'problem',
      found: expect.stringMatching(/^203\.0\.113\.1: .*EADDRNOTAVAIL/),
    });
    expect((await checkPorts(['name', '127.0.0.2', '203.0.113.1', '127.0.0.1']))[1]).toMatchObject({ level: 'warning' });
  });

  test('names: one that leads here, one that does not exist', async () => {
    expect(await checkHostName('localhost', ['127.0.0.1'])).toMatchObject({ level: 'ok' });
    expect(await checkHostName('203.0.113.1', ['127.0.0.1'])).toMatchObject({
      level: 'warning',
      found: expect.stringContaining('none of'),
    });
    expect(await checkHostName('no-such-host.invalid', [])).toMatchObject({
      level: 'warning',
      found: expect.stringContaining('does not resolve'),
    });
  });

  test('the socket: where it would be, a path that is too long, no place at all; nothing is made', () => {
    const dir = makeDir();
    const choose = (...tmpDirs: string[]) => chooseSocketPath({ serverUid: 'abc123', env: {}, tmpDirs, dryRun: true });
    expect(checkSocket(choose(dir))).toMatchObject({ level: 'ok', found: `below ${dir}/hq-${process.geteuid?.()}` });
    const long = join(dir, 'x'.repeat(100));
    mkdirSync(long);
    expect(checkSocket(choose(long, dir))).toMatchObject({ level: 'ok', found: expect.stringContaining('longer than 107 bytes') });
    expect(checkSocket(choose(long))).toMatchObject({ level: 'warning', found: expect.stringContaining('longer than 107 bytes') });
    expect(checkSocket(choose(join(dir, 'missing')))).toMatchObject({ level: 'warning', found: expect.stringContaining('ENOENT') });
    expect(readdirSync(dir)).toEqual(['x'.repeat(100)]);
    expect(readdirSync(long)).toEqual([]);
    mkdirSync(join(dir, `hq-${process.geteuid?.()}`));
    chmodSync(join(dir, `hq-${process.geteuid?.()}`), 0o755);
    expect(checkSocket(choose(dir))).toMatchObject({ level: 'warning', found: expect.stringContaining('others can enter it') });
  });
});

describe('batch systems', () => {
  const check = (dir: string, timeoutMs?: number) =>
    checkBatchSystems({ env: { PATH: `${dir}:/usr/bin:/bin` }, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  const commands = ['sbatch', 'squeue', 'scancel', 'sinfo'];

  test('none is no fault', async () => {
    const empty = makeDir();
    expect((await checkBatchSystems({ env: { PATH: empty } })).map(({ check: name, level }) => [name, level])).toEqual([
      ['slurm', 'ok'],
      ['pbs', 'ok'],
    ]);
  });

  test('all there: the version is shown', async () => {
    const dir = makeDir();
    for (const name of commands) script(dir, name, 'echo slurm 23.11.4');
    expect((await check(dir))[0]).toMatchObject({
      level: 'ok',
      found: 'slurm 23.11.4, and its server answers',
    });
  });

  test('a command that hangs, with a child that holds its output', async () => {
    const dir = makeDir();
    for (const name of commands) script(dir, name, 'echo slurm 23.11.4');
    script(dir, 'sbatch', `sleep 1000 &\necho $! > ${dir}/pid\nwait`);
    expect((await check(dir, HANG_TIMEOUT_MS))[0]).toMatchObject({
      level: 'warning',
      found: expect.stringContaining('sbatch --version does not answer within 2 s'),
    });
    await expect.poll(() => isAlive(Number(readFileSync(join(dir, 'pid'), 'utf8')))).toBe(false);
  });

  test('some are missing, one fails, the server is away', async () => {
    const dir = makeDir();
    script(dir, 'qsub', 'echo pbs_version = 23.06');
    script(dir, 'qstat', '[ "$1" = --version ] && { echo pbs_version = 23.06; exit 0; }\necho cannot connect to server >&2\nexit 15');
    expect((await check(dir))[1]).toMatchObject({ level: 'warning', found: 'qdel not found' });
    script(dir, 'qdel', 'echo broken library >&2; exit 127');
    expect((await check(dir))[1]).toMatchObject({
      level: 'warning',
      found: 'qdel --version failed with exit code 127: broken library',
    });
    script(dir, 'qdel', 'echo pbs_version = 23.06');
    expect((await check(dir))[1]).toMatchObject({
      level: 'warning',
      found: 'pbs_version = 23.06, but qstat -Q failed with exit code 15: cannot connect to server',
    });
  });

  test('a program that cannot be run at all', async () => {
    const dir = makeDir();
    writeFileSync(join(dir, 'text'), 'not a program', { mode: 0o644 });
    const options = { env: { PATH: dir }, timeoutMs: HANG_TIMEOUT_MS };
    expect((await briefRun('text', [], options)).kind).toBe('failed');
    expect(await briefRun('nothing', [], options)).toEqual({ kind: 'missing' });
    expect(firstLine({ stdout: '\n', stderr: '  words \nmore' })).toBe('words');
  });
});

test('control groups: delegated, without the controller, somebody else’s, none', () => {
  const root = makeDir();
  const group = join(root, 'sys/fs/cgroup/user.slice/me');
  const ask = () => memoryDelegation(new HostFiles(root));
  expect(ask()).toEqual({ why: 'there are no control groups' });
  mkdirSync(join(root, 'proc/self'), { recursive: true });
  writeFileSync(join(root, 'proc/self/cgroup'), '4:cpu:/old\n0::/user.slice/me\n');
  expect(ask()).toEqual({ why: 'the own control group /sys/fs/cgroup/user.slice/me cannot be seen' });
  mkdirSync(group, { recursive: true });
  writeFileSync(join(group, 'cgroup.controllers'), 'cpu pids\n');
  expect(ask()).toEqual({ why: 'the own control group /sys/fs/cgroup/user.slice/me has no memory controller' });
  writeFileSync(join(group, 'cgroup.controllers'), 'cpu memory pids\n');
  expect(ask()).toEqual({ why: 'the own control group /sys/fs/cgroup/user.slice/me belongs to somebody else' });
  writeFileSync(join(group, 'cgroup.procs'), '');
  writeFileSync(join(group, 'cgroup.subtree_control'), '');
  expect(ask()).toEqual({ version: 2, path: '/sys/fs/cgroup/user.slice/me' });
  // A worker has been here and has moved what was in the group.
  const leaf = join(group, 'hq-processes');
  mkdirSync(leaf);
  writeFileSync(join(leaf, 'cgroup.controllers'), 'memory\n');
  writeFileSync(join(root, 'proc/self/cgroup'), '0::/user.slice/me/hq-processes\n');
  expect(ask()).toEqual({ version: 2, path: '/sys/fs/cgroup/user.slice/me' });
});

test('control groups of version 1: not counted, somebody else’s, delegated', () => {
  const root = makeDir();
  const group = join(root, 'sys/fs/cgroup/memory/slurm/job');
  const ask = () => memoryDelegation(new HostFiles(root));
  mkdirSync(join(root, 'proc/self'), { recursive: true });
  writeFileSync(join(root, 'proc/self/cgroup'), '5:memory,hugetlb:/slurm/job\n0::/user.slice/me\n');
  expect(ask()).toEqual({ why: 'the own control group /sys/fs/cgroup/memory/slurm/job cannot be seen' });
  mkdirSync(group, { recursive: true });
  writeFileSync(join(group, 'memory.use_hierarchy'), '0\n');
  expect(ask()).toEqual({ why: expect.stringContaining('does not count what is in groups below it') });
  writeFileSync(join(group, 'memory.use_hierarchy'), '1\n');
  expect(ask()).toEqual({ why: 'the own control group /sys/fs/cgroup/memory/slurm/job belongs to somebody else' });
  writeFileSync(join(group, 'cgroup.procs'), '');
  expect(ask()).toEqual({ version: 1, path: '/sys/fs/cgroup/memory/slurm/job' });
});

/** A zombie whose new parent has not looked yet is dead, too. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}
