/** Nextflow's own executor `hq` on ours, as users have it in their pipelines: a real Nextflow, a real server, real workers. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster } from '../helpers/cluster.ts';
import { runPipeline } from './support/nextflow.ts';

/** Looks often, so that tests are quick. */
const QUICK = `executor { pollInterval = '200ms'; queueStatInterval = '2s'; exitReadTimeout = '10s' }`;

let cluster: Cluster;

beforeAll(async () => {
  cluster = new Cluster();
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '4']);
});

afterAll(() => cluster.stop());

test('a pipeline of two processes runs, with what tasks print, fail with and try again', async () => {
  const { code, output, trace } = await runPipeline(cluster, {
    script: `
      process PART {
        input: val n
        output: stdout
        script: "printf %s \\$((${'$'}{n} * ${'$'}{n}))"
      }
      process SUM {
        errorStrategy 'retry'
        input: val parts
        output: stdout
        script: "[ ${'$'}{task.attempt} = 2 ] || exit 17; echo sum \\$((${'$'}{parts.join(' + ')}))"
      }
      workflow { SUM(PART(channel.of(1, 2, 3)).collect()) | view }`,
    config: QUICK,
    trace: true,
  });
  expect(output).toMatch('sum 14');
  expect(code).toBe(0);
  expect(trace.map(({ name, status, exit }) => `${name} ${status} ${exit}`).sort()).toEqual([
    'PART (1) COMPLETED 0',
    'PART (2) COMPLETED 0',
    'PART (3) COMPLETED 0',
    'SUM COMPLETED 0',
    'SUM FAILED 17',
  ]);
});
