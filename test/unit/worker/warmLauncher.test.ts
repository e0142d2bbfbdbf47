/**
 * Which runner a task gets, and what happens when there is none. The runners are hqspawn, which speaks what a warm runner speaks, behind a script
 * that takes the place of the interpreter; what Python does in one is tested with Python.
 */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LaunchEnd, LaunchHandle, LaunchSpec } from '../../../src/worker/executor/launcher.ts';
import { NativeLauncher } from '../../../src/worker/executor/nativeLauncher.ts';
import { WarmLauncher, type WarmLauncherOptions } from '../../../src/worker/executor/warmLauncher.ts';
import { processesWith } from './fakeServer.ts';
import { ENVIRONMENT, hqspawnPath, NATIVE_LAUNCHERS, NO_LANE } from './launchers.ts';

const OK = { kind: 'exit', code: 0 };

describe.runIf(NATIVE_LAUNCHERS.length > 0)('warm launcher', () => {
  let directory: string;
  let hqspawn: string;
  let plain: NativeLauncher;
  let launcher: WarmLauncher;
  let log: string[];
  /** What the event log of the server gets. */
  let told: string[];

  beforeEach(async () => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), 'hq-warm-')));
    hqspawn = await hqspawnPath('native');
    log = [];
    told = [];
    plain = await NativeLauncher.start({ path: hqspawn, directory, onBroken: (why) => log.push(why) });
    use({});
    interpreter('exec HQSPAWN "$5"');
  });
  afterEach(async () => {
    await launcher.close();
    await vi.waitFor(() => expect(processesWith(`MARKER=${directory}`), 'processes left behind').toEqual([]));
    rmSync(directory, { recursive: true });
  });

  function use(o: Pick<WarmLauncherOptions, 'waitMs' | 'idleMs' | 'restMs' | 'launchesPerRunner'>): void {
    launcher = new WarmLauncher({ plain, directory, log: (_level, line) => log.push(line), tell: (line) => told.push(line), ...o });
  }

  /** What runs as `python -m hq_bridge.warm KIND LEVEL DIRECTORY CWD COMMAND`. It notes its number and its level. */
  function interpreter(script: string): void {
    const body = `#!/bin/sh\necho $$ $4 >> ${directory}/runners\n${script.replaceAll('HQSPAWN', hqspawn)}\n`;
    writeFileSync(join(directory, 'python'), body, { mode: 0o755 });
  }

  /** [process, level] of all runners that were ever started. */
  function runners(): string[][] {
    const path = join(directory, 'runners');
    return existsSync(path)
      ? readFileSync(path, 'utf8')
          .trim()
          .split('\n')
          .map((line) => line.split(' '))
      : [];
  }

  function launch(
    sh: string,
    o: { env?: Record<string, string>; run?: string | null; python?: string; kind?: 'snakemake' | 'python' } = {},
  ): Promise<LaunchEnd> & { handle: LaunchHandle } {
    const { run = 'r', python = join(directory, 'python'), kind = 'snakemake' } = o;
    const spec: LaunchSpec = {
      command: ['/bin/sh', '-c', sh],
      env: { shared: ENVIRONMENT, common: {}, own: { MARKER: directory, ...o.env } },
      cwd: directory,
      controlGroup: null,
      stdin: null,
      stdout: { kind: 'null' },
      stderr: { kind: 'null' },
      ...(run === null ? {} : { warm: { kind, python, run, level: kind === 'python' ? 'imports' : 'snakefile' } }),
    };
    let handle: LaunchHandle | undefined;
    const ended = new Promise<LaunchEnd>((done) => {
      handle = launcher.launch(spec, NO_LANE, done);
    });
    return Object.assign(ended, { handle: handle as LaunchHandle });
  }

  /** @returns an answer of a runner */
  function frameOf(text: string): Buffer {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(Buffer.byteLength(text));
    return Buffer.concat([head, Buffer.from(text)]);
  }

  /** @returns the process that a task was started by */
  async function parentOf(o: Parameters<typeof launch>[1]): Promise<string> {
    const path = join(directory, `parent-${Math.random()}`);
    expect((await launch(`echo $PPID > ${path}`, o)).end).toEqual(OK);
    return readFileSync(path, 'utf8').trim();
  }

  test('tasks of a run share a runner; others are started by their command', async () => {
    const parents = await Promise.all([1, 2, 3].map(() => parentOf({})));
    expect(new Set(parents)).toEqual(new Set(runners().map(([pid]) => pid)));
    expect(runners()).toHaveLength(1);
    expect(await parentOf({ run: null })).toBe(String(plain.pid));
    expect(log).toEqual([]);
  });

  test('what acts when a program starts makes another runner, what tells who a task is does not', async () => {
    const first = await parentOf({});
    expect(await parentOf({ env: { HQ_TASK_ID: '7', CUDA_VISIBLE_DEVICES: '1' } })).toBe(first);
    const others = [
      { env: { TZ: 'Asia/Tokyo' } },
      { env: { PYTHONHASHSEED: '1' } },
      { env: { LD_LIBRARY_PATH: '/x' } },
      { env: { LANG: 'C' } },
      { run: 's' },
    ];
    const parents = await Promise.all(others.map((o) => parentOf(o)));
    expect(new Set([first, ...parents]).size).toBe(6);
    expect(await parentOf({ env: { TZ: 'Asia/Tokyo' } })).toBe(parents[0]);
  });

  test('without the interpreter tasks are started by their command, and after two attempts nobody tries again for a while', async () => {
    const python = join(directory, 'missing');
    for (let i = 0; i < 4; i += 1) expect(await parentOf({ python })).toBe(String(plain.pid));
    expect(log).toHaveLength(2);
    expect(log[0]).toMatch(/^a warm runner could not be started: .*ENOENT/);
    const rests = 'tasks are started by their commands: their warm runners have failed; tried again in 10m';
    expect(told).toEqual([log[0], log[1], rests]);
  });

  test('after the rest it is tried again, once, and what has been mended is used', async () => {
    use({ restMs: 1 });
    const python = join(directory, 'later');
    await vi.waitFor(async () => {
      expect(await parentOf({ python })).toBe(String(plain.pid));
      expect(log.length).toBeGreaterThan(2);
    });
    writeFileSync(python, readFileSync(join(directory, 'python')), { mode: 0o755 });
    await vi.waitFor(async () => expect(await parentOf({ python })).toBe(runners()[0]?.[0]));
  });

  test('a runner that ends at once is no reason for a task to fail', async () => {
    interpreter('exit 3');
    expect(await parentOf({})).toBe(String(plain.pid));
    expect(log).toEqual(['a warm runner could not be started: it ended with exit code 3']);
    expect(told).toEqual(log);
  });

  test('who waits too long is started by its command; the runner is used once it is there', async () => {
    use({ waitMs: 1 });
    interpreter(`while [ ! -e ${directory}/go ]; do sleep 0.01; done\nexec HQSPAWN "$5"`);
    expect(await parentOf({})).toBe(String(plain.pid));
    expect(await parentOf({})).toBe(String(plain.pid));
    appendFileSync(join(directory, 'go'), '');
    await vi.waitFor(async () => expect(await parentOf({})).toBe(runners()[0]?.[0]));
    expect(runners()).toHaveLength(1);
    expect(told).toEqual(['tasks are started by their commands until their warm runner is ready, which takes long']);
  });

  test('a runner that is not used is put away, but not while it starts, however long that takes', async () => {
    use({ waitMs: 1, idleMs: 1 });
    interpreter(`while [ ! -e ${directory}/go ]; do sleep 0.01; done\nexec HQSPAWN "$5"`);
    // Each takes longer than a millisecond.
    for (let i = 0; i < 3; i += 1) expect(await parentOf({})).toBe(String(plain.pid));
    expect([runners().length, log]).toEqual([1, []]);
    appendFileSync(join(directory, 'go'), '');
    await vi.waitFor(() => expect(log).toEqual(['a warm runner is put away: it was not used for a while']));
  });

  test('a task that is stopped while it waits never starts', async () => {
    interpreter(`while [ ! -e ${directory}/go ]; do sleep 0.01; done\nexec HQSPAWN "$5"`);
    const [stopped, kept] = [launch(`touch ${directory}/ran`), launch('true')];
    expect(stopped.handle.pid).toBe(0);
    stopped.handle.signalGroup('SIGINT');
    expect((await stopped).end).toEqual({ kind: 'signal', signal: 'SIGINT' });
    appendFileSync(join(directory, 'go'), '');
    expect((await kept).end).toEqual(OK);
    expect(existsSync(join(directory, 'ran'))).toBe(false);
  });

  test('a runner that is put away while it starts ends at once, and the end of the worker does not wait for it', async () => {
    use({ waitMs: 1 });
    interpreter(`cat > /dev/null; echo $$ >> ${directory}/gone`);
    await parentOf({ run: 'first' });
    for (const run of ['2', '3', '4', '5', '6', '7', '8', '9']) await parentOf({ run });
    await vi.waitFor(() => expect(readFileSync(join(directory, 'gone'), 'utf8').trim()).toBe(runners()[0]?.[0]));
    await launcher.close();
    expect(readFileSync(join(directory, 'gone'), 'utf8').trim().split('\n')).toHaveLength(9);
  });

  test('signals reach tasks of a runner, whose pid is known', async () => {
    const task = launch('sleep 1000');
    await vi.waitFor(() => expect(task.handle.pid).toBeGreaterThan(0));
    task.handle.signalGroup('SIGKILL');
    expect((await task).end).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  test('after three changes of what a workflow has read, jobs parse it themselves', async () => {
    writeFileSync(join(directory, 'note'), frameOf('Osnakefile has changed'));
    interpreter(`[ $4 = imports ] || cat ${directory}/note\nexec HQSPAWN "$5"`);
    for (let i = 0; i < 5; i += 1) await parentOf({});
    expect(runners().map(([, level]) => level)).toEqual(['snakefile', 'snakefile', 'snakefile', 'imports']);
    expect(log).toEqual(Array(3).fill('a warm runner is put away: snakefile has changed'));
    expect(told).toEqual(log);
  });

  test('a runner is replaced after a number of tasks, and those that run stay', async () => {
    use({ launchesPerRunner: 2 });
    const long = launch(`while [ ! -e ${directory}/end ]; do sleep 0.01; done`);
    const parents = [await parentOf({}), await parentOf({}), await parentOf({}), await parentOf({})];
    expect(parents[1]).not.toBe(parents[0]);
    expect([parents[2], new Set(parents).size]).toEqual([parents[1], 3]);
    appendFileSync(join(directory, 'end'), '');
    expect((await long).end).toEqual(OK);
  });

  test('a runner that has grown is replaced, one that has not is kept', async () => {
    interpreter(`PYTHONPATH=${resolve('python-shim/src')} exec python3 ${resolve('test/unit/worker/plainRunner.py')} "$5"`);
    const sizes = { small: 1_000, large: 500_000 };
    for (const [run, growth] of Object.entries(sizes)) {
      const env = { GROWTH: String(growth), PATH: process.env.PATH ?? '' };
      const first = await parentOf({ run, env });
      for (let group = 0; group < 10; group += 1) await Promise.all(Array.from({ length: 20 }, () => launch('', { run, env })));
      expect((await parentOf({ run, env })) === first).toBe(run === 'small');
    }
    expect(log.filter((line) => line !== 'warm runner: ')).toEqual(['a warm runner is put away: it has grown']);
  });

  test('a runner that is used up by those that wait for it starts each of them once', async () => {
    use({ launchesPerRunner: 2 });
    const ends = await Promise.all([1, 2, 3, 4].map((task) => launch(`echo ${task} >> ${directory}/ran`)));
    expect(ends.map(({ end }) => end)).toEqual([OK, OK, OK, OK]);
    await launcher.close();
    expect(readFileSync(join(directory, 'ran'), 'utf8').trim().split('\n').sort()).toEqual(['1', '2', '3', '4']);
  });

  test('of too many runners the one that was used least recently goes', async () => {
    const first = await parentOf({ run: 'first' });
    const second = await parentOf({ run: 'second' });
    for (const run of ['3', '4', '5', '6', '7', '8']) await parentOf({ run });
    expect(await parentOf({ run: 'first' })).toBe(first);
    await parentOf({ run: '9' });
    expect(await parentOf({ run: 'first' })).toBe(first);
    expect(await parentOf({ run: 'second' })).not.toBe(second);
  });

  describe('for functions', () => {
    /** They speak over descriptors of their own; `before` is done first. */
    const functions = (before = ''): void => interpreter(`${before}\nexec HQSPAWN "$5" <&3 >&4 3<&- 4>&-`);
    /** What runners were asked to load, in the order in which they were started. */
    const wanted = (): unknown[] =>
      readFileSync(join(directory, 'wanted'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const python = { kind: 'python' } as const;

    test('the first task of a kind is started by its command, all others have one runner', async () => {
      functions();
      expect(await parentOf(python)).toBe(String(plain.pid));
      expect(await parentOf(python)).toBe(runners()[0]?.[0]);
      expect(await parentOf(python)).toBe(runners()[0]?.[0]);
      expect(runners()).toHaveLength(1);
    });

    test('tasks that each have variables of their own make no runner', async () => {
      functions();
      for (const N of ['1', '2', '3']) expect(await parentOf({ ...python, env: { N } })).toBe(String(plain.pid));
      expect(runners()).toEqual([]);
    });

    test('what tasks load is loaded by a successor, which takes over once it is ready, and by whatever runner comes later', async () => {
      use({ launchesPerRunner: 6 });
      writeFileSync(join(directory, 'lesson'), frameOf('Myaml yaml.loader'));
      functions(
        `echo "$7" >> ${directory}/wanted\n[ -e ${directory}/taught ] || { touch ${directory}/taught; cat ${directory}/lesson >&4; }`,
      );
      await parentOf(python);
      const first = await parentOf(python);
      const second = await vi.waitFor(async () => {
        const parent = await parentOf(python);
        expect(parent).not.toBe(first);
        return parent;
      });
      expect(second).toBe(runners()[1]?.[0]);
      await vi.waitFor(async () => expect(await parentOf(python)).toBe(runners()[2]?.[0]));
      const learned = ['yaml', 'yaml.loader'];
      expect(wanted()).toEqual([
        { imports: [], learned: [], learns: true },
        { imports: [], learned, learns: true },
        { imports: [], learned, learns: true },
      ]);
    });

    test('a successor that cannot be made leaves the runner in its place, and is no failure', async () => {
      writeFileSync(join(directory, 'lesson'), frameOf('Myaml'));
      functions(`if [ -e ${directory}/taught ]; then exit 3; fi\ntouch ${directory}/taught; cat ${directory}/lesson >&4`);
      await parentOf(python);
      const first = await parentOf(python);
      await vi.waitFor(() => expect(log).toEqual(['a warm runner could not be started: it ended with exit code 3']));
      expect(await parentOf(python)).toBe(first);
      expect(runners()).toHaveLength(2);
    });

    test('more kinds of functions than runners do not make runners by turns', async () => {
      functions();
      const kinds = Array.from({ length: 9 }, (_, run) => ({ ...python, run: `${run}` }));
      const seen: (string | undefined)[][] = [];
      for (let turn = 0; turn < 3; turn += 1) seen.push(await Promise.all(kinds.map((kind) => parentOf(kind))));
      expect(runners()).toHaveLength(8);
      expect(seen[2]?.filter((parent) => parent === String(plain.pid))).toHaveLength(1);
      expect(new Set(told)).toEqual(
        new Set([
          'some functions are started by their command: there are more than 8 kinds of tasks that differ in directory, variables or interpreter',
        ]),
      );
    });
  });

  test('a runner that is killed takes its tasks with it, and the next task gets a new one', async () => {
    const task = launch('sleep 1000 & sleep 1000');
    await vi.waitFor(() => expect(task.handle.pid).toBeGreaterThan(0));
    process.kill(Number(runners()[0]?.[0]), 'SIGKILL');
    expect((await task).end).toMatchObject({ kind: 'internal', error: expect.stringContaining('SIGKILL') });
    expect(processesWith(`MARKER=${directory}`)).toEqual([]);
    expect(await parentOf({})).toBe(runners()[1]?.[0]);
  });
});
