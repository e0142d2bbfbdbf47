/** `hq doctor` as it is typed: beside a running server, without one, and on a machine on which much is wrong. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cluster } from '../helpers/cluster.ts';

interface Doctor {
  readonly checks: readonly { check: string; level: string; found: string; advice: string }[];
  readonly ok: number;
  readonly warning: number;
  readonly problem: number;
}

let cluster: Cluster;
beforeEach(() => {
  cluster = new Cluster();
});
afterEach(() => cluster.stop());

const doctor = async (env: NodeJS.ProcessEnv = {}): Promise<{ code: number; answer: Doctor }> => {
  const { code, stdout } = await cluster.hq(['--output-mode', 'json', 'doctor'], { env });
  return { code, answer: JSON.parse(stdout) as Doctor };
};

const levels = ({ checks }: Doctor): Record<string, string> => Object.fromEntries(checks.map(({ check, level }) => [check, level]));

test('without a server: no problem, nothing started, nothing left behind', async () => {
  const before = readdirSync(cluster.root);
  const { code, answer } = await doctor();
  expect(answer.checks.filter(({ level }) => level === 'problem')).toEqual([]);
  expect(code).toBe(0);
  expect(answer.ok + answer.warning + answer.problem).toBe(answer.checks.length);
  expect(levels(answer)).toMatchObject({ node: 'ok', launcher: 'ok', locks: 'ok', loopback: 'ok', 'server-directory': 'ok', server: 'ok' });
  expect(readdirSync(cluster.root)).toEqual(before);
});

test('beside a running server, in every output mode', async () => {
  const server = await cluster.startServer();
  // Where it probes; in the identity the server itself may still be making files.
  const before = readdirSync(cluster.serverDir).sort();
  const text = await cluster.ok(['doctor']);
  expect(text).toContain(`(pid ${server.pid}), 0 workers, 0 jobs\n`);
  expect(text).toMatch(/^ok {7}node: Node \d+\.\d+\.\d+/);
  expect(text).toMatch(/\n\d+ checks: \d+ ok, \d+ warnings, 0 problems\n$/);
  const quiet = await cluster.ok(['--output-mode', 'quiet', 'doctor']);
  expect(quiet.split('\n')).toContain('server OK');
  const { answer } = await doctor();
  expect(quiet.trim().split('\n')).toEqual(answer.checks.map(({ check, level }) => `${check} ${level.toUpperCase()}`));
  expect(readdirSync(cluster.serverDir).sort()).toEqual(before);
  expect(server.isRunning).toBe(true);
});

test('a wrong HQ_LAUNCHER and a directory that cannot be: problems, and exit code 1', async () => {
  writeFileSync(join(cluster.root, 'file'), '');
  const { code, answer } = await doctor({ HQ_LAUNCHER: 'fastest', HQ_SERVER_DIR: join(cluster.root, 'file') });
  expect(code).toBe(1);
  expect(levels(answer)).toMatchObject({ launcher: 'problem', 'server-directory': 'problem' });
  for (const { level, advice } of answer.checks) expect(advice === '').toBe(level === 'ok');
});

test('a batch system that hangs is given up', async () => {
  const bin = join(cluster.root, 'bin');
  mkdirSync(bin);
  for (const name of ['sbatch', 'squeue', 'scancel', 'sinfo'])
    writeFileSync(join(bin, name), '#!/bin/sh\nsleep 1000 & wait\n', { mode: 0o755 });
  const { code, answer } = await doctor({ PATH: `${bin}:${process.env['PATH']}` });
  expect(code).toBe(0);
  expect(answer.checks.find(({ check }) => check === 'slurm')).toMatchObject({
    level: 'warning',
    found: expect.stringContaining('sbatch --version does not answer within'),
  });
});
