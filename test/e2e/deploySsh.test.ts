/** `hq worker deploy-ssh`. The transport is a program `ssh` on PATH that runs the command in a session of its own, as sshd does; what it starts is real. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, waitFor } from '../helpers/cluster.ts';

/** Notes its arguments; a host called `down` cannot be reached. A second process that outlives it would not end with the connection. */
const SSH = `#!/bin/sh
echo "$@" >> "$SSH_CALLS"
host=$1
while [ "$1" != -- ]; do shift; done
shift
if [ "$host" = down ]; then echo "ssh: connect to host down port 22: Connection refused" >&2; exit 255; fi
exec setsid -w env HQ_HOST="$host" sh -c "$* --hostname $host"
`;

let cluster: Cluster;
beforeAll(async () => {
  cluster = new Cluster();
  const bin = join(cluster.root, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'ssh'), SSH);
  chmodSync(join(bin, 'ssh'), 0o755);
  cluster.env['PATH'] = `${bin}:${cluster.env['PATH']}`;
  cluster.env['SSH_CALLS'] = join(cluster.work, 'calls');
  await cluster.startServer();
});
afterAll(() => cluster.stop());

test('a worker on each host with the same arguments; it ends when all have ended, and fails when one has', async () => {
  writeFileSync(join(cluster.work, 'hosts'), '# two\nalpha\n\nbeta:2222 # another port\n');
  const deploy = cluster.start(['worker', 'deploy-ssh', '--show-output', 'hosts', '--cpus', '1', '--resource', 'x=3']);
  await cluster.ok(['worker', 'wait', '2']);
  const workers = await cluster.json<{ configuration: { hostname: string } }[]>(['worker', 'list']);
  expect(workers.map(({ configuration }) => configuration.hostname).sort()).toEqual(['alpha', 'beta']);
  await cluster.ok(['submit', '--array', '1-4', '--resource', 'x=3', '--wait', '--', 'true']);
  const calls = cluster.read('calls').trim().split('\n');
  expect(calls.find((line) => line.startsWith('alpha'))).toMatch(/^alpha -t -t -- '.*' 'worker' 'start' '--server-dir' '.*' '--cpus' '1'/);
  expect(calls.find((line) => line.startsWith('beta'))).toContain('beta -t -t -p 2222 -- ');
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

test('bad input is one line and connects nowhere', async () => {
  const before = cluster.read('calls');
  const hosts = (text: string): void => writeFileSync(join(cluster.work, 'bad'), text);
  const refused: [string, string[], number, RegExp][] = [
    ['a\nb c\n', [], 1, /invalid host file bad:2: 'b c' is not HOST or HOST:PORT/],
    ['a:70000\n', [], 1, /bad:1: 'a:70000'/],
    ['-oProxyCommand=x\n', [], 1, /bad:1: '-oProxyCommand=x'/],
    ['# none\n', [], 1, /it names no host/],
    ['a\n', ['--cpuz', '1'], 2, /arguments of `hq worker start`: .*--cpuz/],
    ['a\n', ['--', '--cpus', '[[0],[0]]'], 2, /cpus/],
  ];
  for (const [text, args, code, message] of refused) {
    hosts(text);
    const result = await cluster.hq(['worker', 'deploy-ssh', 'bad', ...args]);
    expect([text, args, result.code, result.stdout]).toEqual([text, args, code, '']);
    expect(result.stderr).toMatch(message);
  }
  expect((await cluster.hq(['worker', 'deploy-ssh', 'missing'])).stderr).toContain("cannot read 'missing'");
  expect(cluster.read('calls')).toBe(before);
});
