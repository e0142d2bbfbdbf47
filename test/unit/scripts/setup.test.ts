/** What the set-up decides: is the machine fit, are the packages there, may a step be skipped. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkCompiler, checkNode, isAtLeast, which } from '../../../scripts/lib/machine.mjs';
import { hashOf, unlessStamped } from '../../../scripts/lib/stamp.mjs';
import { isInstalled } from '../../../scripts/lib/steps.mjs';

test.each([
  [[3, 11], [3, 11], true],
  [[3, 9], [3, 11], false],
  [[4, 0], [3, 11], true],
  [[20, 19, 4], [20, 19], true],
  [[20], [20, 19], false],
])('version %j is at least %j: %s', (version, minimum, answer) => {
  expect(isAtLeast(version, minimum)).toBe(answer);
});

test('a machine that lacks something says what to install, in one line', () => {
  expect(() => checkNode('18.20.1')).toThrow(/^Node 20\.19 or newer is needed, this is 18\.20\.1: install .+$/);
  expect(() => checkNode('22.1.0')).not.toThrow();
  expect(() => checkCompiler('/nonexistent')).toThrow(/^cc and make not found: install .+$/);
});

test('programs are found on a path in its order', () => {
  expect(which('node', `/nonexistent::${join(process.execPath, '..')}`)).toBe(process.execPath);
  expect(which('node', '/nonexistent')).toBeUndefined();
});

describe('packages are installed', () => {
  const lock = {
    packages: { '': { version: '1' }, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '2', optional: true } },
  };

  test.each([
    ['all there, an optional one left out', { 'node_modules/a': { version: '1.0.0' } }, true],
    ['one in another version', { 'node_modules/a': { version: '1.0.1' } }, false],
    ['one missing', {}, false],
  ])('%s', (_case, packages, answer) => {
    expect(isInstalled(lock, { packages }, () => true)).toBe(answer);
  });

  test('one recorded, but not there', () => {
    const installed = { packages: { 'node_modules/a': { version: '1.0.0' } } };
    expect(isInstalled(lock, installed, (path: string) => path !== 'node_modules/a')).toBe(false);
  });
});

describe('stamps', () => {
  const input = () => {
    const dir = mkdtempSync(join(tmpdir(), 'hq-stamp-'));
    const file = join(dir, 'input');
    writeFileSync(file, 'one');
    return { dir, file, stamp: join(dir, 'out', '.stamp') };
  };

  test('a step runs once until its input changes', async () => {
    const { dir, file, stamp } = input();
    let runs = 0;
    const step = () =>
      unlessStamped(stamp, hashOf([file]), () => {
        runs += 1;
      });
    expect([await step(), await step()]).toEqual([true, false]);
    writeFileSync(file, 'two');
    expect([await step(), runs]).toEqual([true, 2]);
    rmSync(dir, { recursive: true });
  });

  test('a step that failed runs again, even if it had succeeded before', async () => {
    const { dir, file, stamp } = input();
    await unlessStamped(stamp, hashOf([file]), () => undefined);
    const failing = unlessStamped(stamp, hashOf([file], 'newer version'), () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await unlessStamped(stamp, hashOf([file]), () => undefined)).toBe(true);
    rmSync(dir, { recursive: true });
  });
});
