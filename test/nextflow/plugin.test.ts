/** The plugin nf-hyperqueue in a real Nextflow, on a server that somebody has started: what pipelines ask for and how tasks end. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf } from '../helpers/api.ts';
import { Cluster } from '../helpers/cluster.ts';
import type { PipelineResult } from './support/nextflow.ts';
import { type PluginRunOptions, startWithPlugin } from './support/plugin.ts';

/** Up to three starts of Java in one test. */
vi.setConfig({ testTimeout: 300_000 });

let cluster: Cluster;
let client: HqClient;

beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '4', '--resource', 'gpus=[0,1]', '--resource', 'queue/fast=1000', '--resource', 'gpus/a100=[7]']);
  client = await clientOf(cluster);
});

afterAll(async () => {
  client.close();
  await cluster.stop();
});

const run = (o: PluginRunOptions): Promise<PipelineResult> => startWithPlugin(cluster, o).result();

/** The job of the latest run. */
async function lastJob() {
  const job = (await client.listJobs({})).at(-1);
  if (job === undefined) throw new Error('there is no job');
  return job;
}

/** Files of the task in a row of the trace. */
const filesOf = (row: Readonly<Record<string, string>> | undefined): string => row?.['workdir'] ?? 'no such row';

test('a pipeline of 24 tasks is one job, sent in batches, with arrays, retries, fractions and measured metrics; -resume runs nothing again', async () => {
  const first = startWithPlugin(cluster, { pipeline: 'mixed', trace: true });
  const { code, output, trace, log } = await first.result();
  expect(output).toMatch('sum 210');
  expect(output).toMatch('memory 400');
  expect(output).toMatch(/cpus \d,\d/);
  expect(output).toMatch('hello there 1 gpu');
  expect(code).toBe(0);
  const job = await lastJob();
  expect(job).toMatchObject({ isOpen: false, taskCount: 25, stats: { finished: 24, failed: 1 } });
  expect(log.match(/submitted \d+ task\(s\) in one request/g)?.length).toBeLessThan(20);
  const tasks = await client.listTasks(job.id);
  const gpu = await client.taskDetail(job.id, tasks.find(({ label }) => label === 'GPU')?.id ?? -1);
  expect(gpu.spec).toMatchObject({ priority: 7, pin: 'omp', request: [{ resources: { cpus: 1, gpus: 0.5, 'queue/fast': 1 } }] });
  const res = await client.taskDetail(job.id, tasks.find(({ label }) => label === 'RES')?.id ?? -1);
  expect(res.spec).toMatchObject({ timeLimitMs: 3_600_000, request: [{ resources: { cpus: 2, mem: 512 } }] });
  expect(trace.filter(({ exit }) => exit === '17').map(({ name, native_id }) => [name, native_id?.split('@')[0]])).toEqual([
    ['FLAKY', String(job.id)],
  ]);
  const row = trace.find(({ name }) => name === 'SUM');
  expect(row?.['peak_rss']).toMatch(/^[\d.]+ MB$/);
  expect(readFileSync(join(filesOf(row), '.command.trace'), 'utf8')).toMatch(
    /^nextflow.trace\/v2\nrchar=\d+\n[\s\S]*realtime=\d+\n%cpu=\d+\nrss=\d+\npeak_rss=\d+\n$/,
  );

  const again = await run({ pipeline: 'mixed', directory: first.directory, args: ['-resume'] });
  expect(again.output.match(/Cached process/g)).toHaveLength(24);
  expect(await lastJob()).toMatchObject({ taskCount: 0 });
});

test('what Nextflow has no directives for: variants, limits, variables, options of hq submit, models of GPUs', async () => {
  const { code, output } = await run({ pipeline: 'options', config: 'hq.timeLimit = false\nhq.timeRequest = true' });
  expect(output).toMatch(/^hello$/m);
  expect(output).toMatch(/^a "b" c$/m);
  expect(code).toBe(0);
  const job = await lastJob();
  const tasks = await client.listTasks(job.id);
  const specOf = async (name: string) => (await client.taskDetail(job.id, tasks.find(({ label }) => label === name)?.id ?? -1)).spec;
  expect((await specOf('VARIANTS')).request).toMatchObject([{ resources: { cpus: 4, gpus: 1 } }, { resources: { cpus: 2 } }]);
  const limits = await specOf('LIMITS');
  expect(limits).toMatchObject({ crashLimit: 2, priority: -3, request: [{ timeRequestMs: 1_800_000 }], env: { GREETING: 'hello' } });
  expect(limits.timeLimitMs ?? null).toBeNull();
  const lines = { crashLimit: 'never-restart', request: [{ timeRequestMs: 7_200_000, resources: { cpus: '2', gpus: '0.25' } }] };
  expect(await specOf('LINES')).toMatchObject(lines);
  expect((await specOf('TYPED')).request).toMatchObject([{ resources: { 'gpus/a100': 1 } }]);
});

test('a chain of ten: each task begins when the one before it has ended', async () => {
  const { code, trace } = await run({ pipeline: 'chain', trace: true });
  expect(code).toBe(0);
  expect(trace.map(({ name, status }) => `${name} ${status}`)).toEqual([...'ABCDEFGHIJ'].map((name) => `${name} COMPLETED`));
  expect(await lastJob()).toMatchObject({ isOpen: false, taskCount: 10, stats: { finished: 10 } });
});

test('exit codes say what retry rules want to know: time 140, memory 137, signals, the script itself', async () => {
  const { code, output, trace } = await run({ pipeline: 'ends', trace: true });
  expect(trace.map(({ name, status, exit, attempt }) => `${name} ${attempt} ${status} ${exit}`).sort()).toEqual([
    'FAILS 1 FAILED 3',
    'KILLED 1 FAILED 137',
    'MEMORY 1 FAILED 137',
    'MEMORY 2 COMPLETED 0',
    'TIME 1 FAILED 140',
    'TIME 2 COMPLETED 0',
  ]);
  expect(output).toMatch(/TIME \(task \d+@\d+\): Time limit reached \(directive time\)/);
  expect(output).toMatch(/KILLED \(task \d+@\d+\): .*signal 9/);
  expect(output).toMatch(/MEMORY \(task \d+@\d+\): Memory limit exceeded: .* \(directive memory\)/);
  expect(code).toBe(0);
  const timed = filesOf(trace.find(({ exit }) => exit === '140'));
  expect(readFileSync(join(timed, '.exitcode'), 'utf8')).toBe('140');
  const failed = filesOf(trace.find(({ name }) => name === 'FAILS'));
  expect(readFileSync(join(failed, '.command.out'), 'utf8')).toBe('out\n');
  expect(readFileSync(join(failed, '.command.err'), 'utf8')).toBe('err\n');
});

test('what cannot be done is said in one line, and nothing runs', async () => {
  const refused = (config: string): Promise<PipelineResult> => run({ pipeline: 'trivial', config, args: ['--tasks', '1'] });
  const option = await refused(`process.clusterOptions = '--account=me'`);
  expect(option.output).toMatch('clusterOptions: --account is not known; of `hq submit` these are: --priority');
  expect(option.code).toBe(1);
  const quotes = await refused(`process.clusterOptions = '--env "A=b c'`);
  expect(quotes.output).toMatch('clusterOptions: a quotation mark is missing in: --env "A=b c');
  const amount = await refused(`process.ext.hq = [gpus: 'many']`);
  expect(amount.output).toMatch(/HyperQueue: .*'many'/);
  const setting = await refused(`hq.cpu = 4`);
  expect(setting.output).toMatch('there is no setting hq.cpu: known are cpus, serverDir,');
  expect((await client.listJobs({})).at(-1)?.taskCount).toBe(0);
});

test('scripts, scratch, stdin, variables, published files: as with the executor local, in a work directory with a blank', async () => {
  const shown = async (executor: string): Promise<unknown> => {
    const config = `process.executor = '${executor}'\nenv.GREETING = 'hi there'\nexecutor.queueSize = 3`;
    const started = startWithPlugin(cluster, { pipeline: 'features', config, args: ['-w', 'work here'] });
    const { code, output } = await started.result();
    const lines = output.split('\n').filter((line) => line !== '' && !/process >|^N E X T|^Launching|^Downloading|\[.*\] NOTE/.test(line));
    return { code, lines: lines.sort(), published: started.read('results/all.txt') };
  };
  const local = await shown('local');
  expect(local).toMatchObject({ code: 0, published: expect.stringContaining('scratched') });
  expect(await shown('hq')).toEqual(local);
});

test("with hq.wrapper = 'nextflow' tasks have the wrapper as Nextflow writes it", async () => {
  const { code, trace } = await run({
    pipeline: 'trivial',
    config: `hq.wrapper = 'nextflow'`,
    args: ['--tasks', '1'],
    trace: true,
  });
  expect(code).toBe(0);
  const folder = filesOf(trace[0]);
  expect(readFileSync(join(folder, '.command.run'), 'utf8')).toMatch('nxf_launch | tee .command.out');
  expect(readdirSync(folder)).toContain('.command.log');
});

test('with hq.stream what tasks print goes into one log, and into files where Nextflow or a failure needs them', async () => {
  const started = startWithPlugin(cluster, { pipeline: 'prints', config: `hq.stream = 'logs'`, trace: true });
  const { code, output, trace } = await started.result();
  expect(output).toMatch('[it, told');
  expect(code).toBe(0);
  const files = (name: string): string[] => readdirSync(filesOf(trace.find((row) => row['name'] === name))).sort();
  const always = ['.command.run', '.command.sh', '.command.trace', '.exitcode'];
  expect(files('TELLS')).toEqual(['.command.out', ...always]);
  expect(files('SILENT')).toEqual([...always, 'made.txt']);
  expect(files('FAILS')).toEqual(['.command.err', '.command.out', ...always]);
  expect(readFileSync(join(filesOf(trace.find(({ exit }) => exit === '3')), '.command.err'), 'utf8')).toBe('why\n');
  const job = await lastJob();
  const silent = (await client.listTasks(job.id)).find(({ label }) => label === 'SILENT');
  expect(await cluster.ok(['job', 'logs', `${job.id}.${silent?.id}`], { cwd: started.directory })).toMatch('out');
});

test("from a host that is not the server's the plugin goes over TLS, to no other server than the one of the access file", async () => {
  const folder = join(cluster.root, 'elsewhere');
  const access = JSON.parse(readFileSync(join(cluster.serverDir, 'hq-current/access.json'), 'utf8'));
  mkdirSync(folder);
  writeFileSync(join(folder, 'access.json'), JSON.stringify({ ...access, socket: { ...access.socket, hostname: 'another-host' } }));
  const far = (): Promise<PipelineResult> => run({ pipeline: 'trivial', config: `hq.serverDir = '${folder}'`, args: ['--tasks', '3'] });
  expect(await far()).toMatchObject({ code: 0 });
  expect(await lastJob()).toMatchObject({ isOpen: false, stats: { finished: 3 } });
  const other = new Cluster();
  try {
    await other.startServer();
    const { client: foreign } = JSON.parse(readFileSync(join(other.serverDir, 'hq-current/access.json'), 'utf8'));
    const mixed = { ...access, socket: null, client: { ...access.client, certificate: foreign.certificate } };
    writeFileSync(join(folder, 'access.json'), JSON.stringify(mixed));
    const { code, output } = await far();
    expect(output).toMatch(/is not the server of .*access.json: it shows another certificate/);
    expect(code).toBe(1);
  } finally {
    await other.stop();
  }
});
