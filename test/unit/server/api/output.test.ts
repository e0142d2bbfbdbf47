/** The output of tasks over HTTP: what reaches the facade, slow and vanishing readers, and how an answer that fails midway looks. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HqError } from '../../../../src/protocol/errors.ts';
import type { ApiLimits } from '../../../../src/server/api/limits.ts';
import { TestServer } from './support/testServer.ts';

const PATH = '/v1/jobs/1/tasks/0/output/stdout';
const PIECE = Buffer.alloc(64 * 1024, 'x');

let server: TestServer;
beforeEach(() => {
  server = new TestServer();
});
afterEach(() => server.stop());

const start = (limits: Partial<ApiLimits> = {}): Promise<void> => server.start({ socket: true, limits });

function ask(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ socketPath: server.socketPath, path, agent: false }, resolve).on('error', reject);
  });
}

async function text(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** Pieces for ever; counts those that were pulled. */
function endless(): { pulled: number } {
  const count = { pulled: 0 };
  server.facade.output = async function* () {
    for (;;) {
      count.pulled += 1;
      yield PIECE;
    }
  };
  return count;
}

test('bytes come as they are, and the facade gets checked values', async () => {
  await start();
  const bytes = Buffer.from([0, 255, 10, 13, 128]);
  server.facade.output = async function* () {
    yield bytes;
    yield bytes;
  };
  const answer = await ask(`${PATH.replace('stdout', 'stderr')}?follow=true&tail=12`);
  expect(answer.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' });
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks)).toEqual(Buffer.concat([bytes, bytes]));
  expect(await text(await ask(PATH))).toHaveLength(10);
  expect(server.facade.calls).toEqual([
    ['taskOutput', 1, 0, { channel: 'stderr', follow: true, tailBytes: 12 }],
    ['taskOutput', 1, 0, { channel: 'stdout', follow: false, tailBytes: undefined }],
  ]);
});

test.each([
  [PATH.replace('stdout', 'stdin'), 'channel: expected one of "stdout"|"stderr"'],
  [`${PATH}?tail=-1`, "tail: '-1' is not a whole number"],
  [`${PATH}?follow=yes`, "follow: 'yes' is neither true nor false"],
  [`${PATH}?path=/etc/passwd`, "the query: unknown field 'path'"],
])('%s is refused', async (path, expected) => {
  await start();
  const answer = await ask(path);
  expect([answer.statusCode, await text(answer)]).toEqual([400, expect.stringContaining(JSON.stringify(expected).slice(1, -1))]);
  expect(server.facade.calls).toEqual([]);
});

test('a refusal of the facade is an answer with its error', async () => {
  await start();
  server.facade.failNext = { method: 'taskOutput', error: new HqError('HQ_E_LOG', { detail: 'it has no output' }) };
  const answer = await ask(PATH);
  expect([answer.statusCode, JSON.parse(await text(answer))]).toEqual([
    404,
    { error: { code: 'HQ_E_LOG', message: 'it has no output', hint: '', data: { detail: 'it has no output' } } },
  ]);
});

test('the head comes before the first byte, so that the reader of a quiet task knows it is connected', async () => {
  await start();
  let release = (): void => {};
  server.facade.output = async function* () {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    yield Buffer.from('late');
  };
  const answer = await ask(`${PATH}?follow=1`);
  expect(answer.statusCode).toBe(200);
  release();
  expect(await text(answer)).toBe('late');
});

describe('readers', () => {
  test('one that takes nothing stops the reading, and one that is gone ends it', async () => {
    await start();
    const count = endless();
    const answer = await ask(PATH);
    // Reading has stopped when a turn of the event loop that moved other bytes brought no more pulls.
    let before = -1;
    await vi.waitFor(async () => {
      const last = before;
      before = count.pulled;
      expect((await ask('/v1/health')).resume().statusCode).toBe(200);
      expect(count.pulled).toBe(last);
    });
    expect(count.pulled).toBeGreaterThan(0);
    expect(count.pulled).toBeLessThan(100);
    answer.destroy();
    await vi.waitFor(() => expect(server.facade.openOutputs).toBe(0));
  });

  test('one that takes nothing for too long is cut off', async () => {
    await start({ outputStallMs: 100 });
    endless();
    const answer = await ask(PATH);
    await vi.waitFor(() => expect(server.facade.openOutputs).toBe(0));
    expect(server.logged).toContainEqual(['warn', { afterMs: 100 }, "a task's output is cut off: its reader takes nothing"]);
    answer.destroy();
  });

  test('one that leaves while nothing comes ends the reading, too', async () => {
    await start();
    let aborted = false;
    server.facade.output = async function* (signal) {
      yield Buffer.from('x');
      await once(signal, 'abort');
      aborted = true;
    };
    const answer = await ask(`${PATH}?follow=1`);
    await once(answer, 'data');
    answer.destroy();
    await vi.waitFor(() => expect([aborted, server.facade.openOutputs]).toEqual([true, 0]));
  });
});

describe('an answer that is not complete has no proper end', () => {
  test('reading fails midway', async () => {
    await start();
    server.facade.output = async function* () {
      yield Buffer.from('half');
      throw new HqError('HQ_E_FILE', { path: '/x', detail: 'stale file handle' });
    };
    await expect(ask(PATH).then(text)).rejects.toThrow('aborted');
    expect(server.logged).toContainEqual([
      'warn',
      { code: 'HQ_E_FILE', detail: "cannot read '/x': stale file handle" },
      "a task's output could not be read",
    ]);
  });

  test('the server ends while a task is followed', async () => {
    await start();
    server.facade.output = async function* (signal) {
      yield Buffer.from('x');
      if (!signal.aborted) await once(signal, 'abort');
    };
    const answer = await ask(`${PATH}?follow=1`);
    const read = text(answer);
    await vi.waitFor(() => expect(server.facade.openOutputs).toBe(1));
    const refused = expect(read).rejects.toThrow('aborted');
    await server.closeListeners({ graceMs: 60_000 });
    await refused;
    expect(server.facade.openOutputs).toBe(0);
  });
});
