import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeBatchHost } from '../../src/server/autoalloc/batchHost.ts';
import type { BatchJobStatus } from '../../src/server/autoalloc/batchSystem.ts';
import { makePbs } from '../../src/server/autoalloc/pbs.ts';
import { type Behaviour, describeConformance, requestOf, type Site } from '../helpers/batchSystemConformance.ts';
import { Replay, type Tape } from '../helpers/replay.ts';

const STORIES: Readonly<Record<Behaviour, string>> = {
  stays: 'canceled',
  finishes: 'finished',
  'fails with 3': 'failed',
  'is held': 'held',
  'is unknown': 'unknown',
  'reaches its limit': 'limit',
};

interface PbsSite extends Site {
  readonly replay: Replay;
}

async function open(): Promise<PbsSite> {
  const root = mkdtempSync(join(tmpdir(), 'hq-pbs-'));
  const replay = new Replay(root);
  const system = makePbs(makeBatchHost({ title: 'PBS', directory: join(root, 'state'), env: replay.env }));
  const begin = (behaviour: Behaviour): string => {
    replay.play(story(STORIES[behaviour]));
    return '999.pbs01';
  };
  return { system, root, replay, comment: 'hq:pbs:1:1', begin, nodes: 0, waitMs: 10_000 };
}

async function close({ root }: Site): Promise<void> {
  rmSync(root, { recursive: true });
}

function story(name: string): Tape {
  const text = readFileSync(resolve('fixtures/pbs', `${name}.json`), 'utf8');
  return (JSON.parse(text) as { readonly commands: Tape }).commands;
}

/** For one test. */
async function site(): Promise<PbsSite> {
  const opened = await open();
  onTestFinished(() => close(opened));
  return opened;
}

const at = (text: string): number => Date.parse(`Tue Aug 19 ${text} 2025`);

describe('PBS, by recorded answers', () => {
  describeConformance(open, close);

  test('a script has the directives of HyperQueue and the command of one worker', async () => {
    const { system, ...rest } = await site();
    const request = requestOf({ system, ...rest }, 'finishes', {
      directory: '/s/001/autoalloc/1/001',
      extraArgs: ['-q', 'long', '-A', 'my project'],
    });
    const worker = {
      ...request.worker,
      hqPath: '/opt/hq',
      options: [
        ['--cpus', '2x4'],
        ['--group', 'g1'],
      ] as const,
    };
    expect(system.script({ ...request, worker, timeLimitMs: 90_000_000 })).toMatchInlineSnapshot(`
      "#!/bin/bash
      #PBS -l select=1
      #PBS -N hq-1-1
      #PBS -o /s/001/autoalloc/1/001/stdout
      #PBS -e /s/001/autoalloc/1/001/stderr
      #PBS -l walltime=25:00:00
      #PBS -q long -A "my project"

      /opt/hq worker start --idle-timeout "5m" --manager "pbs" --server-dir "/nowhere/001" --cpus "2x4" --group g1 --on-server-lost "finish-running" --time-limit "1m""
    `);
    expect(system.script({ ...request, worker, held: true }).split('\n')).toContain('#PBS -h');
  });

  test('several nodes are different ones, each with a shell of its own', async () => {
    const opened = await site();
    const request = requestOf(opened, 'finishes', { nodes: 2, directory: '/d' });
    const worker = { ...request.worker, hqPath: '/opt/hq', startCommand: "echo 'a'", stopCommand: 'echo b' };
    expect(opened.system.script({ ...request, worker })).toMatchInlineSnapshot(`
      "#!/bin/bash
      #PBS -l select=2
      #PBS -l place=scatter
      #PBS -N hq-1-1
      #PBS -o /d/stdout
      #PBS -e /d/stderr
      #PBS -l walltime=00:01:00

      pbsdsh -- bash -l -c 'echo '\\''a'\\'' && /opt/hq worker start --idle-timeout "5m" --manager "pbs" --server-dir "/nowhere/001" --on-server-lost "finish-running" --time-limit "1m"; echo b'"
    `);
    const placed = opened.system.script({ ...request, worker, extraArgs: ['-l', 'place=excl'] });
    expect(placed).not.toContain('scatter');
  });

  test('what the user gives to qsub is kept beside what is ours', async () => {
    const opened = await site();
    opened.begin('finishes');
    await opened.system.submit(requestOf(opened, 'finishes', { extraArgs: ['-v', 'A=1,B=2', '-r', 'y'] }));
    await opened.system.submit(requestOf(opened, 'finishes'));
    await opened.system.submit(requestOf(opened, 'finishes', { extraArgs: ['-vA=1', '-ry'] }));
    const [first, second, third] = opened.replay.calls('qsub');
    expect(third?.args.slice(0, -1)).toEqual(['-v', 'A=1,HQ_ALLOCATION_COMMENT=hq:pbs:1:1']);
    expect(first?.args.slice(0, -1)).toEqual(['-v', 'A=1,B=2,HQ_ALLOCATION_COMMENT=hq:pbs:1:1']);
    expect(second?.args.slice(0, -1)).toEqual(['-v', 'HQ_ALLOCATION_COMMENT=hq:pbs:1:1', '-r', 'n']);
    expect(second?.script).toContain('#PBS -l select=1\n');
  });

  test('many jobs are asked for in one call, finished ones included', async () => {
    const { system, replay } = await site();
    replay.play(story('states'));
    const ids = Array.from({ length: 20 }, (_, index) => `${index + 18}.pbs01`);
    await system.poll(ids);
    expect(replay.calls()).toMatchObject([{ program: 'qstat', args: ['-f', '-F', 'json', '-x', ...ids] }]);
  });

  test('every state and every kind of end is understood', async () => {
    const { system, replay } = await site();
    replay.play(story('states'));
    const ids = Array.from({ length: 20 }, (_, index) => `${index + 18}.pbs01`);
    const known = await system.poll(ids);
    const told = ids.map((id) => summary(id, known.get(id) as BatchJobStatus, system.explain(known.get(id) as BatchJobStatus)));
    expect(told.join('\n')).toMatchInlineSnapshot(`
      "18 Q queued | PBS keeps it waiting: there are not enough nodes (Not enough free nodes available)
      19 Q queued | PBS will not start it as things are: there is not enough of ncpus (Insufficient amount of resource: ncpus (R: 512 A: 8 T: 8))
      20 W queued | PBS keeps it waiting
      21 T queued | PBS keeps it waiting
      22 H queued | PBS keeps it waiting: it is held by the system or an administrator (Hold_Types s)
      23 S suspended | PBS has suspended it: jobs before it must start first (Job was suspended by the scheduler for a top job)
      24 U suspended | PBS has suspended it
      25 B running | it is running
      26 E running | it is running
      27 F ended node failed | a node of it has failed (Exit_status -20)
      28 F ended out of memory | it was ended because it used more memory than it was given (Exit_status -27)
      29 F ended launch failed | it could not be launched: it could not be started, before its files were there (Exit_status -1)
      30 F ended failed | it has failed: signal 9 ended it (Exit_status 265)
      31 F ended launch failed | it could not be launched: a hook of the site failed (Exit_status -17)
      32 F ended canceled | it was canceled
      33 M vanished | PBS does not know it any more
      34 Q queued | PBS keeps it waiting: a limit of the site is reached (User has reached server running job limit.)
      35 R running | it is running
      36 R running | it is running
      37 Q queued | PBS keeps it waiting: its scheduler gives a reason (the moon is in the wrong phase)"
    `);
    expect(known.get('18.pbs01')).toMatchObject({ hopeless: false, startMs: at('15:00:00') });
    expect(known.get('19.pbs01')).toMatchObject({ hopeless: true });
    expect(known.get('26.pbs01')).toMatchObject({ startMs: at('13:05:32'), endMs: at('13:06:32') });
    expect(known.get('27.pbs01')).toMatchObject({ endMs: at('13:05:52'), exitCode: null });
    expect(known.get('34.pbs01')).toMatchObject({ restarts: 1, startMs: null });
    expect(known.get('35.pbs01')).toMatchObject({ restarts: 1 });
    // Somebody else's: not without a comment that could be unknown, but with none.
    expect(known.get('36.pbs01')?.comment).toBe('');
    expect(await system.estimateStarts(ids)).toEqual(new Map([['18.pbs01', at('15:00:00')]]));
  });

  test('a server that is down is unreachable, one that may have got the job has given no answer, and a refusal is quoted', async () => {
    const opened = await site();
    const { system, replay } = opened;
    const request = requestOf(opened, 'finishes');
    const fails = (stderr: string, exitCode = 1): void => {
      const answers = [{ exitCode, stderr }];
      replay.play({ qsub: answers, qstat: answers, qselect: answers, qdel: answers });
    };
    fails('Connection refused\nqsub: cannot connect to server pbs01 (errno=15010)\n', 255);
    for (const call of [
      () => system.submit(request),
      () => system.poll(['1.a']),
      () => system.find(['hq:x:1:1']),
      () => system.cancel(['1.a']),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'HQ_E_BATCH_UNREACHABLE' });
    fails('qsub: End of File\n');
    await expect(system.submit(request)).rejects.toMatchObject({ code: 'HQ_E_BATCH_TIMEOUT' });
    fails('qsub: Unknown queue\n', 170);
    await expect(system.submit(request)).rejects.toThrow('PBS refused: Unknown queue');
    fails('qsub: Bad UID for job execution\n', 159);
    await expect(system.submit(request)).rejects.toThrow('PBS refused: Bad UID for job execution');
  });

  test('an answer that is none keeps everything as it was', async () => {
    const opened = await site();
    opened.replay.play({ qstat: [{ exitCode: 0, stdout: '{"Jobs":{' }], qsub: [{ exitCode: 0, stdout: 'hello\n' }] });
    await expect(opened.system.poll(['1.a'])).rejects.toMatchObject({ code: 'HQ_E_BATCH_UNREACHABLE' });
    await expect(opened.system.submit(requestOf(opened, 'finishes'))).rejects.toMatchObject({ code: 'HQ_E_BATCH_TIMEOUT' });
  });

  test('commands that are missing are said to be missing', async () => {
    const opened = await site();
    const empty = join(opened.root, 'empty');
    mkdirSync(empty);
    const host = { title: 'PBS', directory: empty, env: { PATH: empty } };
    await expect(makePbs(makeBatchHost(host)).poll(['1.a'])).rejects.toThrow(
      'the commands of PBS cannot be run here: qstat is not on PATH',
    );
  });

  test('what PBS would misread is refused', async () => {
    const opened = await site();
    const request = requestOf(opened, 'finishes');
    expect(() => opened.system.script({ ...request, directory: '/a:b' })).toThrow('must not contain a colon');
    expect(() => opened.system.script({ ...request, extraArgs: [`it's "both"`] })).toThrow('both kinds of quotes');
  });
});

function summary(id: string, status: BatchJobStatus, explained: string): string {
  const outcome = status.state === 'ended' ? ` ${status.outcome}` : '';
  return `${id.split('.')[0]} ${status.rawState} ${status.state}${outcome} | ${explained}`;
}
