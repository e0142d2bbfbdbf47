/** The listeners themselves: who gets in, hostile bytes, slow senders, the socket's place, and closing. */
import { chmodSync, existsSync, mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createApi } from '../../../../src/server/api/app.ts';
import type { ApiLimits } from '../../../../src/server/api/limits.ts';
import { listenApi } from '../../../../src/server/api/listen.ts';
import { FakeFacade } from './support/fakeFacade.ts';
import { exchange, open, type Place } from './support/rawSocket.ts';
import { CERT, KEY, TestServer, TOKEN } from './support/testServer.ts';

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.stop());

const get = (path: string, ...headers: string[]) => [`GET ${path} HTTP/1.1`, 'Connection: close', ...headers, '', ''].join('\r\n');
const statusOf = (answer: string) => /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? answer;
const codeOf = (answer: string) => `${statusOf(answer)} ${/"code":"(\w+)"/.exec(answer)?.[1] ?? ''}`.trim();

describe('the token', () => {
  const tls = (): Place => ({ port: server.port, tls: true });

  test.each([
    ['no header', [], '401 HQ_E_AUTH'],
    ['the right one', [`Authorization: Bearer ${TOKEN}`], '200'],
    ['in another case of the scheme', [`authorization: bearer ${TOKEN}`], '200'],
    ["a worker's", ['Authorization: Bearer worker-token-of-the-tests'], '401 HQ_E_AUTH'],
    ['a prefix', [`Authorization: Bearer ${TOKEN.slice(0, -1)}`], '401 HQ_E_AUTH'],
    ['more than it', [`Authorization: Bearer ${TOKEN}x`], '401 HQ_E_AUTH'],
    ['an empty one', ['Authorization: Bearer '], '401 HQ_E_AUTH'],
    ['another scheme', [`Authorization: Basic ${TOKEN}`], '401 HQ_E_AUTH'],
    ['given twice', [`Authorization: Bearer x`, `Authorization: Bearer ${TOKEN}`], '401 HQ_E_AUTH'],
  ])('%s', async (_name, headers, expected) => {
    await server.start({ tls: true });
    expect(codeOf(await exchange(tls(), get('/v1/health', ...headers)))).toBe(expected);
  });

  test('without it no route tells whether it exists, and nothing reaches the facade', async () => {
    await server.start({ tls: true });
    const body = '{"name":"x"}';
    for (const request of [
      get('/v1/nothing'),
      get('/v1/events'),
      get('/v1/openapi.json'),
      get('/v1/jobs').replace('GET', 'PUT'),
      `POST /v1/jobs HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ]) {
      const answer = await exchange(tls(), request);
      expect(codeOf(answer)).toBe('401 HQ_E_AUTH');
      expect(answer.toLowerCase()).toContain('www-authenticate: bearer');
      expect(answer).not.toContain(TOKEN);
    }
    expect(server.facade.calls).toEqual([]);
  });

  test('is not asked for on the Unix socket', async () => {
    await server.start({ socket: true });
    expect(codeOf(await exchange({ path: server.socketPath }, get('/v1/health')))).toBe('200');
  });

  test('plain HTTP on the TLS port is cut off, and the port goes on', async () => {
    await server.start({ tls: true });
    expect(await exchange({ port: server.port }, get('/v1/health', `Authorization: Bearer ${TOKEN}`))).not.toContain('200 OK');
    expect(codeOf(await exchange(tls(), get('/v1/health', `Authorization: Bearer ${TOKEN}`)))).toBe('200');
  });
});

describe('without authentication', () => {
  test.each([
    ['127.0.0.1:1234', [], '200'],
    ['localhost', [], '200'],
    ['[::1]:5', [], '200'],
    ['rebound.example.org:80', [], '403 HQ_E_FORBIDDEN'],
    ['127.0.0.1', ['Origin: https://example.org'], '403 HQ_E_FORBIDDEN'],
    ['127.0.0.1', ['Origin: null'], '403 HQ_E_FORBIDDEN'],
    ['127.0.0.1:80', ['Origin: http://127.0.0.1:80'], '200'],
  ])('a web page cannot use the port: Host %s %j', async (host, headers, expected) => {
    await server.start({ plain: true });
    expect(codeOf(await exchange({ port: server.port }, get('/v1/health', `Host: ${host}`, ...headers)))).toBe(expected);
  });

  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.org'])('it does not listen on %s', async (host) => {
    const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const app = createApi(new FakeFacade(), { logger });
    await expect(listenApi({ app, logger, target: { host, port: 0, cert: null, key: null, token: null } })).rejects.toMatchObject({
      code: 'HQ_E_USAGE',
    });
  });
});

describe('hostile bytes', () => {
  const start = async (limits: Partial<ApiLimits>): Promise<Place> => {
    await server.start({ socket: true, limits });
    return { path: server.socketPath };
  };
  const alive = async (place: Place) => expect(codeOf(await exchange(place, get('/v1/health')))).toBe('200');

  test.each([
    ['text', 'hello server\r\n\r\n'],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
    ['zeros', Buffer.alloc(5_000)],
    ['a worker frame', Buffer.from('0000000a93a568656c6c6f', 'hex')],
    ['a bad version', 'GET / HTTP/9.9\r\n\r\n'],
    ['two lengths', 'POST /v1/jobs HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}'],
    ['length and chunks', 'POST /v1/jobs HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a negative length', 'POST /v1/jobs HTTP/1.1\r\nContent-Length: -1\r\n\r\n'],
    ['a header with a line break', 'GET /v1/health HTTP/1.1\r\nX: a\nb\r\n\r\n'],
  ])('%s: 400 as JSON, and the server goes on', async (_name, bytes) => {
    const place = await start({});
    const answer = await exchange(place, bytes);
    expect(codeOf(answer)).toBe('400 HQ_E_REQUEST');
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))).toMatchObject({
      error: { message: 'invalid request: this is not HTTP' },
    });
    await alive(place);
  });

  test('addresses that are none', async () => {
    const place = await start({});
    expect(codeOf(await exchange(place, get('/v1/../../etc/passwd')))).toBe('404 HQ_E_ROUTE');
    expect(codeOf(await exchange(place, get('/v1\\jobs')))).toBe('400 HQ_E_REQUEST');
    expect(codeOf(await exchange(place, get('/v1/health', 'Host: a b')))).toBe('400 HQ_E_REQUEST');
    expect(codeOf(await exchange(place, get('/v1/jobs/%zz')))).toBe('400 HQ_E_REQUEST');
    expect(codeOf(await exchange(place, get('/v1/health', 'Expect: the-unexpected')))).toBe('200');
    expect(await exchange(place, 'CONNECT example.org:443 HTTP/1.1\r\n\r\n')).toBe('');
    await alive(place);
  });

  test('too many headers', async () => {
    const place = await start({ headerBytes: 2_000 });
    const answer = await exchange(place, get('/v1/health', `X-Long: ${'x'.repeat(3_000)}`));
    expect(answer).toContain('invalid request: the headers are larger than 2000 bytes');
    await alive(place);
  });

  test('headers that never end are cut off', async () => {
    const place = await start({ headersTimeoutMs: 100 });
    expect(await exchange(place, 'GET /v1/health HTTP/1.1\r\nX: ')).toContain('invalid request: it did not arrive in time');
    expect(await exchange(place, '')).toContain('it did not arrive in time');
    await alive(place);
  });

  test('a body that never ends is cut off', async () => {
    const place = await start({ headersTimeoutMs: 100, requestTimeoutMs: 200 });
    const head = 'POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{';
    expect(await exchange(place, head)).toContain('it did not arrive in time');
    expect(server.facade.calls).toEqual([]);
    await alive(place);
  });

  test('a body that is cut off changes nothing', async () => {
    const place = await start({});
    const socket = await open(place);
    socket.write('POST /v1/jobs HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"name":"x"}');
    socket.end();
    await vi.waitFor(() => expect(server.logged.map((line) => line[2])).toContain('a request was refused'));
    expect(server.facade.calls).toEqual([]);
    await alive(place);
  });

  test('connections over the limit are closed, the others work', async () => {
    const place = await start({ connections: 2 });
    const held = await Promise.all([open(place), open(place)]);
    expect(await exchange(place, get('/v1/health'))).toBe('');
    for (const socket of held) socket.destroy();
    await vi.waitFor(() => alive(place));
  });
});

describe('the socket file', () => {
  const listen = (socketPath: string) => {
    const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    return listenApi({ app: createApi(new FakeFacade(), { logger }), logger, target: { socketPath } });
  };
  const refusal = (socketPath: string) =>
    listen(socketPath).then(
      () => 'accepted',
      (error: Error) => error.message,
    );

  test('is private and disappears with the listener', async () => {
    const listening = await listen(server.socketPath);
    expect(statSync(server.socketPath).mode & 0o777).toBe(0o600);
    expect(listening.port).toBeNull();
    await listening.close();
    expect(existsSync(server.socketPath)).toBe(false);
  });

  test('a leftover of a dead server is replaced', async () => {
    const dead = createServer().listen(join(server.dir, 'dead'));
    await vi.waitFor(() => expect(existsSync(join(server.dir, 'dead'))).toBe(true));
    // Renamed, so that closing does not remove it: as after a kill.
    renameSync(join(server.dir, 'dead'), server.socketPath);
    dead.close();
    expect(statSync(server.socketPath).isSocket()).toBe(true);
    const listening = await listen(server.socketPath);
    expect(codeOf(await exchange({ path: server.socketPath }, get('/v1/health')))).toBe('200');
    await listening.close();
  });

  test.each([
    ['a path over 107 bytes', () => join(server.dir, 'x'.repeat(120)), 'is longer than 107 bytes'],
    ['no directory', () => join(server.dir, 'none', 'socket'), 'it does not exist'],
    ['a directory that others can enter', () => join(mode('open', 0o755), 'socket'), 'others can enter it'],
    ['a link in the place of the directory', () => join(link(), 'socket'), 'it is not a directory'],
    ['a file in the way', () => file(), 'is in the way and is not a socket'],
  ])('%s is refused', async (_name, path, expected) => {
    expect(await refusal(path())).toContain(expected);
  });

  function mode(name: string, bits: number): string {
    const path = join(server.dir, name);
    mkdirSync(path);
    chmodSync(path, bits);
    return path;
  }
  function link(): string {
    const path = join(server.dir, 'link');
    symlinkSync(mode('real', 0o700), path);
    return path;
  }
  function file(): string {
    writeFileSync(server.socketPath, 'precious');
    return server.socketPath;
  }
});

test('a port that is taken is named', async () => {
  await server.start({ tls: true });
  const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
  const again = listenApi({
    app: createApi(new FakeFacade(), { logger }),
    logger,
    target: { host: '127.0.0.1', port: server.port, cert: CERT, key: KEY, token: TOKEN },
  });
  await expect(again).rejects.toThrow(`cannot listen on port ${server.port} of 127.0.0.1: listen EADDRINUSE`);
});

describe('closing', () => {
  test('waits for a running request, closes idle connections at once, takes no new ones', async () => {
    await server.start({ socket: true });
    let called: (answer: (workers: never[]) => void) => void = () => undefined;
    const asked = new Promise<(workers: never[]) => void>((resolve) => (called = resolve));
    server.facade.listWorkers = () => new Promise((resolve) => called(resolve));
    const idle = await open({ path: server.socketPath });
    const idleClosed = new Promise((resolve) => idle.once('close', resolve));
    idle.write(get('/v1/health').replace('Connection: close\r\n', ''));
    await new Promise((resolve) => idle.once('data', resolve));
    idle.resume();
    const running = exchange({ path: server.socketPath }, get('/v1/workers').replace('Connection: close\r\n', ''));
    const answer = await asked;
    const closed = server.closeListeners({ graceMs: 60_000 });
    await idleClosed;
    await expect(open({ path: server.socketPath })).rejects.toThrow();
    answer([]);
    expect(statusOf(await running)).toBe('200');
    await closed;
  });

  test('cuts off what has not ended after the grace time', async () => {
    await server.start({ socket: true, tls: true });
    server.facade.listWorkers = () => new Promise(() => undefined);
    const silent = open({ port: server.port });
    const running = exchange({ path: server.socketPath }, get('/v1/workers'));
    await silent;
    await server.closeListeners({ graceMs: 50 });
    expect(await running).toBe('');
  });
});
