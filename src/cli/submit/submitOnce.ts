/**
 * The submit of a script of Nextflow, which must neither get lost nor be done twice while servers come and go: each of its tasks has a directory of its own, so
 * a job for it can be found again. Called by `hq submit`.
 */
import { RECONNECT_DEFAULT_MS } from '../../client/eventReader.ts';
import { waitForServer } from '../../client/wait.ts';
import { type ErrorCode, HqError } from '../../protocol/errors.ts';
import { CUT_VARIABLE } from '../../protocol/frontFrames.ts';
import type { Context } from '../context.ts';
import { type Sending, sendSubmit } from './send.ts';

/** Label of a job: where its task runs. */
const DIRECTORY_LABEL = 'nextflow-directory';

/** Nothing was sent. */
const NOT_REACHED: ReadonlySet<ErrorCode> = new Set(['HQ_E_NO_SERVER', 'HQ_E_SERVER_UNREACHABLE']);

/**
 * @param o.directory of the task, absolute; no other task has it
 * @throws HqError HQ_E_NEXTFLOW_LATER when no server was reached: Nextflow reads words after which it submits again; others when that could be once too often
 */
export async function submitOnce(context: Context, o: { readonly sending: Sending; readonly directory: string }): Promise<undefined> {
  const labels = { [DIRECTORY_LABEL]: o.directory };
  const sending = { ...o.sending, header: { ...o.sending.header, labels } };
  let gone = context.io.env[CUT_VARIABLE] === undefined ? undefined : new HqError('HQ_E_SERVER_GONE', { detail: 'the connection was cut' });
  for (;;) {
    const made = gone === undefined ? undefined : await earlierJob(context, labels, gone);
    if (made !== undefined) {
      context.output.submitted(made);
      return;
    }
    try {
      return await sendSubmit(context, sending);
    } catch (error) {
      if (!(error instanceof HqError)) throw error;
      if (NOT_REACHED.has(error.code)) throw new HqError('HQ_E_NEXTFLOW_LATER', { detail: error.message }, { cause: error });
      if (error.code !== 'HQ_E_SERVER_GONE') throw error;
      gone = error;
    }
  }
}

/**
 * Waits for the server's return, because only it knows.
 * @param gone thrown when it stays away
 * @returns the job that the cut submit has made; undefined when it has made none
 */
async function earlierJob(context: Context, labels: Record<string, string>, gone: HqError): Promise<number | undefined> {
  const { io, globals } = context;
  const options = { serverDir: globals.serverDir, env: io.env, io, timeoutMs: RECONNECT_DEFAULT_MS };
  const client = await waitForServer(options).catch((error: unknown) => {
    throw error instanceof HqError && error.code === 'HQ_E_SERVER_TIMEOUT' ? gone : error;
  });
  try {
    return (await client.listJobs({ labels })).at(-1)?.id;
  } finally {
    client.close();
  }
}
