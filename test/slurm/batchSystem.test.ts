/** The Slurm adapter on a real Slurm: the suite that all batch systems pass, and what only Slurm does. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeBatchHost } from '../../src/server/autoalloc/batchHost.ts';
import { makeSlurm } from '../../src/server/autoalloc/slurm.ts';
import { describeConformance, requestOf, type Site, untilStatus } from '../helpers/batchSystemConformance.ts';
import { waitFor } from '../helpers/cluster.ts';
import { SlurmCluster } from '../helpers/slurm.ts';

/** No job of this cluster ever gets there. */
const UNKNOWN_ID = '4000000';
/** Limits are looked at every 30 s. */
const WAIT_MS = 60_000;

let slurm: SlurmCluster;
let count = 0;

beforeAll(async () => {
  slurm = await SlurmCluster.start({ accounting: true });
});
afterAll(() => slurm.clean());

async function open(): Promise<Site> {
  const root = mkdtempSync(join(slurm.work, 'site-'));
  const system = makeSlurm(makeBatchHost({ title: 'Slurm', directory: join(root, 'state') }));
  const shorten = async (id: string): Promise<void> => {
    await slurm.ok('scontrol', 'update', `JobId=${id}`, 'EndTime=now+2');
  };
  const comment = `hq:test${process.pid}x${Date.now()}:1:${++count}`;
  return { system, root, comment, begin: () => UNKNOWN_ID, shorten, nodes: 2, waitMs: WAIT_MS };
}

/** Jobs that a failed test has left are canceled by `clean`; their directories go with the cluster's working directory. */
async function close(): Promise<void> {}

describe('Slurm as a batch system', () => {
  describeConformance(open, close);

  test('blanks, quotes and patterns in paths and arguments reach Slurm as they are', async () => {
    const site = await open();
    const directory = join(site.root, `it's %j "odd" #1`);
    mkdirSync(directory);
    const request = { ...requestOf(site, 'finishes'), directory, extraArgs: ['--wckey=a b#c', '--comment=for the site'] };
    const id = await site.system.submit({ ...request, worker: { ...request.worker, startCommand: 'echo hello' } });
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'finished', comment: site.comment });
    expect(readFileSync(join(directory, 'stdout'), 'utf8')).toBe('hello\n');
    expect((await slurm.job(id))?.['Comment']).toBe(`for the site ${site.comment}`);
  });

  test('what Slurm refuses is quoted', async () => {
    const site = await open();
    const request = requestOf(site, 'finishes', { extraArgs: ['--partition=nowhere'] });
    await expect(site.system.submit(request)).rejects.toThrow(
      /^Slurm refused: invalid partition specified: nowhere; Batch job submission failed/,
    );
  });

  test('a job that can never start is called hopeless, and a trial has doubts about it', async () => {
    const site = await open();
    const request = requestOf(site, 'finishes', { nodes: 50 });
    expect(await site.system.doubts?.(request)).toEqual([expect.stringContaining('Requested node configuration is not available')]);
    expect(await site.system.doubts?.({ ...request, nodes: 1 })).toEqual([]);
    const id = await site.system.submit({ ...request, timeLimitMs: 30 * 86_400_000, nodes: 1 });
    const status = await waitFor('the reason', async () => {
      const found = (await site.system.poll([id])).get(id);
      return found?.reason?.code === 'PartitionTimeLimit' ? found : undefined;
    });
    expect(status).toMatchObject({ state: 'queued', hopeless: true });
    expect(site.system.explain(status)).toBe(
      'Slurm will not start it as things are: its time limit is longer than its partition allows (PartitionTimeLimit)',
    );
    await site.system.cancel([id]);
  });

  test('waiting for nodes is explained, and has an estimated start', async () => {
    const site = await open();
    const all = { nodes: 4, extraArgs: ['--exclusive'] };
    const first = await site.system.submit(requestOf(site, 'stays', all));
    await untilStatus(site, first, 'running');
    const second = await site.system.submit(requestOf(site, 'stays', { ...all, comment: `${site.comment}9` }));
    const waiting = await waitFor('the reason', async () => {
      const found = (await site.system.poll([first, second])).get(second);
      return found?.reason?.code === 'Resources' ? found : undefined;
    });
    expect(site.system.explain(waiting)).toBe(
      'Slurm keeps it waiting: all suitable nodes are in use; it is next when some become free (Resources)',
    );
    const start = await waitFor('the estimate', async () => (await site.system.estimateStarts([first, second])).get(second), WAIT_MS);
    expect(start).toBeGreaterThan(Date.now());
    await site.system.cancel([first, second]);
    await untilStatus(site, first, 'ended');
  });

  test('a job that is suspended or preempted has not failed', async () => {
    const site = await open();
    const suspended = await site.system.submit(requestOf(site, 'stays'));
    await untilStatus(site, suspended, 'running');
    await slurm.ok('scontrol', 'suspend', suspended);
    await untilStatus(site, suspended, 'suspended');
    await slurm.ok('scontrol', 'resume', suspended);
    await untilStatus(site, suspended, 'running');
    await site.system.cancel([suspended]);
    await untilStatus(site, suspended, 'ended');
    const all = ['--exclusive'];
    const loser = await site.system.submit(requestOf(site, 'stays', { nodes: 4, extraArgs: [...all, '--partition=scavenge'] }));
    await untilStatus(site, loser, 'running');
    const winner = await site.system.submit(requestOf(site, 'stays', { nodes: 4, extraArgs: all, comment: `${site.comment}9` }));
    const preempted = await untilStatus(site, loser, 'ended');
    expect(preempted).toMatchObject({ outcome: 'preempted', restarts: 0 });
    expect(site.system.explain(preempted)).toMatch(/^it was preempted by a job of higher priority/);
    await site.system.cancel([winner]);
    await untilStatus(site, winner, 'ended');
  });

  test('a job that Slurm starts again under the same id, because the user wants that, counts its restarts', async () => {
    const site = await open();
    const id = await site.system.submit(requestOf(site, 'stays', { extraArgs: ['--requeue'] }));
    await untilStatus(site, id, 'running');
    await slurm.ok('scontrol', 'requeue', id);
    expect(await untilStatus(site, id, 'queued')).toMatchObject({ restarts: 1, comment: site.comment });
    expect(await untilStatus(site, id, 'running')).toMatchObject({ restarts: 1 });
    await site.system.cancel([id]);
    await untilStatus(site, id, 'ended');
  });

  test('a job that cannot write its output has not been launched', async () => {
    const site = await open();
    const id = await site.system.submit(requestOf(site, 'finishes', { extraArgs: ['--output=/proc/none'] }));
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'launch failed', exitCode: null });
  });

  test('an sbatch that hangs is ended and has given no answer; what it had submitted is found by its comment', async () => {
    const site = await open();
    const bin = join(site.root, 'bin');
    mkdirSync(bin);
    const sbatch = (await slurm.ok('which', 'sbatch')).trim();
    writeFileSync(join(bin, 'sbatch'), `#!/bin/bash\n${sbatch} "$@" >&2\nsleep 600 & wait\n`, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
    const hanging = makeSlurm(makeBatchHost({ title: 'Slurm', directory: site.root, env, timeoutMs: 3_000 }));
    await expect(hanging.submit(requestOf(site, 'stays'))).rejects.toMatchObject({ code: 'HQ_E_BATCH_TIMEOUT' });
    const id = (await hanging.find([site.comment])).get(site.comment) ?? '';
    await untilStatus(site, id, 'running');
    await site.system.cancel([id]);
    await untilStatus(site, id, 'ended');
    rmSync(bin, { recursive: true });
  });

  test('what the controller has forgotten is looked up in the accounting', async () => {
    const site = await open();
    const id = await site.system.submit(requestOf(site, 'fails with 3'));
    await untilStatus(site, id, 'ended');
    // A squeue that knows nothing stands for a controller whose MinJobAge is over.
    const bin = join(site.root, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'squeue'), '#!/bin/bash\necho "slurm_load_jobs error: Invalid job id specified" >&2\nexit 1\n', {
      mode: 0o755,
    });
    const forgetful = makeSlurm(
      makeBatchHost({ title: 'Slurm', directory: site.root, env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } }),
    );
    const known = await waitFor('the accounting to know of the end', async () => {
      const found = await forgetful.poll([id, UNKNOWN_ID]);
      return found.get(id)?.state === 'ended' ? found : undefined;
    });
    expect(known.get(id)).toMatchObject({ outcome: 'failed', exitCode: 3 });
    expect(known.get(UNKNOWN_ID)).toMatchObject({ state: 'vanished' });
    rmSync(bin, { recursive: true });
  });

  test('a node that goes down ends the job as failed by its node', async () => {
    const site = await open();
    const id = await site.system.submit(requestOf(site, 'stays', { extraArgs: ['--nodelist=n3'] }));
    await untilStatus(site, id, 'running');
    await slurm.ok('scontrol', 'update', 'NodeName=n3', 'State=down', 'Reason=test');
    try {
      expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'node failed' });
    } finally {
      await slurm.ok('scontrol', 'update', 'NodeName=n3', 'State=resume');
    }
    await slurm.untilNode('n3', 'idle');
  });

  test('a controller that is down is unreachable, and nothing has failed', async () => {
    const site = await open();
    const id = await site.system.submit(requestOf(site, 'stays'));
    await untilStatus(site, id, 'running');
    await slurm.controller('stop');
    try {
      const asked = [
        site.system.poll([id]),
        site.system.submit(requestOf(site, 'finishes')),
        site.system.find([site.comment]),
        site.system.cancel([id]),
      ];
      for (const answer of await Promise.allSettled(asked))
        expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'HQ_E_BATCH_UNREACHABLE' } });
    } finally {
      await slurm.controller('start');
    }
    expect((await site.system.poll([id])).get(id)).toMatchObject({ state: 'running', comment: site.comment });
    await site.system.cancel([id]);
    await untilStatus(site, id, 'ended');
  });
});
