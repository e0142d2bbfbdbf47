/** The dashboard without a terminal: what keys do, what fits into a frame, and a journal at every moment. */
import { describe, expect, test } from 'vitest';
import type { EventBody, HqEvent } from '../../../src/protocol/schema/event.ts';
import { Replay } from '../../../src/tui/replay.ts';
import type { Scene } from '../../../src/tui/scene.ts';
import { EMPTY_STATS, totalOf } from '../../../src/tui/scene.ts';
import { FIRST_SCREEN, pressed, type Screen } from '../../../src/tui/screen.ts';
import { view } from '../../../src/tui/view.ts';

const SIZE = { columns: 100, rows: 20, colors: false, isReplay: false };
const SCENE: Scene = {
  title: 'hq abc on login1',
  atMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  note: '',
  jobs: [
    { id: 2, name: 'align', state: 'RUNNING', taskCount: 10, stats: { ...EMPTY_STATS, running: 2, waiting: 3, finished: 4, failed: 1 } },
    { id: 1, name: 'x'.repeat(200), state: 'FINISHED', taskCount: 1, stats: { ...EMPTY_STATS, finished: 1 } },
  ],
  tasks: Array.from({ length: 500 }, (_, id) => ({
    ...({ id, state: 'waiting', workers: [], startedAtMs: null, finishedAtMs: null, instance: 0, error: null } as const),
  })),
  workers: [
    {
      ...{ id: 7, host: 'node1', state: 'RUNNING', sinceMs: Date.UTC(2026, 0, 2, 3, 3, 5), runningTasks: 2 },
      resources: [
        { name: 'cpus', used: 2, total: 8 },
        { name: 'gpus', used: 0.5, total: 1 },
      ],
    },
  ],
  queues: [{ id: 1, name: 'night', system: 'slurm', state: 'PAUSED', queued: 1, running: 0, why: 'refused three times' }],
  allocations: [{ queueId: 1, number: 4, id: '4711', state: 'QUEUED', workers: 2, queuedAtMs: Date.UTC(2026, 0, 2, 3, 4, 0), detail: '' }],
};
const on = (...keys: string[]): Screen => keys.reduce((screen, key) => pressed(screen, key, SCENE), FIRST_SCREEN);
const frame = (screen: Screen, o: Partial<typeof SIZE> = {}): string => view(SCENE, screen, { ...SIZE, ...o }).join('\n');

describe('a frame', () => {
  test('of jobs', () => {
    expect(frame(on())).toMatchInlineSnapshot(`
      "hq abc on login1  2026-01-02 03:04:05 UTC
      cpus [#####...............] 2/8  tasks: 2 running, 3 waiting, 5 finished, 1 failed, 0 canceled or ab
      <[1] jobs 2>  [2] tasks 500   [3] workers 1   [4] allocations 2 
      ----------------------------------------------------------------------------------------------------
        ID  STATE     DONE  RUNNING  WAITING  FAILED  PROGRESS                     NAME
      > 2   RUNNING   5     2        3        1       [##########..........] 5/10  align
        1   FINISHED  1     0        0        0       [####################] 1/1   xxxxxxxxxxxxxxxxxxxxxxx
      q quit  1-4 tab  up/down move  enter tasks of a job"
    `);
  });

  test('of workers, and of queues with their allocations', () => {
    expect(frame(on('3')).split('\n').slice(4)).toMatchInlineSnapshot(`
      [
        "  ID  STATE    TASKS  SINCE  RESOURCES             HOST",
        "> 7   RUNNING  2      1m     cpus 2/8  gpus 0.5/1  node1",
        "q quit  1-4 tab  up/down move  enter tasks of a job",
      ]
    `);
    expect(frame(on('4')).split('\n').slice(4)).toMatchInlineSnapshot(`
      [
        "  QUEUE    ALLOCATION  STATE   WORKERS  SINCE  DETAIL",
        "> 1 night  slurm       PAUSED                  1 queued, 0 running; refused three times",
        "  1        4711        QUEUED  2        5s",
        "q quit  1-4 tab  up/down move  enter tasks of a job",
      ]
    `);
  });

  test('never has more lines or columns than the terminal, and the chosen line is always in it', () => {
    for (const [columns, rows] of [
      [200, 60],
      [80, 24],
      [20, 8],
      [1, 1],
    ] as const) {
      for (const tab of ['1', '2', '3', '4']) {
        const keys = Array(60).fill('down') as string[];
        const lines = view(SCENE, on(tab, ...keys), { columns, rows, colors: false, isReplay: true });
        expect(lines.length).toBeLessThanOrEqual(rows);
        if (columns >= 20) for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(columns);
        if (rows >= 8) expect(lines.filter((line) => line.startsWith('> '))).toHaveLength(1);
      }
    }
  });

  test('in colours is the same text', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that of colours
    const plain = frame(on(), { colors: true }).replace(/\u001b\[\d+m/g, '');
    expect(plain.replace(' [1] jobs 2 ', '<[1] jobs 2>')).toBe(frame(on()));
  });
});

describe('keys', () => {
  test('go through tabs and lines, and stay within them', () => {
    expect(on('tab').tab).toBe('tasks');
    expect(on('left').tab).toBe('allocations');
    expect(on('up').line.jobs).toBe(0);
    expect(on('down', 'j', 'pagedown').line.jobs).toBe(1);
    expect(on('2', 'pagedown', 'pagedown', 'k').line.tasks).toBe(19);
  });

  test('enter shows the tasks of the job that is chosen', () => {
    expect(on('down', 'return')).toMatchObject({ tab: 'tasks', jobId: 1 });
    expect(on('3', 'return')).toMatchObject({ tab: 'workers', jobId: null });
  });

  test('pause and speed of a replay', () => {
    expect(on('space').paused).toBe(true);
    expect(on('+', '+').speed).toBe(100_000);
    expect(on('-', '-', '-').speed).toBe(100);
    expect(on('x')).toEqual(FIRST_SCREEN);
  });
});

describe('a replay', () => {
  const configuration = {
    ...{ hostname: 'node1', group: 'default', pid: 1, workDir: '/w', heartbeatMs: 8_000, idleTimeoutMs: null, timeLimitMs: null },
    ...{ startedAtMs: 0, onServerLost: 'reconnect', minUtilization: 0, allocation: null, listenAddress: '', version: '0.1.0' },
    resources: { resources: [{ name: 'cpus', kind: 'range', start: 0, end: 3 }], coupling: { weights: [] } },
  } as const;
  const bodies: EventBody[] = [
    { type: 'job-created', jobId: 1, name: 'work', open: true },
    { type: 'tasks-submitted', jobId: 1, ids: '0-3' },
    { type: 'worker-connected', workerId: 1, configuration: configuration as never },
    { type: 'task-started', jobId: 1, taskId: 0, instance: 0, workerId: 1, variant: 0 },
    { type: 'task-started', jobId: 1, taskId: 1, instance: 0, workerId: 1, variant: 0 },
    { type: 'task-finished', jobId: 1, taskId: 0, instance: 0, usage: null },
    { type: 'task-restarted', jobId: 1, taskId: 1, instance: 0, cause: 'retry', error: 'no luck' },
    { type: 'task-started', jobId: 1, taskId: 1, instance: 1, workerId: 1, variant: 0 },
    { type: 'task-failed', jobId: 1, taskId: 1, instance: 1, error: 'bad', failure: 'exit', exitCode: 1, signal: null, usage: null },
    { type: 'tasks-canceled', jobId: 1, ids: '2' },
    { type: 'tasks-aborted', jobId: 1, ids: '3', reason: 'enough' },
    { type: 'queue-created', queueId: 1, name: null, system: 'slurm' },
    { type: 'allocation-queued', queueId: 1, number: 1, id: '99', workers: 1 },
    { type: 'allocation-started', queueId: 1, number: 1, id: '99' },
    { type: 'queue-paused', queueId: 1, reason: 'refused' },
    { type: 'allocation-ended', queueId: 1, number: 1, id: '99', state: 'finished', detail: 'done' },
    { type: 'job-closed', jobId: 1 },
    { type: 'worker-lost', workerId: 1, reason: 'STOPPED' },
    { type: 'queue-removed', queueId: 1 },
    { type: 'job-forgotten', jobId: 1 },
  ];
  const events = bodies.map((body, i) => ({ ...body, seq: i + 1, timeMs: i }) as HqEvent);

  test('has at each moment what there was', () => {
    const replay = new Replay('journal', events);
    expect(replay.span).toEqual([0, bodies.length - 1]);
    expect(replay.sceneAt(4, 1)).toMatchObject({
      jobs: [{ id: 1, name: 'work', state: 'RUNNING', stats: { running: 2, waiting: 2 } }],
      workers: [{ id: 1, runningTasks: 2, resources: [{ name: 'cpus', used: null, total: 4 }] }],
    });
    const middle = replay.sceneAt(10, 1);
    expect(middle.tasks.map(({ state }) => state)).toEqual(['finished', 'failed', 'canceled', 'aborted']);
    expect(middle.tasks[1]).toMatchObject({ instance: 1, error: 'bad', finishedAtMs: 8 });
    expect(middle.workers[0]?.runningTasks).toBe(0);
    expect(replay.sceneAt(14, null)).toMatchObject({
      queues: [{ state: 'PAUSED', why: 'refused', running: 1 }],
      allocations: [{ state: 'RUNNING' }],
    });
    expect(replay.sceneAt(16, null).jobs[0]?.state).toBe('FAILED');
    expect(replay.sceneAt(99, 1)).toMatchObject({ jobs: [], tasks: [], workers: [], queues: [] });
  });

  test('is the same there forwards, backwards and at once', () => {
    const walked = new Replay('journal', events);
    for (let i = 0; i < events.length; i += 1) walked.sceneAt(i, 1);
    for (let i = events.length; i >= 0; i -= 1) expect(walked.sceneAt(i, 1)).toEqual(new Replay('journal', events).sceneAt(i, 1));
  });

  test('counts of a job are those of its tasks', () => {
    const replay = new Replay('journal', events);
    for (let i = 0; i < events.length; i += 1) {
      const { jobs, tasks } = replay.sceneAt(i, 1);
      const total = totalOf(jobs);
      for (const state of Object.keys(total) as (keyof typeof total)[])
        expect(total[state]).toBe(tasks.filter((task) => task.state === state).length);
    }
  });
});
