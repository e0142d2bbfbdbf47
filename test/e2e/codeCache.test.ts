/** The code that was compiled at the build only makes hq quicker: without it, or with a damaged one, everything is as it was. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { wrap } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cacheKind, cachePath } from '../../src/bin/codeCache.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hq-cache-'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
  for (const file of ['hq.js', 'main.js']) copyFileSync(resolve('dist/bin', file), join(folder, 'bin', file));
});
afterAll(() => rmSync(folder, { recursive: true }));

const version = (): string => execFileSync(process.execPath, [join(folder, 'bin/hq.js'), '--version'], { encoding: 'utf8' });

test.each(['command', 'service'] as const)('the build has made one for each %s, and the engine takes it', (kind) => {
  const filename = resolve('dist/bin/main.js');
  const cachedData = readFileSync(cachePath(resolve('dist/bin'), kind));
  expect(new Script(wrap(readFileSync(filename, 'latin1')), { filename, cachedData }).cachedDataRejected).toBe(false);
});

test('servers and workers have one of their own', () => {
  expect(cacheKind(['server', 'start', '--new'])).toBe('service');
  expect(cacheKind(['worker', 'start'])).toBe('service');
  expect(cacheKind(['server', 'info'])).toBe('command');
  expect(cacheKind(['submit', '--', 'start'])).toBe('command');
});

test.each([
  ['none', undefined],
  ['an empty one', ''],
  ['garbage', 'x'.repeat(10_000)],
])('%s is no obstacle', (_what, content) => {
  const path = cachePath(join(folder, 'bin'), 'command');
  if (content === undefined) rmSync(path, { force: true });
  else writeFileSync(path, content);
  expect(version()).toBe(execFileSync(process.execPath, [resolve('dist/bin/hq.js'), '--version'], { encoding: 'utf8' }));
});

test('that of another program is refused by the engine', () => {
  copyFileSync(cachePath(resolve('dist/bin'), 'service'), cachePath(join(folder, 'bin'), 'command'));
  writeFileSync(join(folder, 'bin/main.js'), 'process.stdout.write("another program\\n");\n');
  expect(version()).toBe('another program\n');
});
