/** The socket for messages of tasks: who may write to it, and what becomes of nonsense. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UPDATE_FINISHED as FINISHED, UPDATE_NOTIFIED as NOTIFIED } from '../../../src/protocol/messages/worker.ts';
import type { Note } from '../../../src/protocol/schema/note.ts';
import { NoteSocket } from '../../../src/worker/noteSocket.ts';
import { FakeServer, startRegistered } from './fakeServer.ts';
import { makeBody } from './stateHelp.ts';

let directory: string;
let socket: NoteSocket;
let taken: Note[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'hq-note-'));
  socket = await NoteSocket.open(directory);
  taken = [];
  socket.onNote = (note) => {
    taken.push(note);
    return null;
  };
});
afterEach(() => {
  socket.close();
  rmSync(directory, { recursive: true });
});

const keyOf = (access: string): [path: string, token: string] => [
  access.slice(0, access.lastIndexOf(':')),
  access.slice(access.lastIndexOf(':') + 1),
];

/** The answer to a text; null when there was none. */
function say(text: string, path: string = keyOf(socket.accessKey)[0]): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const connection = connect(path);
    let answer = '';
    connection.setEncoding('utf8');
    connection.on('data', (chunk: string) => {
      answer += chunk;
    });
    connection.on('error', reject);
    connection.on('close', () => resolve(answer === '' ? null : (JSON.parse(answer) as { error: string | null }).error));
    connection.write(text);
  });
}

const line = (given: object): string =>
  `${JSON.stringify({ token: keyOf(socket.accessKey)[1], jobId: 1, taskId: 2, instance: 0, message: 'm', ...given })}\n`;

test('a line with the token is a message', async () => {
  expect(await say(line({ message: 'žluť\n' }))).toBeNull();
  expect(taken).toMatchObject([{ jobId: 1, taskId: 2, instance: 0, message: 'žluť\n' }]);
});

test.each([
  ['another token', () => line({ token: 'x'.repeat(32) }), 'the token is not that of this worker'],
  ['a short token', () => line({ token: '' }), 'the token is not that of this worker'],
  ['a long message', () => line({ message: 'č'.repeat(513) }), 'message: at most 1024 bytes are possible'],
  ['no task', () => line({ taskId: -1 }), 'taskId: expected number to be >=0'],
  ['more than there is', () => line({ extra: 1 }), "the message: unknown field 'extra'"],
  ['no JSON', () => 'hello\n', 'it is not JSON'],
  ['a line without an end', () => 'x'.repeat(9_000), 'the line is too long'],
])('%s is refused', async (_name, text, error) => {
  expect(await say(text())).toBe(error);
  expect(taken).toEqual([]);
});

test('a directory whose path is too long for a socket is replaced, and nothing is left', async () => {
  const long = await NoteSocket.open(join(directory, 'x'.repeat(100)));
  const [path] = keyOf(long.accessKey);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  long.close();
  expect(existsSync(dirname(path))).toBe(false);
});

/** Starts task 5, which runs until there is a file `go`; what is in its HQ_ACCESS_KEY. */
async function runTask(server: FakeServer): Promise<[path: string, token: string]> {
  const script = 'echo "$HQ_ACCESS_KEY" > new; mv new key; until test -e go; do sleep 0.02; done';
  server.compute(makeBody({ command: ['sh', '-c', script], cwd: server.dir }), [5]);
  const key = await vi.waitFor(() => readFileSync(join(server.dir, 'key'), 'utf8'), { timeout: 8_000, interval: 5 });
  return keyOf(key.trim());
}

test('a worker tells its server of a message before the end of the task, and takes none of a task that it does not have', async () => {
  const server = await FakeServer.start({ tls: false });
  const worker = await startRegistered(server, {}, { env: { HQ_LAUNCHER: 'node' } });
  try {
    const [path, token] = await runTask(server);
    expect(await say(line({ token, jobId: 1, taskId: 6 }), path)).toBe('task 6 of job 1 does not run on this worker');
    expect(await say(line({ token, jobId: 1, taskId: 5, message: 'half done' }), path)).toBeNull();
    await say(line({ token, jobId: 1, taskId: 5, instance: 1 }), path);
    writeFileSync(join(server.dir, 'go'), '');
    expect((await server.waitEnd(5))[0]).toBe(FINISHED);
    const kinds = server.updates.filter(([, , task]) => task === 5);
    expect(kinds.map(([kind]) => kind)).toEqual([0, NOTIFIED, FINISHED]);
    expect(kinds[1]).toEqual([NOTIFIED, 1, 5, 0, expect.any(Number), 'half done']);
  } finally {
    worker.abort.abort();
    await worker.code;
    await server.close();
  }
});

test('a message that is repeated after a reconnect ends nothing: its task goes on and finishes', async () => {
  const server = await FakeServer.start({ tls: false });
  const worker = await startRegistered(server, {}, { env: { HQ_LAUNCHER: 'node' } });
  try {
    server.acks = false;
    const [path, token] = await runTask(server);
    expect(await say(line({ token, jobId: 1, taskId: 5, message: 'half done' }), path)).toBeNull();
    await vi.waitFor(() => expect(server.updates.some(([kind]) => kind === NOTIFIED)).toBe(true), { timeout: 8_000, interval: 5 });
    server.cut();
    await vi.waitFor(() => expect(server.hellos).toHaveLength(2), { timeout: 8_000, interval: 5 });
    server.ackAll();
    expect(await say(line({ token, jobId: 1, taskId: 5, message: 'still here' }), path)).toBeNull();
    writeFileSync(join(server.dir, 'go'), '');
    expect((await server.waitEnd(5))[0]).toBe(FINISHED);
    expect(server.updates.filter(([kind]) => kind === NOTIFIED).map((update) => update[5])).toEqual(['half done', 'still here']);
  } finally {
    worker.abort.abort();
    await worker.code;
    await server.close();
  }
});
