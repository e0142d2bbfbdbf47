/** The dashboard on a real terminal, which tmux plays: live with its keys, over a restart of the server, and the replay of a journal. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, waitFor } from '../helpers/cluster.ts';

/** Debian's package, installed where that is possible; elsewhere the tests are skipped. */
function hasTmux(): boolean {
  const isThere = (): boolean => spawnSync('tmux', ['-V']).status === 0;
  if (!isThere() && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get'))
    spawnSync('apt-get', ['install', '-y', 'tmux'], { stdio: 'ignore' });
  return isThere();
}

const skips = !hasTmux();
if (skips) console.warn('skipped: the dashboard needs a terminal, and there is no tmux');

/** A terminal of 120 x 30 in which one command runs. */
class Terminal {
  private readonly cluster: Cluster;
  private readonly socket: string;

  constructor(cluster: Cluster, command: string) {
    this.cluster = cluster;
    this.socket = join(cluster.root, `tmux-${command.length}`);
    this.tmux('-f', '/dev/null', 'new-session', '-d', '-x', '120', '-y', '30', `${command}; echo "left with $?"; exec sh`);
  }

  private tmux(...args: string[]): string {
    const options = { encoding: 'utf8', cwd: this.cluster.work, env: { ...this.cluster.env, TERM: 'xterm' } } as const;
    const { stdout, stderr, status } = spawnSync('tmux', ['-S', this.socket, ...args], options);
    if (status !== 0) throw new Error(`tmux ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  get text(): string {
    return this.tmux('capture-pane', '-p');
  }

  press(...keys: string[]): void {
    this.tmux('send-keys', ...keys);
  }

  async shows(pattern: RegExp): Promise<string> {
    return waitFor(`the terminal to show ${pattern}`, () => (pattern.test(this.text) ? this.text : null)).catch((error: Error) => {
      throw new Error(`${error.message}; it shows:\n${this.text}`);
    });
  }

  close(): void {
    this.tmux('kill-server');
  }
}

const HQ = resolve('build/bin/hq');

describe.skipIf(skips)('hq dashboard', () => {
  let cluster: Cluster;
  let terminal: Terminal | undefined;
  beforeAll(async () => {
    cluster = new Cluster();
    await cluster.startServer();
    await cluster.startWorker(['--cpus', '4', '--hostname', 'node-one']);
    await cluster.ok([
      'submit',
      '--name',
      'stays',
      '--array',
      '1-3',
      '--cpus',
      '2',
      '--',
      'sh',
      '-c',
      'until test -e go; do sleep 0.1; done',
    ]);
  });
  afterAll(async () => {
    terminal?.close();
    await cluster.stop();
  });

  test('shows jobs, their tasks, workers and what they have given out, as it changes', async () => {
    terminal = new Terminal(cluster, `${HQ} dashboard`);
    await terminal.shows(/> *1 +RUNNING +0 +2 +1 .* stays/);
    await terminal.shows(/cpus \[#{20}\] 4\/4 .*2 running, 1 waiting/);
    await cluster.ok(['submit', '--name', 'later', '--', 'true']);
    await terminal.shows(/> *2 +WAITING .* later\n/);
    terminal.press('Down', 'Enter');
    const tasks = await terminal.shows(/of job 1\n/);
    expect(tasks.match(/^[> ] +?\d+ +RUNNING +1 /gm)).toHaveLength(2);
    terminal.press('3');
    await terminal.shows(/1 +RUNNING +2 .*cpus 4\/4 .*node-one/);
    terminal.press('4');
    await terminal.shows(/there are no allocations/);
    await cluster.ok(['job', 'cancel', 'all']);
    terminal.press('1');
    await terminal.shows(/1 +CANCELED +3 +0 +0/);
  });

  test('stays when the server goes, says so, and goes on with the next one', async () => {
    await cluster.ok(['server', 'stop', '--keep-workers']);
    await terminal?.shows(/^(no running server|the server|the connection).* - hq /m);
    await cluster.startServer();
    await cluster.ok(['submit', '--name', 'again', '--', 'true']);
    await terminal?.shows(/3 +FINISHED .* again/);
  });

  test('q leaves the terminal as it was', async () => {
    terminal?.press('q');
    const text = await (terminal as Terminal).shows(/left with 0/);
    expect(text).not.toContain('[1] jobs');
    terminal?.close();
    terminal = undefined;
  });

  test('a journal is replayed while its server runs', async () => {
    terminal = new Terminal(cluster, `${HQ} dashboard replay ${cluster.serverDir}`);
    await terminal.shows(/replay of .*journal\.db/);
    terminal.press('+', '+', '+');
    await terminal.shows(/the end/);
    await terminal.shows(/3 +FINISHED .* again[\s\S]*1 +CANCELED +3 +0 +0/);
    terminal.press('Space', 'b');
    await terminal.shows(/paused|tasks: 0 running, 0 waiting, 0 finished/);
    terminal.press('C-c');
    await terminal.shows(/left with 0/);
  });

  test.each([
    [['dashboard'], /terminal/],
    [['dashboard', 'watch'], /stream or replay/],
    [['dashboard', 'replay'], /<JOURNAL>/],
    [['dashboard', 'stream', 'x'], /unexpected argument 'x'/],
  ])('%j off a terminal is refused in one line', async (args, text) => {
    const { code, stderr } = await cluster.hq(args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(text)]);
  });
});
