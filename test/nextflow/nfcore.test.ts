/** The pipeline that all pipelines of nf-core begin as, unchanged, on both executors: its configuration, its retry rules, its subworkflows, its own plugin. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeTemplate, TEMPLATE } from '../../fixtures/nextflow/nf-core/template.mjs';
import { nextflowPlugin } from '../../scripts/lib/nextflowPlugin.mjs';
import { clientOf } from '../helpers/api.ts';
import { Cluster } from '../helpers/cluster.ts';
import { runPipeline } from './support/nextflow.ts';

let cluster: Cluster;

beforeAll(async () => {
  await makeTemplate();
  cluster = new Cluster();
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '4', '--resource', 'mem=sum(16000)']);
}, 600_000);

afterAll(() => cluster.stop());

/** A folder with the plugin of the template and ours, and the variable that adds ours: `-plugins` would put it in the place of the template's. */
function bothPlugins(): NodeJS.ProcessEnv {
  const { id, version, folder } = nextflowPlugin();
  const plugins = join(cluster.root, 'plugins');
  cpSync(TEMPLATE.plugins, plugins, { recursive: true });
  cpSync(folder, join(plugins, basename(folder)), { recursive: true });
  return { NXF_PLUGINS_DIR: plugins, NXF_PLUGINS_DEFAULT: `${id}@${version}` };
}

test.each([
  ['built-in executor', () => ({ NXF_PLUGINS_DIR: TEMPLATE.plugins }), [1, 1, 1, 1, 1]],
  ['plugin', bothPlugins, [5]],
])('a stub run of the template of nf-core finishes on the %s', async (_name, env, jobs) => {
  const client = await clientOf(cluster);
  const earlier = (await client.listJobs({})).length;
  const directory = join(cluster.root, `nf-core-${jobs.length}`);
  mkdirSync(directory);
  const samples = ['one', 'two', 'three', 'four'];
  for (const name of samples) writeFileSync(join(directory, `${name}.fastq.gz`), '');
  const rows = samples.map((name) => `${name},${join(directory, name)}.fastq.gz,`);
  writeFileSync(join(directory, 'samples.csv'), ['sample,fastq_1,fastq_2', ...rows, ''].join('\n'));
  const { code, output, trace } = await runPipeline(cluster, {
    directory,
    pipeline: TEMPLATE.pipeline,
    config: `process.resourceLimits = [cpus: 4, memory: '4.GB', time: '1.h']`,
    args: ['-stub-run', '--input', 'samples.csv', '--outdir', 'results', '--igenomes_ignore'],
    env: env(),
    trace: true,
  });
  expect(output).toMatch('Pipeline completed successfully');
  expect(code).toBe(0);
  expect(trace.map(({ name, status, exit }) => `${name?.replace(/^.*:/, '')} ${status} ${exit}`).sort()).toEqual(
    [...samples.map((name) => `FASTQC (${name}) COMPLETED 0`), 'MULTIQC COMPLETED 0'].sort(),
  );
  expect((await client.listJobs({})).slice(earlier).map(({ taskCount }) => taskCount)).toEqual(jobs);
  client.close();
});
