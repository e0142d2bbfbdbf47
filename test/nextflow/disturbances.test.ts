/** What Nextflow's own executor makes of workers and servers that come and go while a pipeline runs, and what is left of a Nextflow that is ended. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, type HqProcess, processesBelow, waitFor } from '../helpers/cluster.ts';
import { PipelineRun } from './support/nextflow.ts';

/** A start of Nextflow takes five seconds of a processor, and a minute or two where ten others want it, too. */
const START_MS = 200_000;

let cluster: Cluster;
let server: HqProcess;

beforeEach(async () => {
  cluster = new Cluster();
  server = await cluster.startServer();
});
afterEach(() => cluster.stop());

/** Shell of a task that notes each instance of it in `started`, and waits for the file `go`; both lie where Nextflow was started. */
const WAIT = `echo >>'$launchDir/started'; until [ -e '$launchDir/go' ]; do sleep 0.1; done`;

const started = (run: PipelineRun, count: number): Promise<unknown> =>
  waitFor(`${count} starts`, () => run.read('started').length >= count, START_MS);

const go = (run: PipelineRun): void => writeFileSync(join(run.directory, 'go'), '');

const jobStates = (): Promise<string> => cluster.ok(['--output-mode=quiet', 'job', 'list', '--all']);

test('a task whose worker is stopped runs again, and Nextflow sees one task', async () => {
  await cluster.startWorker(['--cpus', '1']);
  const run = new PipelineRun(cluster, { script: `process WAITS { script: "${WAIT}" }\nworkflow { WAITS() }`, trace: true });
  await started(run, 1);
  await cluster.ok(['worker', 'stop', '1']);
  await cluster.startWorker(['--cpus', '1']);
  await started(run, 2);
  go(run);
  const { code, trace } = await run.result();
  expect([code, trace.map(({ status, attempt }) => `${status} ${attempt}`)]).toEqual([0, ['COMPLETED 1']]);
  expect([run.read('started').length, await jobStates()]).toEqual([2, '1 FINISHED\n']);
});

test('a server that is killed and comes back is not noticed, also when something is to be submitted meanwhile', async () => {
  await cluster.startWorker(['--cpus', '1']);
  const run = new PipelineRun(cluster, {
    script: `
      process WAITS { output: stdout; script: "${WAIT}; echo waited" }
      process NEXT { input: val text; output: stdout; script: "echo after $text" }
      workflow { NEXT(WAITS()) | view }`,
    trace: true,
  });
  await started(run, 1);
  await server.kill('SIGKILL');
  go(run);
  await waitFor('a submit that finds no server', () => run.read('.nextflow.log').includes('Socket timed out'), START_MS);
  await cluster.startServer();
  const { code, output, trace } = await run.result();
  expect(output).toMatch('after waited');
  expect([code, trace.map(({ status, attempt }) => `${status} ${attempt}`)]).toEqual([0, ['COMPLETED 1', 'COMPLETED 1']]);
});

test('a Nextflow that is ended cancels what runs and what waits', async () => {
  await cluster.startWorker(['--cpus', '2']);
  const run = new PipelineRun(cluster, {
    script: `process WAITS { input: val n; script: "${WAIT}" }\nworkflow { channel.of(1, 2, 3, 4) | WAITS }`,
  });
  await started(run, 2);
  await waitFor('all submits', async () => (await jobStates()).split('\n').length === 5, START_MS);
  run.child.kill('SIGTERM');
  const { code } = await run.result();
  expect(code).not.toBe(0);
  await waitFor('the jobs to be canceled', async () => /^(\d CANCELED\n){4}$/.test(await jobStates()));
  await waitFor('the tasks to end', () => processesBelow(run.directory).length === 0);
  const paths = run.directories().map((directory) => join(directory, '.exitcode'));
  await waitFor('their exit codes', () => paths.every((path) => existsSync(path)));
  const codes = paths.map((path) => readFileSync(path, 'utf8'));
  // What runs says itself how it has taken the interrupt, mostly 130; what has never run got its code from the server.
  expect([codes.length, codes.includes('0')]).toEqual([4, false]);
  expect(codes.filter((exitCode) => exitCode === '130').length).toBeGreaterThanOrEqual(2);
});
