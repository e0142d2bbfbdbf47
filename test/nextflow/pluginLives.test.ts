/** The plugin nf-hyperqueue when something dies: the worker, the server, Nextflow itself; and where no server runs. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import type { PipelineRun } from './support/nextflow.ts';
import { startWithPlugin } from './support/plugin.ts';

/** Up to three starts of Java in one test. */
vi.setConfig({ testTimeout: 300_000 });

let cluster: Cluster;
beforeEach(() => {
  cluster = new Cluster();
});
afterEach(() => cluster.stop());

const startsOf = (run: PipelineRun): string[] => run.read('starts').split('\n').filter(Boolean).sort();

/** A starting Java on a busy machine takes its time. */
const START_MS = 150_000;
const started = (run: PipelineRun, count: number): Promise<true> =>
  waitFor(`${count} starts, ${run.output}`, () => startsOf(run).length === count, START_MS);
const letGo = (run: PipelineRun): void => writeFileSync(join(run.directory, 'go'), '');

async function withClient<T>(use: (client: HqClient) => Promise<T>): Promise<T> {
  const client = await clientOf(cluster);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

test('a worker lost and a server restarted in mid-task: Nextflow sees one task', async () => {
  const server = await cluster.startServer();
  const worker = await cluster.startWorker(['--cpus', '1', '--heartbeat', '500ms']);
  const run = startWithPlugin(cluster, { pipeline: 'waits', trace: true });
  await started(run, 1);
  await worker.kill('SIGKILL');
  await cluster.startWorker(['--cpus', '1']);
  await started(run, 2);
  await server.kill('SIGKILL');
  await cluster.startServer();
  letGo(run);
  const { code, trace, output } = await run.result();
  expect(
    trace.map(({ name, status, exit, attempt }) => `${name} ${status} ${exit} ${attempt}`),
    output,
  ).toEqual(['WAIT (1) COMPLETED 0 1']);
  expect(code).toBe(0);
  expect(startsOf(run)).toEqual(['1', '1']);
});

test('what becomes ready while the server is away is submitted when it is back', async () => {
  const server = await cluster.startServer();
  await cluster.startWorker(['--cpus', '1']);
  const run = startWithPlugin(cluster, { pipeline: 'later' });
  await withClient((client) => waitFor('the plugin to follow events', async () => (await client.serverInfo()).leases === 1, START_MS));
  await server.kill('SIGKILL');
  letGo(run);
  await waitFor('a submit that finds no server', () => /; trying again|Error executing/.test(run.output), START_MS);
  await cluster.startServer();
  const { code, output } = await run.result();
  expect(output).toMatch(/^after first$/m);
  expect(code).toBe(0);
});

test('SIGTERM to Nextflow cancels all tasks, and the job is closed', async () => {
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '2']);
  const run = startWithPlugin(cluster, { pipeline: 'waits', args: ['--tasks', '5'] });
  await started(run, 2);
  run.child.kill('SIGTERM');
  await run.result();
  await withClient(async (client) => {
    const [job] = await client.listJobs({});
    expect(job).toMatchObject({ isOpen: false, stats: { finished: 0, failed: 0, running: 0, waiting: 0 } });
    expect(job?.stats.canceled).toBeGreaterThanOrEqual(2);
  });
});

test('a task that has not begun within maxSubmitAwait is canceled, and tried again as often as its process says', async () => {
  await cluster.startServer();
  const { code, output, log } = await startWithPlugin(cluster, { pipeline: 'stuck' }).result();
  expect(output).toMatch("could not be submitted within specified 'maxAwait' time");
  // That HyperQueue tells of the cancellation, too, is no other end of the first try: the rules of the process would take it for that of a user.
  expect(log.match(/Task (timed-out|completed) >/g)).toEqual(['Task timed-out >', 'Task timed-out >']);
  expect(code).toBe(1);
  await withClient(async (client) => {
    expect(await client.listJobs({})).toMatchObject([{ isOpen: false, taskCount: 2, stats: { canceled: 2 } }]);
  });
});

test('a task that somebody cancels in HyperQueue is not tried again', async () => {
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '1']);
  const run = startWithPlugin(cluster, { pipeline: 'waits' });
  await started(run, 1);
  await cluster.ok(['job', 'cancel', 'last']);
  const { code, output } = await run.result();
  expect(output).toMatch('it was canceled in HyperQueue');
  expect(code).toBe(1);
  expect(startsOf(run)).toEqual(['1']);
});

test('after SIGKILL of Nextflow, -resume takes over the tasks that still run and those that wait', async () => {
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '2']);
  const killed = startWithPlugin(cluster, { pipeline: 'waits', args: ['--tasks', '3'] });
  await started(killed, 2);
  await withClient((client) => waitFor('all submits', async () => (await client.listJobs({}))[0]?.taskCount === 3));
  killed.child.kill('SIGKILL');
  await killed.result();
  const again = startWithPlugin(cluster, {
    pipeline: 'waits',
    directory: killed.directory,
    args: ['--tasks', '3', '-resume'],
    trace: true,
  });
  await waitFor(`three tasks to be taken over, ${again.output}`, () => again.output.match(/is taken over/g)?.length === 3, START_MS);
  letGo(again);
  const { code, output, trace } = await again.result();
  expect(output).toMatch('done 3');
  expect(code).toBe(0);
  expect(trace.map(({ native_id }) => native_id).sort()).toEqual(['1@1', '1@2', '1@3']);
  expect(startsOf(again)).toEqual(['1', '2', '3']);
  const cached = await startWithPlugin(cluster, {
    pipeline: 'waits',
    directory: killed.directory,
    args: ['--tasks', '3', '-resume'],
  }).result();
  expect(cached.output.match(/Cached process/g)).toHaveLength(3);
  await withClient(async (client) => {
    expect(await client.listJobs({})).toMatchObject([{ isOpen: false, taskCount: 3 }, { taskCount: 0 }, { taskCount: 0 }]);
  });
});

test('where no server runs one is started with a local worker, runs 1,000 tasks, and ends with the run', async () => {
  const run = startWithPlugin(cluster, { pipeline: 'trivial', config: 'hq.cpus = 2', args: ['--tasks', '1000'] });
  await waitFor('the server', () => existsSync(join(cluster.serverDir, 'hq-current/access.json')), START_MS);
  const pid = JSON.parse(readFileSync(join(cluster.serverDir, 'hq-current/access.json'), 'utf8')).pid as number;
  const { code, output } = await run.result();
  expect(output.match(/Submitted process/g)).toHaveLength(1_000);
  expect(output).toMatch('starting a local worker with 2 CPUs');
  expect(code).toBe(0);
  await waitFor('the end of the server', () => !existsSync(`/proc/${pid}`));
});

test('a task that is too large for the local worker is refused at once', async () => {
  const run = startWithPlugin(cluster, { pipeline: 'trivial', config: 'hq.cpus = 1\nprocess.cpus = 3', args: ['--tasks', '1'] });
  const { code, output } = await run.result();
  expect(output).toMatch(/HyperQueue: .*cpus/);
  expect(code).toBe(1);
});
