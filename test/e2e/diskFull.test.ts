/** Full disks: under the consolidated log a task fails and all others go on; under the journal the server exits and nothing acknowledged is lost. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HqClient } from '../../src/client/client.ts';
import { clientOf, ended, scriptSubmit } from '../helpers/api.ts';
import { Cluster, waitFor } from '../helpers/cluster.ts';

/** A disk of its own for a moment; null where this is not allowed. */
function mount(megabytes: number): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'hq-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=700`, 'hq-test', dir], { stdio: 'ignore' });
    return dir;
  } catch {
    rmdirSync(dir);
    return null;
  }
}

function unmount(dir: string): void {
  execFileSync('umount', [dir]);
  rmdirSync(dir);
}

/** Takes all free space of the disk but `leaveBytes`. */
function fill(dir: string, leaveBytes: number): string {
  const file = join(dir, 'filler');
  const descriptor = openSync(file, 'w');
  const block = Buffer.alloc(4_096);
  try {
    for (;;) writeSync(descriptor, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(descriptor);
  }
  truncateSync(file, Math.max(0, statSync(file).size - leaveBytes));
  return file;
}

const probe = mount(1);
const canMount = probe !== null;
if (probe !== null) unmount(probe);
if (!canMount) console.warn('diskFull: skipped, because this user may not mount a tmpfs');

let cluster: Cluster;
let disk: string;
let client: HqClient;
beforeEach(() => {
  if (!canMount) return;
  cluster = new Cluster();
  disk = mount(3) as string;
});
afterEach(async () => {
  if (!canMount) return;
  client.close();
  try {
    await cluster.stop();
  } finally {
    unmount(disk);
  }
});

test.runIf(canMount)('the log: the task fails with its reason, others go on, and after freeing space the same job logs again', async () => {
  await cluster.startServer();
  await cluster.startWorker(['--cpus', '2']);
  client = await clientOf(cluster);
  const { jobId } = await client.createJob({ name: 'open', open: true });
  const stream = join(disk, 'logs');
  const say = async (script: string, id: number) => client.submitTasks(jobId, scriptSubmit(cluster, script, { stream, ids: String(id) }));
  await say('echo before', 1);
  await ended(client, jobId);
  const filler = fill(disk, 256 * 1024);
  // Runs all the while, and must not notice.
  const other = await client.createJob({ name: 'other', submit: scriptSubmit(cluster, 'until test -e go; do sleep 0.02; done') });
  await say('head -c 4000000 /dev/zero', 2);
  await ended(client, jobId);
  expect(await client.taskDetail(jobId, 2)).toMatchObject({
    state: 'failed',
    failure: 'log',
    error: expect.stringMatching(/no space|full|ENOSPC/i),
  });
  expect((await client.jobDetail(other.jobId)).stats.running).toBe(1);
  const third = await client.createJob({ name: 'third', submit: scriptSubmit(cluster, 'echo x > third.txt') });
  expect((await ended(client, third.jobId)).stats.finished).toBe(1);
  rmSync(filler);
  await say('echo after', 3);
  await ended(client, jobId);
  expect((await client.taskDetail(jobId, 3)).state).toBe('finished');
  const log = join(stream, `job-${jobId}.log`);
  expect(await cluster.ok(['output-log', log, 'stdout', '--task', '1,3'])).toBe('before\nafter\n');
  await cluster.ok(['submit', '--wait', '--', 'touch', 'go']);
  expect((await ended(client, other.jobId)).stats.finished).toBe(1);
  expect((await client.listWorkers({ all: true })).map(({ state }) => state)).toEqual(['running']);
});

test.runIf(canMount)(
  'the journal: the server exits with one line, tasks go on, and the next server has all that was acknowledged',
  async () => {
    const server = await cluster.startServer(['--journal', join(disk, 'journal.db')]);
    const worker = await cluster.startWorker(['--cpus', '2']);
    client = await clientOf(cluster);
    const script = 'echo start >> t-$HQ_TASK_ID.txt; until test -e go; do sleep 0.02; done; echo end >> t-$HQ_TASK_ID.txt';
    const running = await client.createJob({ name: 'running', submit: scriptSubmit(cluster, script, { ids: '1-4' }) });
    await waitFor('two to run', () => cluster.read('t-1.txt') + cluster.read('t-2.txt') === 'start\nstart\n');
    const filler = fill(disk, 128 * 1024);
    const acknowledged: number[] = [];
    const text = 'x'.repeat(20_000);
    while (server.isRunning) {
      const submit = scriptSubmit(cluster, 'echo once >> ran-$HQ_JOB_ID.txt', { env: { TEXT: text + acknowledged.length } });
      const answer = await client.createJob({ name: 'more', submit }).catch(() => null);
      if (answer !== null) acknowledged.push(answer.jobId);
    }
    expect(await server.exit()).toBe(1);
    const lines = server.stderr.split('\n').filter((line) => /ERROR|FATAL/.test(line));
    expect(lines, server.stderr).toHaveLength(1);
    expect(lines[0]).toMatch(/full|no space/i);
    expect(lines[0]).toContain(join(disk, 'journal.db'));
    expect(server.stderr).not.toMatch(/\n\s+at /);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(worker.isRunning).toBe(true);
    expect(cluster.read('t-1.txt')).toBe('start\n');
    writeFileSync(join(cluster.work, 'go'), '');
    await waitFor(
      'the tasks to end without a server',
      () => cluster.read('t-1.txt').endsWith('end\n') && cluster.read('t-2.txt').endsWith('end\n'),
    );
    // Still full: a start must say so, not begin with half a journal.
    fill(disk, 0);
    const early = await cluster.hq(['server', 'start', '--host', '127.0.0.1'], {});
    expect(early.code).toBe(1);
    expect(early.stderr).toMatch(/full|no space/i);
    rmSync(filler);
    await cluster.startServer();
    for (const job of [running.jobId, ...acknowledged]) expect((await ended(client, job)).stats).toMatchObject({ waiting: 0, failed: 0 });
    for (const task of [1, 2, 3, 4]) expect(cluster.read(`t-${task}.txt`)).toBe('start\nend\n');
    for (const job of acknowledged) expect(cluster.read(`ran-${job}.txt`)).toBe('once\n');
    expect((await client.listJobs()).length).toBeLessThanOrEqual(acknowledged.length + 2);
  },
);
