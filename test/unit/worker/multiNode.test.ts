/** What a task on several nodes finds on the first of them, the only one that runs it. */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  UPDATE_CANCELED as CANCELED,
  UPDATE_FAILED as FAILED,
  UPDATE_FINISHED as FINISHED,
} from '../../../src/protocol/messages/worker.ts';
import { serverWithWorker } from './fakeServer.ts';
import { makeBody } from './stateHelp.ts';

const NODES = ['node1.cluster.example', 'node2', '10.0.0.3', 'fe80::1'];

const running = serverWithWorker();

function send(id: number, script: string): void {
  const body = makeBody({
    ...{ command: ['sh', '-c', script], cwd: running.server.dir, submitDir: running.server.dir },
    stdout: { path: 'out-%{TASK_ID}', onClose: 'keep' },
    request: [{ nodes: NODES.length, minTimeMs: 0, weight: 10_000, entries: [] }],
  });
  running.server.send(['compute', [body], [[1, id, 0, 0, null, 0, NODES]]]);
}

function output(id: number): string[] {
  return readFileSync(join(running.server.dir, `out-${id}`), 'utf8').split('\n');
}

/** The worker's own directory. */
function workDir(): string {
  return running.worker.registered[0]?.configuration.workDir as string;
}

function taskDirectories(): string[] {
  return readdirSync(workDir()).filter((name) => name.startsWith('task-'));
}

test('the names of its nodes, a directory for nobody else, and nothing about single resources', async () => {
  send(7, 'env; stat -c %a "$HQ_TASK_DIR" "$HQ_NODE_FILE"; cat "$HQ_NODE_FILE"; echo --; cat "$HQ_HOST_FILE"; touch "$HQ_TASK_DIR/left"');
  expect((await running.server.waitEnd(7))[0]).toBe(FINISHED);
  const out = output(7);
  const value = (name: string): string | undefined => out.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
  const directory = value('HQ_TASK_DIR') ?? '';
  expect(directory.startsWith(join(workDir(), 'task-1-7-0-'))).toBe(true);
  expect(value('HQ_NUM_NODES')).toBe('4');
  expect(value('HQ_NODE_FILE')).toBe(join(directory, 'hq-nodefile'));
  expect(value('HQ_HOST_FILE')).toBe(join(directory, 'hq-hostfile'));
  expect(out.filter((line) => /^(HQ_CPUS|HQ_RESOURCE_|OMP_NUM_THREADS)/.test(line))).toEqual([]);
  expect(out.slice(out.indexOf('700'))).toEqual(['700', '600', 'node1', 'node2', '10.0.0.3', 'fe80::1', '--', ...NODES, '']);
  expect(taskDirectories()).toEqual([]);
});

test('the directory is gone, too, when the task is canceled, and a task of one node has none', async () => {
  send(1, 'sleep 60');
  await running.server.waitStarted(1);
  expect(taskDirectories()).toHaveLength(1);
  running.server.send(['cancel', [[1, 1, 0]]]);
  expect((await running.server.waitEnd(1))[0]).toBe(CANCELED);
  expect(taskDirectories()).toEqual([]);
  const plain = makeBody({ command: ['sh', '-c', 'echo "$HQ_NUM_NODES$HQ_TASK_DIR"'], cwd: running.server.dir });
  running.server.compute({ ...plain, stdout: { path: 'out-%{TASK_ID}', onClose: 'keep' } }, [2]);
  await running.server.waitEnd(2);
  expect(output(2)).toEqual(['', '']);
});

test('a directory that cannot be made fails the task with the reason, and the worker goes on', async () => {
  rmSync(workDir(), { recursive: true });
  send(1, 'true');
  const end = await running.server.waitEnd(1);
  expect(end[0]).toBe(FAILED);
  expect(end[6]).toMatchObject({ kind: 'internal', error: expect.stringMatching(/^The directory of the task cannot be made: ENOENT/) });
  running.server.compute(makeBody({ cwd: running.server.dir }), [2]);
  expect((await running.server.waitEnd(2))[0]).toBe(FINISHED);
});
