/** The exercises of the tutorial with what they let one observe. The first one, about allocations, is in test/slurm/autoalloc.test.ts. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import { finished, furnish, submitted, typed } from '../helpers/tutorial.ts';

let cluster: Cluster;
let client: HqClient;
beforeAll(async () => {
  // As if hq-bridge were installed where its tasks run.
  cluster = new Cluster({ PYTHONPATH: resolve('python-shim/src') });
  furnish(cluster);
  await cluster.startServer();
  client = await clientOf(cluster);
  await cluster.startWorker(['--cpus', '4', '--resource', 'gpus=1']);
});
afterAll(async () => {
  client.close();
  await cluster.stop();
});

test('2: four tasks of a quarter GPU run at the same time on one GPU, as their output tells', async () => {
  const script = 'echo $HQ_TASK_ID $CUDA_VISIBLE_DEVICES; until test -e go; do sleep 0.02; done';
  const id = await submitted(cluster, `hq submit --array 1-4 --resource "gpus=0.25" -- bash -c '${script}'`);
  await waitFor('all four to run', async () => (await client.jobDetail(id)).stats.running === 4);
  writeFileSync(join(cluster.work, 'go'), '');
  expect((await ended(client, id)).stats.finished).toBe(4);
  expect(await typed(cluster, `hq job cat ${id} stdout`)).toBe('1 0\n2 0\n3 0\n4 0\n');
});

test('3: 1,000 tasks leave one file with streaming and 2,000 without, and the same output', async () => {
  const command = '--array 1-1000 -- bash -c \'echo "result for $HQ_TASK_ID"\'';
  const streamed = await finished(cluster, client, `hq submit --stream=logs/ ${command}`);
  const plain = await finished(cluster, client, `hq submit ${command}`);
  expect(readdirSync(join(cluster.work, 'logs'))).toEqual([`job-${streamed.id}.log`]);
  expect(readdirSync(join(cluster.work, `job-${plain.id}`))).toHaveLength(2_000);
  const text = await typed(cluster, `hq output-log logs/job-${streamed.id}.log stdout`);
  expect(text.split('\n')).toHaveLength(1_001);
  expect(await typed(cluster, `hq job cat ${plain.id} stdout`)).toBe(text);
});

test('4: every seventh task is tried three times; 14 failures do not stop a job that may have 20, but one that may have 10', async () => {
  const script = 'echo $HQ_INSTANCE_ID >> tried-$HQ_JOB_ID-$HQ_TASK_ID; test $((HQ_TASK_ID % 7)) != 0';
  const submit = (limit: number): Promise<number> =>
    submitted(cluster, `hq submit --max-retries=2 --crash-limit=${limit} --array=1-100 -- bash -c '${script}'`);
  const all = await submit(20);
  expect((await ended(client, all)).stats).toMatchObject({ finished: 86, failed: 14, aborted: 0 });
  const failed = await client.listTasks(all, { states: ['failed'] });
  expect(failed.map(({ id }) => id)).toEqual(Array.from({ length: 14 }, (_, i) => 7 * (i + 1)));
  for (const task of [6, 7]) expect(cluster.read(`tried-${all}-${task}`)).toBe(task === 7 ? '0\n1\n2\n' : '0\n');
  const stopped = await submit(10);
  const { stats } = await ended(client, stopped);
  expect(stats.failed).toBe(11);
  expect(stats.finished + stats.aborted).toBe(89);
  expect(stats.aborted).toBeGreaterThan(0);
});

test('5: three stages in Python: five tasks generate, five process, one aggregates', async () => {
  writeFileSync(join(cluster.work, 'stages.py'), STAGES);
  const script = `from hyperqueue import Client, Job
import stages
client = Client()
job = Job()
one = [job.function(stages.generate, args=(seed,), name=f"generate-{seed}") for seed in range(5)]
two = [job.function(stages.process, args=(seed,), name=f"process-{seed}", deps=[one[seed]]) for seed in range(5)]
job.function(stages.aggregate, name="aggregate", deps=two)
submitted = client.submit(job)
client.wait_for_jobs([submitted])
print(submitted.id)
`;
  writeFileSync(join(cluster.work, 'pipeline.py'), script);
  const id = Number(await typed(cluster, 'python pipeline.py'));
  expect(cluster.read('total')).toBe('100');
  const tasks = await client.listTasks(id);
  expect(tasks.map(({ state }) => state)).toEqual(Array(11).fill('finished'));
  const [started, done] = [tasks.map((task) => task.startedAtMs as number), tasks.map((task) => task.finishedAtMs as number)];
  for (let seed = 0; seed < 5; seed += 1) expect(started[5 + seed]).toBeGreaterThanOrEqual(done[seed] as number);
  expect(started[10]).toBeGreaterThanOrEqual(Math.max(...done.slice(5, 10)));
});

/** Each stage reads what the one before has written. */
const STAGES = `
def generate(seed):
    with open(f"generated-{seed}", "w") as file:
        file.write(str(seed * 10))


def process(seed):
    with open(f"generated-{seed}") as file, open(f"processed-{seed}", "w") as output:
        output.write(str(int(file.read()) * 1))


def aggregate():
    with open("total", "w") as output:
        output.write(str(sum(int(open(f"processed-{seed}").read()) for seed in range(5))))
`;
