/** Waiting for a server: until it answers, until time is up, and not at all where waiting cannot help. */
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitForServer } from '../../../src/client/wait.ts';
import { TestServer } from '../server/api/support/testServer.ts';

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.stop());

test('returns a client as soon as the server answers', async () => {
  const waiting = waitForServer({ serverDir: server.dir, env: {}, timeoutMs: 10_000 });
  // The file of a server that died, then the live one.
  server.writeAccess({ client: { port: 1 }, socket: null });
  await server.start({ socket: true });
  server.writeAccess();
  const client = await waiting;
  expect(await client.health()).toEqual({ status: 'ok' });
  client.close();
});

test('gives up after the time', async () => {
  await expect(waitForServer({ serverDir: server.dir, env: {}, timeoutMs: 60 })).rejects.toThrow(
    `timeout after 0.06 s: could not connect to a server at ${server.dir}`,
  );
});

test('a server that accepts and does not answer counts as none', async () => {
  await server.start({ socket: true });
  server.writeAccess();
  await server.closeListeners();
  const silent = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => silent.listen(server.socketPath, resolve));
  await expect(waitForServer({ serverDir: server.dir, env: {}, timeoutMs: 60 })).rejects.toMatchObject({ code: 'HQ_E_SERVER_TIMEOUT' });
  await new Promise((resolve) => silent.close(resolve));
});

test('a wrong token or an unusable file is told at once', async () => {
  await server.start({ tls: true });
  server.writeAccess({ socket: null, client: { token: 'wrong' } });
  await expect(waitForServer({ serverDir: server.dir, env: {}, timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'HQ_E_AUTH' });
  writeFileSync(join(server.dir, 'access.json'), '{}');
  chmodSync(join(server.dir, 'access.json'), 0o622);
  await expect(waitForServer({ serverDir: server.dir, env: {}, timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'HQ_E_ACCESS_FILE' });
});

test('the signal of the command ends it with its reason', async () => {
  const controller = new AbortController();
  const waiting = waitForServer({ serverDir: server.dir, env: {}, timeoutMs: 60_000, io: { cwd: '/', signal: controller.signal } });
  controller.abort(new Error('SIGINT'));
  await expect(waiting).rejects.toThrow('SIGINT');
});
