/** Help texts teach: defaults and units of options, examples that are understood, and the right word for a mistyped one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namedCommands } from '../../../src/cli/commandEntry.ts';
import { COMMANDS } from '../../../src/cli/commandTable.ts';
import { globalOptions } from '../../../src/cli/globalOptions.ts';
import { runAccepted } from '../../../src/cli/program.ts';
import { CliWorld } from '../../helpers/cli.ts';

const commands = namedCommands(COMMANDS);
let world: CliWorld;
beforeAll(() => {
  world = new CliWorld();
});
afterAll(() => world.stop());

/** Parses a command line and runs nothing. @returns what was wrong with it, or nothing */
async function complaint(args: readonly string[]): Promise<string> {
  let text = '';
  const stderr = new PassThrough().on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [stdin, stdout] = [new PassThrough().end(), new PassThrough().resume()];
  const io = { cwd: world.work, env: { HOME: world.work }, stdin, stdout, stderr, signal: new AbortController().signal };
  const code = await runAccepted(args, io, () => false);
  return code === null ? '' : text;
}

/** The words of each `hq` in a line of a shell. */
function wordsOf(line: string): string[][] {
  const home = join(world.work, 'home');
  for (const folder of ['.config/fish/completions', '.zfunc', '.local/share/bash-completion/completions'])
    mkdirSync(join(home, folder), { recursive: true });
  const script = `hq() { printf '%s\\0' "$@" >&2; printf '\\1' >&2; }\n${line}\nexec 1>&2`;
  const output = execFileSync('bash', ['-c', `{ ${script}\n} 3>&1 1>/dev/null 2>&3`], {
    encoding: 'utf8',
    cwd: world.work,
    env: { HOME: home, PATH: process.env['PATH'], HQ_TASK_ID: '' },
  });
  return output
    .split('\u0001')
    .slice(0, -1)
    .map((words) => words.split('\0').slice(0, -1));
}

describe('options', () => {
  // What `modify` is not told stays as it is.
  test.each(commands.filter(({ name }) => !name.endsWith(' modify')))('of $name tell their default', ({ entry }) => {
    for (const { flags, description, required, mandatory } of [...(entry.options?.() ?? []), ...globalOptions()]) {
      if (required && !mandatory) expect(description, flags).toMatch(/\(default: [^)]|^the same as --/);
    }
  });

  test('that are durations: the help says how they are written', async () => {
    expect(await world.ok(['server', 'wait', '--help'])).toContain("Durations: 90 (seconds), 500ms, 10min, '1h 30m', 01:30:00");
    expect(await world.ok(['server', 'info', '--help'])).not.toContain('Durations:');
  });
});

describe('examples', () => {
  test.each(commands)('of $name are there, at the end of its help, and are understood', async ({ name, entry }) => {
    const examples = entry.examples ?? [];
    expect(examples.length).toBeGreaterThan(0);
    const help = await world.ok([...name.split(' '), '--help']);
    expect(help.endsWith(`\nExamples:\n${examples.map((line) => `  ${line}\n`).join('')}`)).toBe(true);
    const about: boolean[] = [];
    for (const line of examples) {
      const calls = wordsOf(line);
      expect(calls.length, line).toBeGreaterThan(0);
      for (const words of calls) expect(await complaint(words), line).toBe('');
      about.push(calls.some((words) => words.join(' ').includes(name)));
    }
    expect(about).toContain(true);
  });
});

test('a bad value is told in one line with its option, whatever is in it', async () => {
  expect(await complaint(['submit', '--name', 'a\nb', 'true'])).toMatch(
    /^error: invalid value 'a\\nb' for '--name <NAME>': a name without line breaks/,
  );
});

describe('did you mean', () => {
  const typo = (word: string): string => `${word.slice(0, -2)}${word.at(-1)}${word.at(-2)}`;

  test.each(commands.map(({ name }) => name).filter((name) => name.split(' ').at(-1)?.at(-1) !== name.at(-2)))('%s', async (name) => {
    const words = name.split(' ');
    const last = words.at(-1) as string;
    expect(await complaint([...words.slice(0, -1), typo(last)])).toMatch(new RegExp(`did you mean .*${last}`));
  });

  test.each(commands)('options of $name', async ({ name, entry }) => {
    for (const { long } of entry.options?.() ?? []) {
      if (long == null || long.at(-1) === long.at(-2)) continue;
      expect(await complaint([...name.split(' '), typo(long)]), long).toMatch(/did you mean .*--/);
    }
  });
});
