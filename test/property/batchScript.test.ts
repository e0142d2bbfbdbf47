import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clockTime } from '../../src/common/clockTime.ts';
import { parseDuration } from '../../src/common/duration.ts';
import { singleQuoted } from '../../src/common/shellText.ts';
import { readQstat } from '../../src/server/autoalloc/pbsStatus.ts';
import { readSacct, readSqueue, slurmStatus } from '../../src/server/autoalloc/slurmStatus.ts';
import { doubleQuoted, humanTime, workerLine } from '../../src/server/autoalloc/workerScript.ts';

/** Everything that can be an argument of a program, with what shells care about more often than chance would have it. */
const word = fc
  .string({ unit: fc.oneof(fc.constantFrom(...'"\'`$\\!*?~#&;|<>(){}[] \n\t=%'), fc.string({ minLength: 1, maxLength: 1 })) })
  .filter((text) => !text.includes('\0'));

/** What bash makes of a command line: the words that a program gets. */
function wordsOf(commandLine: string): string[] {
  const script = `set -- ${commandLine}\nprintf '%s\\0' "$@"`;
  return execFileSync('bash', ['-s'], { input: script, encoding: 'utf8', maxBuffer: 1 << 26 })
    .split('\0')
    .slice(0, -1);
}

test('a shell takes nothing in quoted text for its own', () => {
  // Many words for each shell that is started.
  fc.assert(
    fc.property(fc.array(word, { minLength: 100, maxLength: 100 }), (words) => {
      expect(wordsOf(words.map(doubleQuoted).join(' '))).toEqual(words);
      expect(wordsOf(words.map(singleQuoted).join(' '))).toEqual(words);
      // As for a shell on each node: the quoted line is itself a word.
      expect(wordsOf(singleQuoted(words.map(doubleQuoted).join(' ')))).toEqual([words.map(doubleQuoted).join(' ')]);
    }),
    { numRuns: 5 },
  );
});

test("the worker's options come out of a shell as they went in", () => {
  const flag = fc.constantFrom('--cpus', '--resource', '--coupling', '--group', '--detect-resources');
  fc.assert(
    fc.property(fc.array(fc.tuple(flag, word), { maxLength: 20 }), word, (options, hqPath) => {
      fc.pre(hqPath !== '');
      const worker = { hqPath, serverDir: '/a b', idleTimeoutMs: 300_000, options, onServerLost: 'stop', timeLimitMs: 90_000 };
      const start = [hqPath, 'worker', 'start', '--idle-timeout', '5m', '--manager', 'slurm', '--server-dir', '/a b'];
      expect(wordsOf(workerLine(worker, 'slurm'))).toEqual([
        ...start,
        ...options.flat(),
        '--on-server-lost',
        'stop',
        '--time-limit',
        '1m 30s',
      ]);
    }),
    { numRuns: 25 },
  );
});

test('times in scripts are those of the request', () => {
  fc.assert(
    fc.property(fc.nat({ max: 100 * 31_557_600 - 1 }), (seconds) => {
      expect(parseDuration(humanTime(seconds * 1_000))).toBe(seconds * 1_000);
      expect(parseDuration(clockTime(seconds * 1_000))).toBe(seconds * 1_000);
      expect(parseDuration(clockTime(seconds * 1_000 + 1))).toBe((seconds + 1) * 1_000);
    }),
  );
});

test('whatever a batch system prints is read without a throw', () => {
  fc.assert(
    fc.property(fc.string(), fc.json(), (text, json) => {
      for (const job of [...readSqueue(text), ...readSacct(text)])
        expect(['queued', 'running', 'suspended', 'ended']).toContain(slurmStatus(job).state);
      readQstat(text);
      readQstat(json);
      readQstat(`{"Jobs":${json}}`);
      readQstat(`{"Jobs":{"1.a":${json}}}`);
    }),
  );
});
