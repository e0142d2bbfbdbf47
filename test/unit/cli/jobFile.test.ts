/** Job files: what is sent for each field, and what is said about a bad one. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
function sent(): { name: string; maxFails?: number; submit: { stream?: string; tasks: Record<string, unknown> } } {
  expect(world.facade.changes).toHaveLength(1);
  return world.facade.changes[0]?.at(-1) as ReturnType<typeof sent>;
}

async function tasksOf(text: string, name = 'job.toml'): Promise<Record<string, unknown>[]> {
  world.write(name, text);
  await world.ok(['job', 'submit-file', name]);
  const { tasks } = sent().submit;
  world.facade.changes.length = 0;
  return tasks['tasks'] as Record<string, unknown>[];
}

const EVERYTHING = `
name = "all fields"
max_fails = 3
stream = "logs/%{JOB_ID}"
data_layer = false

[[task]]
id = 7
deps = [3]
command = ["bash", "-c", "true"]
env = { A = "1", "with space" = "" }
cwd = "runs/%{TASK_ID}"
stdout = "none"
stderr = { path = "err.txt", on_close = "rm-if-finished" }
stdin = "line\\n\\u0000č"
pin = "omp"
task_dir = true
time_limit = "1h 30m"
priority = -2
crash_limit = "unlimited"
max_retries = 2
retry_delay = "10s"
retry_on = [1, "signal"]
retry_mem_factor = 1.5
label = "seventh"

[[task.request]]
resources = { cpus = "2 compact!", "gpus/nvidia" = 0.5, mem = "4GiB" }

[[task.request]]
time_request = "2h"
weight = 0.5
resources = { cpus = 8 }

[[task]]
id = 3
command = ["mpirun", "x"]
stdout = "out:rm-if-finished"
stderr = { path = "e", on_close = "none" }
pin = "none"

[[task.request]]
n_nodes = 2
`;

describe('the request', () => {
  test('of every field', async () => {
    world.write('job.toml', EVERYTHING);
    expect(await world.quiet('job', 'submit-file', 'job.toml')).toBe('1\n');
    expect(sent()).toMatchObject({ name: 'all fields', maxFails: 3, submit: { stream: 'logs/%{JOB_ID}', submitDir: world.work } });
    expect(sent().submit.tasks).toEqual({
      kind: 'graph',
      shared: {},
      tasks: [
        {
          id: 7,
          deps: [3],
          command: ['bash', '-c', 'true'],
          env: { A: '1', 'with space': '' },
          cwd: 'runs/%{TASK_ID}',
          stdout: null,
          stderr: { path: 'err.txt', onClose: 'rm-if-finished' },
          stdin: Buffer.from('line\n\u0000č').toString('base64'),
          pin: 'omp',
          taskDir: true,
          timeLimitMs: 5_400_000,
          priority: -2,
          crashLimit: 'unlimited',
          maxRetries: 2,
          retryDelayMs: 10_000,
          retryOn: [1, 'signal'],
          retryMemFactor: 1.5,
          label: 'seventh',
          request: [
            { resources: { cpus: '2 compact!', 'gpus/nvidia': 0.5, mem: '4GiB' }, nodes: 0, timeRequestMs: 0, weight: 1 },
            { resources: { cpus: 8 }, nodes: 0, timeRequestMs: 7_200_000, weight: 0.5 },
          ],
        },
        {
          id: 3,
          command: ['mpirun', 'x'],
          stdout: { path: 'out:rm-if-finished', onClose: 'keep' },
          stderr: { path: 'e', onClose: 'keep' },
          request: [{ resources: {}, nodes: 2, timeRequestMs: 0, weight: 1 }],
        },
      ],
    });
  });

  test('of a queue is one more resource of each alternative', async () => {
    const text =
      '[[task]]\ncommand = ["a"]\nqueue = "night"\n[[task]]\ncommand = ["b"]\nqueue = "a.b"\n[[task.request]]\nresources = { gpus = 1 }\n[[task.request]]\n';
    const [one, two] = (await tasksOf(text)) as { request: { resources: object }[] }[];
    expect(one?.request).toEqual([{ resources: { cpus: 1, 'queue/night': 1 }, nodes: 0, timeRequestMs: 0, weight: 1 }]);
    expect(two?.request.map(({ resources }) => resources)).toEqual([{ gpus: 1, 'queue/a.b': 1 }, { 'queue/a.b': 1 }]);
  });

  test('of an array with and without ids', async () => {
    world.write('array.toml', 'array = { ids = "1-2,7", entries = ["a", "b", ""], command = ["echo"], priority = 4 }');
    await world.ok(['job', 'submit-file', 'array.toml']);
    expect(sent()).toMatchObject({ name: 'array', submit: { tasks: { kind: 'array', ids: '1-2,7', entries: ['a', 'b', ''] } } });
    expect(sent().submit.tasks['spec']).toMatchObject({ command: ['echo'], priority: 4, crashLimit: 5 });
    world.facade.changes.length = 0;
    world.write('array.toml', '[array]\nentries = ["a", "b"]\ncommand = ["echo"]\n');
    await world.ok(['job', 'submit-file', 'array.toml']);
    expect(sent().submit.tasks).not.toHaveProperty('ids');
  });

  test('an explicit request without cpus has none, no request is one CPU', async () => {
    const tasks = await tasksOf('[[task]]\ncommand = ["a"]\n[[task.request]]\nresources = { foo = 1 }\n[[task]]\ncommand = ["b"]\n');
    expect(tasks[0]?.['request']).toEqual([{ resources: { foo: 1 }, nodes: 0, timeRequestMs: 0, weight: 1 }]);
    expect(tasks[1]).not.toHaveProperty('request');
  });

  test('ids that are left out follow the highest one of the file, beginning with 1', async () => {
    const plain = '[[task]]\ncommand = ["a"]\n';
    expect((await tasksOf(plain + plain)).map(({ id }) => id)).toEqual([1, 2]);
    expect((await tasksOf(`${plain}[[task]]\nid = 5\ncommand = ["a"]\n${plain}`)).map(({ id }) => id)).toEqual([6, 5, 7]);
    expect((await tasksOf(`[[task]]\nid = 0\ncommand = ["a"]\n${plain}`)).map(({ id }) => id)).toEqual([0, 1]);
  });

  test('into an open job leaves such ids to the server, and says what of the file is not used', async () => {
    world.facade.jobs = [job(4, { isOpen: true })];
    world.write('job.toml', 'name = "x"\n[[task]]\ncommand = ["a"]\ndeps = [9]\n');
    const { stderr, stdout } = await world.hq(['job', 'submit-file', '--job', '4', 'job.toml']);
    expect(stdout).toBe('Job submitted successfully, job ID: 4\n');
    expect(stderr).toBe("WARN 'name' and 'max_fails' of job.toml are not used: job 4 has its own\n");
    expect(world.facade.changes[0]).toMatchObject(['submitTasks', 4, { tasks: { tasks: [{ deps: [9], command: ['a'] }] } }]);
    expect((sent() as unknown as { tasks: { tasks: object[] } }).tasks.tasks[0]).not.toHaveProperty('id');
  });

  test('of 10,000 tasks, each with its own id and dependency', async () => {
    const text = Array.from(
      { length: 10_000 },
      (_, id) => `[[task]]\nid = ${id}\ncommand = ["t", "${id}"]\ndeps = [${id === 0 ? '' : id - 1}]\n`,
    );
    const tasks = await tasksOf(text.join(''));
    expect(tasks).toHaveLength(10_000);
    expect(tasks[9_999]).toEqual({ id: 9_999, command: ['t', '9999'], deps: [9_998] });
  });

  test('of YAML and of JSON is that of TOML', async () => {
    const toml = await tasksOf(
      '[[task]]\nid = 2\ncommand = ["a b", "1"]\nenv = { A = "1" }\n[[task.request]]\nresources = { cpus = 0.5 }\n',
    );
    const yaml = '# comment\ntask:\n  - id: 2\n    command: [a b, "1"]\n    env: {A: "1"}\n    request:\n      - resources: {cpus: 0.5}\n';
    expect(await tasksOf(yaml, 'job.YML')).toEqual(toml);
    const json = { task: [{ id: 2, command: ['a b', '1'], env: { A: '1' }, request: [{ resources: { cpus: 0.5 } }] }] };
    expect(await tasksOf(JSON.stringify(json), 'job.json')).toEqual(toml);
  });

  test('what has no effect brings a warning', async () => {
    world.write(
      'job.toml',
      'data_layer = true\nstream = "%{TASK_ID}"\n[[task]]\ncommand = ["a"]\ncwd = "%{NOPE}"\nstdout = "%{NOPE}/%{CWD}"\n',
    );
    const { stderr } = await world.hq(['job', 'submit-file', 'job.toml']);
    expect(stderr).toMatchInlineSnapshot(`
      "WARN 'data_layer' has no effect: there is no data layer
      WARN Unknown placeholder %{NOPE} in cwd; known are: SERVER_UID, JOB_ID, TASK_ID, INSTANCE_ID, SUBMIT_DIR, CWD
      WARN Unknown placeholder %{NOPE} in stdout; known are: SERVER_UID, JOB_ID, TASK_ID, INSTANCE_ID, SUBMIT_DIR, CWD
      WARN Unknown placeholder %{TASK_ID} in stream; known are: SERVER_UID, JOB_ID, SUBMIT_DIR
      "
    `);
  });
});

test('an array brings the warnings of an array on the command line', async () => {
  const warningsOf = async (text: string): Promise<string> => {
    world.write('job.toml', `${text}command = ["a"]\n`);
    return (await world.hq(['job', 'validate', 'job.toml'])).stderr;
  };
  const array = '[array]\nids = "1-500"\n';
  expect(await warningsOf(array)).toContain('create up to 1000 files for output. Consider using the `stream` key to write all');
  expect(await warningsOf(`stream = "logs"\n${array}`)).not.toContain('WARN');
  expect(await warningsOf(`${array}stdout = "none"\n`)).not.toContain('WARN');
  const shared = await warningsOf(`${array}stdout = "none"\nstderr = { path = "err", on_close = "none" }\n`);
  expect(shared).toContain('The path of stderr does not contain %{TASK_ID}: all tasks of the array write into the same file.');
  expect(await warningsOf('[array]\nentries = ["a"]\nstdout = "out"\n')).not.toContain('WARN');
});

describe('a bad file is one line and submits nothing', () => {
  const task = (line: string): string => `[[task]]\ncommand = ["a"]\n${line}\n`;
  const request = (line: string): string => `[[task]]\ncommand = ["a"]\n[[task.request]]\n${line}\n`;
  test.each([
    ['', 'the file: there is neither a task nor an array'],
    ['name = "x"', 'the file: there is neither a task nor an array'],
    ['task = []', 'task: expected array to have >=1 items'],
    ['[[task]]\ncommand = "echo hello"', 'task[0].command: expected array, received string'],
    ['[[task]]\ncommand = []', 'task[0].command: expected array to have >=1 items'],
    ['[[task]]\nid = 1', 'task[0].command: is missing'],
    [task('comand = 1'), "task[0]: unknown field 'comand'"],
    ['nme = "x"\n[[task]]\ncommand = ["a"]', "the file: unknown field 'nme'"],
    [`${task('id = 2')}${task('id = 2')}`, 'task[1].id: task 2 is there twice'],
    [task('id = -1'), 'task[0].id: expected number to be >=0'],
    [task('id = 1.5'), 'task[0].id: expected int, received number'],
    [task('deps = "1"'), 'task[0].deps: expected array, received string'],
    [task('cwd = "%{CWD}/x"'), "task[0].cwd: it cannot contain '%{CWD}'"],
    [task('stdout = { path = "a" }'), 'task[0].stdout.on_close: expected one of "none"|"rm-if-finished"'],
    [task('stdout = { path = "a", mode = "none" }'), 'task[0].stdout.on_close: expected one of'],
    [task('time_limit = 5'), 'task[0].time_limit: expected string, received number'],
    [task('time_limit = "soon"'), "task[0].time_limit: a duration above zero like '90s'"],
    [task('time_limit = "0s"'), "task[0].time_limit: a duration above zero like '90s'"],
    [task('crash_limit = 0'), 'task[0].crash_limit'],
    [task('priority = 4294967296'), 'task[0].priority: expected number to be <=2147483647'],
    [task('queue = "a b"'), 'task[0].queue: a name of letters, digits, _, . and - is expected'],
    [task('queue = "night"\n[[task.request]]\nn_nodes = 2'), 'task[0].queue: a request of n_nodes takes whole workers'],
    [task('pin = "numa"'), 'task[0].pin: expected one of "none"|"taskset"|"omp"'],
    [task('retry_delay = "1s"'), 'task[0].retry_delay: it needs max_retries above zero'],
    [task('max_retries = 1\nretry_mem_factor = 2.0'), "task[0].retry_mem_factor: it needs a request of 'mem'"],
    [request('resources = { cpus = 0 }'), 'task[0].request[0].resources.cpus'],
    [request('resources = { cpus = "0.12345" }'), "task[0].request: invalid resource request 'cpus=0.12345'"],
    [request('resources = { cpus = "2 dense" }'), "task[0].request: invalid resource request 'cpus=2 dense'"],
    [request('resources = { "9x" = 1 }'), 'task[0].request[0].resources["9x"]'],
    [request('n_nodes = 2\nresources = { cpus = 1 }'), 'task[0].request: invalid resource request'],
    [
      task('pin = "omp"\n[[task.request]]\nresources = { gpus = 1 }'),
      "task[0].pin: it binds a task to CPUs, so that every request needs 'cpus'",
    ],
    [request('weight = 0'), 'task[0].request[0].weight'],
    [request('cpus = 2'), "task[0].request[0]: unknown field 'cpus'"],
    ['[array]\ncommand = ["a"]', 'array: ids or entries are needed'],
    ['[array]\nids = "1-"\ncommand = ["a"]', "array.ids: '1-' is not a number or range"],
    ['[array]\nids = "1-3"\nentries = ["a"]\ncommand = ["a"]', 'array.entries: 1 entries are given for 3 ids'],
    ['[array]\nids = "1"\ncommand = ["a"]\n[[task]]\ncommand = ["a"]', 'array: task and array cannot be used together'],
  ])('%j', async (text, detail) => {
    world.write('bad.toml', text);
    const { code, stderr } = await world.hq(['job', 'submit-file', 'bad.toml']);
    expect(stderr).toContain(`ERROR invalid job file bad.toml: ${detail}`);
    expect([code, stderr.trim().split('\n').length, world.facade.changes.length]).toEqual([1, 1, 0]);
    expect((await world.hq(['job', 'validate', 'bad.toml'])).stderr).toBe(stderr);
  });

  test('a syntax error names the line', async () => {
    world.write('bad.toml', 'name = "x"\n[[task]\ncommand = ["a"]\n');
    expect((await world.hq(['job', 'validate', 'bad.toml'])).stderr).toMatch(/^ERROR invalid job file bad\.toml:2: [^\n]+\n$/);
    world.write('bad.yaml', 'name: x\ntask:\n  - command: [a\n');
    expect((await world.hq(['job', 'validate', 'bad.yaml'])).stderr).toMatch(/^ERROR invalid job file bad\.yaml:\d: [^\n]+\n$/);
  });

  test('YAML names the line of a bad field, and of what surrounds a missing one', async () => {
    world.write('bad.yaml', 'name: x\ntask:\n  - command: [a]\n    id: 1\n\n  - command: [b]\n    priority: high\n');
    expect((await world.hq(['job', 'validate', 'bad.yaml'])).stderr).toContain('bad.yaml:7: task[1].priority: expected number');
    world.write('bad.yaml', 'name: x\ntask:\n  - command: [a]\n\n  - id: 3\n');
    expect((await world.hq(['job', 'validate', 'bad.yaml'])).stderr).toContain('bad.yaml:5: task[1].command: is missing');
  });

  test('so do aliases that would fill the memory', async () => {
    const bomb = Array.from(
      { length: 12 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? 'x' : `*a${i - 1},*a${i - 1},*a${i - 1},*a${i - 1}`}]\n`,
    ).join('');
    world.write('bomb.yaml', bomb);
    const { code, stderr } = await world.hq(['job', 'validate', 'bomb.yaml']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('ERROR invalid job file bomb.yaml: Excessive alias count')]);
  });

  test('a file that is not there, is a directory, or is no text', async () => {
    mkdirSync(join(world.work, 'dir'));
    world.write('bytes.toml', Buffer.from([0x6e, 0xff, 0xfe]));
    expect((await world.hq(['job', 'submit-file', 'none.toml'])).stderr).toContain("ERROR cannot read 'none.toml': ENOENT");
    expect((await world.hq(['job', 'submit-file', 'dir'])).stderr).toContain("ERROR cannot read 'dir': EISDIR");
    expect((await world.hq(['job', 'validate', 'bytes.toml'])).stderr).toContain('ERROR invalid job file bytes.toml: it is not UTF-8 text');
  });
});

describe('validate', () => {
  test('says what the file holds and sends nothing, without a server', async () => {
    world.write('job.toml', EVERYTHING);
    await world.closeServer();
    const { code, stderr, stdout } = await world.hq(['job', 'validate', 'job.toml']);
    expect([code, stderr, stdout]).toEqual([0, "job.toml is valid: job 'all fields' with 2 tasks\n", '']);
    expect(await world.json('job', 'validate', 'job.toml')).toEqual({});
  });

  test.each([
    [
      '[[task]]\nid = 1\ncommand = ["a"]\ndeps = [2]\n[[task]]\nid = 2\ncommand = ["a"]\ndeps = [1]\n',
      'task 1: it is part of a dependency cycle',
    ],
    ['[[task]]\nid = 1\ncommand = ["a"]\ndeps = [9]\n', 'task 1: it depends on task 9, which does not exist'],
    ['[array]\nids = "0-4294967295"\ncommand = ["a"]\n', "invalid array '0-4294967295': 4294967296 tasks are more than 10000000"],
  ])('finds what the server would refuse: %j', async (text, detail) => {
    world.write('job.toml', text);
    const { code, stderr } = await world.hq(['job', 'validate', 'job.toml']);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`ERROR invalid job file job.toml: ${detail}`)]);
  });

  test('finds a task that is larger than a worker takes', async () => {
    world.write('job.toml', `[[task]]\ncommand = ["echo", "${'x'.repeat(6 * 2 ** 20)}"]\n`);
    const { code, stderr } = await world.hq(['job', 'validate', 'job.toml']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('one task takes 19 MiB, more than 16 MiB')]);
  });

  const page = readFileSync('docs/job-files.md', 'utf8');
  const examples = [...page.matchAll(/```(toml|yaml)\n(.*?)```/gs)].map(([, kind = '', text = '']) => [kind, text] as const);
  test('accepts the examples of the page about job files, and the page names every field', async () => {
    expect(examples.map(([kind]) => kind)).toEqual(['toml', 'toml', 'toml', 'yaml']);
    for (const [kind, text] of examples) {
      world.write(`job.${kind}`, text);
      expect((await world.hq(['job', 'validate', `job.${kind}`])).stderr, text).toMatch(/^job\.\w+ is valid: job '.*' with \d tasks\n$/);
    }
    const schema = JSON.parse(readFileSync('docs/schema/job-file.json', 'utf8')) as unknown;
    for (const key of propertiesOf(schema)) expect(page, key).toMatch(new RegExp(`\`[^\`]*\\b${key}\\b[^\`]*\``));
  });
});

/** Every key of every object of a JSON Schema. */
function propertiesOf(schema: unknown): Set<string> {
  const keys = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'properties') for (const name of Object.keys(inner as object)) keys.add(name);
      visit(inner);
    }
  };
  visit(schema);
  return keys;
}
