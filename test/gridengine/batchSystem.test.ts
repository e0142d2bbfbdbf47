/**
 * The plugin for Grid Engine, as it is built and loaded by the server, on a real Grid Engine: the suite that all batch systems pass, and what only
 * Grid Engine does.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BatchJobStatus, SubmitRequest } from '../../src/server/autoalloc/batchSystem.ts';
import { openBatchSystem } from '../../src/server/autoalloc/openBatchSystem.ts';
import { describeConformance, requestOf, type Site, siteTest, untilStatus } from '../helpers/batchSystemConformance.ts';
import { waitFor } from '../helpers/cluster.ts';
import { GRID_ENGINE_ENV, gridEngine, InsideServer } from '../helpers/gridEngine.ts';

const PLUGIN = `plugin:${resolve('dist/batch/gridengine.js')}`;
/** No job of this cluster ever gets there. */
const UNKNOWN_ID = '4000000';
const WAIT_MS = 60_000;
/** One slot on each of the two hosts. */
const BOTH_HOSTS = ['-pe', 'one-per-host', '2'];
let count = 0;

async function open(): Promise<Site> {
  const root = mkdtempSync(join(tmpdir(), 'hq-gridengine-'));
  const system = openBatchSystem(PLUGIN, { directory: join(root, 'state'), env: GRID_ENGINE_ENV });
  const comment = `hq:test${process.pid}:1:${++count}`;
  return { system, root, comment, begin: () => UNKNOWN_ID, nodes: 2, nodesArgs: BOTH_HOSTS, waitMs: WAIT_MS };
}

/** Jobs that a failed test has left go with the cluster. */
async function close({ root }: Site): Promise<void> {
  rmSync(root, { recursive: true });
}

const onSite = siteTest(open, close);

/** Polls until a job is as wanted. */
function untilJob(site: Site, id: string, wanted: (status: BatchJobStatus) => boolean): Promise<BatchJobStatus> {
  const look = async (): Promise<BatchJobStatus | undefined> => {
    const status = (await site.system.poll([id])).get(id);
    return status !== undefined && wanted(status) ? status : undefined;
  };
  return waitFor(`job ${id}`, look, site.waitMs);
}

async function remove(site: Site, ...ids: string[]): Promise<void> {
  await site.system.cancel(ids);
  for (const id of ids) await untilStatus(site, id, 'ended');
}

describe('Grid Engine as a batch system', () => {
  describeConformance(open, close);

  onSite('a worker finds its job, and as many CPUs as the job has slots on its host', async (site) => {
    const plain = requestOf(site, 'finishes', { nodes: 2, extraArgs: BOTH_HOSTS });
    const variables = 'printf "%s " "$HQ_ALLOCATION_MANAGER" "$HQ_ALLOCATION_ID" "$HQ_ALLOCATION_CPUS" "$((HQ_ALLOCATION_END > 0))"';
    const startCommand = `${variables} >"$(mktemp "${plain.directory}/variables.XXXXXX")"`;
    const id = await site.system.submit({ ...plain, worker: { ...plain.worker, startCommand } });
    await untilStatus(site, id, 'ended');
    const written = readdirSync(plain.directory).filter((name) => name.startsWith('variables.'));
    expect(written.map((name) => readFileSync(join(plain.directory, name), 'utf8'))).toEqual(Array(2).fill(`gridengine ${id} 1 1 `));
  });

  onSite('several nodes need a parallel environment, and as many hosts as are wanted', async (site) => {
    await expect(site.system.submit(requestOf(site, 'finishes', { nodes: 2 }))).rejects.toThrow(
      'refused: 2 nodes need a parallel environment of the site: give -pe NAME SLOTS after --',
    );
    const request = requestOf(site, 'finishes', { extraArgs: BOTH_HOSTS });
    const id = await site.system.submit(request);
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'failed', exitCode: 1 });
    expect(readFileSync(join(request.directory, 'stderr'), 'utf8')).toMatch('the job was to have 1 nodes and has 2');
  });

  onSite('blanks in paths and arguments reach Grid Engine as they are; what would not is refused', async (site) => {
    for (const word of [`it's`, 'a "b"', 'c #1'])
      await expect(site.system.submit(requestOf(site, 'finishes', { extraArgs: ['-ac', word] }))).rejects.toThrow(`of a script: ${word}`);
    const directory = join(site.root, 'two words');
    mkdirSync(directory);
    const request: SubmitRequest = { ...requestOf(site, 'finishes'), directory, extraArgs: ['-ac', 'SITE=a b'] };
    const id = await site.system.submit({ ...request, worker: { ...request.worker, startCommand: 'pwd' } });
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'finished', comment: site.comment });
    expect(readFileSync(join(directory, 'stdout'), 'utf8')).toBe(`${directory}\n`);
  });

  onSite('what Grid Engine refuses is quoted', async (site) => {
    const request = requestOf(site, 'finishes', { extraArgs: ['-q', 'nowhere'] });
    await expect(site.system.submit(request)).rejects.toMatchObject({
      code: 'HQ_E_BATCH_REFUSED',
      message: expect.stringMatching(/ refused: .*unknown queue "nowhere"$/),
    });
  });

  onSite('a trial has doubts about what no host could ever run', async (site) => {
    const request = requestOf(site, 'finishes');
    expect(await site.system.doubts?.(request)).toEqual([]);
    const three = { ...request, nodes: 3, extraArgs: ['-pe', 'one-per-host', '3'] };
    expect(await site.system.doubts?.(three)).toEqual([expect.stringContaining('it only offers 2 slots')]);
    expect(await site.system.find([site.comment])).toEqual(new Map());
  });

  onSite('waiting for hosts or for other jobs is explained', async (site) => {
    const running = await site.system.submit(requestOf(site, 'stays', { nodes: 2, extraArgs: BOTH_HOSTS }));
    await untilStatus(site, running, 'running');
    const three = { nodes: 3, extraArgs: ['-pe', 'one-per-host', '3'], comment: `${site.comment}8` };
    const large = await site.system.submit(requestOf(site, 'finishes', three));
    const after = await site.system.submit(requestOf(site, 'finishes', { extraArgs: ['-hold_jid', running], comment: `${site.comment}9` }));
    const waiting = await untilJob(site, large, ({ reason }) => reason !== null);
    expect(site.system.explain(waiting)).toMatch(
      /^Grid Engine keeps it waiting: its parallel environment one-per-host offers only \d slots/,
    );
    expect(site.system.explain(await untilStatus(site, after, 'queued'))).toMatch(/keeps it waiting: it waits for other jobs/);
    await remove(site, running, large, after);
  });

  onSite('a job that could not be started says why, and is called hopeless', async (site) => {
    const request = requestOf(site, 'finishes');
    const id = await site.system.submit({ ...request, extraArgs: ['-o', '/proc/none'] });
    const status = await untilJob(site, id, (found) => found.rawState === 'Eqw' && found.reason !== null);
    expect(status).toMatchObject({ state: 'queued', hopeless: true, comment: site.comment });
    expect(site.system.explain(status)).toMatch(
      /will not start it as things are: it could not be started, can't open output file.* qmod -cj/,
    );
    await remove(site, id);
  });

  onSite('a job that is suspended has not failed', async (site) => {
    const id = await site.system.submit(requestOf(site, 'stays'));
    await untilStatus(site, id, 'running');
    await gridEngine('qmod', '-sj', id);
    expect(site.system.explain(await untilStatus(site, id, 'suspended'))).toMatch(
      /has suspended it: by its user or an administrator \(st?\)/,
    );
    await gridEngine('qmod', '-usj', id);
    await untilStatus(site, id, 'running');
    await remove(site, id);
  });

  onSite('a job that is started again under the same id, because the user wants that, counts it', async (site) => {
    const id = await site.system.submit(requestOf(site, 'stays', { extraArgs: ['-r', 'y'] }));
    await untilStatus(site, id, 'running');
    await gridEngine('qmod', '-rj', id);
    expect(await untilJob(site, id, ({ state, restarts }) => state === 'running' && restarts === 1)).toMatchObject({
      comment: site.comment,
    });
    await remove(site, id);
  });

  onSite('a job that somebody else has deleted was canceled; another server knows its end, too', async (site) => {
    const id = await site.system.submit(requestOf(site, 'stays'));
    await untilStatus(site, id, 'running');
    await gridEngine('qdel', id);
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'canceled', comment: site.comment });
    const other = { ...site, system: openBatchSystem(PLUGIN, { directory: join(site.root, 'other'), env: GRID_ENGINE_ENV }) };
    expect(await untilStatus(other, id, 'ended')).toMatchObject({ outcome: 'canceled', comment: null });
  });

  test('hq alloc add gridengine: allocations come for tasks, on both hosts, and disappear when nothing waits', async () => {
    const hq = new InsideServer({ HQ_AUTOALLOC_SCHEDULE_TICK_INTERVAL_MS: '200', HQ_AUTOALLOC_REFRESH_INTERVAL_MS: '500' });
    try {
      await hq.start();
      const limits = ['--time-limit', '10m', '--idle-timeout', '1s', '--backlog', '2', '--max-worker-count', '2', '--cpus', '1'];
      await hq.ok('alloc', 'add', 'gridengine', ...limits);
      // Both run at the same time, so that no worker can do all of it.
      const both = 'touch $HQ_TASK_ID; until test -e 1 && test -e 2; do sleep 0.1; done; hostname >> hosts.txt';
      await hq.ok('submit', '--array', '1-2', '--', 'sh', '-c', both);
      await hq.ok('job', 'wait', 'last');
      expect(readFileSync(join(hq.root, 'hosts.txt'), 'utf8').trim().split('\n').sort()).toEqual(['ge1', 'ge2']);
      const allocations = async () => JSON.parse(await hq.ok('--output-mode', 'json', 'alloc', 'info', '1')) as { status: string }[];
      await waitFor('the allocations to end', async () => (await allocations()).every(({ status }) => status === 'finished'), WAIT_MS);
      expect(await allocations()).toHaveLength(2);
      expect(await hq.ok('worker', 'list', '--all')).toMatch(/IDLE TIMEOUT.* gridengine +\| \d+/);
    } finally {
      await hq.stop();
    }
  });

  onSite('a qmaster that is down is unreachable, and nothing has failed', async (site) => {
    const id = await site.system.submit(requestOf(site, 'stays'));
    await untilStatus(site, id, 'running');
    await gridEngine('qconf', '-km');
    try {
      await waitFor('the end of qmaster', () =>
        gridEngine('qstat').then(
          () => false,
          () => true,
        ),
      );
      const { system } = site;
      for (const ask of [
        () => system.poll([id]),
        () => system.submit(requestOf(site, 'finishes')),
        () => system.find(['x']),
        () => system.cancel([id]),
      ])
        await expect(ask()).rejects.toMatchObject({ code: 'HQ_E_BATCH_UNREACHABLE' });
    } finally {
      await gridEngine('sge_qmaster');
    }
    await waitFor('qmaster', () =>
      gridEngine('qstat').then(
        () => true,
        () => false,
      ),
    );
    // It goes with the cluster: its host needs a minute before it listens to the new qmaster.
    expect((await site.system.poll([id])).get(id)).toMatchObject({ state: 'running', comment: site.comment });
  });
});
