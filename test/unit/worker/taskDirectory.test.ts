/** A task with a directory of its own: what it finds there, what it may say about its failure, and that nothing is left. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  UPDATE_CANCELED as CANCELED,
  UPDATE_FAILED as FAILED,
  UPDATE_FINISHED as FINISHED,
} from '../../../src/protocol/messages/worker.ts';
import { serverWithWorker } from './fakeServer.ts';
import { makeBody } from './stateHelp.ts';

const running = serverWithWorker();

const body = (script: string, given: object = {}) =>
  makeBody({ command: ['sh', '-c', script], cwd: running.server.dir, submitDir: running.server.dir, taskDir: true, ...given });

function taskDirectories(): string[] {
  return readdirSync(running.worker.registered[0]?.configuration.workDir as string).filter((name) => name.startsWith('task-'));
}

/** The error of a task that fails after the script. */
async function failure(script: string): Promise<unknown> {
  running.server.compute(body(script), [1]);
  const end = await running.server.waitEnd(1);
  expect(end[0]).toBe(FAILED);
  expect(taskDirectories()).toEqual([]);
  return end[6];
}

test('it is empty, for nobody else, and gone with the task, whatever was put into it', async () => {
  const script =
    'ls -A "$HQ_TASK_DIR"; stat -c %a "$HQ_TASK_DIR"; echo "$(basename "$HQ_ERROR_FILENAME") $HQ_NODE_FILE"; mkdir -p "$HQ_TASK_DIR/a/b"';
  running.server.compute(body(script, { stdout: { path: 'out', onClose: 'keep' } }), [7]);
  expect((await running.server.waitEnd(7))[0]).toBe(FINISHED);
  expect(readFileSync(join(running.server.dir, 'out'), 'utf8')).toBe('700\nhq-error \n');
  expect(taskDirectories()).toEqual([]);
});

test('a canceled task leaves none, and its words do not count', async () => {
  running.server.compute(body('echo sorry > "$HQ_ERROR_FILENAME"; sleep 60'), [1]);
  await running.server.waitStarted(1);
  expect(taskDirectories()).toHaveLength(1);
  running.server.send(['cancel', [[1, 1, 0]]]);
  expect((await running.server.waitEnd(1))[0]).toBe(CANCELED);
  expect(taskDirectories()).toEqual([]);
});

describe('HQ_ERROR_FILENAME', () => {
  test('its text replaces the message of the failure, the exit code stays', async () => {
    expect(await failure('echo "no input: č" > "$HQ_ERROR_FILENAME"; exit 3')).toEqual({
      kind: 'exit',
      error: 'no input: č\n',
      exitCode: 3,
      signal: null,
    });
  });

  test('also of a task that was ended by a signal', async () => {
    expect(await failure('echo oops > "$HQ_ERROR_FILENAME"; kill -9 $$')).toMatchObject({
      kind: 'signal',
      error: 'oops\n',
      signal: 'SIGKILL',
    });
  });

  test('an empty one is said to be empty', async () => {
    expect(await failure(': > "$HQ_ERROR_FILENAME"; exit 1')).toMatchObject({
      error: 'The task has failed and left an empty error message.',
    });
  });

  test('a long one is cut after 2 KiB, not within a character', async () => {
    const { error } = (await failure(
      'printf x > "$HQ_ERROR_FILENAME"; yes č | tr -d "\\n" | head -c 4000 >> "$HQ_ERROR_FILENAME"; exit 1',
    )) as { error: string };
    expect(error).toBe(`x${'č'.repeat(1_023)}\n[The message was truncated]`);
  });

  test.each([
    ['a link', 'echo secret > x; ln -s "$PWD/x" "$HQ_ERROR_FILENAME"'],
    ['a pipe', 'mkfifo "$HQ_ERROR_FILENAME"'],
    ['a directory', 'mkdir "$HQ_ERROR_FILENAME"'],
    ['nothing', ':'],
  ])('%s in its place says nothing and holds nobody up', async (_name, script) => {
    expect(await failure(`${script}; exit 1`)).toMatchObject({ error: 'Program terminated with exit code 1.' });
  });

  test('a task that finishes needs no excuse', async () => {
    running.server.compute(body('echo oops > "$HQ_ERROR_FILENAME"'), [1]);
    expect((await running.server.waitEnd(1))[0]).toBe(FINISHED);
  });
});
