/**
 * The compiled front against hq.js: the same bytes and exit codes for every kind of command line, and hq.js alone wherever something is not as
 * the front expects it. A front that finds no `node` proves which of the two has answered.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram, FRONT as FRONT_PROGRAM, SANITIZED } from '../../scripts/lib/launcher.mjs';
import { Cluster, FRONT, HQ, type HqProcess, waitFor } from '../helpers/cluster.ts';

const hasFront = existsSync(FRONT);
/** What the front says when it wants hq.js and there is no node. */
const WANTS_NODE = /^hq: cannot start node/;

interface Result {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly program?: 'front' | 'sanitized' | 'hq.js';
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  readonly cwd?: string;
}

describe.skipIf(!hasFront)('the front', () => {
  const cluster = new Cluster();
  const sanitized = join(cluster.root, 'bin/hqfront');
  let server: HqProcess;

  beforeAll(async () => {
    mkdirSync(join(cluster.root, 'bin'));
    symlinkSync(HQ, join(cluster.root, 'bin/hq.js'));
    await buildProgram(FRONT_PROGRAM, sanitized, SANITIZED);
    server = await cluster.startServer();
    await answering();
    await cluster.ok(['submit', '--name', 'first', '--', 'true']);
    await cluster.ok(['submit', '--array', '1-3', '--', 'true']);
    await cluster.ok(['job', 'open', '--name', 'open']);
    await cluster.ok(['job', 'cancel', '2']);
  });
  afterAll(() => cluster.stop());

  const frontFile = (): string => join(cluster.serverDir, '001/front');
  const answering = () => waitFor('the thread for commands', () => existsSync(frontFile()));

  function start(args: readonly string[], o: RunOptions = {}): ChildProcess {
    const { program = 'front' } = o;
    const [command, argv] = program === 'hq.js' ? [process.execPath, [HQ, ...args]] : [program === 'front' ? FRONT : sanitized, [...args]];
    return spawn(command, argv, { cwd: o.cwd ?? cluster.work, env: { ...cluster.env, ...o.env }, stdio: 'pipe' });
  }

  async function run(args: readonly string[], o: RunOptions = {}): Promise<Result> {
    return finish(start(args, o), o.input);
  }

  async function finish(child: ChildProcess, input = ''): Promise<Result> {
    const ended = new Promise<number | string>((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? signal ?? ''));
    });
    child.stdin?.on('error', () => {}).end(input);
    const [stdout, stderr] = await Promise.all([text(child.stdout as never), text(child.stderr as never)]);
    return { code: await ended, stdout, stderr };
  }

  /** The server's answer without node, or what was missing. */
  const alone = (args: readonly string[], o: RunOptions = {}) => run(args, { ...o, env: { ...o.env, PATH: '/nonexistent' } });

  /** Without what changes while one of the two is still looking. */
  const steady = (result: Result): Result => ({ ...result, stdout: result.stdout.replace(/(Makespan +\| ).*/g, '$1…') });

  const LINES: readonly (readonly string[])[] = [
    ['job', 'list'],
    ['job', 'list', '--all', '--verbose'],
    ['--output-mode', 'json', 'job', 'list', '--all'],
    ['job', 'list', '--all', '--output-mode=quiet'],
    ['job', 'list', '--filter', 'canceled'],
    ['job', 'list', '--filter', 'nonsense'],
    ['job', 'summary'],
    ['job', 'info', '1'],
    ['job', 'info', '1,2', '--output-mode', 'json'],
    ['job', 'info', 'last', '--tasks'],
    ['job', 'info', '99'],
    ['job', 'info', '1,98,99'],
    ['--output-mode', 'json', 'job', 'info', '99'],
    ['job', 'task-ids', 'all'],
    ['job', 'task-ids', '2', '--filter', 'canceled'],
    ['job', 'cancel', '2'],
    ['job', 'cancel', '99'],
    ['job', 'close', '1'],
    ['job', 'wait', '2'],
    ['job', 'wait', 'x'],
    ['job', 'forget', '77'],
    ['task', 'list', '2'],
    ['task', 'list', '2', '--output-mode', 'json'],
    ['task', 'info', '2', '1-2'],
    ['task', 'info', '2', '9'],
    ['worker', 'list'],
    ['worker', 'list', '--all', '--output-mode', 'json'],
    ['worker', 'info', '5'],
    ['worker', 'stop', 'all'],
    ['server', 'info'],
    ['server', 'info', '--output-mode', 'json'],
    ['server', 'wait'],
    ['submit'],
    ['submit', '--cpus', 'many', '--', 'true'],
    ['submit', '--array', '5-1', '--', 'true'],
    ['submit', '--name', 'a', '--name', 'b', '--', 'true'],
    ['submit', '--job', '1', '--', 'true'],
    ['job', 'submit-task', '99', '--', 'true'],
    ['lst'],
    ['job', 'lst'],
    ['job'],
    [],
    ['job', 'list', '--wrong'],
    ['job', 'list', '--output-mode', 'xml'],
    ['--help'],
    ['job', '--help'],
    ['submit', '-h'],
    ['--version'],
    ['job', 'cat', '1', 'stdout'],
    ['output-log', 'nowhere', 'summary'],
    ['worker', 'address', '1'],
    ['job', 'list', '--server-dir'],
    ['job', 'info', 'ä €\n'],
  ];

  test.each(LINES.map((line) => [line.join(' '), line] as const))('hq %s', async (_title, line) => {
    const [front, plain] = await Promise.all([run(line), run(line, { program: 'hq.js' })]);
    expect(steady(front)).toEqual(steady(plain));
  });

  test('every kind of them is answered by the server alone, under the checks of the compiler, too', async () => {
    for (const line of [
      ['job', 'list', '--all'],
      ['job', 'info', '99'],
      ['submit'],
      ['--help'],
      ['server', 'info'],
      ['job', 'wait', '2'],
    ]) {
      const plain = await run(line, { program: 'hq.js' });
      expect(await alone(line)).toEqual(plain);
      expect(await run(line, { program: 'sanitized' })).toEqual(plain);
    }
    for (const line of [
      ['output-log', 'nowhere', 'summary'],
      ['submit', '--wait', '--', 'true'],
      ['--debug', 'job', 'list'],
    ])
      expect((await alone(line)).stderr).toMatch(WANTS_NODE);
  });

  test('a submit says the same but for the number, from any directory, with any variables', async () => {
    const cwd = join(cluster.work, 'ünder');
    mkdirSync(cwd);
    for (const env of [
      {},
      { HQ_OUTPUT_MODE: 'json' },
      { HQ_OUTPUT_MODE: 'quiet' },
      { HQ_OUTPUT_MODE: 'wrong' },
      { HQ_COMPAT: 'hyperqueue' },
    ]) {
      const line = ['submit', '--env', 'A=ä', '--', 'prog', '--server-dir', 'x'];
      const results = await Promise.all([alone(line, { env, cwd }), run(line, { program: 'hq.js', env, cwd })]);
      expect(withoutIds(results[0])).toEqual(withoutIds(results[1]));
    }
    const info = await cluster.json<{ submits: { array: { task_desc: { program: { args: string[] } } } }[] }>(['job', 'info', 'last']);
    expect(JSON.stringify(info)).toContain('"--server-dir","x"');
    expect(JSON.stringify(info)).toContain(cwd);
  });

  test('a script is read in the front, as far as its lines can stand in it; one that cannot be read is left to hq.js', async () => {
    const cwd = join(cluster.work, 'scripts');
    mkdirSync(cwd);
    writeFileSync(join(cwd, 'run.sh'), `#!/bin/sh\n#HQ --name of-script\n${'# filler\n'.repeat(10_000)}#HQ --nonsense\n`);
    writeFileSync(join(cwd, 'wrong'), '#HQ --nonsense\n');
    for (const line of [
      ['--output-mode', 'quiet', 'submit', './run.sh'],
      ['--output-mode', 'quiet', 'submit', '--directives=file', 'wrong'],
    ]) {
      const plain = withoutIds(await run(line, { program: 'hq.js', cwd }));
      expect(withoutIds(await alone(line, { cwd }))).toEqual(plain);
      expect(withoutIds(await run(line, { program: 'sanitized', cwd }))).toEqual(plain);
    }
    expect(await cluster.json(['job', 'info', 'last'])).toMatchObject([{ info: { name: 'of-script' } }]);
    const missing = ['submit', '--directives=file', 'missing'];
    expect((await alone(missing, { cwd })).stderr).toMatch(WANTS_NODE);
    expect(await run(missing, { cwd })).toEqual(await run(missing, { program: 'hq.js', cwd }));
    expect((await alone(['submit', '--directives=file', '.'], { cwd })).stderr).toMatch(WANTS_NODE);
  });

  test.each(['front', 'sanitized'] as const)('standard input is read in the front: %s', async (program) => {
    const input = 'line\n'.repeat(100_000);
    const result = await run(['--output-mode', 'quiet', 'submit', '--stdin', '--', 'cat'], { program, input });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const plain = await run(['submit', '--stdin', '--', 'cat'], { program: 'hq.js', cwd: cluster.work, input: '' });
    expect(plain.code).toBe(0);
    const directory = await finishShell('"$0" submit --stdin -- cat < .', FRONT);
    const plainly = await finishShell('"$1" "$0" submit --stdin -- cat < .', HQ, process.execPath);
    expect(withoutIds(directory)).toEqual(withoutIds(plainly));
  });

  const withoutIds = (result: Result): Result => ({ ...result, stdout: result.stdout.replace(/\d+/, 'N') });

  function finishShell(script: string, ...args: string[]): Promise<Result> {
    return finish(spawn('bash', ['-c', script, ...args], { cwd: cluster.work, env: cluster.env, stdio: 'pipe' }));
  }

  test('a reader that leaves ends it silently, a full disk does not pass for success', async () => {
    const closed = await finishShell('set -o pipefail; "$0" --help | true; echo $?', FRONT);
    expect(closed).toEqual({ code: 0, stdout: '0\n', stderr: '' });
    const full = await finishShell('"$0" job list > /dev/full', FRONT);
    expect(full).toEqual({ code: 1, stdout: '', stderr: 'ERROR the output cannot be written: No space left on device\n' });
    const without = await finishShell('"$0" job list >&-', FRONT);
    expect(without.code).toBe(0);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends a wait with the same words', async (signal) => {
    const results = await Promise.all(
      (['front', 'sanitized', 'hq.js'] as const).map(async (program) => {
        const child = start(['job', 'wait', '1,99'], { program });
        // What it says of the unknown job comes when everything is prepared for the wait.
        child.stderr?.once('data', () => child.kill(signal));
        return finish(child);
      }),
    );
    for (const result of results)
      expect(result).toEqual({ code: 130, stdout: '', stderr: expect.stringMatching(/^ERROR .*99.*\nInterrupted: .* hq job cancel 1\n$/) });
  });

  /** Connections to the API that are open now. */
  function connections(): number {
    const access = JSON.parse(readFileSync(join(cluster.serverDir, '001/access.json'), 'utf8')) as { socket: { path: string } };
    const lines = readFileSync('/proc/net/unix', 'utf8').split('\n');
    return lines.filter((line) => line.endsWith(` ${access.socket.path}`) && line.split(/\s+/)[5] === '03').length;
  }

  describe('leaves to hq.js', () => {
    const command = ['job', 'list', '--all'] as const;
    const kept = (): string => `${frontFile()}.kept`;

    /** With the file of the front changed for the time of the test. */
    async function withFile(change: (content: string) => void): Promise<void> {
      const content = readFileSync(frontFile(), 'utf8');
      renameSync(frontFile(), kept());
      try {
        change(content);
        expect((await alone(command)).stderr).toMatch(WANTS_NODE);
        expect(await run(command)).toEqual(await run(command, { program: 'hq.js' }));
      } finally {
        rmSync(frontFile(), { force: true });
        renameSync(kept(), frontFile());
      }
      expect((await alone(command)).code).toBe(0);
    }

    const write = (content: string, mode = 0o600): void => {
      writeFileSync(frontFile(), content);
      chmodSync(frontFile(), mode);
    };

    test('a server of another version or host, and a file that it does not know', async () => {
      await withFile((content) => write(content.replace(/^\d+\.\d+\.\d+$/m, '0.0.9')));
      await withFile((content) => write(content.split('\n').with(2, 'elsewhere').join('\n')));
      await withFile((content) => write(content.replace('hq-front 1', 'hq-front 2')));
      await withFile((content) => write(content.slice(0, 15)));
      await withFile(() => write(''));
      await withFile(() => write(`hq-front 1\n${'x'.repeat(5_000)}`));
    });

    test('a file or a socket that others could have made', async () => {
      await withFile((content) => write(content, 0o622));
      await withFile(() => symlinkSync(kept(), frontFile()));
      const socket = readFileSync(frontFile(), 'utf8').split('\n')[3] as string;
      const open = join(cluster.root, 'open');
      mkdirSync(open, { mode: 0o755 });
      symlinkSync(socket, join(open, 's'));
      await withFile((content) => write(content.replace(socket, join(open, 's'))));
      const link = join(cluster.root, 'link');
      symlinkSync(join(socket, '..'), link);
      await withFile((content) => write(content.replace(socket, socket.replace(/^.*\//, `${link}/`))));
      await withFile((content) => write(content.replace(socket, frontFile())));
      await withFile((content) => write(content.replace(socket, `/${'x'.repeat(200)}`)));
    });

    test.skipIf(process.getuid?.() !== 0)('a file of another user', async () => {
      await withFile((content) => {
        write(content);
        chownSync(frontFile(), 65_534, 65_534);
      });
    });

    test('HQ_FRONT=off, a way back up, no home, no server', async () => {
      for (const env of [{ HQ_FRONT: 'off' }, { HQ_SERVER_DIR: `${cluster.work}/../server` }, { HQ_SERVER_DIR: '', HOME: '' }])
        expect((await alone(command, { env })).stderr).toMatch(WANTS_NODE);
      const nowhere = { env: { HQ_SERVER_DIR: join(cluster.root, 'nowhere') } };
      expect(await run(command, nowhere)).toEqual(await run(command, { ...nowhere, program: 'hq.js' }));
    });
  });

  test('it finds the server by every way to name it', async () => {
    const env = { HQ_SERVER_DIR: '' };
    const { serverDir } = cluster;
    for (const args of [
      ['--server-dir', serverDir],
      [`--server-dir=${serverDir}`],
      ['--server-dir', join(serverDir, '001')],
      ['--server-dir', join(serverDir, 'hq-current')],
      ['--server-dir', '/nowhere', '--server-dir', serverDir],
    ])
      expect((await alone(['server', 'info', ...args], { env })).code).toBe(0);
    expect((await alone(['server', 'info', '--server-dir', 'server'], { env, cwd: cluster.root })).code).toBe(0);
    symlinkSync(serverDir, join(cluster.root, '.hq-server'));
    expect((await alone(['server', 'info'], { env: { ...env, HOME: cluster.root } })).code).toBe(0);
    const current = join(serverDir, 'hq-current');
    rmSync(current);
    expect((await alone(['server', 'info'])).code).toBe(0);
    execFileSync('ln', ['-s', '001', current]);
  });

  // The last one: the server is another one afterwards.
  test('a server that is killed and started again in the middle of a wait', async () => {
    const results: { stderr: () => string; code: Promise<unknown> }[] = [];
    // The thread then has a connection that it uses again.
    await alone(['job', 'list']);
    const idle = connections();
    for (const program of ['front', 'sanitized', 'hq.js'] as const) {
      const before = connections();
      const child = start(['job', 'wait', '1'], { program });
      let stderr = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      results.push({ stderr: () => stderr, code: new Promise((resolve) => child.once('exit', resolve)) });
      await waitFor('its connection', () => connections() > before);
    }
    // What was asked before is answered before: the first look of hq.js, which has a connection of its own. What is open then are the three streams of events.
    await run(['server', 'info'], { program: 'hq.js' });
    await waitFor('their events', () => connections() >= idle + results.length);
    await server.kill('SIGKILL');
    const warned = /^WARN the server went away in mid-command: .*; waiting for it to return$/m;
    for (const result of results) await waitFor('the warning', () => warned.test(result.stderr()));
    server = await cluster.startServer();
    await cluster.startWorker();
    for (const result of results) {
      expect(await result.code).toBe(0);
      expect(result.stderr().replace(warned, 'WARN')).toBe('WARN\nWait finished: 1 FINISHED\n');
    }
  });
});
