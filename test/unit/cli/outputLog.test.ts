/** `hq output-log` on logs that were written once and for all; no server is needed. */
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CliWorld } from '../../helpers/cli.ts';

const LOGS = resolve('fixtures/outputlogs/v1');
const plain = `${LOGS}/plain`;

let world: CliWorld;
beforeAll(() => {
  world = new CliWorld();
});
afterAll(() => world.stop());

describe('summary', () => {
  test('in all modes', async () => {
    expect(
      (await world.ok(['output-log', plain, 'summary']))
        .replace(plain, 'LOGS')
        .replace(/ +\|\n/g, ' |\n')
        .replace(/-{20,}/g, '---'),
    ).toMatchInlineSnapshot(`
      "+---+---+
      | Path                   | LOGS |
      +---+---+
      | Files                  | 3 |
      | Jobs                   | 2 |
      | Tasks                  | 7 |
      | Opened streams         | 1 / 8 |
      | Stdout size            | 777 B |
      | Stderr size            | 18 B |
      | Superseded streams     | 1 |
      | Superseded stdout size | 13 B |
      | Superseded stderr size | 0 B |
      +---+---+
      "
    `);
    expect(await world.json('output-log', plain, 'summary')).toMatchObject({ filename: plain, summary: { n_jobs: 2 } });
    expect(await world.quiet('output-log', plain, 'summary')).toBe('');
  });
});

describe.each(['cli', 'json', 'quiet'])('the same output in mode %s', (mode) => {
  const log = (...args: string[]) => world.ok(['--output-mode', mode, 'output-log', ...args]);

  test('jobs', async () => {
    expect(await log(plain, 'jobs')).toBe('1\n12\n');
  });

  test('a file implies its job', async () => {
    expect(await log(`${plain}/job-1.log`, 'stdout', '--allow-unfinished')).toBe(
      await log(plain, 'cat', '1', 'stdout', '--allow-unfinished'),
    );
  });

  test('export is one JSON array', async () => {
    const tasks = JSON.parse(await log(plain, 'export', '1')) as { id: number; finished: boolean; stdout: string }[];
    expect(tasks.map(({ id }) => id)).toEqual([...tasks.map(({ id }) => id)].sort((a, b) => a - b));
    expect(Object.keys(tasks[0] ?? {}).sort()).toEqual(['finished', 'id', 'stdout']);
    expect(tasks.length).toBeGreaterThan(0);
  });

  test('show has a prefix on every line', async () => {
    const lines = (await log(plain, 'show', '--job', '1')).trimEnd().split('\n');
    for (const line of lines) expect(line).toMatch(/^1\.\d+:[01]> /);
  });
});

test('tasks come in the order asked for', async () => {
  const all = JSON.parse(await world.ok(['output-log', plain, 'export', '1'])) as { id: number; finished: boolean; stdout: string }[];
  const [first, second] = all.filter(({ finished, stdout }) => finished && stdout !== '');
  if (first === undefined || second === undefined) throw new Error('the fixture has too few tasks');
  expect(await world.ok(['output-log', `${plain}/job-1.log`, 'stdout', `--task=${second.id},${first.id}`])).toBe(
    second.stdout + first.stdout,
  );
});

test('colours by task', async () => {
  const text = await world.ok(['--colors', 'always', 'output-log', plain, 'show', '--job', '1']);
  expect(text.split('\n')[0]).toMatch(/^.\[3[1-6]m1\.\d+:[01]> .\[39m/);
});

describe('bad input', () => {
  test.each<[string, string[], number, RegExp]>([
    ['a path that is not there', ['nowhere', 'summary'], 1, /ERROR .*nowhere/],
    ['a directory without logs', ['.', 'summary'], 1, /ERROR No log files found/],
    ['several servers', [`${LOGS}/servers`, 'summary'], 1, /several servers/],
    ['an unknown job', [plain, 'cat', '99', 'stdout'], 1, /ERROR Job 99 not found/],
    ['an unknown task', [plain, 'cat', '1', 'stdout', '--task', '99999'], 1, /ERROR Task 99999 not found/],
    ['a job that has to be named', [plain, 'stdout'], 2, /holds 2 jobs.*--job/],
    ['an unknown word', [plain, 'weigh'], 2, /unrecognized subcommand 'weigh'/],
    ['too few words', [plain, 'cat', '1'], 2, /cat JOB stdout\|stderr/],
    ['too many words', [plain, 'jobs', '1'], 2, /unexpected argument '1' found/],
    ['a channel that is none', [plain, 'cat', '1', 'stdin'], 2, /'stdin': stdout or stderr/],
    ['a job that is none', [plain, 'cat', 'x', 'stdout'], 2, /'x': a job id/],
    ['an option of another subcommand', [plain, 'summary', '--channel', 'stdout'], 2, /'--channel' cannot be used with 'summary'/],
    ['task ids that are none', [plain, 'cat', '1', 'stdout', '--task', '3-1'], 2, /'3-1'/],
  ])('%s', async (_name, args, code, text) => {
    const result = await world.hq(['output-log', ...args]);
    expect(result.stderr).toMatch(text);
    expect([result.code, result.stdout]).toEqual([code, '']);
  });

  test('damage is told, the rest is read', async () => {
    const { code, stderr } = await world.hq(['output-log', `${LOGS}/damaged`, 'export', '7']);
    expect(stderr).toMatch(/^WARN .*job-7\.log: /);
    expect(code).toBe(0);
  });
});

test('following ends with Ctrl-C', async () => {
  const interrupt = new AbortController();
  const following = world.hq(['output-log', `${plain}/job-1.log`, 'show', '--follow'], {
    signal: interrupt.signal,
    onStdout: () => interrupt.abort('SIGINT'),
  });
  expect(await following).toMatchObject({ code: 130, stdout: expect.stringMatching(/^1\.\d+:[01]> /) });
});
