/** Nextflow's own executor `hq` on ours, as users have it in their pipelines: a real Nextflow, a real server, real workers. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientOf } from '../helpers/api.ts';
import { Cluster } from '../helpers/cluster.ts';
import { runPipeline, type TraceRow } from './support/nextflow.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  // Named as the detection names them, so that a request for `gpus` has to find them.
  await cluster.startWorker(['--cpus', '4', '--resource', 'mem=sum(16000)', '--resource', 'gpus/nvidia=[0,1]']);
});

afterAll(() => cluster.stop());

const ends = (trace: readonly TraceRow[]): string[] => trace.map(({ name, status, exit }) => `${name} ${status} ${exit}`).sort();

test('24 tasks: all directives arrive, a task that fails is tried again with more memory', async () => {
  const { code, output, trace } = await runPipeline(cluster, {
    script: `
      process WORK {
        cpus 1
        tag "$n"
        input: val n
        output: stdout
        script: "sleep 0.2; echo work $n; echo err $n >&2"
      }
      process FLAKY {
        memory { 200.MB * task.attempt }
        time '2 min'
        errorStrategy 'retry'
        maxRetries 2
        output: stdout
        script: "[ \${task.attempt} -ge 2 ] || exit 17; echo flaky \\$HQ_RESOURCE_REQUEST_mem"
      }
      process RES {
        cpus 2
        memory '512 MB'
        time '1h 2m 3s'
        output: stdout
        script: "echo res \\$HQ_RESOURCE_VALUES_cpus \\$HQ_RESOURCE_REQUEST_mem"
      }
      process GPU {
        accelerator 1
        memory '1 GB'
        clusterOptions '--priority 7', '--env "GREETING=a b"'
        output: stdout
        script: "echo gpu \\$CUDA_VISIBLE_DEVICES \\$GREETING"
      }
      workflow {
        channel.of(1..20) | WORK
        FLAKY()
        RES()
        GPU()
        WORK.out.concat(FLAKY.out).concat(RES.out).concat(GPU.out) | view
      }`,
    trace: true,
  });
  expect(output).toMatch(/^flaky 400 compact$/m);
  expect(output).toMatch(/^res \d,\d 512 compact$/m);
  expect(output).toMatch(/^gpu [01] a b$/m);
  expect(code).toBe(0);
  expect(ends(trace)).toEqual(
    [
      ...Array.from({ length: 20 }, (_, index) => `WORK (${index + 1}) COMPLETED 0`),
      'FLAKY COMPLETED 0',
      'FLAKY FAILED 17',
      'GPU COMPLETED 0',
      'RES COMPLETED 0',
    ].sort(),
  );
  const client = await clientOf(cluster);
  const gpu = (await client.listJobs()).find(({ name }) => name === 'nf-GPU');
  expect((await client.taskDetail(gpu?.id ?? 0, 0)).spec).toMatchObject({ priority: 7, wrapper: 'nextflow' });
  client.close();
});

test('what breaks the original: blanks, quotes, numbers that mean nothing', async () => {
  const directory = join(cluster.root, `with 'blanks' (1)`);
  mkdirSync(directory);
  const { code, output, trace } = await runPipeline(cluster, {
    directory,
    script: String.raw`
      process MEM0 { memory '100 KB'; script: "true" }
      process ACC { accelerator request: 1, type: 'nvidia'; script: "true" }
      process TAGQ { tag 'x"y'; script: "true" }
      process TAGB { tag 'x\\y'; script: "true" }
      process TAGU { tag 'žluťoučký [a](b) \$HOME ${'`'}id${'`'} ;&|<>'; script: "true" }
      process TIME0 { time '300 ms'; script: "true" }
      process HALF { clusterOptions '--resource "gpus=0.5"'; output: stdout; script: "echo half \$HQ_RESOURCE_REQUEST_gpus" }
      workflow { MEM0(); ACC(); TAGQ(); TAGB(); TAGU(); TIME0(); HALF() | view }`,
    trace: true,
  });
  expect(output).toMatch(/^half 0\.5 compact$/m);
  expect(code).toBe(0);
  expect(trace.map(({ status, exit }) => `${status} ${exit}`)).toEqual(Array(7).fill('COMPLETED 0'));
});

test('what no worker could run is refused at once, and the user reads why', async () => {
  const { code, output } = await runPipeline(cluster, {
    script: `process HUGE { accelerator 3; memory '1 GB'; script: "true" }
      workflow { HUGE() }`,
  });
  expect(code).toBe(1);
  expect(output).toMatch(/Command exit status:\s+1/);
  expect(output).toMatch(/gpus/);
});

test('the ends that a script cannot tell are seen at once, with a code for the rules of the pipeline and a reason', async () => {
  const { code, trace } = await runPipeline(cluster, {
    script: `
      process KILLED { errorStrategy 'ignore'; script: "kill -9 0" }
      process SLOW { time '1 s'; errorStrategy 'ignore'; script: "sleep 60" }
      process HUNGRY {
        memory { 64.MB * task.attempt * task.attempt * task.attempt }
        errorStrategy { task.exitStatus in 130..145 ? 'retry' : 'terminate' }
        maxRetries 2
        script: 'python3 -c "import time; kept = bytearray(150_000_000); time.sleep(3)"'
      }
      workflow { KILLED(); SLOW(); HUNGRY() }`,
    // Nothing that Nextflow could find out by itself, after a time without an exit code, comes within the time of this test.
    config: `executor { $hq { queueStatInterval = '1 h'; exitReadTimeout = '1 h' } }`,
    trace: true,
  });
  expect(ends(trace)).toEqual(['HUNGRY COMPLETED 0', 'HUNGRY FAILED 137', 'KILLED FAILED 137', 'SLOW FAILED 130'].sort());
  expect(code).toBe(0);
  const hungry = trace.find(({ name, status }) => name === 'HUNGRY' && status === 'FAILED');
  expect(readFileSync(join(hungry?.workdir ?? '', '.command.err'), 'utf8')).toMatch(/^hq: Memory limit exceeded/m);
});

test('a failure ends the run with what the task has printed, and -resume goes on from there', async () => {
  const directory = join(cluster.root, 'resumed');
  mkdirSync(directory);
  const script = `
    process FIRST { output: stdout; script: "echo first" }
    process SECOND {
      input: val text
      output: stdout
      script: "echo printed; [ -e '$launchDir/mended' ] || { echo said by the task >&2; exit 9; }"
    }
    workflow { SECOND(FIRST()) | view }`;
  const failed = await runPipeline(cluster, { directory, script, trace: true });
  expect(failed.code).toBe(1);
  expect(failed.output).toMatch(/Command exit status:\s+9/);
  expect(failed.output).toMatch(/Command output:\s+printed/);
  expect(failed.output).toMatch(/Command error:\s+said by the task/);
  writeFileSync(join(directory, 'mended'), '');
  const resumed = await runPipeline(cluster, { directory, script, trace: true, args: ['-resume'] });
  expect([resumed.code, ends(resumed.trace)]).toEqual([0, ['FIRST CACHED 0', 'SECOND COMPLETED 0']]);
});
