/** Commands that show and change jobs and tasks, in the three output modes. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { taskSpec } from '../../../src/protocol/schema/task.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { job, START_MS, task } from '../../helpers/cliFacade.ts';

let world: CliWorld;
const ORIGINAL = { env: { HQ_COMPAT: 'hyperqueue' } };
const NONE = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 };

beforeEach(async () => {
  world = new CliWorld();
  await world.start();
  world.facade.jobs = [
    job(1, { stats: { ...NONE, finished: 3 } }),
    job(2, {
      stats: { ...NONE, finished: 1, failed: 1, running: 1, waiting: 4 },
      name: 'a-name-that-is-so-long-that-it-has-to-be-cut-in-the-middle',
    }),
    job(3, { isOpen: true }),
    job(4, { stats: { ...NONE, failed: 1, finished: 1 } }),
    job(5, { stats: { ...NONE, canceled: 2 }, cancelReason: 'enough' }),
  ];
  world.facade.tasks.set(4, [task(4, 1), task(4, 2, { state: 'failed', instance: 2, label: 'align sample=1' })]);
});
afterEach(() => world.stop());

describe('job list', () => {
  test('shows what is open, waiting or running', async () => {
    expect(await world.ok(['job', 'list'])).toMatchInlineSnapshot(`
      "+----+---------------------------------------------------+---------+-------+
      | ID | Name                                              | State   | Tasks |
      +----+---------------------------------------------------+---------+-------+
      |  2 | a-name-that-is-so-long-...to-be-cut-in-the-middle | RUNNING | 7     |
      | *3 | job-3                                             | OPENED  | 0     |
      +----+---------------------------------------------------+---------+-------+
      * = Open jobs
      There are 5 jobs in total. Use \`--all\` to display all jobs.
      "
    `);
    expect(await world.quiet('job', 'list')).toBe('2 RUNNING\n3 OPENED\n');
  });

  test('shows all, with reasons', async () => {
    expect(await world.ok(['job', 'list', '--all', '--verbose'])).toMatchInlineSnapshot(`
      "+----+---------------------------------------------------+----------+-------+---------------+
      | ID | Name                                              | State    | Tasks | Cancel Reason |
      +----+---------------------------------------------------+----------+-------+---------------+
      |  1 | job-1                                             | FINISHED | 3     |               |
      |  2 | a-name-that-is-so-long-...to-be-cut-in-the-middle | RUNNING  | 7     |               |
      | *3 | job-3                                             | OPENED   | 0     |               |
      |  4 | job-4                                             | FAILED   | 2     |               |
      |  5 | job-5                                             | CANCELED | 2     | enough        |
      +----+---------------------------------------------------+----------+-------+---------------+
      * = Open jobs
      "
    `);
    expect(await world.quiet('job', 'list', '--all')).toBe('1 FINISHED\n2 RUNNING\n3 OPENED\n4 FAILED\n5 CANCELED\n');
  });

  test('shows exactly the states asked for', async () => {
    expect(await world.quiet('job', 'list', '--filter', 'failed, Canceled')).toBe('4 FAILED\n5 CANCELED\n');
    expect(await world.quiet('job', 'list', '--filter=opened')).toBe('3 OPENED\n');
  });

  test('has the original keys in JSON', async () => {
    const [first] = (await world.json('job', 'list', '--all')) as unknown[];
    expect(first).toEqual({
      id: 1,
      name: 'job-1',
      task_count: 3,
      is_open: false,
      cancel_reason: null,
      task_stats: { ...NONE, finished: 3 },
    });
    expect(await world.ok(['--output-mode', 'json', 'job', 'list', '--filter', 'aborted'])).toBe('[]\n');
  });

  test('without jobs is an empty table', async () => {
    world.facade.jobs = [];
    expect(await world.ok(['job', 'list'])).toMatchInlineSnapshot(`
      "+----+------+-------+-------+
      | ID | Name | State | Tasks |
      +----+------+-------+-------+
      "
    `);
  });
});

test('job summary', async () => {
  expect(await world.ok(['job', 'summary'])).toMatchInlineSnapshot(`
    "+----------+-------+
    | Status   | Count |
    +----------+-------+
    | RUNNING  |     1 |
    | WAITING  |     0 |
    | FINISHED |     1 |
    | FAILED   |     1 |
    | ABORTED  |     0 |
    | CANCELED |     1 |
    | OPENED   |     1 |
    +----------+-------+
    "
  `);
  expect(await world.quiet('job', 'summary')).toBe('RUNNING 1\nWAITING 0\nFINISHED 1\nFAILED 1\nABORTED 0\nCANCELED 1\n');
  expect(await world.json('job', 'summary')).toEqual({
    Running: 1,
    Waiting: 0,
    Finished: 1,
    Failed: 1,
    Aborted: 0,
    Canceled: 1,
    Opened: 1,
  });
});

describe('job info', () => {
  test('as a table, with the first failed tasks', async () => {
    expect(await world.ok(['job', 'info', '4'])).toMatchInlineSnapshot(`
      "+----------------------+--------------------------------------------+
      | ID                   | 4                                          |
      +----------------------+--------------------------------------------+
      | Name                 | job-4                                      |
      | State                | [########################################] |
      |                      | FINISHED (1)                               |
      |                      | FAILED (1)                                 |
      | Session              | closed                                     |
      | Tasks                | 2; Ids: 1-2                                |
      | Workers              | 1                                          |
      | Resources            | cpus: 1 compact                            |
      | Pin                  | None                                       |
      | Priority             | 0                                          |
      | Command              | echo                                       |
      |                      | hello                                      |
      | Stdout               | %{CWD}/job-%{JOB_ID}/%{TASK_ID}.stdout     |
      | Stderr               | %{CWD}/job-%{JOB_ID}/%{TASK_ID}.stderr     |
      | Environment          |                                            |
      | Working directory    | /home/me                                   |
      | Task time limit      | None                                       |
      | Crash limit          | 5                                          |
      | Submission date      | 2026-01-02 03:04:05 UTC                    |
      | Submission directory | /home/me                                   |
      | Makespan             | 1m 5s                                      |
      +----------------------+--------------------------------------------+
      +---------+--------+--------------------------------------+
      | Task ID | Worker | Error                                |
      +---------+--------+--------------------------------------+
      | 2       | 1      | Program terminated with exit code 1. |
      +---------+--------+--------------------------------------+
      1 tasks failed. (1 shown)
      "
    `);
  });

  test('with its tasks', async () => {
    const text = await world.ok(['job', 'info', '4', '--tasks']);
    expect(text).toContain('| Task ID | State');
    expect(text).toContain('| align sample=1 |');
  });

  test('of one id is an object with the counts at the top', async () => {
    const info = (await world.json('job', 'info', '4')) as Record<string, unknown>;
    expect(info).toMatchObject({
      id: 4,
      name: 'job-4',
      state: 'FAILED',
      finished: 1,
      failed: 1,
      running: 0,
      waiting: 0,
      canceled: 0,
      aborted: 0,
    });
    expect(info).toMatchObject({ max_fails: null, started_at: '2026-01-02T03:04:05.000Z', finished_at: '2026-01-02T03:05:10.000Z' });
    expect((info['tasks'] as unknown[])[1]).toEqual({
      id: 2,
      state: 'failed',
      cwd: '/home/me',
      stdout: '/home/me/job-4/2.stdout',
      stderr: '/home/me/job-4/2.stderr',
      started_at: '2026-01-02T03:04:05.000Z',
      finished_at: '2026-01-02T03:04:06.500Z',
      worker: 1,
      error: 'Program terminated with exit code 1.',
      label: 'align sample=1',
      instance: 2,
    });
  });

  test('of a list, all or last is an array', async () => {
    for (const [selector, ids] of [
      ['4-5', [4, 5]],
      ['all', [1, 2, 3, 4, 5]],
      ['last', [5]],
    ] as const) {
      expect(((await world.json('job', 'info', selector)) as { id: number }[]).map(({ id }) => id)).toEqual(ids);
    }
  });

  test('has the keys of the original and no others with HQ_COMPAT', async () => {
    world.facade.tasks.set(4, [
      task(4, 2, { label: 'x', instance: 1, usage: { wallMs: 1, userMs: 1, systemMs: 1, maxRssBytes: 1, peakMemBytes: 1 } }),
    ]);
    const infos = JSON.parse(await world.ok(['--output-mode', 'json', 'job', 'info', '4'], ORIGINAL)) as Record<
      string,
      Record<string, unknown>[]
    >[];
    expect(infos).toHaveLength(1);
    expect(Object.keys(infos[0] ?? {})).toEqual(['finished_at', 'info', 'max_fails', 'started_at', 'submits', 'tasks']);
    expect(Object.keys(infos[0]?.['tasks']?.[0] ?? {})).toEqual([
      'cwd',
      'finished_at',
      'id',
      'started_at',
      'state',
      'stderr',
      'stdout',
      'worker',
    ]);
    expect(infos[0]?.['submits']).toEqual([
      {
        array: {
          crash_limit: 5,
          pin_mode: null,
          priority: 0,
          program: {
            args: ['echo', 'hello'],
            cwd: '/home/me',
            env: {},
            stderr: '%{CWD}/job-%{JOB_ID}/%{TASK_ID}.stderr',
            stdout: '%{CWD}/job-%{JOB_ID}/%{TASK_ID}.stdout',
          },
          resources: [{ min_time: 0, n_nodes: 0, resources: [{ request: { Compact: 10_000 }, resource: 'cpus' }], weight: 10_000 }],
          task_dir: false,
          time_limit: null,
        },
      },
    ]);
  });

  test('prints whole floats as floats', async () => {
    expect(await world.ok(['--output-mode', 'json', 'job', 'info', '4'])).toContain('"min_time": 0.0,');
  });

  test('of everything that a specification can say', async () => {
    const spec = taskSpec.parse({
      command: ['bash', '-c', 'echo a\necho b'],
      env: { A: '1' },
      cwd: '/data/%{TASK_ID}',
      stdout: null,
      stderr: { path: 'err.txt', onClose: 'rm-if-finished' },
      request: [{ resources: { gpus: 1, cpus: '2-8' }, timeRequestMs: 60_000 }, { resources: { cpus: 'all' } }],
      timeLimitMs: 90_000,
      crashLimit: 'unlimited',
      maxRetries: 3,
      retryDelayMs: 60_000,
      retryOn: [1, 'signal'],
      retryMemFactor: 1.5,
      priority: -2,
    });
    const submit = { submitDir: '/home/me', stream: null, kind: 'array' as const, taskIds: '1-3', specs: [spec] };
    world.facade.jobs = [job(1, { stats: { ...NONE, finished: 3 }, submits: [submit] })];
    expect(await world.ok(['job', 'info', '1'])).toMatchInlineSnapshot(`
      "+----------------------+--------------------------------------------+
      | ID                   | 1                                          |
      +----------------------+--------------------------------------------+
      | Name                 | job-1                                      |
      | State                | [########################################] |
      |                      | FINISHED (3)                               |
      | Session              | closed                                     |
      | Tasks                | 3; Ids: 1-3                                |
      | Workers              |                                            |
      | Resources            | # Variant 1                                |
      |                      | cpus: 2-8 compact                          |
      |                      | gpus: 1 compact                            |
      |                      | time: 1m                                   |
      |                      | # Variant 2                                |
      |                      | cpus: all                                  |
      | Pin                  | None                                       |
      | Priority             | -2                                         |
      | Command              | bash                                       |
      |                      | -c                                         |
      |                      | echo a                                     |
      |                      | echo b                                     |
      | Stdout               | <None>                                     |
      | Stderr               | err.txt:rm-if-finished                     |
      | Environment          | A=1                                        |
      | Working directory    | /data/%{TASK_ID}                           |
      | Task time limit      | 1m 30s                                     |
      | Crash limit          | unlimited                                  |
      | Retries              | 3                                          |
      |                      | on: 1, signal                              |
      |                      | delay: 1m                                  |
      |                      | mem: x 1.5 each time                       |
      | Submission date      | 2026-01-02 03:04:05 UTC                    |
      | Submission directory | /home/me                                   |
      | Makespan             | 1m 5s                                      |
      +----------------------+--------------------------------------------+
      "
    `);
    const { submits } = (await world.json('job', 'info', '1')) as { submits: { array: Record<string, unknown> }[] };
    expect(submits[0]?.array).toMatchObject({
      program: { stdout: null, stderr: 'err.txt', cwd: '/data/%{TASK_ID}' },
      resources: [
        { resources: [{ resource: 'cpus', request: { Compact: 20_000 }, max_amount: 80_000 }, { resource: 'gpus' }], min_time: 60 },
        { resources: [{ resource: 'cpus', request: 'All' }] },
      ],
      crash_limit: 'unlimited',
      max_retries: 3,
      retry_delay: 60,
      retry_on: [1, 'signal'],
      retry_mem_factor: 1.5,
      time_limit: 90,
      priority: -2,
    });
  });

  test('is silent in quiet mode', async () => {
    expect(await world.quiet('job', 'info', 'all')).toBe('');
  });
});

describe('unknown jobs', () => {
  test.each([['info'], ['cancel'], ['close'], ['forget'], ['task-ids']])('job %s: one line, exit code 1', async (verb) => {
    const { code, stderr } = await world.hq(['job', verb, '77']);
    expect(stderr).toMatch(/^ERROR job 77 not found\. List the jobs with: hq job list --all\n/);
    expect(code).toBe(1);
    expect(world.facade.changes).toEqual([]);
  });

  test('the original exits with 0', async () => {
    expect(await world.hq(['job', 'cancel', '77'], ORIGINAL)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('job 77 not found'),
    });
    // But for what scripts go on with.
    expect(await world.hq(['job', 'task-ids', '77'], ORIGINAL)).toMatchObject({ code: 1, stdout: '' });
    expect(await world.hq(['job', 'task-ids', '1,77'], ORIGINAL)).toMatchObject({ code: 1, stdout: '1-3\n' });
  });

  test('a state that does not exist is told with its option', async () => {
    for (const [verb, option] of [
      ['list', '--filter'],
      ['forget', '--filter'],
      ['task-ids', '--filter'],
    ] as const) {
      const { code, stderr } = await world.hq(['job', verb, ...(verb === 'list' ? [] : ['1']), option, 'nope']);
      expect([code, stderr]).toEqual([2, expect.stringContaining(`invalid value 'nope' for '${option}': a list of waiting`)]);
    }
  });

  test('a range of billions is told in a few lines', async () => {
    const { code, stderr } = await world.hq(['job', 'info', '1-4000000000']);
    expect(stderr.trim().split('\n')).toHaveLength(11);
    expect(stderr).toContain('ERROR 3999999985 more were not found');
    expect(code).toBe(1);
  });

  test('last without any job', async () => {
    world.facade.jobs = [];
    expect(await world.hq(['job', 'info', 'last'])).toMatchObject({ code: 1, stderr: 'ERROR no job exists yet\n' });
  });
});

describe('changing jobs', () => {
  test('cancel: what is unfinished of everything that is active', async () => {
    world.facade.jobs.push(job(6, { stats: { ...NONE, waiting: 2 } }));
    const { code, stdout, stderr } = await world.hq(['job', 'cancel', 'all', '--reason', 'enough']);
    expect(stderr).toBe(
      'Job 2 canceled (5 tasks canceled, 2 tasks already finished)\nJob 6 canceled (2 tasks canceled, 0 tasks already finished)\n',
    );
    expect([code, stdout]).toEqual([0, '']);
    expect(world.facade.changes).toEqual([
      ['cancel', 6, { reason: 'enough' }],
      ['cancel', 2, { reason: 'enough' }],
    ]);
  });

  test('cancel of the form that Nextflow uses: the newest first, so that the end of an older one starts none of them', async () => {
    expect((await world.hq(['job', 'cancel', '1,2,3'])).code).toBe(0);
    expect(world.facade.changes.map(([, id]) => id)).toEqual([3, 2, 1]);
    expect(await world.json('job', 'cancel', 'last')).toEqual({});
    expect(await world.quiet('job', 'cancel', 'last')).toBe('');
  });

  test('close', async () => {
    expect(await world.hq(['job', 'close', 'all'])).toMatchObject({ code: 0, stderr: 'Job 3 closed\n' });
    expect(await world.hq(['job', 'close', '1'])).toMatchObject({ code: 1, stderr: expect.stringContaining('job 1 is not open') });
    expect(world.facade.changes).toEqual([['closeJob', 3]]);
  });

  test('forget: only what has ended, in the states asked for', async () => {
    expect(await world.hq(['job', 'forget', '1-4'])).toMatchObject({
      code: 0,
      stderr: '2 jobs were forgotten, 2 were ignored due to wrong state or invalid ID\n',
    });
    expect(world.facade.changes).toEqual([
      ['forgetJob', 1],
      ['forgetJob', 4],
    ]);
    world.facade.changes.length = 0;
    expect((await world.hq(['job', 'forget', 'all', '--filter', 'canceled'])).stderr).toBe('1 jobs were forgotten\n');
    expect(world.facade.changes).toEqual([['forgetJob', 5]]);
  });

  test('open: the id alone on stdout, the sentence on stderr', async () => {
    expect(await world.hq(['job', 'open', '--name', 'sweep', '--max-fails', '2'])).toEqual({
      code: 0,
      stdout: '6\n',
      stderr: 'Job 6 is open.\n',
    });
    expect(world.facade.changes[0]).toMatchObject(['createJob', { name: 'sweep', open: true, maxFails: 2 }]);
    expect(await world.quiet('job', 'open')).toBe('7\n');
    expect(world.facade.changes[1]).toMatchObject(['createJob', { name: 'job' }]);
    expect(await world.json('job', 'open')).toEqual({ id: 8 });
    expect(await world.hq(['job', 'open'], ORIGINAL)).toEqual({ code: 0, stdout: 'Job 9 is open.\n', stderr: '' });
  });
});

describe('job task-ids', () => {
  test('prints the ids of one job, or of each job', async () => {
    expect(await world.ok(['job', 'task-ids', '2'])).toBe('1-7\n');
    expect(await world.ok(['job', 'task-ids', '1-2'])).toBe('1: 1-3\n2: 1-7\n');
    expect(await world.json('job', 'task-ids', '1')).toEqual({ 1: [1, 2, 3] });
  });

  test('of several submits are one sorted list', async () => {
    world.facade.jobs = [job(1, { stats: { ...NONE, finished: 5 }, taskIds: '3,0,1-2,10' })];
    expect(await world.ok(['job', 'task-ids', '1'])).toBe('0-3,10\n');
    expect(await world.ok(['job', 'info', '1'])).toContain('5; Ids: 0-3,10 ');
    expect(await world.json('job', 'task-ids', '1')).toEqual({ 1: [0, 1, 2, 3, 10] });
  });

  test('only of tasks in some states', async () => {
    expect(await world.ok(['job', 'task-ids', '4', '--filter', 'failed'])).toBe('2\n');
  });
});

describe('tasks', () => {
  test('list', async () => {
    expect(await world.ok(['task', 'list', '4'])).toMatchInlineSnapshot(`
      "+---------+----------+--------+----------+---------------------+----------------+
      | Task ID | State    | Worker | Makespan | Error               | Label          |
      +---------+----------+--------+----------+---------------------+----------------+
      |       1 | FINISHED | 1      | 1s 500ms |                     |                |
      |       2 | FAILED   | 1      | 1s 500ms | Program terminat... | align sample=1 |
      +---------+----------+--------+----------+---------------------+----------------+
      "
    `);
    expect(await world.ok(['task', 'list', '4', '-v'])).toContain('Program terminated with exit code 1.');
    expect(await world.quiet('task', 'list', '4')).toBe('');
    expect(await world.json('task', 'list', '4', '--task-status', 'failed')).toMatchObject({ 4: [{ id: 2, state: 'failed' }] });
    expect(await world.json('task', 'list', '4', '--tasks', '1')).toMatchObject({ 4: [{ id: 1 }] });
  });

  test('list of several jobs names the job', async () => {
    world.facade.tasks.set(1, [task(1, 1, { state: 'running', finishedAtMs: START_MS })]);
    expect(await world.ok(['task', 'list', '1,4'])).toContain('| Job ID | Task ID |');
  });

  test('info', async () => {
    world.facade.tasks.set(4, [
      task(4, 2, {
        state: 'failed',
        deps: [1],
        entry: 'line',
        usage: { wallMs: 1_500, userMs: 900, systemMs: 60, maxRssBytes: 3 * 2 ** 20, peakMemBytes: 5 * 2 ** 20 },
      }),
    ]);
    const table = (await world.ok(['task', 'info', '4', '2'])).replace(/\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d/g, 'LOCAL TIME         ');
    expect(table).toMatchInlineSnapshot(`
      "+--------------+--------------------------------------+
      | Task ID      | 2                                    |
      +--------------+--------------------------------------+
      | State        | FAILED                               |
      | Command      | echo                                 |
      | Environment  |                                      |
      | Worker       | 1                                    |
      | Start        | LOCAL TIME                           |
      | End          | LOCAL TIME                           |
      | Makespan     | 1s 500ms                             |
      | Workdir      | /home/me                             |
      | Stdout       | /home/me/job-4/2.stdout              |
      | Stderr       | /home/me/job-4/2.stderr              |
      | Time limit   | None                                 |
      | Resources    | cpus: 1 compact                      |
      | Priority     | 0                                    |
      | Pin          | None                                 |
      | Task dir     | No                                   |
      | Crash limit  | 5                                    |
      | Instance     | 0                                    |
      | Dependencies | 1                                    |
      | CPU time     | 900ms user, 60ms system              |
      | Peak memory  | 5 MiB (largest process: 3 MiB)       |
      | Error        | Program terminated with exit code 1. |
      +--------------+--------------------------------------+
      "
    `);
    expect(await world.json('task', 'info', '4', '2')).toMatchObject([{ id: 2, state: 'failed', worker: 1 }]);
  });

  test('info of a task or job that is not there', async () => {
    expect(await world.hq(['task', 'info', '4', '9'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('task 9 of job 4 not found'),
    });
    expect(await world.hq(['task', 'info', '99', '1'])).toMatchObject({ code: 1, stderr: expect.stringContaining('job 99 not found') });
  });

  test('a waiting task has no keys of a start', async () => {
    world.facade.tasks.set(4, [task(4, 1, { state: 'waiting' })]);
    expect(await world.json('task', 'info', '4', '1')).toEqual([{ id: 1, state: 'waiting' }]);
  });
});

describe('job cat', () => {
  const path = (name: string): string => join(world.work, name);

  beforeEach(() => {
    mkdirSync(path('out'));
    writeFileSync(path('out/1'), 'first\n');
    writeFileSync(path('out/2'), Buffer.from([0xff, 0x00, 0x0a]));
    world.facade.tasks.set(1, [
      task(1, 1, { stdout: path('out/1') }),
      task(1, 2, { stdout: path('out/2') }),
      task(1, 3, { state: 'waiting' }),
    ]);
  });

  test('prints files as they are, in the order asked for', async () => {
    expect(await world.ok(['job', 'cat', '1', '--tasks', '1', 'stdout'])).toBe('first\n');
    expect(await world.ok(['job', 'cat', '1', 'stdout', '--tasks', '2,1', '--print-task-header'])).toMatch(
      /^# Job 1, task 2\n.*\n# Job 1, task 1\nfirst\n$/s,
    );
    expect(await world.quiet('job', 'cat', '1', 'stdout', '--task-status', 'finished', '--tasks', '1,3')).toBe('first\n');
  });

  test('a task that has not started is a warning', async () => {
    expect(await world.hq(['job', 'cat', '1', 'stdout', '--tasks', '1,3'])).toEqual({
      code: 0,
      stdout: 'first\n',
      stderr: 'WARN Task 3 of job 1 has not started: it has no output\n',
    });
  });

  test('a file that is gone, a task that never was: the others are printed, exit code 1', async () => {
    world.facade.tasks.set(1, [task(1, 1, { stdout: path('gone') }), task(1, 2, { stdout: path('out/1') })]);
    const { code, stdout, stderr } = await world.hq(['job', 'cat', '1', 'stdout', '--tasks', '1,2,9']);
    expect([code, stdout]).toEqual([1, 'first\n']);
    expect(stderr).toContain(`ERROR cannot read '${path('gone')}'`);
    expect(stderr).toContain('ERROR task 9 of job 1 not found');
  });

  test('output in a consolidated log: the command that reads it', async () => {
    const submit = { submitDir: '/home/me', stream: '/home/me/logs', kind: 'array' as const, taskIds: '1', specs: [] };
    world.facade.jobs = [job(1, { stats: { ...NONE, finished: 1 }, submits: [submit] })];
    world.facade.tasks.set(1, [task(1, 1, { stdout: '<stream>' })]);
    const { code, stderr } = await world.hq(['job', 'cat', 'last', 'stdout']);
    expect(stderr).toContain('hq output-log /home/me/logs cat 1 stdout --task 1');
    expect(code).toBe(1);
  });

  test('JSON mode refuses, as the original does', async () => {
    const { code, stdout } = await world.hq(['--output-mode', 'json', 'job', 'cat', '1', 'stdout']);
    expect(JSON.parse(stdout)).toMatchObject({ error: expect.stringContaining("JSON output mode doesn't support") });
    expect(code).toBe(1);
  });
});

test('tasks of a large job come page by page', async () => {
  world.facade.jobs = [job(1, { stats: { ...NONE, finished: 45_000 } })];
  world.facade.tasks.set(
    1,
    Array.from({ length: 45_000 }, (_, i) => task(1, i + 1)),
  );
  const { 1: ids } = (await world.json('job', 'task-ids', '1', '--filter', 'finished')) as Record<string, number[]>;
  expect(ids).toHaveLength(45_000);
});
