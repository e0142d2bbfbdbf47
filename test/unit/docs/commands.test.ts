/** Every command line of `hq` that a page shows is one that `hq` understands: the command is there, and so are its options with such values. Nothing is run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { runAccepted } from '../../../src/cli/program.ts';
import { shellWords } from '../../../src/cli/submit/shellWords.ts';

/** All but the reference, which is made of the command table. */
const PAGES = [
  'README.md',
  ...readdirSync('docs').flatMap((name) => (name.endsWith('.md') && name !== 'cli.md' ? [join('docs', name)] : [])),
  ...readdirSync('plugins')
    .map((name) => join('plugins', name, 'README.md'))
    .filter(existsSync),
];
/** What stands for something is a number, which may be an id, a name, a file. */
const PLACEHOLDER = /^[A-Z]+$/;
/** Prose names a command without what it would need. */
const IS_SHORT = /^error: (the following required arguments were not provided|a value is required for|a subcommand is needed)/;

interface Shown {
  readonly line: string;
  /** Part of a sentence, not a line to type. */
  readonly isProse: boolean;
}

function shownOn(page: string): Shown[] {
  const text = readFileSync(page, 'utf8').replaceAll('\\\n', ' ');
  const fenced = /^```.*?^```/gms;
  const typed = [...(text.match(fenced) ?? []), ...(text.match(/^ {4}hq .*$/gm) ?? [])].flatMap((block) => block.split('\n'));
  const prose = [...text.replace(fenced, '').matchAll(/`(hq [^`]*)`/g)].map(([, line = '']) => line.replaceAll('\n', ' '));
  return [
    ...typed
      .flatMap((line) => (/^\s*(?:\$ )?(hq .*)/.exec(line)?.[1] ?? '').split(/ && | & (?=hq )/))
      .map((line) => ({ line, isProse: false })),
    ...prose.flatMap((line) => line.split(/ && /)).map((line) => ({ line, isProse: true })),
  ].filter(({ line }) => line.startsWith('hq ') && !line.includes('…'));
}

function wordsOf({ line, isProse }: Shown): string[] {
  const plain = line.replace(/\s+#.*$/, '').replace(/\s+&$/, '');
  const words = shellWords(isProse ? plain.replace(/\[(--[^\]]*)\]/g, '$1') : plain);
  if (typeof words === 'string') throw new Error(`${line}: ${words}`);
  return words.slice(1).map((word) => (PLACEHOLDER.test(word) ? '1' : word));
}

describe.each(PAGES.filter((page) => shownOn(page).length > 0))('%s', (page) => {
  test.each(shownOn(page))('$line', async (shown) => {
    const stderr = new PassThrough();
    const io = {
      cwd: '/',
      env: { HQ_CONFIG: 'off' },
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr,
      signal: AbortSignal.abort(),
    };
    const code = await runAccepted(wordsOf(shown), io, () => false);
    const error = String(stderr.read() ?? '');
    if (code === null || code === 0 || (shown.isProse && IS_SHORT.test(error))) return;
    expect(error).toBe('');
  });
});
