/** `hq task notify`: a message of the task in which it runs, to whoever follows its job. It goes to the task's worker, so that no server need be reachable. */
import { connect } from 'node:net';
import { HqError } from '../../protocol/errors.ts';
import { NOTE_LINE_BYTES, NOTE_MAX_BYTES, noteAnswer } from '../../protocol/schema/note.ts';
import type { Context } from '../context.ts';

/** A worker answers at once, milliseconds. */
const ANSWER_TIMEOUT_MS = 30_000;

export async function runNotify(context: Context, [message]: [string]): Promise<undefined> {
  const { env, signal } = context.io;
  const bytes = Buffer.byteLength(message);
  if (bytes > NOTE_MAX_BYTES)
    throw new HqError('HQ_E_USAGE', { detail: `the message has ${bytes} bytes, at most ${NOTE_MAX_BYTES} are possible` });
  const key = env['HQ_ACCESS_KEY'] ?? '';
  const colon = key.lastIndexOf(':');
  if (colon < 1) throw new HqError('HQ_E_NOT_IN_TASK');
  const [jobId, taskId, instance] = ['HQ_JOB_ID', 'HQ_TASK_ID', 'HQ_INSTANCE_ID'].map((name) => Number(env[name] ?? Number.NaN));
  const line = JSON.stringify({ token: key.slice(colon + 1), jobId, taskId, instance, message });
  const error = await ask(key.slice(0, colon), line, signal);
  if (error !== null) throw new HqError('HQ_E_NOTIFY', { detail: error });
}

/** @returns the worker's refusal, or null */
function ask(path: string, line: string, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, signal });
    let text = '';
    const fail = (detail: string, cause?: unknown): void => reject(new HqError('HQ_E_NOTIFY', { detail }, { cause }));
    socket.setEncoding('utf8').setTimeout(ANSWER_TIMEOUT_MS, () => socket.destroy(new Error('it does not answer')));
    socket.on('error', (error) => fail(error.message, error));
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > NOTE_LINE_BYTES) socket.destroy(new Error('its answer is too long'));
    });
    socket.on('end', () => {
      try {
        resolve(noteAnswer.parse(JSON.parse(text)).error);
      } catch (error) {
        fail('its answer is not understood', error);
      }
    });
    socket.write(`${line}\n`);
  });
}
