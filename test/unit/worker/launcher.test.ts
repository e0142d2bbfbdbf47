/**
 * What every launcher does, checked on each with real processes. Where Node's cannot keep up, the test says so: it knows no resource use and
 * binds nothing to CPUs.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Capture } from '../../../src/worker/executor/capture.ts';
import { processesWith } from './fakeServer.ts';
import { type Ended, LAUNCHERS, LauncherFixture, NO_LANE } from './launchers.ts';

const OK = { kind: 'exit', code: 0 };

function bytesOf(capture: Capture): string {
  const found = capture.look();
  if (found === undefined) return '';
  const { source, size } = found;
  return typeof source === 'number' ? readFileSync(`/proc/self/fd/${source}`, 'utf8').slice(0, size) : Buffer.from(source).toString();
}

describe.each(LAUNCHERS)('%s', (name) => {
  let one: LauncherFixture;
  beforeEach(async () => {
    one = await LauncherFixture.start(name);
  });
  afterEach(async () => {
    const { directory } = one;
    await one.stop();
    await vi.waitFor(() => expect(processesWith(`MARKER=${directory}`), 'processes left behind').toEqual([]));
  });

  const read = (file: string): string => readFileSync(join(one.directory, file), 'utf8');

  test('exit codes and signals', async () => {
    expect((await one.run({ sh: 'exit 0' })).end).toEqual(OK);
    expect((await one.run({ sh: 'exit 3' })).end).toEqual({ kind: 'exit', code: 3 });
    expect((await one.run({ sh: 'exit 255' })).end).toEqual({ kind: 'exit', code: 255 });
    for (const signal of ['SIGKILL', 'SIGINT', 'SIGABRT', 'SIGPIPE'])
      expect((await one.run({ sh: `kill -${signal.slice(3)} $$` })).end).toEqual({ kind: 'signal', signal });
  });

  test('arguments and variables arrive byte for byte', async () => {
    const odd = ['', ' ', 'a b', 'ä€😀', '\x01\x1b\n\t\r', '\'"\\$`*', '-n', '\ud800', 'x'.repeat(100_000), 'y'.repeat(100_000)];
    expect((await one.run({ command: ['printf', '%s\\0', ...odd] })).end).toEqual(OK);
    const arrived = readFileSync(join(one.directory, 'out'));
    expect(arrived.equals(Buffer.from(`${odd.join('\0')}\0`))).toBe(true);
    const common = { 'odd name': '=x=', EMPTY: '', REPLACED: 'yes' };
    const own = { TEXT: 'ä€😀\n', MARKER: one.directory };
    await one.run({ command: ['env', '-0'], env: { shared: one.spec().env.shared, common, own } });
    const vars = read('out').split('\0').slice(0, -1);
    expect([...vars].sort()).toEqual(
      Object.entries({ ...one.spec().env.shared, ...common, ...own })
        .map((pair) => pair.join('='))
        .sort(),
    );
  });

  test('what many tasks share may differ between them', async () => {
    const ids = Array.from({ length: 40 }, (_, id) => id);
    const run = (id: number): Promise<Ended> =>
      one.run({
        sh: 'echo $ID $SHARED',
        env: { shared: { ...one.spec().env.shared, SHARED: `s${id}` }, common: {}, own: { ID: String(id), MARKER: one.directory } },
        stdout: { kind: 'file', path: join(one.directory, `out-${id}`) },
      });
    await Promise.all(ids.map(run));
    for (const id of ids) expect(read(`out-${id}`)).toBe(`${id} s${id}\n`);
  });

  test('directories are made, files cut, both channels may share one', async () => {
    const path = join(one.directory, 'a/b/c/out');
    const spec = { cwd: join(one.directory, 'w/x'), stdout: { kind: 'file', path } } as const;
    expect((await one.run({ ...spec, stderr: { kind: 'same' }, sh: 'echo out; echo err >&2; pwd' })).end).toEqual(OK);
    expect(readFileSync(path, 'utf8')).toBe(`out\nerr\n${one.directory}/w/x\n`);
    await one.run({ ...spec, stderr: { kind: 'null' }, sh: 'printf short; echo lost >&2' });
    expect(readFileSync(path, 'utf8')).toBe('short');
  });

  test('a process leads its session and inherits neither files nor signal settings', async () => {
    await one.run({ sh: 'cat /proc/$$/stat; test -e /proc/$$/fd/3; echo $?; grep -E "Sig(Blk|Ign)" /proc/self/status' });
    const [stat = '', other, blocked, ignored] = read('out').split('\n');
    const [pid, , , , group, session] = stat.split(' ');
    expect([group, session]).toEqual([pid, pid]);
    expect(other).toBe('1');
    expect([blocked, ignored]).toEqual(['SigBlk:\t0000000000000000', 'SigIgn:\t0000000000000000']);
  });

  test('input: nothing, little, and more than any pipe holds, read or not', async () => {
    await one.run({ command: ['wc', '-c'] });
    expect(read('out').trim()).toBe('0');
    await one.run({ command: ['cat'], stdin: Buffer.from('line 1\nline 2') });
    expect(read('out')).toBe('line 1\nline 2');
    const stdin = Buffer.alloc(8_000_000, 'x');
    const [counted, unread] = await Promise.all([
      one.run({ command: ['wc', '-c'], stdin }),
      one.run({ command: ['true'], stdin, stdout: { kind: 'null' } }),
    ]);
    expect([counted.end, unread.end]).toEqual([OK, OK]);
    expect(read('out').trim()).toBe('8000000');
    expect((await one.run({ command: ['wc', '-c'], stdin: new Uint8Array(0) })).end).toEqual(OK);
    expect(read('out').trim()).toBe('0');
  });

  test('a full disk is the trouble of the task', async () => {
    const { end } = await one.run({ command: ['cat', '/proc/self/status'], stdout: { kind: 'file', path: '/dev/full' } });
    expect(end).toEqual({ kind: 'exit', code: 1 });
    expect(read('err')).toContain('No space left on device');
  });

  test('captured output, small, large and none', async () => {
    for (const [sh, expected] of [
      ['echo hi', 'hi\n'],
      ['true', ''],
      ['head -c 32768 /dev/zero | tr "\\0" x', 'x'.repeat(32_768)],
      ['head -c 5000000 /dev/zero | tr "\\0" x; echo end', `${'x'.repeat(5_000_000)}end\n`],
    ] as const) {
      const [stdout, stderr] = [one.launcher.capture(), one.launcher.capture()];
      const { end } = await one.run({ sh, stdout: { kind: 'capture', capture: stdout }, stderr: { kind: 'capture', capture: stderr } });
      expect(end).toEqual(OK);
      expect(bytesOf(stdout) === expected).toBe(true);
      expect(bytesOf(stderr)).toBe('');
      stdout.close();
      stderr.close();
    }
    expect(one.spec().cwd).toBe(one.directory);
  });

  test('captured output of a running task', async () => {
    const capture = one.launcher.capture();
    const task = one.start({ sh: 'echo early; until test -e go; do sleep 0.02; done; echo late', stdout: { kind: 'capture', capture } });
    await vi.waitFor(() => expect(bytesOf(capture)).toBe('early\n'), { timeout: 5_000 });
    writeFileSync(join(one.directory, 'go'), '');
    await task.ended;
    expect(bytesOf(capture)).toBe('early\nlate\n');
    capture.close();
  });

  test('a process that has left its task does not get into the captured output of another', async () => {
    const captured = async (sh: string): Promise<string> => {
      const capture = one.launcher.capture();
      expect((await one.run({ sh, stdout: { kind: 'capture', capture }, stderr: { kind: 'null' } })).end).toEqual(OK);
      const text = bytesOf(capture);
      capture.close();
      return text;
    };
    const leaver = 'for i in $(seq 1 500); do test -e go && break; sleep 0.02; done; echo stray; echo done > stray';
    expect(await captured(`echo first; setsid sh -c '${leaver}' & until test "$(ps -o sid= -p $!)" -eq $!; do sleep 0.01; done`)).toBe(
      'first\n',
    );
    expect(await captured('echo second')).toBe('second\n');
    expect(await captured('echo third; touch go; until test -s stray; do sleep 0.02; done')).toBe('third\n');
  });

  test('an interrupt reaches the whole group', async () => {
    const task = one.start({ sh: 'trap "echo trapped; exit 5" INT; touch ready; sleep 60 & wait' });
    await vi.waitFor(() => expect(existsSync(join(one.directory, 'ready'))).toBe(true));
    task.handle.signalGroup('SIGINT');
    expect((await task.ended).end).toEqual({ kind: 'exit', code: 5 });
    expect(read('out')).toBe('trapped\n');
    // Without effect, and without trouble.
    task.handle.signalGroup('SIGKILL');
    expect((await one.run({ sh: 'true' })).end).toEqual(OK);
  });

  test('a signal at once after the launch is not lost', async () => {
    const tasks = Array.from({ length: 30 }, () => one.start({ command: ['sleep', '60'] }));
    for (const task of tasks) task.handle.signalGroup('SIGKILL');
    for (const task of tasks) expect((await task.ended).end).toEqual({ kind: 'signal', signal: 'SIGKILL' });
  });

  test('nothing of the group is left when the end is told', async () => {
    await one.run({ sh: '(trap "" INT HUP TERM; sleep 61) & sleep 62 & sh -c "sleep 63 & sleep 64" & exit 0' });
    expect(processesWith(`MARKER=${one.directory}`)).toEqual([]);
  });

  test('1,000 quick tasks end, each once', { timeout: 60_000 }, async () => {
    const spec = one.spec({ command: ['/bin/true'], stdout: { kind: 'null' }, stderr: { kind: 'null' } });
    let ends = 0;
    let started = 0;
    await new Promise<void>((done) => {
      const next = (): void => {
        started += 1;
        one.launcher.launch(spec, NO_LANE, ({ end }) => {
          expect(end).toEqual(OK);
          ends += 1;
          if (started < 1000) next();
          else if (ends === 1000) done();
        });
      };
      for (let slot = 0; slot < 8; slot += 1) next();
    });
    expect([started, ends]).toEqual([1000, 1000]);
  });

  test('resource use, where it can be known', async () => {
    const { usage } = await one.run({ sh: 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done' });
    if (name === 'node') {
      expect(usage).toBeNull();
      return;
    }
    expect(usage?.userMs).toBeGreaterThan(5);
    expect(usage?.systemMs).toBeGreaterThanOrEqual(0);
    expect(usage?.maxRssBytes).toBeGreaterThan(100_000);
  });

  test('CPUs that the process is bound to, and those that are not there', async () => {
    await one.run({ sh: 'grep Cpus_allowed_list /proc/self/status', lane: { cpus: [0] } });
    expect(read('out')).toBe('Cpus_allowed_list:\t0\n');
    const { end } = await one.run({ sh: 'true', lane: { cpus: [1023] } });
    if (name === 'node') {
      expect(end).toEqual({ kind: 'exit', code: 1 });
      expect(read('err')).toMatch(/taskset: .*affinity/);
      return;
    }
    expect(end).toMatchObject({ kind: 'spawn', error: expect.stringMatching(/^Cannot bind the task to the CPUs 1023: Invalid argument/) });
  });
});

/** Launches that go wrong must be told in the same words by all. */
test.each(LAUNCHERS.filter((name) => name !== 'node'))('failures of %s are those of node', async (name) => {
  const [node, native] = [await LauncherFixture.start('node'), await LauncherFixture.start(name)];
  const ends = async (one: LauncherFixture): Promise<string[]> => {
    const at = (file: string): string => join(one.directory, file);
    writeFileSync(at('plain.sh'), 'echo hi\n');
    writeFileSync(at('bad.sh'), '#!/no/such/interpreter\n', { mode: 0o755 });
    writeFileSync(at('script'), 'exit 7\n', { mode: 0o755 });
    writeFileSync(at('garbage'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 2, 3]), { mode: 0o755 });
    mkdirSync(at('folder'));
    chmodSync(at('folder'), 0o755);
    const file = (path: string) => ({ kind: 'file', path }) as const;
    const texts: string[] = [];
    for (const spec of [
      { command: ['nosuchprog'] },
      { command: ['./nosuchprog'] },
      { command: ['plain.sh'] },
      { command: ['./plain.sh'] },
      { command: ['./bad.sh'] },
      { command: ['./script'] },
      { command: ['./garbage'] },
      { command: [at('folder')] },
      { command: ['/dev/null/x'] },
      { command: ['true', 'a'.repeat(200_000)] },
      { command: ['true', 'a'.repeat(3_000_000)] },
      { command: ['x\0y'] },
      { command: ['true', 'x\0y'] },
      { env: { shared: one.spec().env.shared, common: {}, own: { X: 'a\0b' } } },
      { env: { shared: one.spec().env.shared, common: { X: 'a\0b' }, own: {} } },
      { cwd: '/a\0b' },
      { command: ['sh', '-c', 'exit 4'], env: { shared: {}, common: {}, own: {} } },
      { stdout: file(at('plain.sh/out')) },
      { stdout: file(at('plain.sh/deep/out')) },
      { stdout: file('/') },
      { stderr: file(at('folder')) },
      { stderr: file('/dev/null/no/such') },
      { cwd: at('plain.sh') },
      { cwd: at('plain.sh/cwd') },
      { cwd: '/dev/null/no/such' },
      { stdout: file(at('x'.repeat(300))) },
    ]) {
      const { end } = await one.run({ sh: 'exit 9', ...spec });
      texts.push(JSON.stringify(end).replaceAll(one.directory, 'DIR'));
    }
    return texts;
  };
  const [expected, actual] = [await ends(node), await ends(native)];
  await Promise.all([node.stop(), native.stop()]);
  expect(actual).toEqual(expected);
  expect(actual.filter((text) => text.includes('os error')).length).toBeGreaterThan(12);
});
