/** What tests on Slurm rely on: the test cluster behaves as a real one, also when something in it breaks. */
import { chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waitFor } from '../helpers/cluster.ts';
import { processesWith, SlurmCluster } from '../helpers/slurm.ts';

const USER = 'hqslurmtest';
const SLEEP = 'sleep 300';

let slurm: SlurmCluster;

/** Lines of a job's output, sorted. */
const outputOf = (id: string) =>
  readFileSync(join(slurm.work, `${id}.out`), 'utf8')
    .trim()
    .split('\n')
    .sort();

beforeAll(async () => {
  slurm = await SlurmCluster.start({ accounting: true, user: USER });
});
afterAll(() => slurm.clean());

describe('jobs', () => {
  test('a job on two nodes sees two hosts', async () => {
    const id = await slurm.submit('srun hostname', '--nodes=2', '--ntasks-per-node=1');
    await slurm.untilJob(id, 'COMPLETED');
    expect(outputOf(id)).toEqual(['n1', 'n2']);
  });

  test('ten jobs as the tutorial asks for them run at once', async () => {
    const args = ['--partition=general', '--account=pfeiferlab', '--mem=32G', '--time=4:00:00'];
    const ids = await Promise.all(Array.from({ length: 10 }, () => slurm.submit(SLEEP, ...args)));
    for (const id of ids) await slurm.untilJob(id, 'RUNNING');
    await slurm.ok('scancel', ...ids);
    for (const id of ids) await slurm.untilJob(id, 'CANCELLED');
  });

  test('jobs with a GPU each get different ones', async () => {
    const script = `echo $CUDA_VISIBLE_DEVICES; ${SLEEP}`;
    const ids = [await slurm.submit(script, '-p', 'gpu', '--gpus=1'), await slurm.submit(script, '-p', 'gpu', '--gpus=1')];
    const devices = await waitFor('both to say which', () => {
      const lines = ids
        .map((id) => join(slurm.work, `${id}.out`))
        .map((file) => (existsSync(file) ? readFileSync(file, 'utf8').trim() : ''));
      return lines.every((line) => line !== '') && lines;
    });
    expect(devices.sort()).toEqual(['0', '1']);
    await slurm.ok('scancel', ...ids);
  });

  test('a user who is not root submits, and sacct tells how the job ended', async () => {
    const folder = mkdtempSync(join(slurm.work, 'user-'));
    const { uid, gid } = await idsOf(USER);
    chownSync(folder, uid, gid);
    const submit = ['sbatch', '--parsable', '-D', folder, '-o', '/dev/null', '--account=pfeiferlab', '--wrap=exit 3'];
    const id = await slurm.ok('runuser', '-u', USER, '--', ...submit);
    await slurm.untilJob(id, 'FAILED');
    const ask = () => slurm.ok('sacct', '-X', '-n', '-P', '-j', id, '--format=User,Account,State,ExitCode');
    const row = await waitFor('the database', async () => {
      const text = await ask();
      return text.includes('FAILED') && text;
    });
    expect(row).toBe(`${USER}|pfeiferlab|FAILED|3:0`);
  });

  test('what a job has left behind dies with it', async () => {
    const orphan = 'sleep 47114712';
    const id = await slurm.submit(`(setsid ${orphan} &); ${SLEEP}`, '--nodelist=n1');
    const orphans = () => processesWith(orphan).filter((line) => line.startsWith(orphan)).length;
    await waitFor('the orphan', () => orphans() === 1);
    await slurm.ok('scancel', id);
    await waitFor('its end', () => orphans() === 0);
  });
});

describe.concurrent('ends that are not the job’s own', () => {
  test('a time limit ends a job as TIMEOUT', async () => {
    const id = await slurm.submit(SLEEP, '--time=5', '--nodelist=n1');
    await slurm.untilJob(id, 'RUNNING');
    await slurm.ok('scontrol', 'update', `JobId=${id}`, 'EndTime=now+2');
    await slurm.untilJob(id, 'TIMEOUT');
  });

  test('a job of higher priority ends one that may not be requeued, and sends back one that may under the same id', async () => {
    const low = ['--partition=scavenge', '--nodelist=n2', '--cpus-per-task=2'];
    const [ends, returns] = [await slurm.submit(SLEEP, ...low, '--no-requeue'), await slurm.submit(SLEEP, ...low)];
    for (const id of [ends, returns]) await slurm.untilJob(id, 'RUNNING');
    const high = await slurm.submit('true', '--nodelist=n2', '--exclusive');
    await slurm.untilJob(ends, 'PREEMPTED');
    await slurm.untilJob(high, 'COMPLETED');
    const again = await slurm.untilJob(returns, 'RUNNING');
    expect(again['Restarts']).toBe('1');
    await slurm.ok('scancel', returns);
  });

  test('a power cut of a node ends its job as NODE_FAIL; booted again, the node takes jobs', async () => {
    const id = await slurm.submit(SLEEP, '--nodelist=n3', '--no-requeue');
    await slurm.untilJob(id, 'RUNNING');
    await slurm.node('crash', 'n3');
    await slurm.untilNode('n3', 'down', 'down*');
    expect(await slurm.job(id)).toMatchObject({ JobState: 'NODE_FAIL' });
    await slurm.node('start', 'n3');
    await slurm.untilNode('n3', 'idle');
    await slurm.untilJob(await slurm.submit('true', '--nodelist=n3'), 'COMPLETED');
  });
});

test('without a controller, commands fail and jobs go on; back again, it knows how they ended', async () => {
  const id = await slurm.submit('until [ -e go ]; do sleep 0.1; done; echo done');
  await slurm.untilJob(id, 'RUNNING');
  await slurm.controller('stop');
  try {
    const { code, stderr } = await slurm.run('squeue');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('Unable to contact slurm controller') });
    mkdirSync(join(slurm.work, 'go'));
    await waitFor('the job to end', () => outputOf(id).includes('done'));
  } finally {
    await slurm.controller('start');
  }
  await slurm.untilJob(id, 'COMPLETED');
});

test('another checkout may neither change nor stop the cluster', async () => {
  const other = realpathSync(mkdtempSync(join(tmpdir(), 'hq-other-')));
  try {
    for (const folder of ['fixtures/slurm-cluster', 'scripts/lib']) cpSync(folder, join(other, folder), { recursive: true });
    const program = join(other, 'fixtures/slurm-cluster/cluster.mjs');
    const attempts = [['stop'], ['start'], ['node', 'crash', 'n1'], ['controller', 'stop'], ['exec', 'n1', 'true']];
    for (const args of attempts) {
      const { exitCode, stderr } = await execa(process.execPath, [program, ...args], { reject: false });
      expect({ args, exitCode, stderr }).toEqual({
        args,
        exitCode: 1,
        stderr: expect.stringMatching(new RegExp(`^the (test )?cluster .*${process.cwd()}`)),
      });
    }
    expect(await slurm.exec('n1', 'hostname')).toMatchObject({ code: 0, stdout: 'n1' });
    await slurm.ok('scontrol', 'ping');
  } finally {
    rmSync(other, { recursive: true });
  }
});

async function idsOf(user: string): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map(async (flag) => Number(await slurm.ok('id', flag, user))));
  return { uid: uid ?? -1, gid: gid ?? -1 };
}
