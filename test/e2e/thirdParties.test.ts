/** Scripts and programs of others that call `hq`, as they are found in the wild: what they type, and what they read of the answers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster, waitFor } from '../helpers/cluster.ts';
import { furnish, type, typed } from '../helpers/tutorial.ts';

let cluster: Cluster;
beforeEach(() => {
  cluster = new Cluster();
  furnish(cluster);
});
afterEach(async () => {
  await cluster.stop();
});

test('a batch script in the manner of sbatch-hq: server and workers inside of one job, a file of commands', async () => {
  writeFileSync(join(cluster.work, 'commands.txt'), 'echo one\necho two; exit 0\nsh -c "echo three"\n');
  const script = `hq server start &> server.txt &
until hq job list &> /dev/null; do sleep 0.1; done
hq worker start --cpus 2 --manager none --on-server-lost finish-running &> worker1.txt &
hq worker start --cpus 2 --manager none --on-server-lost finish-running &> worker2.txt &
hq worker wait 2
hq submit --stdout=out-%{TASK_ID} --stderr=none --each-line commands.txt --cpus=1 -- bash -c 'bash -c "$HQ_ENTRY"'
hq job wait all
hq worker stop all
hq server stop
wait
`;
  expect(await typed(cluster, script)).toMatch(/^Job submitted successfully, job ID: 1$/m);
  expect([0, 1, 2].map((id) => cluster.read(`out-${id}`))).toEqual(['one\n', 'two\n', 'three\n']);
});

/** A line of `hq job list` as aiida-hyperqueue reads it: the id ends its cell. */
const LISTED = /^\|\s+(\d+)\s\|\s+([^|]+?)\s+\|\s(\w+)\s+\|\s(\d+)\s+\|$/gm;

test('aiida-hyperqueue: a script whose #HQ line is also typed, the table of jobs, a cancel without ERROR', async () => {
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '2']);
  const script =
    '#!/bin/bash\n#HQ --name="aiida-17" --stdout=out.txt --stderr=err.txt --time-request=60s --time-limit=60s --priority=2 --cpus=1\n';
  writeFileSync(join(cluster.work, '_aiidasubmit.sh'), `${script}echo started\n`);
  writeFileSync(join(cluster.work, 'long.sh'), `#!/bin/bash\n#HQ --name="aiida" --cpus=2\nsleep 600\n`);
  const submit = (name: string): Promise<string> =>
    typed(cluster, `chmod 774 ${name}; options=$(grep '#HQ' ${name}); hq job submit \${options:3} ./${name}`);
  expect(await submit('_aiidasubmit.sh')).toMatch(/^Job submitted successfully, job ID: 1$/m);
  await typed(cluster, 'hq job wait 1');
  expect(cluster.read('out.txt')).toBe('started\n');
  for (let id = 2; id <= 11; id += 1) expect(await submit('long.sh')).toContain(`job ID: ${id}\n`);
  await waitFor('job 2 to run', async () => (await cluster.ok(['job', 'list', '--filter', 'running'])).includes('aiida'));
  const listed = [...(await typed(cluster, 'hq job list --filter waiting,running')).matchAll(LISTED)].map((found) => found.slice(1));
  expect(listed).toHaveLength(10);
  expect(listed[0]).toEqual(['2', '"aiida"', 'RUNNING', '1']);
  expect(listed[9]).toEqual(['11', '"aiida"', 'WAITING', '1']);
  for (const [id] of listed) {
    const { code, stderr } = await type(cluster, `hq job cancel ${id}`);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('ERROR')]);
  }
  expect([...(await typed(cluster, 'hq job list --filter waiting,running')).matchAll(LISTED)]).toEqual([]);
});

test('dplutils: tasks into an open job, and their states, by JSON alone', async () => {
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '2']);
  const hq = async (line: string): Promise<unknown> => JSON.parse(await typed(cluster, `hq --output-mode=json ${line}`));
  expect(await hq('job open --name pipeline')).toEqual({ id: 1 });
  expect(await hq('submit --job 1 -- true')).toEqual({ id: 1 });
  expect(await hq('submit --job 1 -- sh -c "exit 4"')).toEqual({ id: 1 });
  await typed(cluster, 'hq job wait --without-close 1');
  const { 1: tasks } = (await hq('task list 1')) as Record<string, { id: number; state: string; error?: string }[]>;
  expect(tasks?.map(({ id, state }) => [id, state])).toEqual([
    [0, 'finished'],
    [1, 'failed'],
  ]);
  expect(tasks?.[1]?.error).toBe('Program terminated with exit code 4.');
  expect(await hq('job close 1')).toEqual({});
});
