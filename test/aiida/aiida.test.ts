/** A real AiiDA with aiida-hyperqueue: what it types, and reads of the answers, in the life of calculations. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { aiidaBin } from '../../fixtures/aiida/install.mjs';
import type { JobInfo } from '../../src/protocol/schema/job.ts';
import { waitFor } from '../helpers/cluster.ts';
import { type Running, runningCluster } from '../helpers/running.ts';
import { HQ_FOLDER } from '../helpers/tutorial.ts';

/** AiiDA tries again after a failure, with minutes between: only a hang is cut off. */
const LIMIT_MS = 150_000;

const running: Running = runningCluster(['--cpus', '2']);

function aiida(program: string, args: readonly string[]) {
  const { env, root, work } = running.cluster;
  const own = { ...env, AIIDA_PATH: root, PYTHONWARNINGS: 'ignore', PATH: `${HQ_FOLDER}:${env['PATH']}` };
  return execa(aiidaBin(program), [...args], { cwd: work, env: own, extendEnv: false, timeout: LIMIT_MS, reject: false, stdin: 'ignore' });
}

/** A calculation that takes so many seconds, with this limit. */
const add = (sleepS: number, limitS: number) =>
  aiida('python', [
    resolve('fixtures/aiida/add.py'),
    join(running.cluster.root, 'calculations'),
    `${sleepS}`,
    `${limitS}`,
    join(running.cluster.root, 'stop'),
  ]);

/** What the script prints as its last line. */
function outcomeOf({ stdout, stderr }: { stdout: string; stderr: string }): object {
  expect(stdout, stderr).toMatch(/^\{.*\}$/m);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

test('calculations that end, that run out of time, and that are killed', async () => {
  const { client } = running;
  const profile = await aiida('verdi', ['presto', '--no-broker', '--non-interactive']);
  expect(profile.exitCode, profile.stderr).toBe(0);

  const ended = await add(0, 600);
  expect(outcomeOf(ended)).toEqual({ state: 'finished', exit_status: 0, job: '1', sum: 42 });
  // AiiDA warns of whatever a command of the scheduler writes on standard error.
  expect(ended.stderr).toBe('');
  const { spec } = await client.taskDetail(1, 0);
  const [{ resources } = { resources: {} }] = spec.request;
  expect([resources, spec.timeLimitMs, spec.request[0]?.timeRequestMs]).toEqual([{ cpus: '1', mem: '100' }, 600_000, 600_000]);

  const late = outcomeOf(await add(60, 1));
  expect(late).toMatchObject({ state: 'finished', job: '2', sum: null });
  expect(late).not.toHaveProperty('exit_status', 0);
  expect((await client.taskDetail(2, 0)).error).toContain('Time limit reached');

  const killed = add(600, 600);
  const isRunning = ({ id, stats }: JobInfo): boolean => id === 3 && stats.running === 1;
  await waitFor('the calculation to run', async () => (await client.listJobs()).some(isRunning), LIMIT_MS);
  writeFileSync(join(running.cluster.root, 'stop'), '');
  expect(outcomeOf(await killed)).toMatchObject({ state: 'killed', job: '3' });
  expect((await client.jobDetail(3)).stats).toMatchObject({ canceled: 1, running: 0 });
});
