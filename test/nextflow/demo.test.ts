/** `npm run demo:nextflow`, as a newcomer runs it: a real pipeline, its results checked against the known truth. */
import { resolve } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';

const DEMO = resolve('scripts/demoNextflow.mjs');

test('the demo finds every mutation, and its server has run every task', async () => {
  const { stdout } = await execa(process.execPath, [DEMO, '--samples', '2', '--cpus', '2'], { stdin: 'ignore' });
  expect(stdout).toMatch('OK: 2 isolates, every mutation found, nothing else called');
  expect(stdout).toMatch(/^ {2}HyperQueue {6}26 tasks finished, 1 worker\(s\)$/m);
});

test('what it does not understand is one line', async () => {
  const { exitCode, stderr } = await execa(process.execPath, [DEMO, '--executor', 'slurm'], { stdin: 'ignore', reject: false });
  expect([exitCode, stderr]).toEqual([1, '--executor is hq or local, not slurm']);
});
