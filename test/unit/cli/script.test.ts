/** What a script says about its own submit, and tasks out of files. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CommandEntry } from '../../../src/cli/commandEntry.ts';
import { COMMANDS } from '../../../src/cli/commandTable.ts';
import { elementsOf, linesOf } from '../../../src/cli/submit/entries.ts';
import { shellWords } from '../../../src/cli/submit/shellWords.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { job } from '../../helpers/cliFacade.ts';

let world: CliWorld;
beforeEach(async () => {
  world = new CliWorld();
  await world.start();
});
afterEach(() => world.stop());

interface Sent {
  name: string;
  maxFails?: number;
  submit: { strict: boolean; stream?: string; tasks: { ids?: string; entries?: string[]; spec: Record<string, unknown> } };
}

/** What is sent by a submit with these words. */
async function sent(words: string[], o: { stdin?: string; env?: Record<string, string> } = {}): Promise<Sent> {
  world.facade.changes.length = 0;
  await world.ok(['submit', ...words], o);
  expect(world.facade.changes).toHaveLength(1);
  return world.facade.changes[0]?.at(-1) as Sent;
}

const resources = ({ submit }: Sent): unknown[] => (submit.tasks.spec['request'] as { resources: unknown }[]).map((one) => one.resources);

describe('#HQ lines', () => {
  const SCRIPT = '#!/bin/bash -e\n\n# about\n  #HQ --name "my job" --cpus=4\n#HQ --resource mem=4GiB --array 1-3 # comment\n';

  test('are options, and the first line names the interpreter', async () => {
    world.write(
      'run.sh',
      '#!/bin/bash -e\n\n# about\n  #HQ --name "my job" --cpus=4\n#HQ --resource mem=4GiB\t--array 1-3\necho\n#HQ --nonsense\n',
    );
    const request = await sent(['./run.sh', 'a b']);
    expect(request.name).toBe('my job');
    expect(request.submit.tasks).toMatchObject({ ids: '1-3', spec: { command: ['/bin/bash', '-e', './run.sh', 'a b'] } });
    expect(resources(request)).toEqual([{ cpus: '4', mem: '4GiB' }]);
    expect(request.submit.strict).toBe(false);
  });

  test('are looked for in files that end with .sh, in any, nowhere, or in standard input', async () => {
    const text = '#!/bin/sh\n#HQ --priority 3\n';
    world.write('run.sh', text);
    world.write('run', text);
    const spec = async (...words: string[]) => (await sent(words, { stdin: text })).submit.tasks.spec;
    expect(await spec('run.sh')).toMatchObject({ priority: 3, command: ['/bin/sh', 'run.sh'] });
    expect(await spec('run')).toMatchObject({ priority: 0, command: ['run'] });
    expect(await spec('--directives=file', 'run')).toMatchObject({ priority: 3, command: ['/bin/sh', 'run'] });
    expect(await spec('--directives=off', 'run.sh')).toMatchObject({ priority: 0, command: ['run.sh'] });
    expect(await spec('--directives=stdin', '--stdin', 'sh')).toMatchObject({ priority: 3, command: ['sh'] });
    // The interpreter would take the task's standard input for its script.
    expect(await spec('--stdin', 'run.sh')).toMatchObject({ priority: 3, command: ['run.sh'] });
  });

  test('of a script that a workflow system has made are strict', async () => {
    world.write('made', '#!/bin/bash\n#HQ --name nf-x\n#HQ --log /work/log\n#HQ --time-limit 90sec\n');
    const request = await sent(['--directives=file', 'made']);
    expect(request).toMatchObject({
      name: 'nf-x',
      submit: { strict: true, stream: '/work/log', tasks: { spec: { timeLimitMs: 90_000 } } },
    });
    expect(request.submit.tasks.spec).not.toHaveProperty('wrapper');
  });

  test('give way to the command line; variables and resources of both count', async () => {
    world.write(
      'run.sh',
      '#HQ --priority 3 --time-limit 1m --env A=script --env B=script --resource gpus=1 --cpus 2 --weight 3 --array 1-9\n',
    );
    world.write('lines', 'x\ny\n');
    const request = await sent(['--priority=7', '--env', 'A=typed', '--env', 'C=typed', '--cpus', '8', '--each-line', 'lines', 'run.sh']);
    expect(request.submit.tasks).toMatchObject({
      entries: ['x', 'y'],
      spec: { priority: 7, timeLimitMs: 60_000, request: [{ weight: 3 }] },
    });
    expect(request.submit.tasks).not.toHaveProperty('ids');
    // As in the original the later one, that of the script, counts.
    expect(request.submit.tasks.spec['env']).toEqual({ A: 'script', B: 'script', C: 'typed' });
    expect(resources(request)).toEqual([{ gpus: '1', cpus: '8' }]);
  });

  test('may hold resource variants, if the command line has none', async () => {
    world.write('run.sh', '#HQ --resource gpus=1 --cpus 4\n#HQ --resource cpus=16\n');
    expect(resources(await sent(['--resource', 'mem=1', 'run.sh']))).toEqual([
      { gpus: '1', cpus: '4', mem: '1' },
      { cpus: '16', mem: '1' },
    ]);
    const { code, stderr } = await world.hq(['submit', '--variant', 'cpus=1', '--variant', 'cpus=2', 'run.sh']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('resource variants are given on the command line and in #HQ lines')]);
    world.write('one.sh', '#HQ --resource mem=2\n');
    expect(resources(await sent(['--variant', 'cpus=1', '--variant', 'cpus=2 mem=1', 'one.sh']))).toEqual([
      { mem: '2', cpus: '1' },
      { mem: '1', cpus: '2' },
    ]);
    const compat = await world.hq(['submit', '--resource', 'mem=1', 'one.sh'], { env: { HQ_COMPAT: 'hyperqueue' } });
    expect([compat.code, compat.stderr]).toEqual([2, expect.stringContaining("Resource 'mem' defined more than once")]);
  });

  test.each([
    ['--cpus', "run.sh:2: a value is required for '--cpus <AMOUNT>' but none was supplied"],
    ['--cpus 1 --cpus 2', "run.sh:2: the argument '--cpus <AMOUNT>' cannot be used multiple times"],
    ['--wait', "run.sh:2: unexpected argument '--wait' found"],
    ['--stdin', "run.sh:2: unexpected argument '--stdin' found"],
    ['--dry-run', "run.sh:2: unexpected argument '--dry-run' found"],
    ['--name "a', 'run.sh:2: a quotation mark (") is not closed'],
    ['--pin numa', "run.sh:2: invalid value 'numa' for '--pin <MODE>' [possible values: taskset, omp]"],
    ['echo', 'run.sh:2: '],
  ])('that are wrong are one line with their place: %s', async (words, detail) => {
    world.write('run.sh', `#HQ --name x\n#HQ ${words}\n#HQ --priority 1\n`);
    const { code, stderr } = await world.hq(['submit', 'run.sh']);
    expect(stderr).toContain(`ERROR You have used invalid parameter(s) after a #HQ directive. ${detail}`);
    expect([code, stderr.trim().split('\n').length, world.facade.changes.length]).toEqual([1, 1, 0]);
  });

  test('a comment behind options is an error, not a job with odd options', async () => {
    world.write('run.sh', SCRIPT);
    expect((await world.hq(['submit', 'run.sh'])).stderr).toContain('run.sh:5: ');
  });

  test('a program that is not here is none in auto, and an error where its lines are asked for', async () => {
    expect((await sent(['elsewhere.sh'])).submit.tasks.spec).toMatchObject({ command: ['elsewhere.sh'] });
    mkdirSync(join(world.work, 'dir.sh'));
    for (const words of [['dir.sh'], ['--directives=file', 'elsewhere.sh']])
      expect(await world.hq(['submit', ...words])).toMatchObject({ code: 1, stderr: expect.stringContaining("ERROR cannot read '") });
    expect(await world.hq(['submit', '--directives=stdin', 'x'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("needs '--stdin'"),
    });
  });

  test('only the first 32 KiB are looked at', async () => {
    world.write('run.sh', `${'#\n'.repeat(16_384)}#HQ --priority 1\n`);
    expect((await sent(['run.sh'])).submit.tasks.spec).toMatchObject({ priority: 0 });
  });
});

describe('words of a line', () => {
  test.each([
    ['', []],
    [' a  b\t', ['a', 'b']],
    ['"a b" \'c d\'e', ['a b', 'c de']],
    ['a\\ b "x\\"y" \'\\"\'', ['a b', 'x"y', '\\"']],
    ['"" x', ['', 'x']],
    ['"a\\nb"', ['a\\nb']],
    ['a"', 'a quotation mark (") is not closed'],
    ['a\\', 'it ends with a backslash'],
  ])('%j', (line, words) => {
    expect(shellWords(line)).toEqual(words);
  });

  test('quoted in either way any words come back', () => {
    const double = (word: string): string => `"${word.replace(/["\\]/g, '\\$&')}"`;
    const escaped = (word: string): string => (word === '' ? "''" : word.replace(/[\s"'\\]/g, '\\$&'));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ unit: fc.constantFrom('a', ' ', '"', "'", '\\', '\t', 'č') }), fc.boolean())), (words) => {
        const line = words.map(([word, quoted]) => (quoted ? double(word) : escaped(word))).join(' ');
        expect(shellWords(line)).toEqual(words.map(([word]) => word));
      }),
      { numRuns: 500 },
    );
  });
});

describe('tasks out of files', () => {
  test('one per line, as it is', async () => {
    world.write('lines', 'a b\n\n č\r\nlast');
    expect((await sent(['--each-line', 'lines', 'cat'])).submit.tasks).toMatchObject({ entries: ['a b', '', ' č\r', 'last'] });
  });

  test('one per element of a JSON array, written compactly', async () => {
    world.write(
      'items.json',
      ' [ 1, 3.50, "x y", null, {"b": [true, {"c": "\\u010d"}]}, 12345678901234567890, "12345678901234567890", -0.5e3 ]\n',
    );
    expect((await sent(['--from-json', 'items.json', 'cat'])).submit.tasks.entries).toEqual([
      '1',
      '3.5',
      '"x y"',
      'null',
      '{"b":[true,{"c":"č"}]}',
      '12345678901234567890',
      '"12345678901234567890"',
      '-500',
    ]);
  });

  test('--array takes some of them; those beyond the last one are dropped', async () => {
    world.write('lines', 'zero\none\ntwo\nthree\n');
    expect((await sent(['--each-line', 'lines', '--array', '3,0-2:2,7-9', 'cat'])).submit.tasks).toMatchObject({
      ids: '3,0-2:2',
      entries: ['three', 'zero', 'two'],
    });
    const { code, stderr } = await world.hq(['submit', '--each-line', 'lines', '--array', '4-4000000000', 'cat']);
    expect([code, stderr]).toEqual([1, expect.stringContaining("cannot make tasks of 'lines': --array selects none of its 4 entries")]);
  });

  test('any selection is the part of the array that has entries', () => {
    const range = fc.tuple(fc.nat(60), fc.nat(30), fc.integer({ min: 1, max: 5 }));
    return fc.assert(
      fc.asyncProperty(range, fc.integer({ min: 1, max: 50 }), async ([start, length, step], count) => {
        world.write('lines', Array.from({ length: count }, (_, index) => `line ${index}\n`).join(''));
        const ids = [];
        for (let id = start; id <= start + length; id += step) if (id < count) ids.push(id);
        world.facade.changes.length = 0;
        const { code } = await world.hq(['submit', '--each-line', 'lines', '--array', `${start}-${start + length}:${step}`, 'cat']);
        const tasks = (world.facade.changes[0]?.at(-1) as Sent | undefined)?.submit.tasks;
        expect([code, tasks?.entries]).toEqual(ids.length === 0 ? [1, undefined] : [0, ids.map((id) => `line ${id}`)]);
      }),
      { numRuns: 50 },
    );
  });

  test('an open job gives them the next free ids', async () => {
    world.facade.jobs = [job(4, { isOpen: true })];
    world.write('lines', 'a\nb\n');
    await world.ok(['job', 'submit-task', '4', '--each-line', 'lines', '--', 'cat']);
    expect(world.facade.changes[0]?.at(-1)).toMatchObject({ tasks: { entries: ['a', 'b'] } });
    expect(world.facade.changes[0]?.at(-1)).not.toHaveProperty('tasks.ids');
  });

  test.each([
    ['--each-line', '', 'it is empty'],
    ['--each-line', 'a\nb\0c\n', 'line 2 has a null byte'],
    ['--each-line', Buffer.from([0x61, 0xff]), 'it is not UTF-8 text'],
    ['--from-json', '[]', 'it is empty'],
    ['--from-json', '{"a": 1}', 'it is not a JSON array'],
    ['--from-json', '[1, ', 'it is not valid JSON: '],
  ])('%s of %j is one line', async (flag, text, detail) => {
    world.write('file', text);
    const { code, stderr } = await world.hq(['submit', flag, 'file', 'cat']);
    expect([code, stderr.trim().split('\n').length, world.facade.changes.length]).toEqual([1, 1, 0]);
    expect(stderr).toContain(`ERROR cannot make tasks of 'file': ${detail}`);
  });

  test('both at once, or no file, are refused', async () => {
    expect(await world.hq(['submit', '--each-line', 'a', '--from-json', 'b', 'cat'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("the argument '--each-line <FILE>' cannot be used with '--from-json <FILE>'"),
    });
    expect(await world.hq(['submit', '--each-line', 'none', 'cat'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("cannot read 'none'"),
    });
  });

  test('JSON that is read and written is the same JSON, line by line the same text', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), (values) => {
        expect(elementsOf(JSON.stringify(values, null, 2), 'f')).toEqual(values.map((value) => JSON.stringify(value)));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', ' ', '\r', 'č', '"') }), { minLength: 1 }), (lines) => {
        expect(linesOf(`${lines.join('\n')}\n`, 'f')).toEqual(lines);
      }),
      { numRuns: 500 },
    );
  });
});

describe('--inherit-env', () => {
  test('gives the variables of the shell as secrets, but for those about the shell and about a task; --env wins', async () => {
    const env = { HOME: '/home/me', TOKEN: 'x', PWD: '/tmp', SHLVL: '2', _: '/bin/hq', HQ_JOB_ID: '7', HQ: '/bin/hq' };
    const { submit } = await sent(['--inherit-env', '--env', 'TOKEN=other', 'true'], { env });
    expect(submit.tasks.spec['env']).toEqual({ HOME: '/home/me', TOKEN: 'other' });
    expect(submit.tasks.spec['secretEnv']).toEqual(['HOME', 'TOKEN']);
    expect((await sent(['true'], { env })).submit.tasks.spec['env']).toEqual({});
  });
});

describe('--task-dir', () => {
  test('is asked for and shown', async () => {
    expect((await sent(['--task-dir', 'true'])).submit.tasks.spec).toMatchObject({ taskDir: true });
    expect((await sent(['true'])).submit.tasks.spec).not.toHaveProperty('taskDir');
  });
});

describe('who reads files', () => {
  const entry = COMMANDS.find(({ name }) => name === 'submit') as CommandEntry;
  test.each([
    [[], ['true'], false],
    // The front sends its beginning.
    [[], ['run.sh'], false],
    [['eachLine'], ['true'], true],
    [['fromJson'], ['true'], true],
  ])('the process of the client, where there are any: %j %j', (flags, command, expected) => {
    expect(entry.readsFiles?.([command], Object.fromEntries(flags.map((flag) => [flag, 'file'])))).toBe(expected);
  });
});

describe('--dry-run', () => {
  test.each([
    [['--on-notify', 'echo'], "needs '--wait' or '--progress'"],
    [['--wait', '--on-notify', '"echo'], "invalid value '\"echo' for '--on-notify'"],
  ])('refuses what a submit would refuse: %j', async (words, detail) => {
    const { code, stdout, stderr } = await world.hq(['submit', '--dry-run', ...words, '--', 'true']);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining(detail) });
  });

  test('shows tasks and workers, and submits nothing', async () => {
    world.facade.explanation = {
      reason: { kind: 'occupied' },
      variants: [
        {
          variant: 0,
          request: 'cpus=4 compact',
          workers: [
            { workerIds: '1-2', count: 2, obstacles: [] },
            { workerIds: '3', count: 1, obstacles: [{ kind: 'too-little', resource: 'cpus', requested: 4, total: 2 }] },
          ],
        },
      ],
    };
    const { code, stdout, stderr } = await world.hq(['submit', '--dry-run', '--array', '1-3', '--cpus', '4', './align.sh', 'x'], {
      cwd: '/',
    });
    expect([code, world.facade.changes]).toEqual([0, []]);
    expect(stderr).toBe('Nothing was submitted.\n');
    expect(stdout).toMatchInlineSnapshot(`
      "+----------------------+----------------------------------------+
      | Name                 | align.sh                               |
      +----------------------+----------------------------------------+
      | Tasks                | 3; Ids: 1-3                            |
      | Resources            | cpus: 4 compact                        |
      | Pin                  | None                                   |
      | Priority             | 0                                      |
      | Command              | ./align.sh                             |
      |                      | x                                      |
      | Stdout               | %{CWD}/job-%{JOB_ID}/%{TASK_ID}.stdout |
      | Stderr               | %{CWD}/job-%{JOB_ID}/%{TASK_ID}.stderr |
      | Environment          |                                        |
      | Working directory    | /                                      |
      | Task time limit      | None                                   |
      | Crash limit          | 5                                      |
      | Submission directory | /                                      |
      +----------------------+----------------------------------------+
      +----------+----------------+-----------------+------------------------------------+
      | Task IDs | Request        | Workers         | In the way                         |
      +----------+----------------+-----------------+------------------------------------+
      | 1-3      | cpus=4 compact | 1-2 (2 workers) | could start it                     |
      | 1-3      | cpus=4 compact | 3               | has 2 of 'cpus' in total, 4 needed |
      +----------+----------------+-----------------+------------------------------------+
      "
    `);
    expect(await world.quiet('submit', '--dry-run', 'true')).toBe('');
    expect(await world.json('submit', '--dry-run', '--array', '1-3', 'true')).toMatchObject({
      name: 'true',
      task_ids: '1-3',
      task_count: 3,
      submit: { array: { program: { args: ['true'] } } },
      requests: [{ task_ids: '1-3', task_count: 3, variants: [{ workers: [{ workerIds: '1-2', obstacles: [] }, { workerIds: '3' }] }] }],
      warnings: [],
    });
  });

  test('of a job file, and what the server would refuse', async () => {
    world.write('job.toml', '[[task]]\nid = 2\ncommand = ["b"]\ndeps = [1]\n[[task]]\nid = 1\ncommand = ["a"]\n');
    const { stdout, stderr } = await world.hq(['job', 'submit-file', '--dry-run', join(world.work, 'job.toml')], { cwd: '/' });
    expect([stderr, world.facade.changes]).toEqual(['Nothing was submitted.\n', []]);
    expect(stdout).toMatchInlineSnapshot(`
      "+----------------------+-------------+
      | Name                 | job         |
      +----------------------+-------------+
      | Tasks                | 2; Ids: 1-2 |
      | Submission directory | /           |
      +----------------------+-------------+
      +---------+---------+-----------------+--------------+
      | Task ID | Command | Resources       | Dependencies |
      +---------+---------+-----------------+--------------+
      | 2       | b       | cpus: 1 compact | 1            |
      | 1       | a       | cpus: 1 compact |              |
      +---------+---------+-----------------+--------------+
      +----------+----------------+------------------------+------------+
      | Task IDs | Request        | Workers                | In the way |
      +----------+----------------+------------------------+------------+
      | 1-2      | cpus=1 compact | no worker is connected |            |
      +----------+----------------+------------------------+------------+
      "
    `);
    expect(await world.json('job', 'submit-file', '--dry-run', 'job.toml')).toMatchObject({
      submit: { graph: [{ program: { args: ['b'] } }, {}] },
    });
    world.write('job.toml', '[[task]]\nid = 2\ncommand = ["b"]\ndeps = [2]\n');
    expect(await world.hq(['job', 'submit-file', '--dry-run', 'job.toml'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('task 2: it is part of a dependency cycle'),
    });
    expect(await world.hq(['submit', '--dry-run', '--job', '9', 'true'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('job 9 not found'),
    });
  });
});
