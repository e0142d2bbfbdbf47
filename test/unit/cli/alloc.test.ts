/** Commands about allocation queues, in the three output modes, and what their options become. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HqError } from '../../../src/protocol/errors.ts';
import type { CreateQueue } from '../../../src/protocol/schema/allocation.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { allocation, queue } from '../../helpers/fakeQueues.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
});
afterEach(() => world.stop());

const START = Date.UTC(2026, 0, 2, 3, 4, 5);
const localTimes = (text: string): string => text.replace(/\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d/g, 'LOCAL TIME         ');

/** What the server was asked to make. */
const created = (): CreateQueue => world.facade.changes.find(([method]) => method === 'createQueue')?.[1] as CreateQueue;

describe('alloc add', () => {
  test('hands every option over, and what stands behind -- word for word', async () => {
    const options = [
      ...['-t', '4h', '-b', '2', '--workers-per-alloc', '3', '--max-worker-count', '10', '-n', 'night', '--worker-time-limit', '3h'],
      ...['--idle-timeout', '10min', '--on-server-lost', 'stop', '--drain-before', '0s', '--signal-before-end', 'usr1@60s'],
      ...['--worker-start-cmd', 'module load a', '--worker-stop-cmd', 'rm -r x', '--worker-wrap-cmd', 'podman run i', '--cpus', '4x2'],
      ...['--resource', 'gpus=[0,1]', '--resource', 'x=2', '--coupling', 'cpus[0]:gpus[0]', '--group', 'g', '--no-hyper-threading'],
      ...['--detect-resources', 'cpus,mem', '--min-utilization', '0.5', '--overview-interval', '5s', '--no-dry-run'],
    ];
    const result = await world.hq(['alloc', 'add', 'slurm', ...options, '--', '--partition=a b', '-t', 'x']);
    expect(result).toEqual({ code: 0, stdout: '', stderr: 'Allocation queue 1 successfully created\n' });
    expect(created()).toEqual({
      trial: false,
      params: {
        system: 'slurm',
        name: 'night',
        timeLimitMs: 14_400_000,
        backlog: 2,
        maxWorkersPerAlloc: 3,
        maxWorkerCount: 10,
        additionalArgs: ['--partition=a b', '-t', 'x'],
        workerTimeLimitMs: 10_800_000,
        idleTimeoutMs: 600_000,
        onServerLost: 'stop',
        drainBeforeMs: 0,
        signalBeforeEnd: { signal: 'SIGUSR1', beforeMs: 60_000 },
        workerStartCmd: 'module load a',
        workerStopCmd: 'rm -r x',
        workerWrapCmd: 'podman run i',
        worker: {
          cpus: '4x2',
          resources: ['gpus=[0,1]', 'x=2'],
          coupling: 'cpus[0]:gpus[0]',
          group: 'g',
          hyperThreading: false,
          detectResources: 'cpus,mem',
          minUtilization: 0.5,
        },
      },
    });
  });

  test('has the defaults of the original, but for workers that wait for the next server', async () => {
    await world.ok(['alloc', 'add', 'pbs', '--time-limit', '90']);
    expect(created()).toEqual({
      trial: true,
      params: {
        ...{ system: 'pbs', timeLimitMs: 90_000, backlog: 1, maxWorkersPerAlloc: 1, additionalArgs: [], idleTimeoutMs: 300_000 },
        onServerLost: 'reconnect',
        worker: { resources: [], hyperThreading: true, minUtilization: 0 },
      },
    });
  });

  test('says what a trial has told, prints {} in JSON mode, and finds a plugin from where it was typed', async () => {
    world.facade.queues.warnings = ['nobody knows'];
    const result = await world.hq(['--output-mode', 'json', 'alloc', 'add', 'plugin:p/x.mjs', '-t', '1h']);
    expect(result).toMatchObject({ code: 0, stdout: '{}\n', stderr: 'WARN nobody knows\n' });
    expect(created().params.system).toBe(`plugin:${join(world.work, 'p/x.mjs')}`);
    const dry = await world.hq(['alloc', 'dry-run', 'slurm', '-t', '1h']);
    expect(dry.stderr).toContain('A trial allocation was submitted successfully. It was immediately canceled');
    world.facade.queues.trialError = new HqError('HQ_E_ALLOC_TRIAL', { detail: 'no', directory: '/tmp/hqX' });
    expect(await world.hq(['alloc', 'dry-run', 'slurm', '-t', '1h'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Dry-run (test allocation submission) has failed: no; the script is kept in /tmp/hqX. Correct'),
    });
  });

  test.each([
    [['alloc', 'add', 'slurm'], '--time-limit <DURATION>'],
    [['alloc', 'add', '-t', '1h'], '<SYSTEM>'],
    [['alloc', 'add', 'slurm', '-t', '0'], 'a duration above zero'],
    [['alloc', 'add', 'slurm', '-t', '1h', '-b', '0'], 'a whole number from 1'],
    [['alloc', 'add', 'slurm', '-t', '1h', '--partition=x'], "unexpected argument '--partition=x' found"],
    [['alloc', 'add', 'slurm', '-t', '1h', '-m', '2', '--workers-per-alloc', '2'], 'cannot be used with'],
    [['alloc', 'add', 'slurm', '-t', '1h', '--signal-before-end', 'USR1'], 'a signal and a duration like USR1@60s'],
    [['alloc', 'add', 'slurm', '-t', '1h', '--cpus', '2', '--resource', 'cpus=2'], 'say the same thing twice'],
    [['alloc', 'info', 'x'], 'a whole number from 1'],
    [['alloc', 'log', '1', 'both'], 'stdout or stderr is expected'],
  ])('%j is refused with exit code 2', async (args, told) => {
    expect(await world.hq(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(told) });
    expect(world.facade.changes).toEqual([]);
  });
});

describe('alloc list', () => {
  const known = { resources: [{ name: 'cpus', kind: 'range' as const, start: 0, end: 7 }], coupling: { weights: [] } };

  test('has the columns of the original, and a line for what a person should know', async () => {
    const paused = queue(2, { state: 'paused', manager: 'PBS', pausedReason: '3 allocations in a row failed; the last one: x' });
    const first = queue(1, { knownResources: known });
    world.facade.queues.queues = [{ ...first, params: { ...first.params, maxWorkerCount: 10, name: 'a' } }, paused];
    expect(await world.ok(['alloc', 'list'])).toMatchInlineSnapshot(`
      "+----+--------+--------------+-----------------------+------------------+-----------+---------+------------------+------+---------------------+
      | ID | State  | Backlog size | Max workers per alloc | Max worker count | Timelimit | Manager | Worker resources | Name | Args                |
      +----+--------+--------------+-----------------------+------------------+-----------+---------+------------------+------+---------------------+
      | 1  | ACTIVE | 1            | 1                     | 10               | 4h        | Slurm   | cpus 8           | a    | --partition=general |
      | 2  | PAUSED | 1            | 1                     | 0                | 4h        | PBS     |                  |      | --partition=general |
      +----+--------+--------------+-----------------------+------------------+-----------+---------+------------------+------+---------------------+
      Queue 2 is paused: 3 allocations in a row failed; the last one: x. Go on with: hq alloc resume 2
      "
    `);
    expect(await world.quiet('alloc', 'list')).toBe('');
  });

  test('has the keys of the original in JSON, and only those with HQ_COMPAT', async () => {
    world.facade.queues.queues = [
      queue(1, { workerArgs: ['--cpus', '"4x2"'], knownResources: known, lastError: 'x', restsUntilMs: START }),
    ];
    const original = {
      id: 1,
      name: null,
      state: 'Active',
      manager: 'Slurm',
      additional_args: ['--partition=general'],
      backlog: 1,
      max_workers_per_alloc: 1,
      timelimit: 14_400,
      max_worker_count: null,
      worker_args: ['--cpus', '"4x2"'],
      known_worker_resources: known,
    };
    const more = { queued: 0, running: 0, workers: 0, paused_reason: null, last_error: 'x', rests_until: '2026-01-02T03:04:05.000Z' };
    expect(await world.json('alloc', 'list')).toEqual([{ ...original, ...more }]);
    const compat = await world.hq(['--output-mode', 'json', 'alloc', 'list'], { env: { HQ_COMPAT: 'hyperqueue' } });
    expect(JSON.parse(compat.stdout)).toEqual([original]);
    expect(compat.stdout).toContain('"timelimit": 14400.0');
  });
});

describe('alloc info', () => {
  beforeEach(() => {
    world.facade.queues.queues = [queue(1)];
    world.facade.queues.all = [
      allocation(1, { state: 'finished', startedAtMs: START, endedAtMs: START, detail: 'it has ended in order' }),
      allocation(2, { state: 'failed', id: null, detail: 'it was not accepted' }),
      allocation(3, { detail: 'Slurm keeps it waiting' }),
    ];
  });

  test('has the columns of the original and why', async () => {
    expect(localTimes(await world.ok(['alloc', 'info', '1']))).toMatchInlineSnapshot(`
      "+-----+----------+-----------------------------+--------------+---------------------+---------------------+---------------------+------------------------+
      | ID  | State    | Working directory           | Worker count | Queue time          | Start time          | Finish time         | Detail                 |
      +-----+----------+-----------------------------+--------------+---------------------+---------------------+---------------------+------------------------+
      | 101 | FINISHED | /srv/hq/001/autoalloc/1/001 | 1            | LOCAL TIME          | LOCAL TIME          | LOCAL TIME          | it has ended in order  |
      |     | FAILED   | /srv/hq/001/autoalloc/1/002 | 1            | LOCAL TIME          |                     |                     | it was not accepted    |
      | 103 | QUEUED   | /srv/hq/001/autoalloc/1/003 | 1            | LOCAL TIME          |                     |                     | Slurm keeps it waiting |
      +-----+----------+-----------------------------+--------------+---------------------+---------------------+---------------------+------------------------+
      "
    `);
    expect(await world.quiet('alloc', 'info', '1')).toBe('');
  });

  test('selects by state: failed ones have finished, too', async () => {
    const numbers = async (filter: string): Promise<unknown> =>
      ((await world.json('alloc', 'info', '1', '--filter', filter)) as { number: number }[]).map(({ number }) => number);
    expect([await numbers('queued'), await numbers('finished'), await numbers('failed'), await numbers('running')]).toEqual([
      [3],
      [1, 2],
      [2],
      [],
    ]);
  });

  test('has the keys of the original in JSON', async () => {
    const compat = await world.hq(['--output-mode', 'json', 'alloc', 'info', '1'], { env: { HQ_COMPAT: 'hyperqueue' } });
    expect(JSON.parse(compat.stdout)[0]).toEqual({
      id: '101',
      target_worker_count: 1,
      queued_at: '2026-01-02T03:04:05.000Z',
      started_at: '2026-01-02T03:04:05.000Z',
      ended_at: '2026-01-02T03:04:05.000Z',
      status: 'finished',
      workdir: '/srv/hq/001/autoalloc/1/001',
    });
  });

  test('of an unknown queue is an error', async () => {
    expect(await world.hq(['alloc', 'info', '9'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('allocation queue 9 not found'),
    });
  });
});

test('pause, resume and remove say what was done; the original refuses to remove a queue whose allocations run', async () => {
  world.facade.queues.queues = [queue(1)];
  const lines = [
    (await world.hq(['alloc', 'pause', '1'])).stderr,
    (await world.hq(['alloc', 'resume', '1'])).stderr,
    (await world.hq(['alloc', 'remove', '1'])).stderr,
    (await world.hq(['alloc', 'remove', '1', '--force'])).stderr,
    (await world.hq(['alloc', 'remove', '1'], { env: { HQ_COMPAT: 'hyperqueue' } })).stderr,
  ];
  expect(lines.map((line) => line.trim())).toEqual([
    'Allocation queue 1 successfully paused',
    'Allocation queue 1 successfully resumed',
    ...Array.from({ length: 3 }, () => 'Allocation queue 1 successfully removed'),
  ]);
  expect(world.facade.changes).toEqual([
    ['pauseQueue', 1],
    ['resumeQueue', 1],
    ['removeQueue', 1, { running: 'drain' }],
    ['removeQueue', 1, { running: 'cancel' }],
    ['removeQueue', 1, { running: 'refuse' }],
  ]);
});

test('explain tells what keeps a queue and what each allocation waits for', async () => {
  world.facade.queues.queues = [queue(1)];
  world.facade.queues.explanation = {
    obstacle: { kind: 'backlog', queued: 1, backlog: 1 },
    wantedWorkers: 3,
    allocations: [
      {
        number: 1,
        id: '77',
        sentence: 'Slurm keeps it waiting: all suitable nodes are in use (Resources)',
        useful: true,
        estimatedStartMs: START,
      },
      { number: 2, id: null, sentence: 'it is being submitted', useful: false, estimatedStartMs: null },
    ],
  };
  expect(localTimes(await world.ok(['alloc', 'explain', '1'])).replace(/ +([.;\n])/g, '$1')).toMatchInlineSnapshot(`
    "Queue 1: tasks that wait would use 3 workers more; 1 of its allocations wait in the batch system, and its backlog is 1.
    Allocation 77: Slurm keeps it waiting: all suitable nodes are in use (Resources); it is expected to start at LOCAL TIME.
    Allocation number 2: it is being submitted; nothing waits for it.
    "
  `);
});

test('log prints what the script of an allocation has written, and names the file', async () => {
  const workdir = join(world.work, 'alloc');
  mkdirSync(workdir);
  writeFileSync(join(workdir, 'stdout'), 'hello\n');
  world.facade.queues.all = [allocation(1, { id: '123.pbs', workdir })];
  expect(await world.hq(['alloc', 'log', '123.pbs', 'stdout'])).toEqual({
    code: 0,
    stdout: 'hello\n',
    stderr: `Log file of allocation 123.pbs: ${workdir}/stdout\n`,
  });
  expect(await world.hq(['alloc', 'log', '123.pbs', 'stderr'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('it does not exist (yet)'),
  });
  expect(await world.hq(['alloc', 'log', '9', 'stdout'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Allocation 9 not found'),
  });
  const json = await world.hq(['--output-mode', 'json', 'alloc', 'log', '123.pbs', 'stdout']);
  expect([json.code, JSON.parse(json.stdout).error]).toEqual([1, expect.stringContaining("JSON output mode doesn't support")]);
});
