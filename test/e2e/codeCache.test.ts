/** The code that was compiled at the build only makes hq quicker: without it, or with a damaged one, everything is as it was. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { wrap } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cachePath, programOf, programPath } from '../../src/bin/codeCache.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hq-cache-'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
  for (const file of ['hq.js', 'command.js']) copyFileSync(resolve('dist/bin', file), join(folder, 'bin', file));
});
afterAll(() => rmSync(folder, { recursive: true }));

const version = (): string => execFileSync(process.execPath, [join(folder, 'bin/hq.js'), '--version'], { encoding: 'utf8' });

test.each(['command', 'service'] as const)('the build has made one for each %s, and the engine takes it', (program) => {
  const filename = programPath(resolve('dist/bin'), program);
  const cachedData = readFileSync(cachePath(filename));
  expect(new Script(wrap(readFileSync(filename, 'latin1')), { filename, cachedData }).cachedDataRejected).toBe(false);
});

test('servers and workers have one of their own, and so has what tries out their parts', () => {
  expect(programOf(['server', 'start', '--new'])).toBe('service');
  expect(programOf(['worker', 'start'])).toBe('service');
  expect(programOf(['worker', 'hwdetect'])).toBe('service');
  expect(programOf(['--debug', 'doctor'])).toBe('service');
  expect(programOf(['compare', 'array', '--tasks', '5'])).toBe('service');
  expect(programOf(['server', 'info'])).toBe('command');
  expect(programOf(['submit', '--', '/bin/true'])).toBe('command');
});

test('the program of short commands holds neither a server nor a worker', () => {
  const text = readFileSync(programPath(resolve('dist/bin'), 'command'), 'latin1');
  expect(text).not.toContain('better-sqlite3');
  expect(text).toContain('SERVICE_WORDS in bin/codeCache.ts');
});

test.each([
  ['none', undefined],
  ['an empty one', ''],
  ['garbage', 'x'.repeat(10_000)],
])('%s is no obstacle', (_what, content) => {
  const path = cachePath(programPath(join(folder, 'bin'), 'command'));
  if (content === undefined) rmSync(path, { force: true });
  else writeFileSync(path, content);
  expect(version()).toBe(execFileSync(process.execPath, [resolve('dist/bin/hq.js'), '--version'], { encoding: 'utf8' }));
});

test('that of another program is refused by the engine', () => {
  copyFileSync(cachePath(programPath(resolve('dist/bin'), 'service')), cachePath(programPath(join(folder, 'bin'), 'command')));
  writeFileSync(join(folder, 'bin/command.js'), 'process.stdout.write("another program\\n");\n');
  expect(version()).toBe('another program\n');
});
