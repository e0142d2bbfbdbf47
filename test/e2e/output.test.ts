/** The output of real tasks over HTTP: files and consolidated logs, while tasks run and after, slow readers and vanished ones. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HqClient, TaskOutputOptions } from '../../src/client/client.ts';
import { clientOf, ended, scriptSubmit } from '../helpers/api.ts';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let server: HqProcess;
let client: HqClient;

beforeAll(async () => {
  cluster = new Cluster();
  server = await cluster.startServer();
  await cluster.startWorker(['--cpus', '8']);
  client = await clientOf(cluster);
});
afterAll(async () => {
  await waitFor('the server to close what was read', () => openFiles().length === 0);
  client.close();
  await cluster.stop();
});

/** Output files and logs that the server's process holds open. */
function openFiles(): string[] {
  return readdirSync(`/proc/${server.pid}/fd`).flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/${server.pid}/fd/${fd}`);
      return path.startsWith(cluster.work) ? [path] : [];
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** Where the output goes; both ways must look the same to a client. */
const PLACES = { 'a file': { stdout: { path: 'out-%{JOB_ID}-%{TASK_ID}' } }, 'the log of the job': { stream: 'logs' } };

async function submit(script: string, o: Parameters<typeof scriptSubmit>[2] = PLACES['a file']): Promise<number> {
  return (await client.createJob({ name: 'output', submit: scriptSubmit(cluster, script, o) })).jobId;
}

async function read(jobId: number, o: Partial<TaskOutputOptions> & { task?: number } = {}): Promise<string> {
  const { task = 0, ...options } = o;
  const chunks: Uint8Array[] = [];
  for await (const piece of await client.taskOutput(jobId, task, { channel: 'stdout', ...options })) chunks.push(piece);
  return Buffer.concat(chunks).toString();
}

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: { code: string; message: string; httpStatus: number }) =>
      `${error.httpStatus} ${error.code} ${error.message.replaceAll(cluster.work, '/WORK')}`,
  );

/** The answer itself, unread. */
async function ask(path: string): Promise<IncomingMessage> {
  const { socketPath } = await client.serverInfo();
  return new Promise((resolve, reject) => {
    get({ socketPath: socketPath as string, path, agent: false }, resolve).on('error', reject);
  });
}

/** Ends a task that waits for this file. */
const release = (name: string): void => writeFileSync(join(cluster.work, name), '');
const until = (name: string): string => `until test -e ${name}; do sleep 0.05; done`;

describe.each(Object.entries(PLACES))('out of %s', (place, o) => {
  const name = place.replaceAll(' ', '-');

  test('of a task that has ended: all, the tail, the other channel', async () => {
    const job = await submit('printf "task %s" $HQ_TASK_ID; printf problem >&2', {
      ...o,
      ids: '1-3',
      stderr: { path: `err-${name}-%{TASK_ID}` },
    });
    await ended(client, job);
    expect(await read(job, { task: 2 })).toBe('task 2');
    expect(await read(job, { task: 3, tail: 1 })).toBe('3');
    expect(await read(job, { task: 3, channel: 'stderr' })).toBe('problem');
    expect(await read(job, { task: 1, follow: true, tail: 3 })).toBe('k 1');
  });

  test('of a task that runs: what is there, and then the rest until its end', async () => {
    const job = await submit(`printf begun; ${until(`go-${name}`)}; printf ' done'`, o);
    await waitFor('the first output', async () => {
      const text = await read(job).catch(() => '');
      return text === 'begun';
    });
    const pieces = (await client.taskOutput(job, 0, { channel: 'stdout', follow: true, tail: 2 }))[Symbol.asyncIterator]();
    const { value } = await pieces.next();
    expect(Buffer.from(value as Uint8Array).toString()).toBe('un');
    release(`go-${name}`);
    let rest = '';
    for (let step = await pieces.next(); step.done !== true; step = await pieces.next()) rest += Buffer.from(step.value).toString();
    expect(rest).toBe(' done');
    expect(await read(job)).toBe('begun done');
  });

  test('followed from before the task has started', async () => {
    const blocker = await submit(until(`start-${name}`), { stdout: null, request: [{ resources: { cpus: 8 } }] });
    const job = await submit('printf late', { ...o, request: [{ resources: { cpus: 8 } }] });
    expect(await refusal(read(job))).toBe(`404 HQ_E_LOG task 0 of job ${job} has not started: it has no output`);
    const pieces = await client.taskOutput(job, 0, { channel: 'stdout', follow: true });
    release(`start-${name}`);
    let text = '';
    for await (const piece of pieces) text += Buffer.from(piece).toString();
    expect(text).toBe('late');
    await ended(client, blocker);
  });

  test('the last attempt of a task that was run again', async () => {
    const job = await submit('printf "attempt $HQ_INSTANCE_ID"; test $HQ_INSTANCE_ID = 1', { ...o, maxRetries: 2 });
    await ended(client, job);
    expect(await read(job)).toBe('attempt 1');
  });

  test('20 MB through a reader that stops and goes on; the server keeps answering and does not collect it', async () => {
    const job = await submit('head -c 20000000 /dev/zero | tr "\\0" x; printf end', o);
    await ended(client, job);
    const before = memoryKiB();
    const answer = await ask(`/v1/jobs/${job}/tasks/0/output/stdout`);
    answer.pause();
    await waitFor('the reading to begin', () => openFiles().length === 1);
    for (let i = 0; i < 50; i += 1) await client.health();
    expect(openFiles()).toHaveLength(1);
    expect(memoryKiB() - before).toBeLessThan(15_000);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of answer) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
    expect(bytes).toBe(20_000_003);
    expect(hash.digest('hex')).toBe(
      createHash('sha256')
        .update(`${'x'.repeat(20_000_000)}end`)
        .digest('hex'),
    );
    expect(await read(job, { tail: 5 })).toBe('xxend');
  });

  test('a client that hangs up leaves no open file, in mid-answer and while it waits', async () => {
    const job = await submit(`head -c 20000000 /dev/zero; ${until(`hang-up-${name}`)}`, o);
    await waitFor('the output', async () => {
      const answer = await read(job).catch(() => '');
      return answer.length === 20_000_000;
    });
    const midway = await ask(`/v1/jobs/${job}/tasks/0/output/stdout`);
    midway.pause();
    const waiting = await ask(`/v1/jobs/${job}/tasks/0/output/stdout?follow=true&tail=1`);
    await once(waiting, 'data');
    await waitFor('both readers', () => openFiles().length === 2);
    midway.destroy();
    waiting.destroy();
    await waitFor('the files to be closed', () => openFiles().length === 0);
    release(`hang-up-${name}`);
    await ended(client, job);
  });
});

/** Anonymous memory of the server: files that it maps do not count. */
function memoryKiB(): number {
  return Number(/^RssAnon:\s*(\d+)/m.exec(cluster.read(`/proc/${server.pid}/status`))?.[1]);
}

describe('refusals', () => {
  test('what does not exist', async () => {
    const job = await submit('true');
    expect(await refusal(read(4_000))).toBe('404 HQ_E_JOB_NOT_FOUND job 4000 not found');
    expect(await refusal(read(job, { task: 7 }))).toBe(`404 HQ_E_TASK_NOT_FOUND task 7 of job ${job} not found`);
    expect(await refusal(read(job, { channel: 'stdin' as 'stdout' }))).toContain('400 HQ_E_REQUEST invalid request: channel');
  });

  test('what is not kept, is gone, or may not be read', async () => {
    const nowhere = await submit('echo x', { stdout: null });
    const job = await submit('echo x', { stdout: { path: 'out-%{TASK_ID}' }, ids: '1-2' });
    await ended(client, job);
    expect(await refusal(read(nowhere, { follow: true }))).toBe(
      `404 HQ_E_LOG the stdout of task 0 of job ${nowhere} is not kept: it was submitted that way`,
    );
    const removed = await submit('rm out-gone', { stdout: { path: 'out-gone' } });
    await ended(client, removed);
    expect(await refusal(read(removed))).toBe("404 HQ_E_FILE cannot read '/WORK/out-gone': no such file or directory");
    // The superuser may read everything.
    if (process.getuid?.() === 0) return;
    chmodSync(join(cluster.work, 'out-1'), 0);
    expect(await refusal(read(job, { task: 1 }))).toContain("404 HQ_E_FILE cannot read '/WORK/out-1': EACCES: permission denied");
  });
});

test('a task that is canceled ends those who follow it', async () => {
  const job = await submit('printf begun; sleep 600', PLACES['the log of the job']);
  const pieces = (await client.taskOutput(job, 0, { channel: 'stdout', follow: true }))[Symbol.asyncIterator]();
  expect(Buffer.from((await pieces.next()).value as Uint8Array).toString()).toBe('begun');
  await client.cancel(job);
  expect((await pieces.next()).done).toBe(true);
});

test('the output of a job that ended before the server was started again', async () => {
  const file = await submit('printf kept');
  const log = await submit('printf logged', PLACES['the log of the job']);
  await ended(client, file);
  await ended(client, log);
  await server.kill('SIGKILL');
  server = await cluster.startServer();
  expect([await read(file), await read(log, { tail: 3 })]).toEqual(['kept', 'ged']);
});
