/** A server that ends by itself: leases over the event stream, the idle time, and workers that end with it. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import type { EventReader } from '../../src/client/eventReader.ts';
import { clientOf, scriptSubmit } from '../helpers/api.ts';
import { Cluster, type HqProcess, waitFor } from '../helpers/cluster.ts';

/** Short, but longer than a busy machine takes to start a server and to look at it. */
const IDLE = '5s';
/** Longer than any test: what ends such a server is not the idle time. */
const NEVER = '10m';

let cluster: Cluster;
let clients: HqClient[];
beforeEach(() => {
  cluster = new Cluster();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await cluster.stop();
});

/** A bridge: a client that holds a lease until it returns its event stream. */
async function bridge(lease: string): Promise<{ client: HqClient; events: EventReader }> {
  const client = await clientOf(cluster);
  clients.push(client);
  const events = client.events({ lease });
  await events.ready();
  return { client, events };
}

/** The server ended by itself and gave its directory free. */
async function expectEnd(server: HqProcess): Promise<void> {
  expect(await server.exit()).toBe(0);
  expect(existsSync(join(cluster.serverDir, 'hq-current', 'access.json'))).toBe(false);
}

test('the clean end of the last lease ends server and worker at once; the end of an earlier one does not', async () => {
  const server = await cluster.startServer(['--exit-when-idle', NEVER]);
  const [first, second] = [await bridge('snakemake-1'), await bridge('snakemake-2')];
  const worker = await cluster.startWorker(['--cpus', '1']);
  const { jobId } = await first.client.createJob({ name: 'job', submit: scriptSubmit(cluster, 'echo x > ran.txt') });
  await waitFor('the job', async () => (await first.client.jobDetail(jobId)).stats.finished === 1);
  expect(await first.client.serverInfo()).toMatchObject({ leases: 2, exitWhenIdleMs: 600_000 });
  await first.events.return();
  await waitFor('one lease to be left', async () => (await second.client.serverInfo()).leases === 1);
  expect(server.isRunning).toBe(true);
  await second.events.return();
  await expectEnd(server);
  expect(await worker.exit()).toBe(0);
});

test('two streams under one name are one lease, which ends with DELETE /v1/leases', async () => {
  const server = await cluster.startServer(['--exit-when-idle', NEVER]);
  const [one, two] = [await bridge('same'), await bridge('same')];
  expect((await one.client.serverInfo()).leases).toBe(1);
  one.client.close();
  expect((await two.client.serverInfo()).leases).toBe(1);
  expect(await two.client.endLease('same')).toEqual({ ended: expect.any(Number) });
  await expectEnd(server);
});

test('a lease whose connection breaks leaves the idle time to come back, and another lease stops the clock', async () => {
  const server = await cluster.startServer(['--exit-when-idle', IDLE]);
  const holder = await bridge('holder');
  const broken = await bridge('broken');
  broken.client.close();
  await waitFor('the lease to be gone', async () => (await holder.client.serverInfo()).leases === 1);
  holder.client.close();
  const back = await bridge('back');
  expect((await back.client.serverInfo()).leases).toBe(1);
  expect(server.isRunning).toBe(true);
  back.client.close();
  await expectEnd(server);
});

test('without any lease it ends after the idle time', async () => {
  await expectEnd(await cluster.startServer(['--exit-when-idle', IDLE]));
});

test('it does not end while tasks are unfinished, whatever happened to the leases', async () => {
  const server = await cluster.startServer(['--exit-when-idle', IDLE]);
  const holder = await bridge('holder');
  await cluster.startWorker(['--cpus', '1']);
  const submit = scriptSubmit(cluster, 'echo x > ran.txt; until test -e go; do sleep 0.02; done', { ids: '1-2' });
  const { jobId } = await holder.client.createJob({ name: 'job', submit });
  await waitFor('the task to run', () => cluster.read('ran.txt') !== '');
  await holder.events.return();
  const other = await clientOf(cluster);
  clients.push(other);
  // The end of the lease has been seen, and the tasks are still there: the server must serve on until they end.
  await waitFor('the lease to end', async () => (await other.serverInfo()).leases === 0);
  await other.cancel(jobId, { taskIds: '2' });
  expect((await other.jobDetail(jobId)).stats).toMatchObject({ running: 1, canceled: 1 });
  expect(server.isRunning).toBe(true);
  writeFileSync(join(cluster.work, 'go'), '');
  await expectEnd(server);
});

test('an open job without tasks does not keep it', async () => {
  const server = await cluster.startServer(['--exit-when-idle', NEVER]);
  const { client, events } = await bridge('lease');
  await client.createJob({ name: 'open', open: true });
  await events.return();
  await expectEnd(server);
});

test('after a kill -9 the bridge keeps its lease at the next server and misses no event', async () => {
  const server = await cluster.startServer(['--exit-when-idle', NEVER]);
  const { client, events } = await bridge('lease');
  const { jobId } = await client.createJob({ name: 'job', submit: scriptSubmit(cluster, 'true') });
  const [seen, seqs]: [string[], number[]] = [[], []];
  const reading = (async () => {
    for await (const batch of events) {
      for (const event of batch) {
        seqs.push(event.seq);
        if ('jobId' in event && event.jobId === jobId) seen.push(event.type);
      }
      if (seen.includes('job-completed')) return;
    }
  })();
  await waitFor('the submit to be seen', () => seen.includes('tasks-submitted'));
  await server.kill('SIGKILL');
  const again = await cluster.startServer(['--exit-when-idle', NEVER]);
  await waitFor('the lease to be back', async () => (await client.serverInfo()).leases === 1);
  await cluster.startWorker(['--cpus', '1']);
  await reading;
  expect(seen).toEqual(['job-created', 'tasks-submitted', 'task-started', 'task-finished', 'job-completed']);
  expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] as number) + index));
  await expectEnd(again);
});
