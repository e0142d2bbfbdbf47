/** The pipeline that all pipelines of nf-core begin as, unchanged, on Nextflow's own executor: its configuration, its retry rules, its subworkflows. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeTemplate, TEMPLATE } from '../../fixtures/nextflow/nf-core/template.mjs';
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

test('a stub run of the template of nf-core finishes, with one job for each task', async () => {
  const directory = join(cluster.root, 'nf-core');
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
    env: { NXF_PLUGINS_DIR: TEMPLATE.plugins },
    trace: true,
  });
  expect(output).toMatch('Pipeline completed successfully');
  expect(code).toBe(0);
  expect(trace.map(({ name, status, exit }) => `${name?.replace(/^.*:/, '')} ${status} ${exit}`).sort()).toEqual(
    [...samples.map((name) => `FASTQC (${name}) COMPLETED 0`), 'MULTIQC COMPLETED 0'].sort(),
  );
  expect((await cluster.ok(['--output-mode=quiet', 'job', 'list', '--all'])).split('\n').filter((line) => line !== '')).toHaveLength(5);
});
