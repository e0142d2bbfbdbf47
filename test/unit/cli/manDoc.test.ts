/** Manual pages and `hq doc`: every command has a page that a typesetter accepts, every area a page that exists. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AREAS } from '../../../src/cli/doc/areas.ts';
import { commandNames } from '../../../src/cli/generate/commandNames.ts';
import { manPages } from '../../../src/cli/generate/man.ts';
import { CliWorld } from '../../helpers/cli.ts';

let world: CliWorld;
beforeAll(() => {
  world = new CliWorld();
});
afterAll(() => world.stop());

const pages = manPages('1.2.3');
const hasGroff = spawnSync('groff', ['--version']).status === 0;

test('one page for each command, and one for all of them', () => {
  expect(pages.map(({ file }) => file)).toEqual(['hq.1', ...commandNames().map((name) => `hq-${name.replaceAll(' ', '-')}.1`)]);
  expect(pages.find(({ file }) => file === 'hq-job-wait.1')?.text).toContain('.SH OPTIONS\n.TP\n\\fB\\-\\-without\\-close\\fR');
});

test.skipIf(!hasGroff)('groff has nothing to complain about, and shows text as it is typed', () => {
  const input = pages.map(({ text }) => text).join('\n');
  const { stdout, stderr } = spawnSync('groff', ['-man', '-Tascii', '-ww', '-P', '-cbou', '-rLL=200n'], { input, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toContain(`hq submit --array 1-1000 --stream logs -- bash -c 'process $HQ_TASK_ID'`);
  expect(stdout).toContain('--on-server-lost <ACTION>');
});

test.each(Object.keys(AREAS))('hq doc %s is a page that exists', async (area) => {
  const path = (await world.ok(['doc', area])).trim();
  expect(existsSync(path), path).toBe(true);
});

test('without an area: the first page; an unknown one is refused with those that there are', async () => {
  expect((await world.ok(['doc'])).trim()).toMatch(/README\.md$/);
  const { code, stderr } = await world.hq(['doc', 'cooking']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('autoalloc')]);
});

test('--open gives the page to the browser', async () => {
  world.write('browser', '#!/bin/sh\necho "$1" > opened\n');
  const browser = join(world.work, 'browser');
  spawnSync('chmod', ['+x', browser]);
  const env = { BROWSER: browser, PATH: process.env['PATH'] ?? '' };
  const path = await world.ok(['doc', '--open', 'jobs'], { env });
  expect(spawnSync('cat', [join(world.work, 'opened')], { encoding: 'utf8' }).stdout).toBe(path);
  const missing = await world.hq(['doc', '--open'], { env: { PATH: '/nonexistent' } });
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('BROWSER')]);
});
