/** A real sshd on loopback for tests, where one is installed, and an `ssh` on PATH that reaches it under any host name. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { waitFor } from './cluster.ts';

const SSHD = '/usr/sbin/sshd';
/** Where sshd of root wants to be locked up before anybody is known to it. */
const PRIVILEGE_DIR = '/run/sshd';

/** True where a test can have one. */
export const HAS_SSHD: boolean = existsSync(SSHD) && existsSync('/usr/bin/ssh');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}

/**
 * @param dir empty directory for keys and configuration; `bin` in it gets `ssh`
 * @param down a host name behind which nobody listens
 */
export async function startSshd(dir: string, down: string): Promise<{ port: number; stop(): Promise<void> }> {
  const port = await freePort();
  for (const name of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(dir, name)]);
  copyFileSync(join(dir, 'user.pub'), join(dir, 'authorized'));
  if (process.getuid?.() === 0) mkdirSync(PRIVILEGE_DIR, { recursive: true });
  const server = ['Port', port, 'ListenAddress 127.0.0.1', `HostKey ${join(dir, 'host')}`, `AuthorizedKeysFile ${join(dir, 'authorized')}`];
  const rest = ['StrictModes no', 'UsePAM no', 'PidFile none', 'PermitRootLogin yes'];
  writeFileSync(join(dir, 'sshd_config'), `${server[0]} ${server[1]}\n${[...server.slice(2), ...rest].join('\n')}\n`);
  const client = [
    ...[`Host ${down}`, 'Port 1', 'Host *', 'HostName 127.0.0.1', `Port ${port}`, `User ${userInfo().username}`],
    ...[`IdentityFile ${join(dir, 'user')}`, 'StrictHostKeyChecking no', 'UserKnownHostsFile /dev/null', 'LogLevel ERROR'],
  ];
  writeFileSync(join(dir, 'ssh_config'), `${client.join('\n')}\n`);
  mkdirSync(join(dir, 'bin'));
  writeFileSync(join(dir, 'bin/ssh'), `#!/bin/sh\necho "$@" >> "$SSH_CALLS"\nexec /usr/bin/ssh -F ${join(dir, 'ssh_config')} "$@"\n`);
  chmodSync(join(dir, 'bin/ssh'), 0o755);
  const child: ChildProcess = spawn(SSHD, ['-D', '-e', '-f', join(dir, 'sshd_config')], { stdio: 'ignore', cwd: dir });
  await waitFor('sshd', () => isListening(port));
  return {
    port,
    stop: async () => {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
    },
  };
}
