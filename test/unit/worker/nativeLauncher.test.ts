/** What only hqspawn does: outlive nothing, be replaced when it dies, take requests while it is stopped, refuse garbage. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isLockedForNode } from '../../../src/server/journal/lockProbe.ts';
import { chooseLauncher } from '../../../src/worker/executor/chooseLauncher.ts';
import { AnswerParser, RequestBatch } from '../../../src/worker/executor/launcherFrames.ts';
import { NativeLauncher } from '../../../src/worker/executor/nativeLauncher.ts';
import { NodeLauncher } from '../../../src/worker/executor/nodeLauncher.ts';
import { processesWith } from './fakeServer.ts';
import { hqspawnPath, LauncherFixture, NATIVE_LAUNCHERS } from './launchers.ts';

const OK = { kind: 'exit', code: 0 };

describe.each(NATIVE_LAUNCHERS)('%s', (name) => {
  let one: LauncherFixture;
  beforeEach(async () => {
    one = await LauncherFixture.start(name);
  });
  afterEach(async () => {
    const { directory } = one;
    await one.stop();
    await vi.waitFor(() => expect(processesWith(`MARKER=${directory}`), 'processes left behind').toEqual([]));
  });

  test('a starting server may ask whether the lock of its database is seen', async () => {
    const [path, file] = [await hqspawnPath(name), join(one.directory, 'some.db')];
    const ask = (database: string): number | null => spawnSync(path, ['--is-locked', database]).status;
    const db = new Database(file);
    db.exec('CREATE TABLE t (value)');
    expect([ask(file), isLockedForNode(file)]).toEqual([76, false]);
    db.exec('BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)');
    expect([ask(file), isLockedForNode(file)]).toEqual([75, true]);
    db.exec('COMMIT');
    db.close();
    expect(ask(join(one.directory, 'missing.db'))).toBe(1);
  });

  test('files of captured output are used again, empty', async () => {
    const openFiles = (): number => readdirSync(`/proc/${one.native.pid}/fd`).length;
    let before = 0;
    for (let i = 0; i < 30; i += 1) {
      const [stdout, stderr] = [one.launcher.capture(), one.launcher.capture()];
      const output = { stdout: { kind: 'capture', capture: stdout }, stderr: { kind: 'capture', capture: stderr } } as const;
      await one.run({ sh: i % 3 === 0 ? `echo ${i}` : 'true', ...output });
      const { size, source } = stdout.look() ?? { size: 0, source: Buffer.alloc(0) };
      expect((source as Buffer).subarray(0, size).toString()).toBe(i % 3 === 0 ? `${i}\n` : '');
      stdout.close();
      stderr.close();
      // The first two are there for good once they were given back.
      if (i === 1) before = openFiles();
    }
    expect(openFiles()).toBe(before);
  });

  test('a task enters its control group before it runs, also when it has waited for a lane; where it cannot, it says so', async () => {
    const [first, second] = [join(one.directory, 'first.procs'), join(one.directory, 'second.procs')];
    for (const file of [first, second]) writeFileSync(file, '');
    const { ended } = one.start({ sh: 'cat first.procs; until [ -e go ]; do sleep 0.01; done', controlGroup: first, lane: { group: 3 } });
    await vi.waitFor(() => expect(readFileSync(join(one.directory, 'out'), 'utf8')).toBe('0'), { timeout: 5_000 });
    expect(readFileSync(second, 'utf8')).toBe('');
    const next = new Promise((done) => {
      const spec = one.spec({ sh: 'cat second.procs > next', controlGroup: second });
      one.native.queue.add(spec, 3, { onExit: (o) => done(o.end), onReturned: () => done('returned') });
    });
    writeFileSync(join(one.directory, 'go'), '');
    expect([(await ended).end, await next]).toEqual([OK, OK]);
    expect(readFileSync(join(one.directory, 'next'), 'utf8')).toBe('0');
    const missing = join(one.directory, 'gone/cgroup.procs');
    expect((await one.run({ sh: 'touch ran', controlGroup: missing })).end).toEqual({
      kind: 'spawn',
      error: `Cannot enter the control group "${one.directory}/gone": No such file or directory (os error 2)`,
    });
    expect(existsSync(join(one.directory, 'ran'))).toBe(false);
  });

  test('when it is killed its tasks fail, and the next ones run', async () => {
    const capture = one.launcher.capture();
    const task = one.start({ sh: 'echo hi; touch ready; sleep 60 & wait', stdout: { kind: 'capture', capture } });
    await vi.waitFor(() => expect(existsSync(join(one.directory, 'ready'))).toBe(true));
    const before = one.native.pid as number;
    process.kill(before, 'SIGKILL');
    expect(await task.ended).toMatchObject({
      end: { kind: 'internal', error: 'The launcher of the worker has been lost: it was ended by SIGKILL.' },
      usage: null,
    });
    capture.look();
    capture.close();
    task.handle.signalGroup('SIGKILL');
    expect((await one.run({ sh: 'exit 6' })).end).toEqual({ kind: 'exit', code: 6 });
    expect(one.native.pid).not.toBe(before);
    expect(one.broken).toEqual([]);
  });

  test('when it cannot be started again, that is said once and every task fails', async () => {
    const path = join(one.directory, 'copy');
    copyFileSync(await hqspawnPath(name), path);
    const other = await LauncherFixture.start(name, { path });
    rmSync(path);
    process.kill(other.native.pid as number, 'SIGKILL');
    const lost = { kind: 'internal', error: expect.stringContaining('The launcher of the worker has been lost') as string };
    expect((await other.run({ sh: 'true' })).end).toEqual(lost);
    await vi.waitFor(() => expect(other.broken).toHaveLength(1));
    expect((await other.run({ sh: 'true' })).end).toEqual(lost);
    await other.stop();
  });

  test('a launcher that does not read stops nothing here', async () => {
    const stdin = Buffer.alloc(20_000_000, 'x');
    process.kill(one.native.pid as number, 'SIGSTOP');
    const task = one.start({ command: ['wc', '-c'], stdin });
    let turns = 0;
    for (; turns < 50; turns += 1) await turn();
    process.kill(one.native.pid as number, 'SIGCONT');
    expect((await task.ended).end).toEqual(OK);
    expect(turns).toBe(50);
    expect(readFileSync(join(one.directory, 'out'), 'utf8').trim()).toBe('20000000');
  });

  test('signals for the worker do not end it', async () => {
    const pid = one.native.pid as number;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'] as const) process.kill(pid, signal);
    expect((await one.run({ sh: 'exit 2' })).end).toEqual({ kind: 'exit', code: 2 });
    expect(one.native.pid).toBe(pid);
  });

  test('a task of another session that goes on does not hold up the end', async () => {
    const { end } = await one.run({ sh: 'setsid sh -c "touch away; sleep 60" & until test -e away; do sleep 0.01; done' });
    expect(end).toEqual(OK);
    const [left] = processesWith(`MARKER=${one.directory}`);
    expect(left).toBeDefined();
    for (const pid of processesWith(`MARKER=${one.directory}`)) process.kill(pid, 'SIGKILL');
  });
});

describe.each(NATIVE_LAUNCHERS)('the program itself: %s', (name) => {
  let directory: string;
  let child: ChildProcess;
  let exit: Promise<number | null>;
  let stderr = '';
  const requests = new RequestBatch();
  const answers: string[] = [];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hq-spawn-'));
    stderr = '';
    answers.length = 0;
    child = spawn(await hqspawnPath(name), [directory], { env: { ASAN_OPTIONS: 'detect_leaks=0' } });
    exit = new Promise((done) => child.once('close', done));
    child.stdin?.on('error', () => {});
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const parser = new AnswerParser({
      hello: () => answers.push('hello'),
      noted: (text) => answers.push(text),
      learned: (modules) => answers.push(modules.join(' ')),
      started: (id) => answers.push(`started ${id}`),
      failed: (id, { step, next }) => answers.push(`failed ${id} ${step}${next === 0 ? '' : `, then ${next}`}`),
      returned: (id) => answers.push(`returned ${id}`),
      ended: (id, { next }) => answers.push(`ended ${id}${next === 0 ? '' : `, then ${next}`}`),
    });
    child.stdout?.on('data', (chunk: Buffer) => parser.push(chunk));
  });
  afterEach(async () => {
    child.stdin?.end();
    await exit;
    await vi.waitFor(() => expect(processesWith(`MARKER=${directory}`), 'processes left behind').toEqual([]));
    rmSync(directory, { recursive: true });
  });

  function send(): void {
    for (const piece of requests.take()) child.stdin?.write(piece);
  }

  /** @param o.kind Q: it waits for a lane of its group */
  function launch(
    id: number,
    sh: string,
    o: { kind?: 'L' | 'Q'; group?: number; lane?: Record<string, string>; cpus?: number[]; diesUnnoticed?: boolean } = {},
  ): void {
    const { kind = 'L', group = 0, lane = {}, cpus = [], diesUnnoticed = false } = o;
    requests.environment(0, { PATH: process.env.PATH ?? '', MARKER: directory });
    const rest = { environment: 0, common: {}, vars: {}, cwd: directory, controlGroup: '', stdin: null, paths: [] };
    requests.launch(kind, { ...rest, id, group, lane, cpus, diesUnnoticed, args: ['sh', '-c', sh], outputs: ['null', 'null'] });
    send();
  }

  const made = (file: string): Promise<void> => vi.waitFor(() => expect(existsSync(join(directory, file))).toBe(true), { timeout: 5_000 });

  test('when its requests end, tasks are interrupted, and killed when that does not help, or when they must not notice', async () => {
    launch(1, 'trap "touch trapped; exit" INT; touch ready-1; sleep 60 & wait');
    launch(2, 'trap "" INT; touch ready-2; sleep 60; sleep 61');
    launch(3, 'touch ready-3; until [ -e ready-4 ]; do sleep 0.01; done', { group: 5 });
    launch(4, 'trap "touch noticed; exit" INT; touch ready-5; sleep 60 & wait', { kind: 'Q', group: 5, diesUnnoticed: true });
    await made('ready-1');
    await made('ready-2');
    await made('ready-3');
    writeFileSync(join(directory, 'ready-4'), '');
    await made('ready-5');
    child.stdin?.end();
    expect(await exit).toBe(0);
    expect([existsSync(join(directory, 'trapped')), existsSync(join(directory, 'noticed'))]).toEqual([true, false]);
    expect(processesWith(`MARKER=${directory}`)).toEqual([]);
    expect(stderr).toBe('');
  });

  test('when nobody reads its answers any more, it ends in the same way', async () => {
    launch(1, 'touch ready; sleep 60');
    await made('ready');
    child.stdout?.destroy();
    child.stdin?.destroy();
    expect(await exit).toBe(0);
  });

  test('"started" comes without waiting for the end', async () => {
    launch(7, 'sleep 60');
    await vi.waitFor(() => expect(answers).toEqual(['hello', 'started 7']));
  });

  describe('a lane', () => {
    const lane = { LANE: 'seven' };

    test('goes from one task to the next of its group, with its variables and CPUs, and no other group gets it', async () => {
      launch(1, 'touch ready; until [ -e go ]; do sleep 0.01; done', { group: 5, lane, cpus: [0] });
      await made('ready');
      launch(9, 'touch other', { kind: 'Q', group: 6 });
      launch(2, 'echo "$LANE $(grep -c "Cpus_allowed_list:.0$" /proc/self/status)" > second', { kind: 'Q', group: 5 });
      launch(3, 'echo $LANE > third', { kind: 'Q', group: 5 });
      await vi.waitFor(() => expect(answers).toContain('returned 9'));
      writeFileSync(join(directory, 'go'), '');
      const rest = ['ended 1, then 2', 'started 2', 'ended 2, then 3', 'started 3', 'ended 3'];
      await vi.waitFor(() => expect(answers).toEqual(['hello', 'started 1', 'returned 9', ...rest]));
      expect(readFileSync(join(directory, 'second'), 'utf8')).toBe('seven 1\n');
      expect(readFileSync(join(directory, 'third'), 'utf8')).toBe('seven\n');
      expect(existsSync(join(directory, 'other'))).toBe(false);
    });

    test('passes a task that cannot be started, and one that was withdrawn', async () => {
      launch(1, 'touch ready; until [ -e go ]; do sleep 0.01; done', { group: 5, lane });
      await made('ready');
      launch(2, 'touch second', { kind: 'Q', group: 5 });
      const rest = { environment: 0, common: {}, vars: {}, lane: {}, cwd: '/', controlGroup: '', cpus: [], stdin: null, paths: [] };
      requests.launch('Q', { ...rest, id: 3, group: 5, args: ['/no/such/program'], outputs: ['null', 'null'] });
      launch(4, 'touch fourth', { kind: 'Q', group: 5 });
      requests.withdraw(2);
      requests.withdraw(1);
      requests.withdraw(77);
      send();
      await vi.waitFor(() => expect(answers).toContain('returned 2'));
      writeFileSync(join(directory, 'go'), '');
      const then = ['ended 1, then 3', 'started 3', 'failed 3 exec, then 4', 'started 4', 'ended 4'];
      await vi.waitFor(() => expect(answers).toEqual(['hello', 'started 1', 'returned 2', ...then]));
      expect([existsSync(join(directory, 'second')), existsSync(join(directory, 'fourth'))]).toEqual([false, true]);
    });

    test('is not kept when nobody waits: who comes later goes back', async () => {
      launch(1, 'exit 0', { group: 5, lane });
      await vi.waitFor(() => expect(answers).toContain('ended 1'));
      launch(2, 'touch second', { kind: 'Q', group: 5 });
      await vi.waitFor(() => expect(answers).toContain('returned 2'));
    });

    test('hundreds of quick tasks follow each other, each once', async () => {
      launch(1, 'touch ready; until [ -e go ]; do sleep 0.01; done', { group: 5, lane });
      await made('ready');
      for (let id = 2; id <= 300; id += 1) launch(id, `echo ${id} >> all`, { kind: 'Q', group: 5 });
      writeFileSync(join(directory, 'go'), '');
      await vi.waitFor(() => expect(answers).toContain('ended 300'), { timeout: 20_000 });
      const expected = Array.from({ length: 299 }, (_, i) => String(i + 2));
      expect(readFileSync(join(directory, 'all'), 'utf8').trim().split('\n')).toEqual(expected);
      expect(answers.filter((line) => line.startsWith('ended'))).toHaveLength(300);
    });
  });

  test.each([
    ['an unknown request', Buffer.from([1, 0, 0, 0, 0x7a]), 'unknown request'],
    ['an empty frame', Buffer.from([0, 0, 0, 0]), 'bad request'],
    ['a launch that ends early', Buffer.from([5, 0, 0, 0, 0x4c, 1, 0, 0, 0]), 'bad request'],
    ['a frame without end', Buffer.from([255, 255, 255, 255, 0x4c]), 'bad request'],
    ['counts beyond the frame', Buffer.concat([Buffer.from([41, 0, 0, 0, 0x4c]), Buffer.alloc(40, 0xff)]), 'bad request'],
    ['an environment without its end', Buffer.from([10, 0, 0, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 0, 0x41]), 'bad request'],
  ])('%s ends it with one line', async (_what, bytes, line) => {
    launch(1, 'touch ready; sleep 60');
    await made('ready');
    child.stdin?.write(bytes);
    expect(await exit).toBe(1);
    expect(stderr).toBe(`hqspawn: ${line}\n`);
  });

  test('requests may be cut anywhere', async () => {
    requests.environment(3, { A: 'b' });
    const rest = { environment: 3, group: 0, common: {}, vars: {}, lane: {}, cwd: '/', controlGroup: '', cpus: [], stdin: null, paths: [] };
    for (const id of [1, 2]) requests.launch('L', { ...rest, id, args: ['/bin/true'], outputs: ['null', 'null'] });
    requests.signal(99, 9);
    requests.release(99);
    for (const piece of requests.take()) for (const byte of piece) child.stdin?.write(Buffer.from([byte]));
    await vi.waitFor(() => expect(answers.filter((line) => line.startsWith('ended')).sort()).toEqual(['ended 1', 'ended 2']), {
      timeout: 8_000,
    });
  });
});

describe('which launcher is used', () => {
  const choose = async (setting: string | undefined, path: string): Promise<[unknown, string[]]> => {
    const warnings: string[] = [];
    const launcher = await chooseLauncher({ setting, path, directory: '/tmp', warn: (line) => warnings.push(line), onBroken: () => {} });
    await launcher.close();
    return [launcher.constructor, warnings];
  };

  test('node on request, and where hqspawn is missing', async () => {
    expect(await choose('node', '/nonexistent')).toEqual([NodeLauncher, []]);
    expect(await choose(undefined, '/nonexistent')).toEqual([NodeLauncher, []]);
    await expect(choose('native', '/nonexistent')).rejects.toThrow(/HQ_LAUNCHER is native, but \/nonexistent is missing/);
    await expect(choose('fast', '/nonexistent')).rejects.toThrow("HQ_LAUNCHER must be auto, native or node, not 'fast'");
  });

  test('one that does not answer is told and replaced', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hq-choose-'));
    const path = join(directory, 'hqspawn');
    writeFileSync(path, '#!/bin/sh\nexit 4\n', { mode: 0o755 });
    const why = `${path} cannot be used: it ended with exit code 4`;
    expect(await choose('auto', path)).toEqual([NodeLauncher, [`${why}; tasks are started by Node, which is slower`]]);
    await expect(choose('native', path)).rejects.toThrow(`HQ_LAUNCHER is native, but ${why}`);
    rmSync(directory, { recursive: true });
  });

  test.skipIf(NATIVE_LAUNCHERS.length === 0)('native where it is there', async () => {
    expect(await choose('auto', await hqspawnPath('native'))).toEqual([NativeLauncher, []]);
    expect(await choose('native', await hqspawnPath('native'))).toEqual([NativeLauncher, []]);
  });
});
