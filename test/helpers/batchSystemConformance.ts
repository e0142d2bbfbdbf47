/**
 * What every batch system has to do, whatever is behind it: run on local processes, a real Slurm, a real Grid Engine and recorded answers of PBS.
 * Each site says how it makes a job behave in the ways that are named here.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BatchJobStatus, BatchSystem, SubmitRequest } from '../../src/server/autoalloc/batchSystem.ts';
import { waitFor } from './cluster.ts';

/** `stays`: until it is canceled. */
export type Behaviour = 'stays' | 'finishes' | 'fails with 3' | 'is held' | 'is unknown' | 'reaches its limit';

export interface Site {
  readonly system: BatchSystem;
  /** Fresh, for the files of jobs and programs; every node and the user of the jobs can write there. */
  readonly root: string;
  /** Of the next job; no job that is left from earlier runs may have it. */
  readonly comment: string;
  /** Prepares the site for one job of this kind. @returns an id that the batch system has never given out */
  begin(behaviour: Behaviour): string;
  /** Makes the limit of a running job end soon, where the batch system is slower than a test wants to be. */
  shorten?(id: string): Promise<void>;
  /** How many nodes a job can have; 0: jobs do not really run, so that nothing they write can be looked at. */
  readonly nodes: number;
  /** What is typed after `--` for a job of so many nodes, where the batch system needs something. */
  readonly nodesArgs?: readonly string[];
  /** Longest wait for a change, milliseconds. */
  readonly waitMs: number;
}

/** Stands for `hq`: writes its arguments down, one a line, and does what its name says. */
const PROGRAMS: Readonly<Partial<Record<Behaviour, string>>> = {
  stays: 'exec sleep 600',
  'reaches its limit': 'exec sleep 600',
  finishes: 'exit 0',
  'fails with 3': 'exit 3',
  'is held': 'exit 0',
};

/** A request whose worker behaves like that. */
export function requestOf(site: Site, behaviour: Behaviour, changes: Partial<SubmitRequest> = {}): SubmitRequest {
  const directory = mkdtempSync(join(site.root, 'allocation-'));
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const hqPath = join(bin, 'hq');
  const saying = `printf '%s\\n' "$@" >"$(mktemp "${directory}/arguments.XXXXXX")"`;
  writeFileSync(hqPath, `#!/bin/bash\n${saying}\n${PROGRAMS[behaviour] ?? 'exit 0'}\n`, { mode: 0o755 });
  return {
    queueId: 1,
    number: 1,
    name: 'hq-1-1',
    directory,
    nodes: 1,
    timeLimitMs: 60_000,
    extraArgs: [],
    worker: { hqPath, serverDir: '/nowhere/001', idleTimeoutMs: 300_000, options: [], onServerLost: 'finish-running', timeLimitMs: 60_000 },
    comment: site.comment,
    held: behaviour === 'is held',
    ...changes,
  };
}

/** Polls one job until its status is as wanted. */
export async function untilStatus(site: Site, id: string, wanted: BatchJobStatus['state']): Promise<BatchJobStatus> {
  const seen = new Set<string>();
  return waitFor(
    `job ${id} to be ${wanted}`,
    async () => {
      const status = await statusOf(site, id);
      seen.add(status.state);
      if (status.state === 'ended' && wanted !== 'ended') throw new Error(`job ${id} has ended: ${site.system.explain(status)}`);
      return status.state === wanted ? status : undefined;
    },
    site.waitMs,
  );
}

async function statusOf({ system }: Site, id: string): Promise<BatchJobStatus> {
  const status = (await system.poll([id])).get(id);
  if (status === undefined) throw new Error(`a poll has said nothing of job ${id}`);
  return status;
}

/** Names of the files that the workers of a job have written their arguments to. */
function argumentFiles(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('arguments.'));
}

/** Like `test`, with a site of its own. */
export type SiteTest = (title: string, body: (site: Site) => Promise<void>) => void;

/** @returns registers tests for which `open` is called at the start, and `close` at the end */
export function siteTest(open: () => Promise<Site>, close: (site: Site) => Promise<void>): SiteTest {
  return (title, body) => {
    test(title, async () => {
      const site = await open();
      try {
        await body(site);
      } finally {
        await close(site);
      }
    });
  };
}

/** Registers the tests; see `siteTest`. */
export function describeConformance(open: () => Promise<Site>, close: (site: Site) => Promise<void>): void {
  const check = siteTest(open, close);

  check('a job runs from its submission until it is canceled', async (site) => {
    site.begin('stays');
    const { system } = site;
    const request = requestOf(site, 'stays');
    const id = await system.submit(request);
    expect(readFileSync(join(request.directory, 'jobid'), 'utf8')).toBe(id);
    expect(readFileSync(join(request.directory, 'hq-submit.sh'), 'utf8')).toBe(system.script(request));
    expect(statSync(join(request.directory, 'hq-submit.sh')).mode & 0o777).toBe(0o600);
    const running = await untilStatus(site, id, 'running');
    expect(running.comment).toBe(site.comment);
    expect(running.restarts).toBe(0);
    // Clocks of hosts and rounding to seconds.
    expect(running.startMs).toBeGreaterThan(0);
    expect((running.endMs as number) - (running.startMs as number)).toBeGreaterThanOrEqual(59_000);
    expect(system.explain(running)).toBe('it is running');
    await system.cancel([id]);
    const ended = await untilStatus(site, id, 'ended');
    expect(ended).toMatchObject({ outcome: 'canceled', comment: site.comment });
    expect(ended.startMs).not.toBeNull();
    expect(ended.endMs).toBeGreaterThanOrEqual(ended.startMs as number);
    await system.cancel([id]);
  });

  check('a script that succeeds is a job that has finished', async (site) => {
    site.begin('finishes');
    const id = await site.system.submit(requestOf(site, 'finishes'));
    const ended = await untilStatus(site, id, 'ended');
    expect(ended).toMatchObject({ outcome: 'finished', exitCode: 0, comment: site.comment });
    expect(site.system.explain(ended)).toBe('it has ended in order');
  });

  check('a script that fails is a job that has failed, with its exit code', async (site) => {
    site.begin('fails with 3');
    const id = await site.system.submit(requestOf(site, 'fails with 3'));
    const ended = await untilStatus(site, id, 'ended');
    expect(ended).toMatchObject({ outcome: 'failed', exitCode: 3 });
    expect(site.system.explain(ended)).toMatch(/^it has failed, exit code 3/);
  });

  check('a held job never starts and can be canceled', async (site) => {
    site.begin('is held');
    const { system } = site;
    const id = await system.submit(requestOf(site, 'is held'));
    expect(await untilStatus(site, id, 'queued')).toMatchObject({ restarts: 0, comment: site.comment });
    await system.cancel([id]);
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'canceled', startMs: null });
  });

  check('the time limit ends a job', async (site) => {
    site.begin('reaches its limit');
    const id = await site.system.submit(requestOf(site, 'reaches its limit', site.shorten === undefined ? { timeLimitMs: 1_000 } : {}));
    await untilStatus(site, id, 'running');
    await site.shorten?.(id);
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'timed out' });
  });

  check('a job that has not ended is found by its comment, and only by that', async (site) => {
    site.begin('stays');
    const { system } = site;
    const id = await system.submit(requestOf(site, 'stays'));
    await untilStatus(site, id, 'running');
    expect(await system.find([site.comment, `${site.comment}0`])).toEqual(new Map([[site.comment, id]]));
    expect(await system.find([])).toEqual(new Map());
    await system.cancel([id]);
    await untilStatus(site, id, 'ended');
    expect(await system.find([site.comment])).toEqual(new Map());
  });

  check('an unknown job has vanished, which keeps nothing from being said or done about others', async (site) => {
    const unknown = site.begin('is unknown');
    const { system } = site;
    expect(await system.poll([])).toEqual(new Map());
    expect((await system.poll([unknown])).get(unknown)).toMatchObject({ state: 'vanished' });
    const id = await system.submit(requestOf(site, 'is held', { held: true }));
    const both = await system.poll([unknown, id]);
    expect(both.get(unknown)?.state).toBe('vanished');
    expect(both.get(id)?.state).toBe('queued');
    await system.cancel([]);
    await system.cancel([unknown, id]);
    await untilStatus(site, id, 'ended');
    expect(await system.estimateStarts([unknown, id])).toEqual(new Map());
  });

  check('what cannot stand in a script is refused, and nothing is submitted', async (site) => {
    site.begin('finishes');
    const { system } = site;
    for (const changes of [{ extraArgs: ['--good', 'x\n#SBATCH --bad'] }, { name: 'a\nb' }, { nodes: 0 }, { timeLimitMs: 0 }]) {
      const request = requestOf(site, 'finishes', changes);
      await expect(system.submit(request)).rejects.toMatchObject({ code: 'HQ_E_BATCH_REFUSED' });
      expect(() => statSync(join(request.directory, 'hq-submit.sh'))).toThrow('ENOENT');
    }
  });

  check('options of the worker are data, on every node; start, wrap and stop commands are shell', async (site) => {
    if (site.nodes === 0) return;
    site.begin('finishes');
    const hostile = `"; touch ${site.root}/owned; echo $(touch ${site.root}/owned) \`touch ${site.root}/owned\` 'x' \\ $HOME #`;
    const plain = requestOf(site, 'finishes', { nodes: site.nodes, extraArgs: site.nodesArgs ?? [] });
    const { directory } = plain;
    const request: SubmitRequest = {
      ...plain,
      worker: {
        ...plain.worker,
        options: [['--cpus', '4'], ['--resource', hostile], ['--no-hyper-threading']],
        startCommand: `mktemp "${directory}/started.XXXXXX" && word='a b'`,
        wrapCommand: 'env WRAPPED=1',
        stopCommand: `test -n "$word" && mktemp "${directory}/stopped.XXXXXX"`,
      },
    };
    const id = await site.system.submit(request);
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'finished' });
    const written = argumentFiles(directory).map((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1));
    const words = ['--cpus', '4', '--resource', hostile, '--no-hyper-threading'];
    const args = ['worker', 'start', '--idle-timeout', '5m', '--manager', expect.any(String), '--server-dir', '/nowhere/001', ...words];
    const all = [...args, '--on-server-lost', 'finish-running', '--time-limit', '1m'];
    expect(written).toEqual(Array.from({ length: site.nodes }, () => all));
    for (const word of ['started', 'stopped'])
      expect(readdirSync(directory).filter((name) => name.startsWith(`${word}.`))).toHaveLength(site.nodes);
    expect(existsSync(join(site.root, 'owned'))).toBe(false);
  });

  check('a start command that fails keeps the worker from starting', async (site) => {
    if (site.nodes === 0) return;
    site.begin('finishes');
    const plain = requestOf(site, 'finishes');
    const id = await site.system.submit({ ...plain, worker: { ...plain.worker, startCommand: 'exit_with() { return 4; }; exit_with' } });
    expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'failed', exitCode: 4 });
    expect(argumentFiles(plain.directory)).toEqual([]);
  });
}
