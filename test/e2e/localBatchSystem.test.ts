import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeBatchHost } from '../../src/server/autoalloc/batchHost.ts';
import { makeLocal } from '../../src/server/autoalloc/local.ts';
import { LocalState } from '../../src/server/autoalloc/localState.ts';
import { describeConformance, requestOf, type Site, untilStatus } from '../helpers/batchSystemConformance.ts';
import { waitFor } from '../helpers/cluster.ts';

interface LocalSite extends Site {
  readonly states: string;
}

let count = 0;

async function open(): Promise<LocalSite> {
  const root = mkdtempSync(join(tmpdir(), 'hq-local-'));
  const states = join(root, 'states');
  const system = makeLocal(makeBatchHost({ title: 'this host', directory: states }), { graceSeconds: 5 });
  const comment = `hq:test:1:${++count}`;
  return { system, root, states, comment, begin: () => '00000000', nodes: 2, waitMs: 20_000 };
}

/** Nothing of any allocation is left, whatever the test has done. */
async function close({ root, states }: LocalSite): Promise<void> {
  const all = readdirSync(states).map((id) => new LocalState(states, id));
  for (const state of all) {
    const supervisor = state.supervisor();
    if (supervisor?.isAlive === true) process.kill(supervisor.pid, 'SIGTERM');
    await waitFor(`allocation ${state.id} to be gone`, () => state.supervisor()?.isAlive !== true && state.members().length === 0);
  }
  rmSync(root, { recursive: true });
}

describe('local processes as a batch system', () => {
  describeConformance(open, close as (site: Site) => Promise<void>);

  describe('allocations', () => {
    let site: LocalSite;
    beforeEach(async () => {
      site = await open();
    });
    afterEach(() => close(site));

    /** One whose worker runs `program` of bash. */
    function withProgram(program: string) {
      const request = requestOf(site, 'stays');
      return { ...request, worker: { ...request.worker, startCommand: `{ ${program}\n}` } };
    }

    test('survive the server: the next one finds, watches and ends them', async () => {
      const id = await site.system.submit(requestOf(site, 'stays'));
      const next = makeLocal(makeBatchHost({ title: 'this host', directory: site.states }));
      expect(await next.find([site.comment])).toEqual(new Map([[site.comment, id]]));
      expect(await untilStatus({ ...site, system: next }, id, 'running')).toMatchObject({ comment: site.comment });
      await next.cancel([id]);
      expect(await untilStatus({ ...site, system: next }, id, 'ended')).toMatchObject({ outcome: 'canceled' });
    });

    test('tell of their end without being asked', async () => {
      let calls = 0;
      const unsubscribe = site.system.onChange?.(() => {
        calls++;
      });
      const id = await site.system.submit(requestOf(site, 'finishes'));
      await waitFor('the end to be told', () => calls > 0);
      expect((await site.system.poll([id])).get(id)).toMatchObject({ state: 'ended', outcome: 'finished' });
      unsubscribe?.();
    });

    test('have ended only when every process is gone, those that ignore signals and have sessions of their own included', async () => {
      const mark = join(site.root, 'survivor');
      const id = await site.system.submit(
        withProgram(
          `setsid bash -c "trap '' TERM INT HUP; echo \\$\\$ >${mark}; while :; do read -t 600 <> <(:); done" & until [ -s ${mark} ]; do sleep 0.05; done; false`,
        ),
      );
      const survivor = Number(await waitFor('the survivor to run', () => read(mark)));
      const ended = await untilStatus(site, id, 'ended');
      expect(ended).toMatchObject({ outcome: 'failed', exitCode: 1 });
      // Gone, or a zombie that its foster parent has not looked at yet.
      expect(read(`/proc/${survivor}/stat`) ?? 'gone').toMatch(/^(gone|\d+ \(.*\) Z )/);
    });

    test('that ignore the signal to end are killed when their time to do so is over', async () => {
      const hasty = makeLocal(makeBatchHost({ title: 'this host', directory: site.states }), { graceSeconds: 1 });
      const mark = join(site.root, 'deaf');
      const id = await hasty.submit(withProgram(`trap '' TERM; echo >${mark}; while :; do sleep 600; done`));
      await waitFor('the script to run', () => read(mark));
      await hasty.cancel([id]);
      expect(await untilStatus({ ...site, system: hasty }, id, 'ended')).toMatchObject({ outcome: 'canceled' });
    });

    test('are told what they are by variables', async () => {
      const request = withProgram('env >variables; true');
      const before = Math.floor(Date.now() / 1_000);
      const id = await site.system.submit(request);
      await untilStatus(site, id, 'running');
      const variables = await waitFor('the variables', () => read(join(request.directory, 'variables')));
      expect(variables).toContain(`\nHQ_ALLOCATION_ID=${id}\n`);
      expect(variables).toContain('\nHQ_ALLOCATION_MANAGER=local\n');
      const end = Number(/^HQ_ALLOCATION_END=(\d+)$/m.exec(variables)?.[1]);
      expect(end - before).toBeGreaterThanOrEqual(60);
      expect(end - before).toBeLessThan(120);
      await site.system.cancel([id]);
    });

    test('whose supervisor was killed run on until they are ended, and then have failed', async () => {
      const id = await site.system.submit(requestOf(site, 'stays'));
      const state = new LocalState(site.states, id);
      await waitFor('its processes', () => state.members().length > 0);
      const { pid } = state.supervisor() as { pid: number };
      process.kill(pid, 'SIGKILL');
      await waitFor('the supervisor to be gone', () => state.supervisor()?.isAlive === false);
      expect((await site.system.poll([id])).get(id)).toMatchObject({ state: 'running', rawState: 'unattended' });
      await site.system.cancel([id]);
      expect(await untilStatus(site, id, 'ended')).toMatchObject({ outcome: 'failed' });
    });

    test('are not mixed up with a process that has their number now', async () => {
      const id = await site.system.submit(requestOf(site, 'finishes'));
      await untilStatus(site, id, 'ended');
      const other = spawn('sleep', ['600'], { stdio: 'ignore' });
      try {
        const { directory } = new LocalState(site.states, id);
        rmSync(join(directory, 'exit'));
        writeFileSync(join(directory, 'pid'), `${other.pid} 1\n`);
        expect((await site.system.poll([id])).get(id)).toMatchObject({ state: 'ended', outcome: 'failed' });
        await site.system.cancel([id]);
        expect(other.exitCode ?? other.signalCode).toBeNull();
      } finally {
        other.kill('SIGKILL');
      }
    });

    test('take no arguments of a batch system', async () => {
      const request = requestOf(site, 'finishes', { extraArgs: ['--partition=fast'] });
      await expect(site.system.submit(request)).rejects.toThrow("there is no batch system that could take '--partition=fast'");
    });
  });
});

function read(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return text.endsWith('\n') ? text : undefined;
  } catch {
    return undefined;
  }
}
