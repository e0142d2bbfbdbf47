/** The client against the real API: every method on every transport, choosing an address, and what each failure becomes. */

import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectClient, type HqClient } from '../../../src/client/client.ts';
import { HqError } from '../../../src/protocol/errors.ts';
import type { SubmitInput } from '../../../src/protocol/schema/task.ts';
import type { ROUTES } from '../../../src/server/api/routes.ts';
import { allocation, queue } from '../../helpers/fakeQueues.ts';
import { makeCertificate } from '../net/certificate.ts';
import { SERVER_INFO, WORKER } from '../server/api/support/fakeFacade.ts';
import { TestServer } from '../server/api/support/testServer.ts';

let server: TestServer;
const clients: HqClient[] = [];
beforeEach(() => {
  server = new TestServer();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.stop();
});

const connect = async (serverDir = server.dir, io?: { cwd: string; signal?: AbortSignal }): Promise<HqClient> => {
  const client = await connectClient({ serverDir, env: {}, ...(io && { io }) });
  clients.push(client);
  return client;
};

/** The promise's refusal as one line. */
const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `no refusal but ${JSON.stringify(value)}`,
    (error: unknown) => (error instanceof HqError ? `${error.code}: ${error.message}` : String(error)),
  );

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const piece of pieces) chunks.push(piece);
  return Buffer.concat(chunks).toString();
}

const SUBMIT: SubmitInput = { submitDir: '/tmp', tasks: { kind: 'array', spec: { command: ['true'] } } };
const elsewhere = { path: '/nonexistent', hostname: 'another-host' };

const TRANSPORTS: Record<string, () => Promise<void>> = {
  'Unix socket': async () => {
    await server.start({ socket: true });
    server.writeAccess({ client: { port: 1 } });
  },
  TLS: async () => {
    await server.start({ tls: true });
    server.writeAccess({ socket: elsewhere });
  },
  'plain TCP without authentication': async () => {
    await server.start({ plain: true });
    server.writeAccess({ socket: null, client: { token: null, certificate: null } });
  },
};

describe.each(Object.entries(TRANSPORTS))('over %s', (_name, start) => {
  test('every route has a method, which returns what the facade returned', async () => {
    await start();
    const client = await connect();
    server.facade.queues.queues = [queue(1)];
    server.facade.queues.all = [allocation(1, { id: 'a/b[1].c' })];
    const answers: Record<keyof typeof ROUTES, unknown> = {
      health: await client.health(),
      openApi: (await client.openApi())['openapi'],
      serverInfo: await client.serverInfo(),
      debugDump: await client.debugDump(),
      flushJournal: await client.flushJournal(),
      pruneJournal: await client.pruneJournal({ beforeMs: 5 }),
      backupJournal: await client.backupJournal('/b'),
      createJob: await client.createJob({ name: 'j', open: true, labels: { run: 'a=b' }, submit: SUBMIT }),
      submitTasks: await client.submitTasks(1, SUBMIT),
      previewSubmit: (await client.previewSubmit({ jobId: 1, submit: SUBMIT })).taskIds,
      listJobs: (await client.listJobs({ live: true, ids: '1-5', labels: { run: 'a=b' } })).map((job) => job.name),
      jobDetail: (await client.jobDetail(1)).taskIds,
      listTasks: (await client.listTasks(1, { ids: '0-3', states: ['waiting', 'failed'], after: 0, limit: 5 })).length,
      taskDetail: (await client.taskDetail(1, 0)).spec.command,
      explainTask: (await client.explainTask(1, 0)).reason,
      taskOutput: await bytesOf(await client.taskOutput(1, 0, { channel: 'stderr', tail: 10 })),
      closeJob: await client.closeJob(1),
      cancel: await client.cancel(1, { taskIds: '0' }),
      modifyJob: await client.modifyJob(1, { priority: 5 }),
      forgetJob: await client.forgetJob(1),
      listWorkers: await client.listWorkers({ all: true }),
      workerInfo: await client.workerInfo(1),
      stopWorker: await client.stopWorker(1),
      createQueue: await client.createQueue({ params: { system: 'slurm', timeLimitMs: 60_000 } }),
      tryQueue: (await client.tryQueue({ system: 'slurm', timeLimitMs: 60_000 })).script,
      listQueues: (await client.listQueues()).map(({ id }) => id),
      queueAllocations: (await client.queueAllocations(1)).map(({ id }) => id),
      allocation: (await client.allocation('a/b[1].c')).number,
      explainQueue: (await client.explainQueue(1)).wantedWorkers,
      modifyQueue: await client.modifyQueue(1, { backlog: 3, maxWorkerCount: null }),
      pauseQueue: await client.pauseQueue(1),
      resumeQueue: await client.resumeQueue(1),
      removeQueue: await client.removeQueue(1, { running: 'cancel' }),
      endLease: await client.endLease('a/b c'),
      events: await client
        .events({ after: 0, follow: false })
        .next()
        .then(({ value }) => value?.map((event) => event.type)),
      stopServer: await client.stopServer({ keepWorkers: true }),
    };
    expect(answers).toEqual({
      health: { status: 'ok' },
      openApi: '3.1.0',
      serverInfo: SERVER_INFO,
      debugDump: { tako: { jobs: [] } },
      flushJournal: undefined,
      pruneJournal: undefined,
      backupJournal: undefined,
      createJob: { jobId: 1, taskIds: '0', warnings: [] },
      submitTasks: { jobId: 1, taskIds: '1', warnings: ['no worker has gpus'] },
      previewSubmit: '1',
      listJobs: ['j'],
      jobDetail: '0',
      listTasks: 1,
      taskDetail: ['true'],
      explainTask: { kind: 'no-worker' },
      taskOutput: 'printed\n',
      closeJob: undefined,
      cancel: { canceled: 1, alreadyDone: 0 },
      modifyJob: { modified: 1, withWorker: 0 },
      forgetJob: undefined,
      listWorkers: [WORKER],
      workerInfo: WORKER,
      stopWorker: undefined,
      createQueue: { queueId: 2, warnings: [] },
      tryQueue: '#!/bin/bash\n',
      listQueues: [1],
      queueAllocations: ['a/b[1].c'],
      allocation: 1,
      explainQueue: 0,
      modifyQueue: undefined,
      pauseQueue: undefined,
      resumeQueue: undefined,
      removeQueue: undefined,
      endLease: { ended: 0 },
      events: ['job-created'],
      stopServer: undefined,
    });
    expect(
      server.facade.calls.map(([method, ...values]) => [
        method,
        ...values.filter((value) => typeof value !== 'object' || !('submitDir' in (value as object))),
      ]),
    ).toEqual([
      ['prune', { beforeMs: 5 }],
      ['backup', { path: '/b' }],
      ['createJob', expect.objectContaining({ name: 'j', labels: { run: 'a=b' } })],
      ['submitTasks', 1],
      ['previewSubmit', { jobId: 1, submit: expect.objectContaining({ submitDir: expect.any(String) }) }],
      ['listJobs', { live: true, ids: '1-5', labels: { run: 'a=b' } }],
      ['listTasks', 1, { ids: '0-3', states: ['waiting', 'failed'], after: 0, limit: 5 }],
      ['taskOutput', 1, 0, { channel: 'stderr', follow: false, tailBytes: 10 }],
      ['closeJob', 1],
      ['cancel', 1, { taskIds: '0' }],
      ['modifyJob', 1, { priority: 5 }],
      ['forgetJob', 1],
      ['listWorkers', { all: true }],
      ['stopWorker', 1],
      ['createQueue', { trial: true, params: expect.objectContaining({ system: 'slurm', backlog: 1 }) }],
      ['tryQueue', expect.objectContaining({ system: 'slurm', timeLimitMs: 60_000 })],
      ['modifyQueue', 1, { backlog: 3, maxWorkerCount: null }],
      ['pauseQueue', 1],
      ['resumeQueue', 1],
      ['removeQueue', 1, { running: 'cancel' }],
      ['events', { after: 0, follow: false }],
      ['stopServer', { keepWorkers: true }],
    ]);
  });

  test("the server's errors arrive as themselves", async () => {
    await start();
    const client = await connect();
    const error = (await client.jobDetail(9).catch((thrown: unknown) => thrown)) as HqError;
    expect(error).toBeInstanceOf(HqError);
    expect([error.code, error.message, error.hint, error.data]).toEqual([
      'HQ_E_JOB_NOT_FOUND',
      'job 9 not found',
      'List the jobs with: hq job list --all',
      { job: 9 },
    ]);
  });

  test('connections are used again', async () => {
    await start();
    const client = await connect();
    for (let i = 0; i < 10; i += 1) await client.serverInfo();
    // The pool of undici may open a second one while the first is being given back.
    expect(server.connectionCount()).toBeLessThanOrEqual(2);
  });

  test('a call can be given up', async () => {
    await start();
    server.facade.listWorkers = () => new Promise(() => undefined);
    const client = await connect();
    const reason = new Error('enough');
    expect(await refusal(client.listWorkers({}, { signal: AbortSignal.abort(reason) }))).toBe('Error: enough');
    const controller = new AbortController();
    const call = client.listWorkers({}, { signal: controller.signal });
    await client.health();
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  test('a connection cut in mid-request', async () => {
    await start();
    server.facade.createJob = (request) => {
      server.facade.calls.push(['createJob', request]);
      return new Promise(() => undefined);
    };
    const client = await connect();
    await client.health();
    const call = refusal(client.createJob({ name: 'x', submit: SUBMIT }));
    await vi.waitFor(() => expect(server.facade.calls).toHaveLength(1));
    await server.closeListeners({ graceMs: 20 });
    expect(await call).toMatch(/^HQ_E_SERVER_GONE: the server went away in mid-command: /);
  });

  test('a server that was restarted elsewhere is found again', async () => {
    await start();
    const client = await connect();
    await client.health();
    await server.closeListeners();
    await start();
    expect(await client.health()).toEqual({ status: 'ok' });
  });
});

describe('the signal of the command', () => {
  test('ends every call', async () => {
    await server.start({ socket: true });
    server.writeAccess();
    server.facade.listWorkers = () => new Promise(() => undefined);
    const controller = new AbortController();
    const client = await connect(server.dir, { cwd: '/', signal: controller.signal });
    const call = client.listWorkers({}, { signal: new AbortController().signal });
    await client.health();
    controller.abort(new Error('SIGINT'));
    expect(await refusal(call)).toBe('Error: SIGINT');
  });
});

describe('choosing an address', () => {
  test('the Unix socket comes first, and no token is sent on it', async () => {
    await server.start({ socket: true });
    server.writeAccess({ client: { token: 'never sent', hosts: ['192.0.2.1'] } });
    expect(await (await connect()).health()).toEqual({ status: 'ok' });
  });

  test('each address in turn', async () => {
    await server.start({ tls: true });
    server.writeAccess({ socket: null, client: { hosts: ['127.0.0.9', '::1', '127.0.0.1'] } });
    expect(await (await connect()).health()).toEqual({ status: 'ok' });
  });

  test('TLS when the socket is of another host or its file is gone', async () => {
    await server.start({ tls: true, socket: true });
    for (const socket of [
      { path: server.socketPath, hostname: 'another-host' },
      { path: join(server.dir, 'gone'), hostname: hostname() },
    ]) {
      server.writeAccess({ socket, client: { token: 'wrong' } });
      expect(await refusal((await connect()).health())).toContain('HQ_E_AUTH');
    }
  });

  test('hq-current of the directory, HQ_SERVER_DIR and relative paths', async () => {
    await server.start({ socket: true });
    server.writeAccess();
    const parent = join(server.dir, 'parent');
    mkdirSync(join(parent, '001'), { recursive: true });
    renameSync(join(server.dir, 'access.json'), join(parent, '001', 'access.json'));
    symlinkSync('001', join(parent, 'hq-current'));
    for (const options of [
      { serverDir: parent, env: {} },
      { env: { HQ_SERVER_DIR: parent } },
      { serverDir: 'parent', env: {}, io: { cwd: server.dir } },
    ]) {
      const client = await connectClient(options);
      clients.push(client);
      expect(await client.health()).toEqual({ status: 'ok' });
    }
  });
});

describe('no server', () => {
  test('no directory, no access file', async () => {
    expect(await refusal(connect(join(server.dir, 'none')))).toBe(
      `HQ_E_NO_SERVER: no running server was found at ${join(server.dir, 'none')}`,
    );
    expect(await refusal(connect())).toBe(`HQ_E_NO_SERVER: no running server was found at ${server.dir}`);
  });

  test('on its own host, when nobody listens any more', async () => {
    await server.start({ tls: true });
    server.writeAccess({ socket: null });
    await server.closeListeners();
    expect(await refusal((await connect()).health())).toBe(`HQ_E_NO_SERVER: no running server was found at ${server.dir}`);
  });

  test('from another host, when nobody listens any more', async () => {
    await server.start({ tls: true });
    server.writeAccess({ socket: elsewhere, hostname: 'another-host', client: { hosts: ['127.0.0.9', '127.0.0.1'] } });
    const { port } = server;
    await server.closeListeners();
    expect(await refusal((await connect()).health())).toBe(
      `HQ_E_SERVER_UNREACHABLE: the server of ${server.dir} does not answer at 127.0.0.9:${port}, 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  test('another certificate on the port: the token is not sent', async () => {
    await server.start({ tls: true });
    const other = await makeCertificate();
    server.writeAccess({ socket: null, client: { certificate: other.certificate } });
    expect(await refusal((await connect()).health())).toMatch(/^HQ_E_SERVER_UNREACHABLE: .*(self-signed certificate|certificate)/);
    expect(server.logged.map((line) => line[2])).not.toContain('a request was refused');
  });

  test('a wrong token names the file', async () => {
    await server.start({ tls: true });
    server.writeAccess({ socket: null, client: { token: 'worker-token' } });
    expect(await refusal((await connect()).health())).toBe(`HQ_E_AUTH: the server refused the token of ${join(server.dir, 'access.json')}`);
  });
});

describe('the access file', () => {
  const write = (text: string, mode = 0o600) => {
    rmSync(join(server.dir, 'access.json'), { force: true });
    writeFileSync(join(server.dir, 'access.json'), text);
    chmodSync(join(server.dir, 'access.json'), mode);
  };

  test.each([
    ['{"version"', 0o600, 'it is not JSON'],
    ['[]', 0o600, 'it: expected object, received array'],
    ['{"version":"1"}', 0o600, 'protocol: is missing'],
    ['{}', 0o666, 'others can write it; make it private with chmod 600'],
  ])('%s with mode %o', async (text, mode, detail) => {
    write(text, mode);
    expect(await refusal(connect())).toBe(`HQ_E_ACCESS_FILE: the access file ${join(server.dir, 'access.json')} cannot be used: ${detail}`);
  });

  test('a token is never sent without TLS', async () => {
    await server.start({ plain: true });
    server.writeAccess({ socket: null, client: { certificate: null } });
    expect(await refusal((await connect()).health())).toContain('it has a token but no certificate; a token is never sent without TLS');
  });
});

describe('answers that are none', () => {
  let fake: Server;
  const answering = async (status: number, body: string) => {
    fake = createServer((_request, response) => response.writeHead(status).end(body));
    await new Promise<void>((resolve) => fake.listen(server.socketPath, resolve));
    server.writeAccess();
    return await connect();
  };
  afterEach(async () => {
    fake.closeAllConnections();
    await new Promise((resolve) => fake.close(resolve));
  });

  test.each([
    [200, '<html>', 'HQ_E_PROTOCOL: protocol error: the answer with status 200 is not JSON'],
    [502, 'Bad Gateway', 'HQ_E_PROTOCOL: protocol error: the answer with status 502 is not JSON'],
    [500, '{}', 'HQ_E_PROTOCOL: protocol error: the answer has status 500 and no error'],
    [
      418,
      '{"error":{"code":"HQ_E_TEAPOT","message":"short and stout","hint":"","data":{}}}',
      'HQ_E_PROTOCOL: protocol error: short and stout (HQ_E_TEAPOT, of a newer server)',
    ],
  ])('%s %s', async (status, body, expected) => {
    expect(await refusal((await answering(status, body)).health())).toBe(expected);
  });

  test('a kept connection that closes before an answer is replaced for reading, never for writing', async () => {
    const seen: string[] = [];
    fake = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      // Every second request finds a server that closes.
      if (seen.length % 2 === 1) response.end('{"status":"ok"}');
      else request.socket.destroy();
    });
    await new Promise<void>((resolve) => fake.listen(server.socketPath, resolve));
    server.writeAccess();
    const client = await connect();
    await client.health();
    expect(await client.health()).toEqual({ status: 'ok' });
    expect(await refusal(client.createJob({ name: 'x', submit: SUBMIT }))).toContain('HQ_E_SERVER_GONE');
    expect(seen).toEqual(['GET /v1/health', 'GET /v1/health', 'GET /v1/health', 'POST /v1/jobs']);
  });
});
