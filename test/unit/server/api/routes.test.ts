/** Every route over a Unix socket: what reaches the facade and what comes back, and every kind of refusal. */
import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HqError } from '../../../../src/protocol/errors.ts';
import { errorBody } from '../../../../src/protocol/schema/error.ts';
import { MODELS } from '../../../../src/server/api/models.ts';
import type { Route } from '../../../../src/server/api/route.ts';
import { ROUTES } from '../../../../src/server/api/routes.ts';
import { allocation, queue } from '../../../helpers/fakeQueues.ts';
import { TestServer } from './support/testServer.ts';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly text: string;
  readonly json: unknown;
}

let server: TestServer;

beforeEach(async () => {
  server = new TestServer();
  await server.start({ socket: true, limits: { bodyBytes: 100_000 } });
});
afterEach(() => server.stop());

function ask(
  method: string,
  path: string,
  options: { body?: unknown; raw?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  return new Promise((resolve, reject) => {
    const headers = { ...(body !== undefined && { 'content-type': 'application/json' }), ...options.headers };
    const outgoing = request({ socketPath: server.socketPath, method, path, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      // An early refusal arrives while the body is still being sent; the server takes the rest before it closes.
      if (!outgoing.writableFinished) await once(outgoing, 'finish');
      const isJson = String(response.headers['content-type']).startsWith('application/json');
      resolve({
        status: response.statusCode as number,
        headers: response.headers,
        text,
        json: isJson && text !== '' ? JSON.parse(text) : undefined,
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function refusal(answer: Answer): string {
  const { error } = errorBody.parse(answer.json);
  expect(error.message).not.toContain('\n');
  return `${answer.status} ${error.code} ${error.message}`;
}

const JOB = { name: 'j', submit: { submitDir: '/tmp', tasks: { kind: 'array', spec: { command: ['true'] } } } };

describe('answers', () => {
  test('every route answers with its model', async () => {
    expect((await ask('POST', '/v1/jobs', { body: { ...JOB, open: true } })).json).toEqual({ jobId: 1, taskIds: '0', warnings: [] });
    const params = { system: 'slurm', timeLimitMs: 60_000 };
    server.facade.queues.queues = [queue(1)];
    server.facade.queues.all = [allocation(1, { id: '1' })];
    const examples: Record<string, [path: string, body?: unknown]> = {
      createJob: ['/v1/jobs', JOB],
      submitTasks: ['/v1/jobs/1/tasks', JOB.submit],
      previewSubmit: ['/v1/preview', { submit: JOB.submit }],
      forgetJob: ['/v1/jobs/2'],
      events: ['/v1/events?follow=false&after=0'],
      taskOutput: ['/v1/jobs/1/tasks/0/output/stdout'],
      createQueue: ['/v1/queues', { params }],
      tryQueue: ['/v1/queues/trial', params],
      backupJournal: ['/v1/journal/backup', { path: '/b' }],
      modifyJob: ['/v1/jobs/1/modify', { priority: 1 }],
      modifyQueue: ['/v1/queues/1/modify', { backlog: 2 }],
    };
    const checked: string[] = [];
    for (const [name, route] of Object.entries(ROUTES) as [string, Route][]) {
      if (name === 'events') continue;
      const [path, body] = examples[name] ?? [route.path.replace(/\{\w+\}/g, (parameter) => (parameter === '{task}' ? '0' : '1'))];
      const answer = await ask(route.method.toUpperCase(), path, { body });
      expect([name, answer.status, answer.text]).toEqual([name, route.status, route.status === 204 ? '' : expect.any(String)]);
      if (typeof route.answer === 'string') MODELS[route.answer].parse(answer.json);
      else if (route.answer !== null) MODELS[route.answer[0]].array().min(1).parse(answer.json);
      checked.push(name);
    }
    expect(checked).toHaveLength(Object.keys(ROUTES).length - 1);
  });

  test('the facade gets checked values with defaults', async () => {
    await ask('POST', '/v1/jobs', { body: { ...JOB, open: true } });
    await ask('GET', '/v1/jobs?live=true&ids=1-3,7&label=run=a=b&label=x=');
    await ask('GET', '/v1/jobs');
    await ask('GET', '/v1/jobs/1/tasks?ids=1-5&states=failed,running&states=waiting&after=3&limit=10');
    await ask('GET', '/v1/jobs/1/tasks');
    await ask('GET', '/v1/workers?all=1');
    await ask('POST', '/v1/jobs/1/cancel');
    await ask('POST', '/v1/jobs/1/cancel', { body: { taskIds: '1-3', reason: 'enough' } });
    await ask('POST', '/v1/server/stop');
    await ask('POST', '/v1/server/stop', { body: { keepWorkers: true } });
    expect(server.facade.calls.slice(1)).toEqual([
      ['listJobs', { live: true, ids: '1-3,7', labels: { run: 'a=b', x: '' } }],
      ['listJobs', { live: false }],
      ['listTasks', 1, { ids: '1-5', states: ['failed', 'running', 'waiting'], after: 3, limit: 10 }],
      ['listTasks', 1, { limit: 100_000 }],
      ['listWorkers', { all: true }],
      ['cancel', 1, {}],
      ['cancel', 1, { taskIds: '1-3', reason: 'enough' }],
      ['stopServer', { keepWorkers: false }],
      ['stopServer', { keepWorkers: true }],
    ]);
    const [, created] = server.facade.calls[0] as [string, { labels: unknown; submit: { tasks: { spec: { priority: number } } } }];
    expect([created.labels, created.submit.tasks.spec.priority]).toEqual([{}, 0]);
  });

  test('one request carries unlike tasks with resources and dependencies; a patch brings no defaults', async () => {
    const tasks = {
      kind: 'graph',
      shared: { cwd: '/data', priority: 7 },
      tasks: [
        { id: 0, command: ['a'], request: [{ resources: { cpus: 4, mem: '4GiB' } }] },
        { id: 1, command: ['b'], deps: [0], label: 'second' },
      ],
    };
    expect((await ask('POST', '/v1/jobs', { body: { name: 'g', submit: { submitDir: '/tmp', tasks } } })).status).toBe(201);
    const [, created] = server.facade.calls[0] as [string, { submit: { tasks: unknown } }];
    expect(created.submit.tasks).toEqual({
      ...tasks,
      tasks: [
        { ...tasks.tasks[0], request: [{ resources: { cpus: 4, mem: '4GiB' }, nodes: 0, timeRequestMs: 0, weight: 1 }] },
        tasks.tasks[1],
      ],
    });
  });
});

describe('refusals', () => {
  test.each([
    ['GET', '/v1/nothing', {}, '404 HQ_E_ROUTE the server has no /v1/nothing'],
    ['GET', '/', {}, '404 HQ_E_ROUTE the server has no /'],
    ['PUT', '/v1/jobs', { body: {} }, '405 HQ_E_METHOD PUT is not possible on /v1/jobs'],
    ['OPTIONS', '/v1/jobs', {}, '405 HQ_E_METHOD OPTIONS is not possible on /v1/jobs'],
    ['DELETE', '/v1/server', {}, '405 HQ_E_METHOD DELETE is not possible on /v1/server'],
    ['GET', '/v1/jobs/9', {}, '404 HQ_E_JOB_NOT_FOUND job 9 not found'],
    ['GET', '/v1/jobs/last', {}, "400 HQ_E_REQUEST invalid request: id: 'last' is not a whole number"],
    ['GET', '/v1/jobs/0', {}, '400 HQ_E_REQUEST invalid request: id: expected number to be >=1'],
    ['GET', '/v1/jobs/1/tasks/5', {}, '404 HQ_E_TASK_NOT_FOUND task 5 of job 1 not found'],
    ['GET', '/v1/workers/7', {}, '404 HQ_E_WORKER_NOT_FOUND worker 7 not found'],
    ['GET', '/v1/jobs?live=yes', {}, "400 HQ_E_REQUEST invalid request: live: 'yes' is neither true nor false"],
    ['GET', '/v1/jobs?ids=3-1', {}, "400 HQ_E_REQUEST invalid request: ids: '3-1': range '3-1' ends before it starts"],
    ['GET', '/v1/jobs?label=x', {}, "400 HQ_E_REQUEST invalid request: label: 'x' is not of the form KEY=VALUE"],
    ['GET', '/v1/jobs?live=1&live=0', {}, '400 HQ_E_REQUEST invalid request: live: is given more than once'],
    ['GET', '/v1/server?verbose=1', {}, "400 HQ_E_REQUEST invalid request: the query: unknown field 'verbose'"],
    ['GET', '/v1/jobs/1/tasks?limit=0', {}, '400 HQ_E_REQUEST invalid request: limit: expected number to be >=1'],
    [
      'GET',
      '/v1/jobs/1/tasks?states=done',
      {},
      '400 HQ_E_REQUEST invalid request: states[0]: expected one of "waiting"|"running"|"finished"|"failed"|"canceled"|"aborted"',
    ],
    ['GET', '/v1/events?types=task-died', {}, '400 HQ_E_REQUEST invalid request: types[0]: expected one of "server-start"'],
    ['GET', '/v1/events?jobs=1-4000000000', {}, '400 HQ_E_REQUEST invalid request: jobs: selects more than 10000 jobs'],
    ['GET', '/v1/events?after=-1', {}, "400 HQ_E_REQUEST invalid request: after: '-1' is not a whole number"],
    [
      'GET',
      '/v1/events',
      { headers: { 'last-event-id': 'x' } },
      '400 HQ_E_REQUEST invalid request: Last-Event-ID is not a sequence number',
    ],
    ['POST', '/v1/jobs', { raw: '{"name":' }, '400 HQ_E_REQUEST invalid request: the body is not JSON:'],
    ['POST', '/v1/jobs', { raw: Buffer.from([0x22, 0xff, 0x22]) }, '400 HQ_E_REQUEST invalid request: the body is not UTF-8'],
    [
      'POST',
      '/v1/jobs',
      { raw: 'name=x', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      '400 HQ_E_REQUEST invalid request: the body must be JSON',
    ],
    ['POST', '/v1/jobs', {}, '400 HQ_E_REQUEST invalid request: the body must be JSON'],
    ['POST', '/v1/jobs', { body: [] }, '400 HQ_E_REQUEST invalid request: the body: expected object, received array'],
    ['POST', '/v1/jobs', { body: {} }, '400 HQ_E_REQUEST invalid request: name: is missing'],
    ['POST', '/v1/jobs', { body: { ...JOB, nmae: 1 } }, "400 HQ_E_REQUEST invalid request: the body: unknown field 'nmae'"],
    ['POST', '/v1/jobs/1/cancel', { body: { reason: 5 } }, '400 HQ_E_REQUEST invalid request: reason: expected string, received number'],
  ] as const)('%s %s %j', async (method, path, options, expected) => {
    expect(refusal(await ask(method, path, options))).toContain(expected);
    expect(server.facade.calls).toEqual([]);
  });

  test.each([
    [{ kind: 'array', spec: { command: [] } }, 'submit.tasks.spec.command: expected array to have >=1 items'],
    [
      { kind: 'array', spec: { command: ['x'], stdout: 'file' } },
      'submit.tasks.spec.stdout: expected null, received string, or expected object, received string',
    ],
    [{ kind: 'array', spec: { command: ['x'], stdout: { path: 'a', mode: 'w' } } }, "submit.tasks.spec.stdout: unknown field 'mode'"],
    [
      { kind: 'array', spec: { command: ['x'], request: [{ resources: { cpus: -1 } }] } },
      'submit.tasks.spec.request[0].resources.cpus: expected number to be >0',
    ],
    [
      { kind: 'graph', tasks: [{ command: ['x'] }, { command: ['x', 5] }] },
      'submit.tasks.tasks[1].command[1]: expected string, received number',
    ],
    [{ kind: 'graph', tasks: [{ command: ['x'] }, { id: 4 }] }, 'submit.tasks.tasks[1].command: neither the task nor shared has a command'],
    [{ kind: 'graph', tasks: [{ command: ['x'], 'a b': 1 }] }, "submit.tasks.tasks[0]: unknown field 'a b'"],
    [{ kind: 'list' }, 'submit.tasks.kind: '],
  ])('names the bad field of %j', async (tasks, expected) => {
    expect(refusal(await ask('POST', '/v1/jobs', { body: { name: 'j', submit: { submitDir: '/tmp', tasks } } }))).toContain(
      `invalid request: ${expected}`,
    );
  });

  test('allowed methods are named', async () => {
    expect((await ask('PATCH', '/v1/jobs/1')).headers).toMatchObject({ allow: 'GET, DELETE' });
  });

  test('HEAD is refused: on the event stream it would never end', async () => {
    expect((await ask('HEAD', '/v1/events')).status).toBe(405);
  });

  test('a body over the limit is refused by its announced length, before it is sent', async () => {
    const answer = await new Promise<number>((resolve, reject) => {
      const outgoing = request({
        socketPath: server.socketPath,
        method: 'POST',
        path: '/v1/jobs',
        headers: { 'content-type': 'application/json', 'content-length': '100001' },
      });
      outgoing.on('response', (response) => resolve(response.resume().statusCode as number));
      outgoing.on('error', reject);
      outgoing.flushHeaders();
    });
    expect(answer).toBe(413);
  });

  test('a body of unknown length is refused when it passes the limit, and the server goes on', async () => {
    const answer = await ask('POST', '/v1/jobs', { raw: Buffer.alloc(2_000_000, 0x20), headers: { 'transfer-encoding': 'chunked' } });
    expect(refusal(answer)).toBe('413 HQ_E_REQUEST_TOO_LARGE the request is larger than 100000 bytes');
    expect((await ask('GET', '/v1/health')).json).toEqual({ status: 'ok' });
  });

  test('an unexpected failure is answered as an internal error and logged with its stack', async () => {
    const error = new Error('boom');
    server.facade.failNext = { method: 'serverInfo', error };
    expect(refusal(await ask('GET', '/v1/server'))).toBe('500 HQ_E_INTERNAL internal error: boom');
    expect(server.logged.filter(([level]) => level === 'error')).toEqual([
      ['error', expect.objectContaining({ err: error, path: '/v1/server' }), 'a request failed'],
    ]);
  });

  test('errors of the facade keep code, data and hint', async () => {
    server.facade.failNext = { method: 'createJob', error: new HqError('HQ_E_JOURNAL_WRITE', { detail: 'disk full' }) };
    const answer = await ask('POST', '/v1/jobs', { body: JOB });
    expect([answer.status, answer.json]).toEqual([
      507,
      {
        error: {
          code: 'HQ_E_JOURNAL_WRITE',
          message: 'the journal could not be written: disk full',
          hint: 'Free disk space in the server directory; nothing of this request was kept',
          data: { detail: 'disk full' },
        },
      },
    ]);
  });
});
