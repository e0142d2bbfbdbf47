/** Bad input of every kind: one clear line, the right exit code, and a server that goes on as if nothing had happened. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, type HqResult } from '../helpers/cluster.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '2']);
});
afterAll(() => cluster.stop());

/** One line (and at most one more with what to do), no stack. */
function expectOneLine(result: HqResult, text: string | RegExp): void {
  const lines = result.stderr
    .trim()
    .split('\n')
    .filter((line) => line !== '');
  expect(result.stderr).toMatch(text);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  expect(lines.length).toBeLessThanOrEqual(6);
}

async function jobCount(): Promise<number> {
  return (await cluster.json<unknown[]>(['job', 'list', '--all'])).length;
}

interface Access {
  client: { port: number; token: string; hosts: string[]; certificate: string };
  worker: { port: number; token: string };
}

function access(name = 'access.json'): Access {
  return JSON.parse(readFileSync(join(cluster.serverDir, 'hq-current', name), 'utf8')) as Access;
}

describe('command line', () => {
  test.each<[string, string[], number, RegExp]>([
    ['an unknown option', ['submit', '--frobnicate', '--', 'true'], 2, /unexpected argument '--frobnicate'/],
    ['an unknown command', ['sumbit', 'true'], 2, /sumbit/],
    ['a malformed array', ['submit', '--array', '1-', '--', 'true'], 2, /1-/],
    ['a reversed array', ['submit', '--array', '9-1', '--', 'true'], 2, /9-1/],
    ['negative cpus', ['submit', '--cpus', '-1', '--', 'true'], 2, /-1/],
    ['zero cpus', ['submit', '--cpus', '0', '--', 'true'], 2, /0/],
    ['five decimals', ['submit', '--cpus', '0.12345', '--', 'true'], 2, /0\.12345/],
    [
      'one GPU under two names',
      ['submit', '--resource', 'gpus=1', '--resource', 'gpus/nvidia=1', '--', 'true'],
      2,
      /'gpus\/nvidia' is part of 'gpus': ask for one of them/,
    ],
    ['a missing program', ['submit'], 2, /required|missing/i],
    ['a bad duration', ['submit', '--time-limit', 'soon', '--', 'true'], 2, /soon/],
    ['a bad selector', ['job', 'info', 'x-y'], 2, /x-y/],
    ['an unknown job', ['job', 'info', '4711'], 1, /4711/],
    ['an unknown worker', ['worker', 'info', '4711'], 1, /4711/],
    ['an unknown output mode', ['--output-mode', 'xml', 'job', 'list'], 2, /xml/],
    ['a log that is not there', ['output-log', 'nowhere', 'summary'], 1, /nowhere/],
    ['a bad resource descriptor', ['worker', 'start', '--cpus', '[1,1]'], 2, /\[1,1\]/],
  ])('%s', async (_name, args, code, text) => {
    const before = await jobCount();
    const result = await cluster.hq(args);
    expectOneLine(result, text);
    expect(result.code).toBe(code);
    expect(await jobCount()).toBe(before);
  });

  test('a resource that no worker has is a warning, with --strict a refusal', async () => {
    const warned = await cluster.hq(['submit', '--resource', 'unobtainium=1', '--', 'true']);
    expect(warned.code).toBe(0);
    expect(warned.stderr).toMatch(/no worker provides 'unobtainium'.*cpus/s);
    await cluster.ok(['job', 'cancel', 'last']);
    const before = await jobCount();
    const refused = await cluster.hq(['submit', '--strict', '--resource', 'unobtainium=1', '--', 'true']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/unobtainium/);
    expect(await jobCount()).toBe(before);
  });

  test('a file that cannot be read', async () => {
    const result = await cluster.hq(['job', 'cat', '1', 'stdout', '--tasks', '77']);
    expect(result.code).toBe(1);
    expectOneLine(result, /77|1/);
  });
});

describe('finding a server', () => {
  test('no server directory, an empty one, and a stopped server', async () => {
    const missing = await cluster.hq(['job', 'list'], { env: { HQ_SERVER_DIR: join(cluster.root, 'missing') } });
    expect(missing.code).toBe(1);
    expectOneLine(missing, /missing/);
    const empty = join(cluster.root, 'empty');
    mkdirSync(empty);
    const none = await cluster.hq(['job', 'list'], { env: { HQ_SERVER_DIR: empty } });
    expect(none.code).toBe(1);
    expectOneLine(none, /hq server start/);
  });

  test('two servers on one directory: the second names the first and exits', async () => {
    const second = await cluster.hq(['server', 'start', '--host', '127.0.0.1']);
    expect(second.code).toBe(1);
    expectOneLine(second, /already runs.*pid \d+/);
    await cluster.ok(['job', 'list']);
  });

  test('a server directory that cannot be written', async () => {
    // Root may write anywhere, so the directory is a file.
    const path = join(cluster.root, 'file');
    writeFileSync(path, '');
    const result = await cluster.hq(['server', 'start'], { env: { HQ_SERVER_DIR: path } });
    expect(result.code).toBe(1);
    expectOneLine(result, /file/);
  });

  test.runIf(process.getuid?.() !== 0)('a server directory without the right to write', async () => {
    const path = join(cluster.root, 'readonly');
    mkdirSync(path, { mode: 0o500 });
    const result = await cluster.hq(['server', 'start'], { env: { HQ_SERVER_DIR: path } });
    chmodSync(path, 0o700);
    expect(result.code).toBe(1);
    expectOneLine(result, /readonly/);
  });
});

describe('tokens and ports', () => {
  /** A copy of the access files with something changed, as if carried to another host (without the Unix socket). */
  function copiedDir(name: string, change: (file: Record<string, unknown> & Access) => void): string {
    const dir = join(cluster.root, name);
    mkdirSync(dir, { mode: 0o700 });
    for (const file of ['access.json', 'worker-access.json']) {
      const content = access(file) as Record<string, unknown> & Access;
      content['socket'] = null;
      change(content);
      writeFileSync(join(dir, file), JSON.stringify(content), { mode: 0o600 });
    }
    return dir;
  }

  test('the access files of another host work over TLS', async () => {
    const dir = copiedDir('remote', () => {});
    expect((await cluster.hq(['job', 'list'], { env: { HQ_SERVER_DIR: dir } })).code).toBe(0);
  });

  test('a wrong client token is refused', async () => {
    const dir = copiedDir('wrong-client', (file) => {
      if (file.client !== undefined) file.client.token = 'f'.repeat(64);
    });
    const result = await cluster.hq(['job', 'list'], { env: { HQ_SERVER_DIR: dir } });
    expect(result.code).toBe(1);
    expectOneLine(result, /token/);
  });

  test('the worker token is no client token', async () => {
    const { token } = access('worker-access.json').worker;
    const dir = copiedDir('stolen', (file) => {
      if (file.client !== undefined) file.client.token = token;
    });
    expect((await cluster.hq(['submit', '--', 'true'], { env: { HQ_SERVER_DIR: dir } })).code).toBe(1);
  });

  test('a worker with a wrong token, or of another server, is refused and exits 1', async () => {
    const wrong = copiedDir('wrong-worker', (file) => {
      if (file.worker !== undefined) file.worker.token = 'f'.repeat(64);
    });
    const result = await cluster.hq(['worker', 'start'], { env: { HQ_SERVER_DIR: wrong } });
    expect(result.code).toBe(1);
    expectOneLine(result, /refused.*token/);
  });

  test('garbage on both ports, oversized frames and requests, half-open connections: the server goes on', async () => {
    const { client } = access();
    const { worker } = access('worker-access.json');
    for (const port of [client.port, worker.port]) {
      await poke(createConnection({ host: '127.0.0.1', port }), Buffer.from('GET / HTTP/1.1\r\n\r\n'));
      await poke(createConnection({ host: '127.0.0.1', port }), Buffer.alloc(1 << 20, 0xff));
      await poke(connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }), Buffer.alloc(1 << 16, 0xff));
      await poke(connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }), Buffer.from([0xff, 0xff, 0xff, 0x7f, 1, 2, 3]));
    }
    const stillOpen = createConnection({ host: '127.0.0.1', port: worker.port });
    const job = (await cluster.ok(['--output-mode', 'quiet', 'submit', '--', 'true'])).trim();
    await cluster.ok(['job', 'wait', job]);
    stillOpen.destroy();
    expect(await cluster.ok(['--output-mode', 'quiet', 'worker', 'list'])).toBe('1 RUNNING\n');
  });
});

/** Sends bytes and waits until the server hangs up or a moment has passed without an answer to garbage. */
function poke(socket: ReturnType<typeof createConnection>, bytes: Buffer): Promise<void> {
  return new Promise((done) => {
    socket.on('error', () => {});
    socket.on('close', () => done());
    socket.resume();
    socket.write(bytes);
    socket.end();
  });
}
