/**
 * `hq worker deploy-ssh`, over a real sshd where one is installed; everywhere over a program `ssh` that runs the command in a session of its own, as
 * sshd does. What it starts is real.
 */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import { HAS_SSHD, startSshd } from '../helpers/sshd.ts';

/** Notes its arguments; a host called `down` cannot be reached. */
const SSH = `#!/bin/sh
echo "$@" >> "$SSH_CALLS"
host=$1
while [ "$1" != -- ]; do shift; done
shift
if [ "$host" = down ]; then echo "ssh: connect to host down port 22: Connection refused" >&2; exit 255; fi
exec setsid -w sh -c "$*"
`;

interface Transport {
  /** Goes first in PATH. */
  readonly bin: string;
  /** What may be typed behind a host. */
  readonly port: number;
  stop(): Promise<void>;
}

const TRANSPORTS: Readonly<Record<string, (dir: string) => Promise<Transport>>> = {
  'a program that stands for ssh': async (dir) => {
    const bin = join(dir, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'ssh'), SSH);
    chmodSync(join(bin, 'ssh'), 0o755);
    return { bin, port: 2222, stop: async () => {} };
  },
  ...(HAS_SSHD ? { sshd: async (dir) => ({ bin: join(dir, 'bin'), ...(await startSshd(dir, 'down')) }) } : {}),
};

describe.each(Object.entries(TRANSPORTS))('over %s', (_name, open) => {
  let cluster: Cluster;
  let transport: Transport;
  beforeAll(async () => {
    cluster = new Cluster();
    transport = await open(mkdtempSync(join(cluster.root, 'ssh-')));
    cluster.env['PATH'] = `${transport.bin}:${cluster.env['PATH']}`;
    cluster.env['SSH_CALLS'] = join(cluster.work, 'calls');
    await cluster.startServer();
  });
  afterAll(async () => {
    await transport.stop();
    await cluster.stop();
  });

  test('a worker on each host with the same arguments; it ends when all have ended, and fails when one has', async () => {
    writeFileSync(join(cluster.work, 'hosts'), `# two\nalpha\n\nbeta:${transport.port} # another port\n`);
    const deploy = cluster.start([
      'worker',
      'deploy-ssh',
      '--show-output',
      'hosts',
      '--cpus',
      '1',
      '--resource',
      'x=3',
      '--group',
      'it is',
    ]);
    await cluster.ok(['worker', 'wait', '2']);
    const workers = await cluster.json<{ configuration: { group: string } }[]>(['worker', 'list']);
    expect(workers.map(({ configuration }) => configuration.group)).toEqual(['it is', 'it is']);
    await cluster.ok(['submit', '--array', '1-4', '--resource', 'x=3', '--wait', '--', 'true']);
    const calls = cluster.read('calls').trim().split('\n');
    expect(calls.find((line) => line.startsWith('alpha'))).toMatch(
      /^alpha -t -t -- '.*' 'worker' 'start' '--server-dir' '.*' '--cpus' '1'/,
    );
    expect(calls.find((line) => line.startsWith('beta'))).toContain(`beta -t -t -p ${transport.port} -- `);
    expect(deploy.isRunning).toBe(true);
    await waitFor('what a worker prints', () => deploy.stderr.includes('[alpha] '));
    await cluster.ok(['worker', 'stop', 'all']);
    expect(await deploy.exit()).toBe(0);
    writeFileSync(join(cluster.work, 'hosts'), 'gamma\ndown\n');
    const failing = cluster.start(['worker', 'deploy-ssh', 'hosts', '--', '--cpus', '1']);
    await waitFor('the failure', () => failing.stderr.includes('The worker on down has failed (exit code 255)'));
    expect(failing.stderr).toContain('Connection refused');
    expect(failing.isRunning).toBe(true);
    await waitFor('the other worker', async () => (await cluster.json<unknown[]>(['worker', 'list'])).length === 1);
    await cluster.ok(['worker', 'stop', 'all']);
    expect(await failing.exit()).toBe(1);
  });

  test('an interrupted command takes its workers along', async () => {
    writeFileSync(join(cluster.work, 'hosts'), 'alpha\n');
    const deploy = cluster.start(['worker', 'deploy-ssh', 'hosts', '--', '--cpus', '1', '--on-server-lost', 'stop']);
    await waitFor('the worker', async () => (await cluster.json<unknown[]>(['worker', 'list'])).length === 1);
    expect(await deploy.kill('SIGINT')).toBe(130);
    await waitFor('its end', async () => (await cluster.json<unknown[]>(['worker', 'list'])).length === 0);
  });
});

test('bad input is one line and connects nowhere', async () => {
  const cluster = new Cluster();
  writeFileSync(join(cluster.root, 'ssh'), '#!/bin/sh\necho yes > called\n', { mode: 0o755 });
  try {
    const refused: [string, string[], number, RegExp][] = [
      ['a\nb c\n', [], 1, /invalid host file bad:2: 'b c' is not HOST or HOST:PORT/],
      ['a:70000\n', [], 1, /bad:1: 'a:70000'/],
      ['-oProxyCommand=x\n', [], 1, /bad:1: '-oProxyCommand=x'/],
      ['# none\n', [], 1, /it names no host/],
      ['a\n', ['--cpuz', '1'], 2, /arguments of `hq worker start`: .*--cpuz/],
      ['a\n', ['--', '--cpus', '[[0],[0]]'], 2, /cpus/],
    ];
    for (const [text, args, code, message] of refused) {
      writeFileSync(join(cluster.work, 'bad'), text);
      const result = await cluster.hq(['worker', 'deploy-ssh', 'bad', ...args], {
        env: { PATH: `${cluster.root}:${cluster.env['PATH']}` },
      });
      expect([text, args, result.code, result.stdout]).toEqual([text, args, code, '']);
      expect(result.stderr).toMatch(message);
    }
    expect(cluster.read('called')).toBe('');
    expect((await cluster.hq(['worker', 'deploy-ssh', 'missing'])).stderr).toContain("cannot read 'missing'");
  } finally {
    await cluster.stop();
  }
});
