/** `hq task explain`: sentences for every reason, what is in the way per worker, JSON, bad input. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Obstacle, TaskExplanation, WaitReason } from '../../../src/protocol/schema/explain.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { job, START_MS, task } from '../../helpers/cliFacade.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
  world.facade.jobs = [job(3)];
  world.facade.tasks.set(3, [task(3, 7)]);
});
afterEach(() => world.stop());

const explain = async (explanation: Partial<TaskExplanation> & { reason: WaitReason }): Promise<string> => {
  world.facade.explanation = explanation;
  return world.ok(['task', 'explain', '3', '7']);
};
const none = { priority: 0, higher: 0, others: 0, same: 0 };

describe('the sentence', () => {
  test.each<[string, Partial<TaskExplanation> & { reason: WaitReason }, RegExp]>([
    ['ended', { state: 'failed', reason: { kind: 'ended', error: 'exit 3' } }, /^Task 7 of job 3 is FAILED: exit 3\n$/],
    ['finished', { state: 'finished', reason: { kind: 'ended', error: null } }, /^Task 7 of job 3 is FINISHED\n$/],
    ['running', { reason: { kind: 'running', workerIds: [4, 5] } }, /runs on worker 4, 5\.\n$/],
    ['sent', { reason: { kind: 'sent', workerId: 4, queued: false } }, /is on its way to worker 4, which starts it\.\n$/],
    [
      'queued there',
      { reason: { kind: 'sent', workerId: 4, queued: true } },
      /is queued on worker 4, which starts it when a task before it ends\.\n$/,
    ],
    [
      'dependencies',
      {
        reason: {
          kind: 'dependencies',
          unfinished: 3,
          tasks: [
            { jobId: 3, taskId: 1, state: 'running' },
            { jobId: 3, taskId: 2, state: 'waiting' },
          ],
        },
      },
      /waits for 3 other tasks: 1 \(RUNNING\), 2 \(WAITING\), 1 more\.\nAsk about the first of them with: hq task explain 3 1\n$/,
    ],
    [
      'delayed',
      { reason: { kind: 'delayed', untilMs: START_MS, retry: 1, maxRetries: 4 } },
      /run again at .*2026 .* \(retry 1 of 4\)\.\n$/,
    ],
    [
      'no worker',
      { reason: { kind: 'no-worker' } },
      /because no worker is connected\.\nStart one with: hq worker start; or let a batch system bring some with: hq alloc add\n$/,
    ],
    [
      'impossible',
      { reason: { kind: 'impossible', details: ["no worker provides 'x'; present are: cpus"] } },
      /can run on no connected worker: no worker provides 'x'; present are: cpus\.\nStart a worker that provides what is missing/,
    ],
    ['its turn', { reason: { kind: 'turn' }, queue: none }, /is about to start; no ready task comes before it\.\n$/],
    [
      'behind others',
      { reason: { kind: 'turn' }, queue: { ...none, higher: 1, same: 5 } },
      /; before it come 1 task of higher priority and 5 tasks of the same request\.\n$/,
    ],
    [
      'behind others of its priority',
      { reason: { kind: 'turn' }, queue: { ...none, higher: 2, others: 1, same: 5 } },
      /; before it come 2 tasks of higher priority, 1 task of other requests and 5 tasks of the same request\.\n$/,
    ],
    ['behind one', { reason: { kind: 'turn' }, queue: { ...none, same: 1 } }, /; before it comes 1 task of the same request\.\n$/],
  ])('%s', async (_, explanation, text) => {
    expect(await explain(explanation)).toMatch(text);
  });
});

describe('what is in the way', () => {
  const key = { jobId: 1, taskId: 2 };
  const all: Obstacle[] = [
    { kind: 'missing', resource: 'gpus', requested: 1 },
    { kind: 'too-little', resource: 'mem', requested: 2_048, total: 1_024 },
    { kind: 'busy', resource: 'cpus', requested: 4, free: 1, holders: 4, largest: [{ ...key, amount: 2 }] },
    { kind: 'scattered', resource: 'gpus', requested: 0.6, free: 0.6 },
    { kind: 'lifetime', neededMs: 3_600_000, leftMs: 60_000 },
    { kind: 'stopping' },
    { kind: 'reconnecting' },
    { kind: 'reserved', forTask: key },
    { kind: 'gang', task: key },
    { kind: 'utilization', least: 0.5 },
    { kind: 'nodes', group: 'default', needed: 4, size: 3, idle: 1 },
  ];

  test('is a table: a line per thing, alike workers together, one sentence on what helps', async () => {
    const workers = [
      { workerIds: '1-3', count: 3, obstacles: all },
      { workerIds: '4', count: 1, obstacles: [] },
    ];
    const variants = [{ variant: 0, request: 'cpus=4 compact', workers }];
    expect(await explain({ reason: { kind: 'occupied' }, queue: none, variants })).toMatchInlineSnapshot(`
      "Task 7 of job 3 waits for a worker that is free for it; no ready task comes before it.
      It starts when tasks there end; more workers, a smaller request or a higher --priority bring it forward.
      +-----------------+----------------+---------------------------------------------------------------------+
      | Workers         | Request        | In the way                                                          |
      +-----------------+----------------+---------------------------------------------------------------------+
      | 1-3 (3 workers) | cpus=4 compact | has no 'gpus'                                                       |
      |                 |                | has 1 GiB of 'mem' in total, 2 GiB needed                           |
      |                 |                | has 1 of 'cpus' free, 4 needed (held by 1@2: 2, 3 more)             |
      |                 |                | has 0.6 of 'gpus' free, but not together; 0.6 needed                |
      |                 |                | ends in 1m, 1h needed                                               |
      |                 |                | is stopping                                                         |
      |                 |                | has lost its connection and may come back                           |
      |                 |                | is kept for 1@2, which has waited for long                          |
      |                 |                | belongs to the multi-node task 1@2                                  |
      |                 |                | asks for 50 % of its CPUs to be used, and what waits would use less |
      |                 |                | group 'default' has 1 idle of 3 workers, 4 needed                   |
      | 4               | cpus=4 compact | could start it                                                      |
      +-----------------+----------------+---------------------------------------------------------------------+
      "
    `);
  });

  test.each<[Obstacle['kind'], RegExp]>([
    ['busy', /a higher --priority/],
    ['scattered', /a smaller request/],
    ['nodes', /fewer --nodes/],
    ['reserved', /has waited for longer/],
    ['gang', /when the multi-node task ends/],
    ['lifetime', /a smaller --time-request/],
    ['utilization', /Submit more tasks/],
    ['reconnecting', /when a worker comes back/],
  ])('%s has its advice', async (kind, text) => {
    const obstacles = all.filter((obstacle) => obstacle.kind === kind);
    const variants = [{ variant: 0, request: '', workers: [{ workerIds: '1', count: 1, obstacles }] }];
    expect((await explain({ reason: { kind: 'occupied' }, queue: none, variants })).split('\n')[1]).toMatch(text);
  });

  test('in JSON: as in the original, and everything beside it', async () => {
    const workers = [{ workerIds: '1-2', count: 2, obstacles: all }];
    world.facade.explanation = {
      dependencies: 4,
      ...{ reason: { kind: 'occupied' }, queue: none },
      variants: [
        { variant: 0, request: 'gpus=1 compact', workers },
        { variant: 1, request: 'cpus=4 compact', workers: [{ workerIds: '1-2', count: 2, obstacles: [] }] },
      ],
    };
    const blocking = [
      { Resources: { resource: 'gpus', request_amount: 10_000, worker_amount: 0 } },
      { Resources: { resource: 'mem', request_amount: 20_480_000, worker_amount: 10_240_000 } },
      { Time: { min_time: { secs: 3_600, nanos: 0 }, remaining_time: { secs: 60, nanos: 0 } } },
      { WorkerGroup: { n_nodes: 4, group_size: 3 } },
    ];
    const original = {
      task_id: { job_id: 3, job_task_id: 7 },
      explanation: { n_task_deps: 4, n_waiting_deps: 0, workers: [1, 2].map((worker_id) => ({ worker_id, variants: [blocking, []] })) },
    };
    const printed = (await world.json('task', 'explain', 'last', '7')) as Record<string, unknown>;
    expect(printed).toMatchObject({ ...original, reason: { kind: 'occupied' }, summary: expect.stringContaining('waits for a worker') });
    const plain = await world.ok(['--output-mode', 'json', 'task', 'explain', '3', '7'], { env: { HQ_COMPAT: 'hyperqueue' } });
    expect(JSON.parse(plain)).toEqual(original);
  });
});

test('quiet mode prints nothing', async () => {
  expect(await world.quiet('task', 'explain', '3', '7')).toBe('');
});

test.each<[string[], number, RegExp]>([
  [['9', '0'], 1, /job 9 not found/],
  [['3', '8'], 1, /task 8 of job 3 not found/],
  [['3', '1-2'], 2, /'1-2'/],
  [['3-4', '0'], 2, /'3-4'.*one job id/],
  [['all', '0'], 2, /'all'/],
  [['3'], 2, /task/],
])('bad input: %s', async (args, code, text) => {
  const result = await world.hq(['task', 'explain', ...args]);
  expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(text) });
});
