/** What the shells' completion is told: commands, options and values out of the command table, ids from a running server. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commandTable.ts';
import { candidatesFor } from '../../../src/cli/completion/candidates.ts';
import { completionScript, SHELLS } from '../../../src/cli/completion/scripts.ts';
import { CliWorld } from '../../helpers/cli.ts';
import { job, task } from '../../helpers/cliFacade.ts';

const values = (...words: string[]): string[] => candidatesFor(COMMANDS, words).values.map(({ value }) => value);

describe('words', () => {
  test.each([
    [['jo'], ['job', 'journal']],
    [
      ['job', 'submit'],
      ['submit', 'submit-task', 'submit-file'],
    ],
    [['--output-mode', 'json', 'alloc', 'pa'], ['pause']],
    [['job', 'list', '--f'], ['--filter']],
    [['job', 'list', '--filter', 'running,fa'], ['running,failed']],
    [['--output-mode='], ['--output-mode=cli', '--output-mode=json', '--output-mode=quiet']],
    [['submit', '--pin', 't'], ['taskset']],
    [['job', 'cat', 'last', 'stde'], ['stderr']],
    [['alloc', 'add', 'gr'], ['gridengine']],
    [['generate-completion', ''], [...SHELLS]],
    [['nonsense', ''], []],
    [['job', 'list', 'too', 'much'], []],
    [['__comp'], []],
  ])('%j', (words, expected) => {
    expect(values(...words)).toEqual(expected);
  });

  test('what a program gets, and paths, are left to the shell', () => {
    for (const words of [
      ['submit', '--cpus', '2', 'prog', '--fi'],
      ['submit', '--', 'x', ''],
      ['job', 'submit-file', 'jo'],
      ['output-log', ''],
    ])
      expect(candidatesFor(COMMANDS, words).paths, words.join(' ')).toBe('files');
    expect(candidatesFor(COMMANDS, ['submit', '--stream', 'lo']).paths).toBe('directories');
    expect(candidatesFor(COMMANDS, ['submit', '--name', 'lo']).paths).toBe(null);
  });

  test('every option of every command can be completed to itself', () => {
    for (const [words, flag] of [
      ['submit', '--after'],
      ['worker start', '--res'],
      ['alloc add', '--time'],
    ] as const)
      for (const value of values(...words.split(' '), flag)) expect(value.startsWith(flag)).toBe(true);
  });
});

describe('with a server', () => {
  let world: CliWorld;
  beforeEach(async () => {
    world = new CliWorld();
    await world.start();
    world.facade.jobs = [job(1), job(12, { name: 'align' })];
    world.facade.tasks.set(12, [task(12, 3)]);
  });
  afterEach(() => world.stop());
  const complete = (...words: string[]): Promise<string> => world.ok(['__complete', '--', ...words]);

  test('jobs, the newest first, and the words for all of them', async () => {
    expect(await complete('job', 'info', '')).toMatch(/^last\tthe newest one\nall\tevery one\n12\talign [A-Z]+\n1\tjob-1 [A-Z]+\n$/);
    expect(await complete('job', 'cancel', '12')).toMatch(/^12\talign/);
    expect(await complete('submit', '--job=1')).toMatch(/^--job=12\t.*\n--job=1\t/);
  });

  test('tasks of the job that was named', async () => {
    expect(await complete('task', 'info', 'last', '')).toMatch(/^3\t[a-z]+\n$/);
    expect(await complete('job', 'cat', '--tasks', '')).toBe('');
  });

  test('without a server there are none, and no message', async () => {
    await world.closeServer();
    const { code, stdout, stderr } = await world.hq(['__complete', '--', 'worker', 'info', '']);
    expect([code, stdout, stderr]).toEqual([0, '', '']);
  });
});

test('a shell that has no script is refused', async () => {
  const world = new CliWorld();
  const { code, stderr } = await world.hq(['generate-completion', 'tcsh']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('[possible values: bash, zsh, fish]')]);
  await world.stop();
});

describe('bash', () => {
  let world: CliWorld;
  beforeEach(() => {
    world = new CliWorld();
  });
  afterEach(() => world.stop());

  /** Presses the tab key behind a line. */
  function press(line: string): string[] {
    const bin = join(world.work, 'bin');
    mkdirSync(bin, { recursive: true });
    // Stands for `hq`: the answers come from the same function, in this process.
    const words = line.split(' ').slice(1);
    const { values, paths } = candidatesFor(COMMANDS, words);
    writeFileSync(
      join(bin, 'answer'),
      `${values.map(({ value, description }) => `${value}\t${description}\n`).join('')}${paths === null ? '' : `:${paths}\t\n`}`,
    );
    writeFileSync(join(bin, 'hq'), `#!/bin/sh\nprintf '%s\\n' "$@" > "${bin}/asked"\ncat "${bin}/answer"\n`, { mode: 0o755 });
    const split = line
      .replace(/=/g, ' = ')
      .split(' ')
      .filter((word, i, all) => word !== '' || i === all.length - 1);
    const quoted = split.map((word) => `'${word}'`).join(' ');
    const script = `${completionScript('bash')}\nCOMP_WORDS=(${quoted}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _hq; printf '%s\\n' "\${COMPREPLY[@]}"; echo ---; tail -n +3 "${bin}/asked"`;
    const path = `${bin}:${process.env['PATH']}`;
    const text = execFileSync('bash', ['-c', script], { encoding: 'utf8', cwd: world.work, env: { ...process.env, PATH: path } });
    const [reply = '', asked = ''] = text.split('---\n');
    expect(asked.split('\n').slice(0, -1)).toEqual(words);
    return reply.split('\n').filter((word) => word !== '');
  }

  test('completes words, values behind an equals sign, and paths', () => {
    expect(press('hq jo')).toEqual(['job', 'journal']);
    expect(press('hq job ')).toContain('submit-file');
    expect(press('hq --output-mode=j')).toEqual(['json']);
    expect(press('hq --output-mode=')).toEqual(['cli', 'json', 'quiet']);
    world.write('job.toml', '');
    symlinkSync('job.toml', join(world.work, 'join.toml'));
    expect(press('hq job submit-file jo').sort()).toEqual(['job.toml', 'join.toml']);
  });
});
