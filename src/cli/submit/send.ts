/** The end of every submit: to the server, into a job of its own or an open one; what it says is shown, and waited for if asked. */
import type { HqClient } from '../../client/client.ts';
import { HqError } from '../../protocol/errors.ts';
import type { Submitted } from '../../protocol/schema/job.ts';
import type { SubmitInput } from '../../protocol/schema/task.ts';
import type { Context } from '../context.ts';

/** What may be asked of a submit beside its tasks. */
export interface WaitFlags {
  readonly wait?: boolean | undefined;
  readonly progress?: boolean | undefined;
  /** As typed; needs one of the others. */
  readonly onNotify?: string | undefined;
}

export interface Sending extends WaitFlags {
  readonly submit: SubmitInput;
  /** Of the job that is made. */
  readonly header: { readonly name: string; readonly maxFails?: number; readonly labels?: Record<string, string> };
  /** An open job that gets the tasks instead. */
  readonly job?: number | undefined;
  /** What must finish first, each `JOB` or `JOB.TASKS`. */
  readonly afterOk?: readonly string[] | undefined;
  /** Show what would become of it instead. */
  readonly dryRun?: boolean | undefined;
}

/** @throws HqError whatever the server refuses; nothing was submitted then */
export async function sendSubmit(context: Context, given: Sending): Promise<undefined> {
  const words = await noteWords(given);
  const client = await context.client();
  const o = await withAfterOk(client, given);
  if (o.dryRun === true) return showPreview(context, client, o);
  const notes = words === null ? null : await (await import('./noteRunner.ts')).NoteRunner.open(context, client, words);
  try {
    const { jobId, warnings } = await send(client, o);
    for (const warning of warnings) context.warn(warning);
    context.output.submitted(jobId);
    if (o.wait !== true && o.progress !== true) return;
    notes?.follow(jobId);
    const { waitForJobs } = await import('../jobProgress.ts');
    const jobs = await client.listJobs({ ids: String(jobId) });
    await waitForJobs(context, client, { jobs, bar: o.progress === true, untilClosed: false });
    await notes?.finish(jobId);
  } finally {
    await notes?.close();
  }
}

/** @returns the program for messages and its arguments @throws HqError HQ_E_USAGE when there is none, or nobody would wait for any */
async function noteWords({ wait, progress, onNotify }: WaitFlags): Promise<string[] | null> {
  if (onNotify === undefined) return null;
  const words = (await import('./noteRunner.ts')).noteCommand(onNotify);
  if (wait !== true && progress !== true)
    throw new HqError('HQ_E_USAGE', { detail: "the argument '--on-notify' needs '--wait' or '--progress'" });
  return words;
}

/** Loaded only where something is waited for: short submits start quickly. */
async function withAfterOk(client: HqClient, o: Sending): Promise<Sending> {
  if (o.afterOk === undefined || o.afterOk.length === 0) return o;
  const { afterOkOf } = await import('./afterOk.ts');
  return { ...o, submit: { ...o.submit, afterOk: await afterOkOf(o.afterOk, client) } };
}

async function showPreview(context: Context, client: HqClient, { submit, header, job }: Sending): Promise<undefined> {
  const seen = await (await import('./dryRun.ts')).dryRun(client, { submit, name: header.name, job });
  for (const warning of seen.preview.warnings) context.warn(warning);
  context.output.preview(seen);
}

function send(client: HqClient, { submit, header, job }: Sending): Promise<Submitted> {
  return job === undefined ? client.createJob({ ...header, submit }) : client.submitTasks(job, submit);
}
