import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { batchErrorKind, makeBatchHost } from '../../../../src/server/autoalloc/batchHost.ts';
import { openBatchSystem } from '../../../../src/server/autoalloc/openBatchSystem.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hq-plugin-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A module of a user; loaded once per path, as all modules. */
function moduleOf(text: string): string {
  const path = join(root, 'system.mjs');
  writeFileSync(path, text);
  return `plugin:${path}`;
}

const open = (name: string) => openBatchSystem(name, { directory: root });

test('the built-in batch systems are found by their names', () => {
  expect(['slurm', 'pbs', 'local'].map((name) => [open(name).name, open(name).title])).toEqual([
    ['slurm', 'Slurm'],
    ['pbs', 'PBS'],
    ['local', 'this host'],
  ]);
});

test('a plugin that comes with hq-bridge is found by its name, where the build has put it', () => {
  expect(() => open('gridengine')).toThrow(/'gridengine' cannot be used: its module cannot be loaded: .*\/batch\/gridengine\.js/);
});

test('a module is a batch system when its default export makes one, and has a directory of its own', () => {
  const name = moduleOf(`export default (host) => ({
    name: 'mine', title: host.directory, pollIntervalMs: 1,
    script() {}, submit() {}, find() {}, poll() {}, cancel() {}, explain() {}, estimateStarts() {},
  });`);
  const system = open(name);
  expect(system.name).toBe('mine');
  expect(system.title.startsWith(join(root, 'plugin_'))).toBe(true);
});

test.each([
  ['an unknown name', () => 'lsf', 'there is no such batch system'],
  ['a property that every object has', () => 'constructor', 'there is no such batch system'],
  ['a relative path', () => 'plugin:system.mjs', 'must be absolute'],
  ['a file that is not there', () => 'plugin:/nowhere/x.mjs', 'cannot be loaded'],
  ['a module without a function', () => moduleOf('export const a = 1;'), 'no default export that is a function'],
  ['a module that throws', () => moduleOf("export default () => { throw new Error('no licence'); };"), 'cannot be started: no licence'],
  ['a module that makes half of one', () => moduleOf('export default () => ({ script() {}, submit() {} });'), 'has no find, poll, cancel'],
])('%s is refused with one line', (_, name, reason) => {
  expect(() => open(name())).toThrow(expect.objectContaining({ code: 'HQ_E_BATCH_SYSTEM', message: expect.stringContaining(reason) }));
});

test('a command that hangs or was killed has given no answer, one that cannot run is not installed', async () => {
  const host = makeBatchHost({ title: 'X', directory: root, timeoutMs: 300 });
  const kind = (program: string, ...args: string[]) => host.run(program, args).catch(batchErrorKind);
  expect(await kind('bash', '-c', 'sleep 600 & wait')).toBe('timedOut');
  expect(await kind('bash', '-c', 'kill -KILL $$')).toBe('timedOut');
  expect(await kind('hq-no-such-program')).toBe('notInstalled');
  const text = join(root, 'text');
  writeFileSync(text, 'no program');
  expect(await kind(text)).toBe('notInstalled');
  expect(await host.run('bash', ['-c', 'echo "$A" >&2; pwd; exit 7'], { cwd: root, env: { A: 'b' } })).toEqual({
    exitCode: 7,
    stdout: `${root}\n`,
    stderr: 'b\n',
  });
  expect(batchErrorKind(new Error('x'))).toBeUndefined();
  expect(batchErrorKind(host.error('refused', 'x'))).toBe('refused');
});
