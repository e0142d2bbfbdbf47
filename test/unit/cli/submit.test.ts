/** From what is typed to the one request that is sent. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CliWorld } from '../../helpers/cli.ts';
import { job } from '../../helpers/cliFacade.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
});
afterEach(() => world.stop());

/** The request of the only change. */
function sent(): {
  name?: string;
  maxFails?: number;
  submit?: { strict: boolean; stream?: string; tasks: { ids?: string; spec: Record<string, unknown> } };
} {
  expect(world.facade.changes).toHaveLength(1);
  return world.facade.changes[0]?.at(-1) as ReturnType<typeof sent>;
}

const spec = (): Record<string, unknown> => sent().submit?.tasks.spec ?? {};

describe('the answer', () => {
  test('is a sentence, an id or an object', async () => {
    expect(await world.ok(['submit', 'true'])).toBe('Job submitted successfully, job ID: 1\n');
    expect(await world.quiet('submit', 'true')).toBe('2\n');
    expect(await world.json('job', 'submit', 'true')).toEqual({ id: 3 });
  });
});

describe('the request', () => {
  test('of a plain program', async () => {
    await world.ok(['submit', './bin/align.sh', '--fast', '-n', '3', '--', 'x']);
    expect(sent()).toMatchObject({
      name: 'align.sh',
      open: false,
      submit: {
        submitDir: world.work,
        strict: false,
        tasks: { kind: 'array', spec: { command: ['./bin/align.sh', '--fast', '-n', '3', '--', 'x'] } },
      },
    });
    expect(spec()).toMatchObject({ request: [{ resources: { cpus: '1' } }], priority: 0, crashLimit: 5, maxRetries: 0, env: {} });
    expect(Object.keys(spec())).not.toContain('cwd');
    expect(sent().maxFails).toBeUndefined();
  });

  test('of everything at once', async () => {
    const options = [
      '--name',
      'big one',
      '--array',
      '1-10:3, 20',
      '--cpus',
      '2 compact!',
      '--resource',
      'gpus=0.5',
      '--resource=mem=4GiB',
      '--env',
      'A=1=2',
      '--env',
      'B',
      '--cwd',
      'runs/%{JOB_ID}',
      '--stdout',
      '%{CWD}/%{TASK_ID}.out:rm-if-finished',
      '--stderr',
      'none',
      '--stream',
      'logs/',
      '--pin',
      'omp',
      '--priority',
      '-7',
      '--time-limit',
      '1h 30m',
      '--time-request',
      '90',
      '--max-fails',
      '3',
      '--max-retries=2',
      '--strict',
    ];
    await world.ok(['submit', ...options, '--', 'bash', '-c', 'echo $HQ_TASK_ID']);
    expect(sent()).toMatchObject({ name: 'big one', maxFails: 3, submit: { strict: true, stream: 'logs/', tasks: { ids: '1-10:3,20' } } });
    expect(spec()).toEqual({
      command: ['bash', '-c', 'echo $HQ_TASK_ID'],
      request: [{ resources: { cpus: '2 compact!', gpus: '0.5', mem: '4GiB' }, nodes: 0, timeRequestMs: 90_000, weight: 1 }],
      env: { A: '1=2', B: '' },
      secretEnv: [],
      cwd: 'runs/%{JOB_ID}',
      stdout: { path: '%{CWD}/%{TASK_ID}.out', onClose: 'rm-if-finished' },
      stderr: null,
      pin: 'omp',
      priority: -7,
      timeLimitMs: 5_400_000,
      crashLimit: 5,
      maxRetries: 2,
    });
  });

  test('`:rm-if-finished` alone keeps the default path', async () => {
    await world.ok(['submit', '--stderr', ':rm-if-finished', 'true']);
    expect(spec()['stderr']).toEqual({ path: '%{CWD}/job-%{JOB_ID}/%{TASK_ID}.stderr', onClose: 'rm-if-finished' });
  });

  test('of retries with all that can be said about them', async () => {
    const options = ['--max-retries=3', '--retry-delay', '1m', '--retry-on', '1, 137,memory-limit', '--retry-mem-factor', '1.5'];
    await world.ok(['submit', '--resource', 'mem=1GiB', ...options, 'true']);
    expect(spec()).toMatchObject({ maxRetries: 3, retryDelayMs: 60_000, retryOn: [1, 137, 'memory-limit'], retryMemFactor: 1.5 });
  });

  test('of whole workers', async () => {
    await world.ok(['submit', '--nodes', '3', '--time-request', '1h', 'mpirun', './solver']);
    expect(spec()['request']).toEqual([{ resources: {}, nodes: 3, timeRequestMs: 3_600_000, weight: 1 }]);
    world.facade.changes.length = 0;
    await world.ok(['submit', '--nodes', '0', 'true']);
    expect(spec()['request']).toEqual([{ resources: { cpus: '1' }, nodes: 0, timeRequestMs: 0, weight: 1 }]);
  });

  test('standard input goes to the task byte by byte', async () => {
    await world.ok(['submit', '--stdin', 'cat'], { stdin: 'line\n\u0000' });
    expect(Buffer.from(spec()['stdin'] as string, 'base64').toString()).toBe('line\n\u0000');
  });

  test('a program whose name is no job name', async () => {
    await world.ok(['submit', 'dir/']);
    expect(sent().name).toBe('dir');
    world.facade.changes.length = 0;
    await world.ok(['submit', 'a\tb']);
    expect(sent().name).toBe('a b');
  });
});

describe('resource variants', () => {
  const resources = (): unknown => (spec()['request'] as { resources: unknown }[]).map((variant) => variant.resources);

  test('a resource named again begins the next variant, in the order typed', async () => {
    await world.ok(['submit', '--resource', 'gpus=1', '--cpus=4', '--resource', 'cpus=16', 'true']);
    expect(resources()).toEqual([{ gpus: '1', cpus: '4' }, { cpus: '16' }]);
  });

  test('--cpus after a repeated resource belongs to its variant', async () => {
    await world.ok(['submit', '--resource', 'gpus=1', '--resource', 'gpus=2', '--cpus', '8', 'true']);
    expect(resources()).toEqual([
      { gpus: '1', cpus: '1' },
      { gpus: '2', cpus: '8' },
    ]);
  });

  test('--variant says the same explicitly', async () => {
    await world.ok(['submit', '--variant', 'gpus=1 cpus=4 compact!', '--variant', 'cpus=16', 'true']);
    expect(resources()).toEqual([{ gpus: '1', cpus: '4 compact!' }, { cpus: '16' }]);
    const mixed = await world.hq(['submit', '--variant', 'cpus=1', '--cpus', '2', 'true']);
    expect([mixed.code, mixed.stderr]).toEqual([2, expect.stringContaining("'--variant' cannot be used with '--cpus'")]);
  });

  test('one weight is for all of them, several are for each', async () => {
    const weights = (): unknown => (spec()['request'] as { weight: number }[]).map(({ weight }) => weight);
    const variants = ['--variant', 'gpus=1', '--variant', 'cpus=16'];
    await world.ok(['submit', ...variants, '--weight', '2.5', 'true']);
    expect(weights()).toEqual([2.5, 2.5]);
    world.facade.changes.length = 0;
    await world.ok(['submit', ...variants, '--weight', '3', '--weight=0.5', 'true']);
    expect(weights()).toEqual([3, 0.5]);
  });

  test('the original refuses a repeated resource', async () => {
    const { code, stderr } = await world.hq(['submit', '--resource', 'gpus=1', '--resource', 'gpus=2', 'true'], {
      env: { HQ_COMPAT: 'hyperqueue' },
    });
    expect([code, stderr]).toEqual([2, expect.stringContaining("Resource 'gpus' defined more than once")]);
    expect(world.facade.changes).toEqual([]);
  });
});

describe('the crash limit', () => {
  test('a number limits crashes of a task and failed tasks of the job', async () => {
    await world.ok(['submit', '--crash-limit', '20', '--array', '1-100', 'true']);
    expect([spec()['crashLimit'], sent().maxFails]).toEqual([20, 20]);
  });

  test.each<[string, string[], Record<string, string>, unknown, number | undefined]>([
    ['words concern only the tasks', ['--crash-limit', 'unlimited'], {}, 'unlimited', undefined],
    ['never-restart', ['--crash-limit=never-restart'], {}, 'never-restart', undefined],
    ['--max-fails has the last word', ['--crash-limit', '20', '--max-fails', '1'], {}, 20, 1],
    ['the original knows only crashes', ['--crash-limit', '20'], { HQ_COMPAT: 'hyperqueue' }, 20, undefined],
  ])('%s', async (_name, options, env, crashLimit, maxFails) => {
    await world.ok(['submit', ...options, 'true'], { env });
    expect([spec()['crashLimit'], sent().maxFails]).toEqual([crashLimit, maxFails]);
  });

  test('a submit into an open job leaves the job as it is', async () => {
    world.facade.jobs = [job(1, { isOpen: true })];
    await world.ok(['submit', '--job', '1', '--crash-limit', '20', 'true']);
    expect(world.facade.changes[0]?.slice(0, 2)).toEqual(['submitTasks', 1]);
  });
});

describe('open jobs', () => {
  beforeEach(() => {
    world.facade.jobs = [job(3, { isOpen: true }), job(4)];
  });

  test.each([
    ['submit --job', ['submit', '--job', '3', '--cpus', '2', '--', 'process', '--flag']],
    ['submit-task', ['job', 'submit-task', '3', '--', 'process', '--flag']],
    ['submit-task with options before the job', ['job', 'submit-task', '--cpus', '2', '3', '--', 'process', '--flag']],
    ['submit-task with options after the job', ['job', 'submit-task', '3', '--cpus', '2', 'process', '--flag']],
  ])('%s', async (_name, args) => {
    expect(await world.ok([...args])).toBe('Job submitted successfully, job ID: 3\n');
    const [method, jobId, submit] = world.facade.changes[0] as [
      string,
      number,
      { tasks: { spec: { command: string[]; request: { resources: unknown }[] } } },
    ];
    expect([method, jobId, submit.tasks.spec.command]).toEqual(['submitTasks', 3, ['process', '--flag']]);
    expect(submit.tasks.spec.request[0]?.resources).toEqual({ cpus: args.includes('--cpus') ? '2' : '1' });
  });

  test('options on both sides of the job are one set', async () => {
    await world.ok(['job', 'submit-task', '--resource', 'gpus=1', '3', '--resource', 'mem=5', '--output-mode', 'quiet', 'x']);
    const [, , submit] = world.facade.changes[0] as [string, number, { tasks: { spec: { request: { resources: unknown }[] } } }];
    expect(submit.tasks.spec.request.map(({ resources }) => resources)).toEqual([{ gpus: '1', mem: '5', cpus: '1' }]);
    const twice = await world.hq(['job', 'submit-task', '--cpus', '1', '3', '--cpus', '2', 'x']);
    expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining('cannot be used multiple times')]);
  });

  test('a job that is not open, or not there', async () => {
    expect(await world.hq(['job', 'submit-task', '4', 'x'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('job 4 is not open'),
    });
    expect(await world.hq(['submit', '--job', '9', 'x'])).toMatchObject({ code: 1, stderr: expect.stringContaining('job 9 not found') });
    expect(world.facade.changes).toEqual([]);
  });

  test('what belongs to the job cannot be given again', async () => {
    const { code, stderr } = await world.hq(['submit', '--job', '3', '--name', 'x', '--max-fails', '1', 'true']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--name and --max-fails cannot be used with --job')]);
  });

  test('a missing program after the job', async () => {
    const { code, stderr } = await world.hq(['job', 'submit-task', '3', '--cpus', '2']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('<COMMAND>')]);
  });
});

describe('warnings go to stderr and change nothing', () => {
  test.each<[string, string[], RegExp]>([
    ['many files', ['--array', '1-500'], /WARN .*up to 1000 files.*--stream/],
    ['one file for all tasks', ['--array', '1-2', '--stdout', 'out.txt'], /WARN .*--stdout.*%\{TASK_ID\}/],
    ['unknown placeholder', ['--stdout', '%{TASKID}'], /WARN .*%\{TASKID\} in --stdout/],
    ['placeholder of a task in the log', ['--stream', 'logs-%{TASK_ID}'], /WARN .*%\{TASK_ID\} in --stream/],
    ['a variable twice', ['--env', 'A=1', '--env', 'A=2'], /WARN .*'A'.*more than once/],
  ])('%s', async (_name, options, text) => {
    const { code, stdout, stderr } = await world.hq(['--output-mode', 'quiet', 'submit', ...options, 'true']);
    expect([code, stdout]).toEqual([0, '1\n']);
    expect(stderr).toMatch(text);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test.each([
    ['a log instead of files', ['--array', '1-5000', '--stream', 'logs']],
    ['no files', ['--array', '1-5000', '--stdout', 'none', '--stderr', 'none']],
    ['a file per task', ['--array', '1-2', '--stdout', '%{TASK_ID}.txt']],
    ['a single task', ['--stdout', 'out.txt']],
  ])('none for %s', async (_name, options) => {
    expect((await world.hq(['submit', ...options, 'true'])).stderr).toBe('');
  });

  test("the server's; with --strict it refuses", async () => {
    world.facade.warnings = ["no worker provides 'unobtainium'; present are: cpus"];
    const warned = await world.hq(['submit', '--resource', 'unobtainium=1', 'true']);
    expect(warned).toMatchObject({ code: 0, stderr: "WARN no worker provides 'unobtainium'; present are: cpus\n" });
    world.facade.changes.length = 0;
    const refused = await world.hq(['submit', '--strict', '--resource', 'unobtainium=1', 'true']);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining("no worker provides 'unobtainium'") });
    expect(world.facade.changes).toEqual([]);
  });
});
