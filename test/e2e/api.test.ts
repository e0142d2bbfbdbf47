/** The HTTP API of a real server over the Unix socket and TLS: graphs, events over a restart, cancelling, labels, secrets, broken clients. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectClient, type HqClient } from '../../src/client/client.ts';
import { clientAccess } from '../../src/protocol/accessFile.ts';
import type { HqEvent } from '../../src/protocol/schema/event.ts';
import type { GraphTask } from '../../src/protocol/schema/task.ts';
import { clientOf, ended, scriptSubmit, taskStates } from '../helpers/api.ts';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';

let cluster: Cluster;
let server: HqProcess;
/** Over the Unix socket. */
let client: HqClient;
/** Over TLS. */
let remote: HqClient;
beforeAll(async () => {
  cluster = new Cluster();
  server = await cluster.startServer();
  await cluster.startWorker(['--cpus', '4']);
  client = await clientOf(cluster);
  // Seen from another host there is no socket.
  const dir = join(cluster.root, 'remote');
  mkdirSync(dir, { mode: 0o700 });
  writeFileSync(join(dir, 'access.json'), JSON.stringify({ ...access(), socket: null }), { mode: 0o600 });
  remote = await connectClient({ serverDir: dir, env: {}, io: { cwd: cluster.work } });
});
afterAll(async () => {
  client.close();
  remote.close();
  await cluster.stop();
});

const access = () => clientAccess.parse(JSON.parse(readFileSync(join(cluster.serverDir, 'hq-current', 'access.json'), 'utf8')));
const quiet = { stdout: null, stderr: null };
const until = (file: string): string => `until test -e ${file}; do sleep 0.02; done`;

/** 2,000 processes take their time on a busy machine, milliseconds. */
const GRAPH_MS = 150_000;

test(
  'a graph of 2,000 unlike tasks in one request over TLS: every task once, after everything it depends on',
  async () => {
    const tasks: GraphTask[] = Array.from({ length: 2_000 }, (_, i) => ({
      id: i * 3,
      label: `node ${i}`,
      env: { NODE: String(i) },
      priority: i % 7,
      deps: i < 50 ? [] : [...new Set([(i - 50) * 3, Math.floor(i / 2) * 3])],
    }));
    const shared = { command: ['sh', '-c', 'echo $HQ_TASK_ID $NODE >> graph.txt'], ...quiet };
    const { jobId, taskIds } = await remote.createJob({
      name: 'graph',
      submit: { submitDir: cluster.work, tasks: { kind: 'graph', shared, tasks } },
    });
    expect(taskIds.split(',')).toHaveLength(2_000);
    const job = await ended(client, jobId, GRAPH_MS);
    expect(job.stats).toMatchObject({ finished: 2_000, failed: 0 });
    const place = new Map<number, number>();
    for (const [index, line] of cluster.read('graph.txt').trim().split('\n').entries()) {
      const [id, node] = line.split(' ').map(Number) as [number, number];
      expect(id).toBe(node * 3);
      expect(place.has(id)).toBe(false);
      place.set(id, index);
    }
    expect(place.size).toBe(2_000);
    for (const { id, deps } of tasks) for (const dep of deps ?? []) expect(place.get(dep)).toBeLessThan(place.get(id as number) as number);
    const page = await remote.listTasks(jobId, { after: 2_997, limit: 3, states: ['finished'] });
    expect(page.map(({ id, label }) => [id, label])).toEqual([
      [3_000, 'node 1000'],
      [3_003, 'node 1001'],
      [3_006, 'node 1002'],
    ]);
  },
  GRAPH_MS + 30_000,
);

test('bad graphs are refused as a whole', async () => {
  const before = (await client.listJobs()).length;
  const submit = (tasks: GraphTask[]) =>
    client.createJob({ name: 'bad', submit: { submitDir: '/', tasks: { kind: 'graph', shared: { command: ['true'] }, tasks } } });
  await expect(
    submit([
      { id: 1, deps: [2] },
      { id: 2, deps: [1] },
    ]),
  ).rejects.toMatchObject({ code: 'HQ_E_DEPENDENCY' });
  await expect(submit([{ id: 1, deps: [1] }])).rejects.toMatchObject({ code: 'HQ_E_DEPENDENCY' });
  await expect(submit([{ id: 1, deps: [9] }])).rejects.toMatchObject({ code: 'HQ_E_DEPENDENCY' });
  await expect(submit([{ id: 1 }, { id: 1 }])).rejects.toMatchObject({ code: 'HQ_E_TASK_EXISTS' });
  await expect(submit([{ id: 4_294_967_295 }, {}])).rejects.toMatchObject({ code: 'HQ_E_REQUEST' });
  await expect(submit([])).rejects.toMatchObject({ code: 'HQ_E_REQUEST' });
  expect(await client.listJobs()).toHaveLength(before);
});

describe('cancelling and extending', () => {
  test('single tasks are cancelled, running or waiting; an unknown one changes nothing', async () => {
    const { jobId } = await client.createJob({ name: 'job', submit: scriptSubmit(cluster, until('go-cancel'), { ids: '1-10' }) });
    await waitFor('four to run', async () => (await client.jobDetail(jobId)).stats.running === 4);
    expect(await remote.cancel(jobId, { taskIds: '2,9-10' })).toEqual({ canceled: 3, alreadyDone: 0 });
    await expect(client.cancel(jobId, { taskIds: '3,11' })).rejects.toMatchObject({ code: 'HQ_E_TASK_NOT_FOUND' });
    await expect(client.cancel(jobId, { taskIds: '3-' })).rejects.toMatchObject({ code: 'HQ_E_ARRAY' });
    expect(await client.cancel(jobId, { taskIds: '2' })).toEqual({ canceled: 0, alreadyDone: 1 });
    writeFileSync(join(cluster.work, 'go-cancel'), '');
    expect((await ended(client, jobId)).stats).toMatchObject({ canceled: 3, finished: 7 });
  });

  test('a canceled task counts as stopping until its worker has seen it die', async () => {
    // It takes the interrupt for a wish, and is killed a second later.
    const script = `trap '' INT; echo $$ > stubborn.pid; ${until('never')}`;
    const { jobId } = await client.createJob({ name: 'stubborn', submit: scriptSubmit(cluster, script) });
    await waitFor('its process', () => cluster.read('stubborn.pid').endsWith('\n'));
    await client.cancel(jobId);
    const stopping = async (): Promise<number> =>
      (await client.listWorkers()).reduce((sum, worker) => sum + (worker.stoppingTasks ?? 0), 0);
    // Whoever sees 0 may write what it wrote; whoever sees 1 saw a moment in which it may still have lived.
    await waitFor('its end to be confirmed', async () => (await stopping()) === 0);
    expect(existsSync(`/proc/${cluster.read('stubborn.pid').trim()}`)).toBe(false);
  });

  test('tasks of later requests depend on earlier ones, whatever became of them', async () => {
    const { jobId } = await client.createJob({ name: 'open', open: true });
    const add = (tasks: GraphTask[]) =>
      client.submitTasks(jobId, { submitDir: cluster.work, tasks: { kind: 'graph', shared: { command: ['true'], ...quiet }, tasks } });
    await add([
      { id: 1 },
      { id: 2, command: ['false'] },
      { id: 3, command: ['sh', '-c', until('go-deps')] },
      { id: 4, command: ['sh', '-c', until('never')] },
    ]);
    await waitFor(
      'two ends',
      async () => (await client.jobDetail(jobId)).stats.failed + (await client.jobDetail(jobId)).stats.finished === 2,
    );
    await client.cancel(jobId, { taskIds: '4' });
    await add([
      { id: 11, deps: [1] },
      { id: 12, deps: [2] },
      { id: 13, deps: [3] },
      { id: 14, deps: [4] },
      { id: 15, deps: [13, 11] },
      { id: 16, deps: [12] },
    ]);
    await expect(add([{ id: 20 }, { id: 21, deps: [22] }])).rejects.toMatchObject({ code: 'HQ_E_DEPENDENCY' });
    await waitFor('task 11', async () => (await taskStates(client, jobId)).get(11) === 'finished');
    expect((await taskStates(client, jobId)).get(13)).toBe('waiting');
    writeFileSync(join(cluster.work, 'go-deps'), '');
    await ended(client, jobId);
    expect(Object.fromEntries(await taskStates(client, jobId))).toEqual({
      1: 'finished',
      2: 'failed',
      3: 'finished',
      4: 'canceled',
      11: 'finished',
      12: 'aborted',
      13: 'finished',
      14: 'aborted',
      15: 'finished',
      16: 'aborted',
    });
    expect((await client.taskDetail(jobId, 15)).deps).toEqual([13, 11]);
    await client.closeJob(jobId);
    await expect(add([{}])).rejects.toMatchObject({ code: 'HQ_E_JOB_NOT_OPEN' });
  });
});

test('labels select jobs, ended and live', async () => {
  const submit = scriptSubmit(cluster, 'true');
  const ids: number[] = [];
  for (const labels of [{ run: 'a', rule: 'x=1' }, { run: 'a' }, { run: 'b', rule: 'x=1' }] as Record<string, string>[]) {
    ids.push((await client.createJob({ name: 'labelled', labels, submit })).jobId);
  }
  ids.push((await client.createJob({ name: 'labelled', labels: { run: 'a' }, open: true })).jobId);
  for (const id of ids) await ended(client, id);
  const found = async (labels: Record<string, string>) => (await remote.listJobs({ labels })).map(({ id }) => ids.indexOf(id));
  expect(await found({ run: 'a' })).toEqual([0, 1, 3]);
  expect(await found({ rule: 'x=1' })).toEqual([0, 2]);
  expect(await found({ run: 'a', rule: 'x=1' })).toEqual([0]);
  expect(await found({ run: 'A' })).toEqual([]);
  await client.closeJob(ids[3] as number);
});

describe('secrets', () => {
  /** Bytes of the journal and everything that belongs to it. */
  const journalHolds = (secret: string): boolean =>
    ['journal.db', 'journal.db-wal', 'journal.db-journal']
      .map((name) => join(cluster.serverDir, 'hq-current', name))
      .some((path) => existsSync(path) && readFileSync(path).includes(secret));

  test('the task sees its value; no answer, event or output holds it; it leaves the journal when the task ends', async () => {
    const [one, two, three] = [1, 2, 3].map(() => `s3cr3t${randomBytes(20).toString('hex')}`) as [string, string, string];
    const events = client.events({});
    await events.ready();
    const script = `printf %s "$TOKEN$SHARED" | cksum > secret-$HQ_TASK_ID.txt; ${until('go-secret')}`;
    const array = await client.createJob({
      name: 'secret',
      submit: scriptSubmit(cluster, script, { ids: '1-2', env: { TOKEN: one, PLAIN: 'seen' }, secretEnv: ['TOKEN'] }),
    });
    const graph = await client.createJob({
      name: 'secret graph',
      submit: {
        submitDir: cluster.work,
        tasks: {
          kind: 'graph',
          shared: { command: ['sh', '-c', script], env: { SHARED: two }, secretEnv: ['SHARED'], ...quiet },
          tasks: [{ id: 11, env: { TOKEN: three }, secretEnv: ['TOKEN'] }, { id: 12 }, { id: 13, deps: [12] }],
        },
      },
    });
    await waitFor('the tasks to have looked', () => [1, 2, 11, 12].every((id) => cluster.read(`secret-${id}.txt`) !== ''));
    const seen: unknown[] = [await client.listJobs()];
    for (const { jobId } of [array, graph]) {
      seen.push(await client.jobDetail(jobId), await client.listTasks(jobId));
      for (const { id } of await client.listTasks(jobId)) seen.push(await client.taskDetail(jobId, id));
      for (const mode of ['cli', 'json']) {
        for (const words of [
          ['job', 'info'],
          ['task', 'list', '-v'],
        ])
          seen.push(await cluster.ok(['--output-mode', mode, ...words, String(jobId)]));
      }
    }
    expect((await client.taskDetail(array.jobId, 1)).spec.env).toEqual({ TOKEN: '[redacted]', PLAIN: 'seen' });
    expect(cluster.read('secret-1.txt')).toBe(cluster.read('secret-2.txt'));
    expect(cluster.read('secret-11.txt')).not.toBe(cluster.read('secret-12.txt'));
    writeFileSync(join(cluster.work, 'go-secret'), '');
    await ended(client, array.jobId);
    await ended(client, graph.jobId);
    for await (const batch of events) {
      seen.push(batch);
      if (batch.some((event) => event.type === 'job-completed' && event.jobId === graph.jobId)) break;
    }
    seen.push(server.stderr, server.stdout);
    for (const secret of [one, two, three]) {
      expect(JSON.stringify(seen)).not.toContain(secret);
      await waitFor('the secret to leave the journal', () => !journalHolds(secret), 10_000);
    }
  });

  test('also when the task is cancelled before it starts', async () => {
    const secret = `s3cr3t${randomBytes(20).toString('hex')}`;
    const submit = scriptSubmit(cluster, 'true', {
      env: { TOKEN: secret },
      secretEnv: ['TOKEN'],
      request: [{ resources: { nothing: '1' } }] as never,
    });
    const { jobId } = await client.createJob({ name: 'never', submit });
    expect(journalHolds(secret)).toBe(true);
    await client.cancel(jobId);
    await waitFor('the secret to leave the journal', () => !journalHolds(secret), 10_000);
  });
});

test('events are followed over a kill -9 and a restart: every number once and in order, every task started and finished once', async () => {
  const reader = await clientOf(cluster);
  const events: HqEvent[] = [];
  const follow = reader.events({ after: 0 });
  await follow.ready();
  const { jobId } = await client.createJob({ name: 'long', submit: scriptSubmit(cluster, 'sleep 0.01', { ids: '1-300' }) });
  let killed: Promise<unknown> | undefined;
  for await (const batch of follow) {
    events.push(...batch);
    const ends = events.filter((event) => event.type === 'task-finished' && event.jobId === jobId).length;
    if (ends > 50 && killed === undefined) {
      killed = server.kill('SIGKILL').then(async () => {
        server = await cluster.startServer();
      });
    }
    if (events.some((event) => event.type === 'job-completed' && event.jobId === jobId)) break;
  }
  await killed;
  expect(killed).toBeDefined();
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  for (const type of ['task-started', 'task-finished'] as const) {
    const ids = events.flatMap((event) => (event.type === type && event.jobId === jobId ? [event.taskId] : []));
    expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i + 1));
  }
  expect(events.filter((event) => event.type === 'server-start')).toHaveLength(2);
  // What is read afterwards out of the journal is the same.
  const again: HqEvent[] = [];
  for await (const batch of reader.events({ after: 0, follow: false })) again.push(...batch);
  expect(again.slice(0, events.length)).toEqual(events);
  reader.close();
});

describe('broken clients', () => {
  /** Writes raw bytes to the Unix socket; all bytes of the answer until the server hangs up or `cut` says so. */
  function raw(bytes: string, cut: (answer: string) => boolean = () => false): Promise<string> {
    return new Promise((done, fail) => {
      const socket = connect((access().socket as { path: string }).path);
      let answer = '';
      socket.on('error', fail);
      socket.on('data', (chunk) => {
        answer += chunk.toString();
        if (cut(answer)) socket.destroy();
      });
      socket.on('close', () => done(answer));
      socket.write(bytes, () => {
        if (cut('')) socket.destroy();
      });
    });
  }
  const head = (length: number): string =>
    `POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

  test('a body over the limit is refused by its announced length', async () => {
    const answer = await raw(head(256 * 1024 * 1024 + 1), (text) => text.includes('HQ_E_REQUEST_TOO_LARGE'));
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  test('a client that dies in the middle of a submit leaves no job, one that dies after it a whole one', async () => {
    const body = JSON.stringify({ name: 'whole', submit: scriptSubmit(cluster, 'true', { ids: '1-20' }) });
    const before = (await client.listJobs()).length;
    await raw(head(body.length) + body.slice(0, -10), () => true);
    await raw(head(body.length) + body.slice(0, 10), () => true);
    await raw(head(body.length) + body, () => true);
    const job = await waitFor('the whole job', async () => (await client.listJobs()).find(({ name }) => name === 'whole'));
    expect((await ended(client, job.id)).stats.finished).toBe(20);
    expect(await client.listJobs()).toHaveLength(before + 1);
  });

  test('a hundred clients at once, and one that reads nothing of its events, hold nobody up', async () => {
    const deaf = connect((access().socket as { path: string }).path);
    deaf.on('error', () => {});
    deaf.write('GET /v1/events?after=0 HTTP/1.1\r\nhost: x\r\n\r\n');
    deaf.pause();
    const jobs = await Promise.all(
      Array.from({ length: 100 }, () => client.createJob({ name: 'many', submit: scriptSubmit(cluster, 'true') })),
    );
    expect(new Set(jobs.map(({ jobId }) => jobId)).size).toBe(100);
    for (const { jobId } of jobs) await ended(client, jobId);
    deaf.destroy();
  });
});
