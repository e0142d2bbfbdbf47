/** Commands about workers and the server, in the three output modes. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { detectHardware } from '../../../src/worker/hardware.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { START_MS, worker } from '../../helpers/cliFacade.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
  const batch = worker(3);
  world.facade.workers = [
    worker(1),
    worker(2, { state: 'offline', endedAtMs: START_MS + 60_000, endReason: 'IDLE TIMEOUT', lastTaskStarted: null }),
    { ...batch, state: 'reconnecting', configuration: { ...batch.configuration, allocation: { manager: 'Slurm', id: '4711' } } },
  ];
});
afterEach(() => world.stop());

const localTimes = (text: string): string => text.replace(/\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d/g, 'LOCAL TIME         ');

describe('worker list', () => {
  test('shows connected ones, or all', async () => {
    expect(await world.ok(['worker', 'list'])).toMatchInlineSnapshot(`
      "+----+---------+----------+------------------------+---------+----------------+
      | ID | State   | Hostname | Resources              | Manager | Manager Job ID |
      +----+---------+----------+------------------------+---------+----------------+
      |  1 | RUNNING | node1    | cpus 2x2; mem 4.12 GiB | None    | N/A            |
      |  3 | RUNNING | node3    | cpus 2x2; mem 4.12 GiB | Slurm   | 4711           |
      +----+---------+----------+------------------------+---------+----------------+
      "
    `);
    expect(await world.quiet('worker', 'list')).toBe('1 RUNNING\n3 RUNNING\n');
    expect(await world.quiet('worker', 'list', '--all')).toBe('1 RUNNING\n2 IDLE TIMEOUT\n3 RUNNING\n');
    expect(await world.quiet('worker', 'list', '--filter', 'offline')).toBe('2 IDLE TIMEOUT\n');
    expect(await world.quiet('worker', 'list', '--filter', 'running')).toBe('1 RUNNING\n3 RUNNING\n');
  });

  test('has the original shape in JSON', async () => {
    const [first, second] = (await world.json('worker', 'list', '--all')) as unknown[];
    expect(first).toEqual({
      id: 1,
      started: '2026-01-02T03:04:05.000Z',
      ended: null,
      configuration: {
        heartbeat_interval: 8,
        idle_timeout: 300,
        time_limit: null,
        work_dir: '/tmp/hq-worker',
        hostname: 'node1',
        group: 'default',
        listen_address: '',
        memory_guard: 'proc',
        on_server_lost: 'reconnect',
        min_utilization: 0,
        resources: {
          resources: [
            {
              name: 'cpus',
              kind: 'groups',
              groups: [
                ['0', '1'],
                ['2', '3'],
              ],
            },
            { name: 'mem', kind: 'sum', size: 42_188_000 },
          ],
          coupling: { weights: [] },
        },
      },
      allocation: null,
      runtime_info: null,
      last_task_started: { task_id: { job_id: 1, job_task_id: 2 }, time: '2026-01-02T03:04:05.000Z' },
    });
    expect(second).toMatchObject({ ended: { at: '2026-01-02T03:05:05.000Z' }, last_task_started: null });
    const [original] = JSON.parse(await world.ok(['--output-mode', 'json', 'worker', 'list'], { env: { HQ_COMPAT: 'hyperqueue' } }));
    expect(original.configuration).not.toHaveProperty('memory_guard');
    const text = await world.ok(['--output-mode', 'json', 'worker', 'list']);
    expect(text).toContain('"heartbeat_interval": 8.0,');
    expect(text).toContain('"min_utilization": 0.0,');
  });
});

describe('worker info', () => {
  test('is a table', async () => {
    expect(localTimes(await world.ok(['worker', 'info', '3']))).toMatchInlineSnapshot(`
      "+-------------------+-------------------------------------+
      | Worker            | 3                                   |
      +-------------------+-------------------------------------+
      | State             | RUNNING                             |
      | Hostname          | node3                               |
      | Started           | LOCAL TIME                          |
      | Data provider     | None                                |
      | Working directory | /tmp/hq-worker                      |
      | Heartbeat         | 8s                                  |
      | Idle timeout      | 5m                                  |
      | Overview interval | None                                |
      | Resources         | cpus: [[0,1],[2,3]]                 |
      |                   | mem: sum(4.12 GiB)                  |
      | Memory guard      | /proc sampling                      |
      | Time Limit        | None                                |
      | Process pid       | 103                                 |
      | Group             | default                             |
      | Manager           | Slurm                               |
      | Manager Job ID    | 4711                                |
      | Last task started | 1@2; Time: LOCAL TIME               |
      | Runtime Info      | assigned tasks: 3; running tasks: 1 |
      +-------------------+-------------------------------------+
      "
    `);
    expect(await world.quiet('worker', 'info', 'all')).toBe('');
  });

  test('couplings are shown as they are typed', async () => {
    const one = worker(1);
    const gpus = { name: 'gpus', kind: 'groups' as const, groups: [['a'], ['b']] };
    const coupling = { weights: [{ resource1_idx: 0, group1_idx: 1, resource2_idx: 1, group2_idx: 0, weight: 256 }] };
    const resources = { resources: [one.configuration.resources.resources[0] as typeof gpus, gpus], coupling };
    world.facade.workers = [{ ...one, configuration: { ...one.configuration, resources } }];
    expect(await world.ok(['worker', 'info', '1'])).toMatch(
      /Resources +\| cpus: \[\[0,1\],\[2,3\]\] +\|\n\| +\| gpus: \[\[a\],\[b\]\] +\|\n\| +\| coupling: cpus\[1\]:gpus\[0\]=256 +\|/,
    );
  });

  test('tells what is running only of a worker that is there', async () => {
    const infos = (await world.json('worker', 'info', '1-2')) as { runtime_info: unknown }[];
    expect(infos.map(({ runtime_info }) => runtime_info)).toEqual([
      { SingleNodeTasks: { assigned_tasks: 3, running_tasks: 1, is_reserved: false } },
      null,
    ]);
  });
});

describe('unknown workers', () => {
  test.each([['info'], ['stop']])('worker %s: one line, exit code 1; the original exits with 0', async (verb) => {
    const { code, stderr } = await world.hq(['worker', verb, '77']);
    expect([code, stderr]).toEqual([1, 'ERROR worker 77 not found. List the workers with: hq worker list --all\n']);
    expect((await world.hq(['worker', verb, '77'], { env: { HQ_COMPAT: 'hyperqueue' } })).code).toBe(0);
    expect(world.facade.changes).toEqual([]);
  });
});

test('worker stop: the ones that are there', async () => {
  expect(await world.hq(['worker', 'stop', 'all'])).toEqual({ code: 0, stdout: '', stderr: 'Worker 1 stopped\nWorker 3 stopped\n' });
  expect(world.facade.changes).toEqual([
    ['stopWorker', 1],
    ['stopWorker', 3],
  ]);
});

test.each(['cli', 'json', 'quiet'])('worker address is the host name alone in mode %s', async (mode) => {
  expect(await world.ok(['--output-mode', mode, 'worker', 'address', '1'])).toBe('node1\n');
  const unknown = await world.hq(['--output-mode', mode, 'worker', 'address', '77'], { env: { HQ_COMPAT: 'hyperqueue' } });
  expect(unknown.code).toBe(1);
});

describe('worker hwdetect', () => {
  test('needs no server', async () => {
    rmSync(join(world.serverDir, 'access.json'));
    const env = { CUDA_VISIBLE_DEVICES: '0,1' };
    expect(await world.ok(['worker', 'hwdetect'], { env })).toMatch(
      /^Summary:\ncpus .*\ngpus\/nvidia 2\nmem .*\n\nFull Description:\ncpus: /,
    );
    const json = JSON.parse(await world.ok(['--output-mode', 'json', 'worker', 'hwdetect'], { env })) as { resources: { name: string }[] };
    expect(json.resources.map(({ name }) => name)).toEqual(['cpus', 'gpus/nvidia', 'mem']);
    expect(json).toMatchObject({ coupling: { weights: [] } });
    expect(await world.quiet('worker', 'hwdetect')).toBe('');
    const one = JSON.parse(await world.ok(['--output-mode', 'json', 'worker', 'hwdetect', '--no-hyper-threading'])) as unknown;
    expect(one).toEqual(detectHardware({ env: {}, hyperThreading: false }));
  });
});

describe('worker start', () => {
  test('without a server: one line', async () => {
    rmSync(join(world.serverDir, 'access.json'));
    expect(await world.hq(['worker', 'start'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^ERROR .*hq server start\n$/),
    });
  });

  test('an option without effect is a warning', async () => {
    const { code, stderr } = await world.hq(['worker', 'start', '--cpus', '2', '--no-hyper-threading', '--coupling', 'cpus[0]:a[0]']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^WARN .*--no-hyper-threading changes nothing.*\nerror: /)]);
  });

  test('an option of HyperQueue about what is not here is refused, and the others are options', async () => {
    const { code, stderr } = await world.hq(['server', 'start', '--scheduler-time-limit', '5s']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^error: .*--scheduler-time-limit.*: no solver .*: leave the option out\n/)]);
    expect((await world.hq(['worker', 'start', '--overview-interval', 'soon'])).code).toBe(2);
    expect((await world.hq(['worker', 'start', '--retract-check-interval', '0s'])).code).toBe(2);
  });

  test('CPUs said twice', async () => {
    const { code, stderr } = await world.hq(['worker', 'start', '--cpus', '2', '--resource', 'cpus=4']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--cpus and --resource cpus=')]);
  });
});

describe('server', () => {
  test('info', async () => {
    expect(await world.ok(['server', 'info'])).toMatchInlineSnapshot(`
      "+--------------+-------------------------+
      | Server UID   | uid-1                   |
      +--------------+-------------------------+
      | Client host  | login1                  |
      | Client port  | 1234                    |
      | Worker host  | login1                  |
      | Worker port  | 5678                    |
      | Version      | 0.1.0                   |
      | Pid          | 4711                    |
      | Start date   | 2026-01-02 03:04:05 UTC |
      | Journal path | /srv/hq/001/journal.db  |
      +--------------+-------------------------+
      "
    `);
    expect(await world.quiet('server', 'info')).toBe('');
    expect(await world.json('server', 'info')).toEqual({
      server_dir: null,
      server_uid: 'uid-1',
      client_host: 'login1',
      client_port: 1234,
      worker_host: 'login1',
      worker_port: 5678,
      pid: 4711,
      start_date: '2026-01-02T03:04:05.000Z',
      version: '0.1.0',
      journal_path: '/srv/hq/001/journal.db',
    });
  });

  test('stop returns when the access file is gone', async () => {
    world.facade.onChange = () => rmSync(join(world.serverDir, 'access.json'));
    expect(await world.hq(['server', 'stop', '--keep-workers'])).toEqual({ code: 0, stdout: '', stderr: 'Server stopped\n' });
    expect(world.facade.changes).toEqual([['stopServer', { keepWorkers: true }]]);
  });

  test('stop with a copy of the access file ends when nobody answers', async () => {
    world.facade.onChange = () => void setImmediate(() => world.closeServer());
    expect(await world.json('server', 'stop')).toEqual({});
    expect(world.facade.changes).toEqual([['stopServer', { keepWorkers: false }]]);
  });

  test('stop without a server', async () => {
    rmSync(join(world.serverDir, 'access.json'));
    expect(await world.hq(['server', 'stop'])).toMatchObject({ code: 1, stderr: expect.stringContaining('no running server') });
  });

  test('wait', async () => {
    expect(await world.hq(['server', 'wait', '--timeout', '10s'])).toEqual({ code: 0, stdout: '', stderr: '' });
    rmSync(join(world.serverDir, 'access.json'));
    const { code, stderr } = await world.hq(['server', 'wait', '--timeout', '100ms']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/timeout after 0\.1 s: could not connect to a server/)]);
  });
});
