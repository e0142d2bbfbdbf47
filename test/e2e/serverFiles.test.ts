/** Access records in parts, backups, dumps and the unit of systemd: what a server is given and gives in files. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let server: HqProcess;
beforeAll(async () => {
  cluster = new Cluster();
});
afterAll(() => cluster.stop());

const at = (name: string): string => join(cluster.work, name);
const json = (name: string) => JSON.parse(readFileSync(at(name), 'utf8'));

/** Ports that were free a moment ago. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const one of servers) {
    await new Promise<void>((done) => one.listen(0, '127.0.0.1', done));
    ports.push((one.address() as { port: number }).port);
  }
  for (const one of servers) await new Promise((done) => one.close(done));
  return ports as [number, number];
}

test('a server starts with a record made beforehand; clients and workers elsewhere have their parts only', async () => {
  const [clientPort, workerPort] = await freePorts();
  const ports = ['--client-port', String(clientPort), '--worker-port', String(workerPort)];
  const made = await cluster.hq([
    ...['server', 'generate-access', 'all.json', '--client-file', 'c.json', '--worker-file', 'w.json', '--host', '127.0.0.1', ...ports],
  ]);
  expect(made).toMatchObject({ code: 0, stdout: '' });
  for (const name of ['all.json', 'c.json', 'w.json']) expect(statSync(at(name)).mode & 0o777, name).toBe(0o600);
  const all = json('all.json');
  expect(JSON.stringify(json('c.json'))).not.toContain(all.workerToken);
  expect(JSON.stringify(json('w.json'))).not.toContain(all.clientToken);
  for (const part of ['c.json', 'w.json']) expect(JSON.stringify(json(part))).not.toContain('PRIVATE');
  server = await cluster.startServer(['--access-file', at('all.json')]);
  expect(await cluster.json(['server', 'info'])).toMatchObject({ server_uid: all.uid });
  // A directory with nothing but the part of a client, and one with the part of a worker under either name.
  const [far, near] = [at('far'), at('near')];
  for (const dir of [far, near]) mkdirSync(dir, { mode: 0o700 });
  copyFileSync(at('c.json'), join(far, 'access.json'));
  copyFileSync(at('w.json'), join(near, 'access.json'));
  const worker = cluster.start(['worker', 'start', '--server-dir', near, '--cpus', '1', '--hostname', 'apart']);
  await cluster.ok(['worker', 'wait', '1', '--server-dir', far]);
  expect(await cluster.ok(['worker', 'address', '1', '--server-dir', far])).toBe('apart\n');
  await cluster.ok(['submit', '--wait', '--server-dir', far, '--', 'true']);
  const wrong = await cluster.hq(['job', 'list', '--server-dir', near]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain('access.json cannot be used');
  await worker.kill('SIGTERM');
  // The next start with the same record is the same server.
  await server.kill('SIGTERM');
  server = await cluster.startServer(['--access-file', at('all.json')]);
  expect(await cluster.json(['job', 'list', '--all'])).toHaveLength(1);
  const refused: [string[], number, RegExp][] = [
    [['server', 'generate-access', 'x.json', '--client-port', '1'], 2, /--worker-port/],
    [['server', 'generate-access', 'x.json', '--client-file', 'x.json', ...ports], 2, /the same file/],
    [['server', 'generate-access', 'nowhere/x.json', ...ports], 1, /nowhere\/x\.json cannot be used/],
    [['server', 'start', '--server-dir', at('other'), '--access-file', at('c.json')], 1, /a server needs the full record/],
    [['server', 'start', '--server-dir', at('other'), '--access-file', at('missing.json')], 1, /missing\.json cannot be used/],
  ];
  for (const [args, code, text] of refused) {
    const result = await cluster.hq(args);
    expect([args, result.code]).toEqual([args, code]);
    expect(result.stderr).toMatch(text);
  }
  expect([existsSync(at('x.json')), existsSync(at('other'))]).toEqual([false, false]);
});

test('a backup that is made while the server works starts another server with everything in it', async () => {
  await cluster.startWorker(['--cpus', '1']);
  await cluster.ok(['submit', '--name', 'kept', '--wait', '--', 'true']);
  await cluster.ok(['submit', '--name', 'waiting', '--cpus', '64', '--', 'true']);
  const done = await cluster.hq(['server', 'backup', 'backup.db']);
  expect(done.stderr).toContain(`hq server start --journal ${at('backup.db')}`);
  expect(statSync(at('backup.db')).mode & 0o777).toBe(0o600);
  const again = await cluster.hq(['server', 'backup', 'backup.db']);
  expect(again).toMatchObject({ code: 1, stdout: '' });
  expect(again.stderr).toContain('it exists already');
  expect((await cluster.hq(['server', 'backup', 'nowhere/b.db'])).code).toBe(1);
  const other = ['--server-dir', at('restored')];
  const second = cluster.start(['server', 'start', '--host', '127.0.0.1', ...other, '--journal', at('backup.db')]);
  await cluster.ok(['server', 'wait', ...other]);
  const jobs = JSON.parse(await cluster.ok(['--output-mode', 'json', 'job', 'list', '--all', ...other])) as { name: string }[];
  expect(jobs.map(({ name }) => name)).toEqual(expect.arrayContaining(['kept', 'waiting']));
  await cluster.ok(['server', 'stop', ...other]);
  await second.exit();
});

test('journal: export, replay and stream print the same events; prune and flush; a report is one page', async () => {
  const lines = (text: string): { time: string; event: { type: string } }[] =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const replayed = lines(await cluster.ok(['journal', 'replay']));
  const types = replayed.map(({ event }) => event.type);
  for (const type of ['server-start', 'server-stop', 'job-created', 'task-started', 'task-finished', 'job-completed', 'worker-connected'])
    expect(types).toContain(type);
  expect(replayed.find(({ event }) => event.type === 'task-started')?.event).toMatchObject({ job: 1, task: 0, instance: 0, worker: 1 });
  await cluster.ok(['server', 'backup', 'copy.db']);
  const exported = await cluster.hq(['journal', 'export', 'copy.db']);
  expect(exported.stderr).toMatch(/INFO Outputted \d+ events/);
  const kept = lines(exported.stdout);
  expect(kept).toEqual(replayed);
  const locked = await cluster.hq(['journal', 'export', join(cluster.serverDir, 'hq-current/journal.db')]);
  expect(locked).toMatchObject({ code: 1, stdout: '' });
  expect(locked.stderr).toContain('a server already runs on');
  const page = await cluster.hq(['journal', 'report', 'copy.db', 'page.html']);
  expect(page.stderr).toMatch(/Report of \d+ events written into page\.html/);
  const html = cluster.read('page.html');
  expect(html).toMatch(/^<!DOCTYPE html>/);
  expect(html).toContain('<td>kept</td>');
  for (const outside of ['http://', 'https://', '<script', '<link']) expect(html).not.toContain(outside);
  await cluster.ok(['journal', 'report', 'copy.db', 'late.html', '--start-time', '300h']);
  expect(cluster.read('late.html')).toContain('<td>Tasks finished</td><td>0</td>');
  const refused: [string[], number, RegExp][] = [
    [['journal', 'report', 'missing.db', 'x.html'], 1, /there is no such file/],
    [['journal', 'report', 'copy.db', 'nowhere/x.html'], 1, /cannot write 'nowhere\/x\.html'/],
    [['journal', 'report', 'copy.db', 'x.html', '--start-time', '2h', '--end-time', '1h'], 2, /not after/],
    [['journal', 'export', 'page.html'], 1, /it is not a database/],
  ];
  for (const [args, code, text] of refused) {
    const result = await cluster.hq(args);
    expect([args, result.code]).toEqual([args, code]);
    expect(result.stderr).toMatch(text);
  }
  expect(existsSync(at('missing.db'))).toBe(false);
  await cluster.ok(['journal', 'flush']);
  await cluster.ok(['journal', 'prune', '--older-than', '1h']);
  expect((await cluster.json<unknown[]>(['job', 'list', '--all'])).length).toBeGreaterThan(1);
  await cluster.ok(['journal', 'prune']);
  expect((await cluster.json<{ name: string }[]>(['job', 'list', '--all'])).map(({ name }) => name)).toEqual(['waiting']);
});

test('a debug dump holds the scheduler without what was submitted; a stream of the journal ends with the server', async () => {
  await cluster.ok(['submit', '--env', 'SECRET=hidden', '--cpus', '64', '--after-ok', 'last', '--', 'true']);
  await cluster.ok(['server', 'debug-dump', 'dump.json']);
  const { tako } = json('dump.json');
  expect(tako.jobs).toHaveLength(2);
  expect(tako.gates).toEqual([expect.objectContaining({ remaining: 1 })]);
  expect(cluster.read('dump.json')).not.toContain('hidden');
  expect((await cluster.hq(['server', 'debug-dump', 'nowhere/dump.json'])).stderr).toContain("cannot write 'nowhere/dump.json'");
  const stream = cluster.start(['journal', 'stream']);
  await waitFor('past events', () => stream.stdout.includes('tasks-submitted'));
  await cluster.ok(['job', 'open', '--name', 'seen']);
  await waitFor('a new event', () => stream.stdout.includes('"seen"'));
  await cluster.ok(['server', 'stop']);
  expect(await stream.exit()).toBe(0);
  expect(stream.stdout.trim().split('\n').at(-1)).toContain('server-stop');
});

test('a damaged journal is recovered: what is readable stays, the damaged file is kept, and a running server is left alone', async () => {
  server = await cluster.startServer();
  for (let i = 0; i < 8; i += 1) await cluster.ok(['submit', '--name', `job${i}`, '--array', '1-40', '--cpus', '64', '--', 'true']);
  const running = await cluster.hq(['server', 'recover', cluster.serverDir]);
  expect(running).toMatchObject({ code: 1, stdout: '' });
  expect(running.stderr).toMatch(new RegExp(`a server already runs on .*pid ${server.pid}`));
  await server.kill('SIGTERM');
  const journal = join(cluster.serverDir, 'hq-current/journal.db');
  expect((await cluster.hq(['server', 'recover', cluster.serverDir])).stderr).toContain('is sound; nothing was changed');
  const bytes = readFileSync(journal);
  // All of the first page but its header: what the tables are called, and where they begin.
  bytes.fill(0xff, 100, 2_048);
  writeFileSync(journal, bytes);
  const refused = await cluster.hq(['server', 'start', '--host', '127.0.0.1']);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('hq server recover');
  const recovered = await cluster.hq(['server', 'recover', cluster.serverDir]);
  expect(recovered).toMatchObject({ code: 0, stdout: '' });
  const kept = /is kept as (\S+)/.exec(recovered.stderr)?.[1] ?? '';
  expect(readFileSync(kept).equals(bytes)).toBe(true);
  server = await cluster.startServer();
  await cluster.ok(['submit', '--cpus', '64', '--', 'true']);
  await cluster.ok(['server', 'stop']);
  expect((await cluster.hq(['server', 'recover', at('nowhere')])).stderr).toContain('there is no such file');
});

test('the unit of systemd starts this program on this directory; it is not overwritten by another one', async () => {
  const env = { XDG_CONFIG_HOME: at('config dir') };
  const dry = await cluster.hq(['server', 'install-service', '--dry-run', '--host', '127.0.0.1'], { env });
  expect(dry.code).toBe(0);
  expect(existsSync(at('config dir'))).toBe(false);
  const start = /^ExecStart=(.*)$/m.exec(dry.stdout)?.[1] ?? '';
  expect(start).toMatch(new RegExp(`^/\\S*node \\S+ server start --server-dir ${cluster.serverDir} --host 127.0.0.1$`));
  for (const line of ['Restart=on-failure', 'RestartSec=5', 'WantedBy=default.target']) expect(dry.stdout).toContain(line);
  const written = await cluster.hq(['server', 'install-service', '--host', '127.0.0.1'], { env });
  expect(written.stderr).toContain('systemctl --user enable --now hq-server');
  const unit = at('config dir/systemd/user/hq-server.service');
  expect(readFileSync(unit, 'utf8')).toBe(dry.stdout);
  const other = await cluster.hq(['server', 'install-service', '--host', '127.0.0.2'], { env });
  expect(other.code).toBe(1);
  expect(other.stderr).toContain('--force');
  expect(readFileSync(unit, 'utf8')).toBe(dry.stdout);
  await cluster.ok(['server', 'install-service', '--host', '127.0.0.2', '--force'], { env });
  expect(readFileSync(unit, 'utf8')).toContain('127.0.0.2');
  await cluster.ok(['server', 'install-service', '--name', 'hq-odd', '--server-dir', `${cluster.root}/a "b" %h $HOME`], { env });
  if (spawnSync('systemd-analyze', ['--version']).status === 0) {
    // It exits with 0 whatever it complains of; of other units it may complain on a machine that was not started by systemd.
    const units = [unit, at('config dir/systemd/user/hq-odd.service')];
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--user', ...units], {
      encoding: 'utf8',
      env: { ...cluster.env, HOME: cluster.root, XDG_RUNTIME_DIR: cluster.root },
    });
    expect([status, stderr.split('\n').filter((line) => /hq-(server|odd)/.test(line))]).toEqual([0, []]);
  }
  // What it starts is a server.
  const started = cluster.start(['server', 'wait']);
  const [node = '', ...words] = start.split(' ');
  writeFileSync(at('run.sh'), `exec ${node} ${words.join(' ')}\n`);
  const { execa } = await import('execa');
  const service = execa('sh', [at('run.sh')], { env: cluster.env, extendEnv: false, cwd: cluster.work, reject: false });
  expect(await started.exit()).toBe(0);
  service.kill('SIGTERM');
  expect((await service).exitCode).toBe(0);
});
