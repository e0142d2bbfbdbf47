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
  readonly header: { readonly name: string; readonly maxFails?: number };
  /** An open job that gets the tasks instead. */
  readonly job?: number | undefined;
  /** Show what would become of it instead. */
  readonly dryRun?: boolean | undefined;
}

/** @throws HqError whatever the server refuses; nothing was submitted then */
export async function sendSubmit(context: Context, o: Sending): Promise<undefined> {
  const client = await context.client();
  if (o.dryRun === true) return showPreview(context, client, o);
  const notes = o.onNotify === undefined ? null : await openNotes(context, client, o as Sending & { onNotify: string });
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

async function openNotes(context: Context, client: HqClient, { wait, progress, onNotify }: WaitFlags & { onNotify: string }) {
  const { NoteRunner, noteCommand } = await import('./noteRunner.ts');
  const words = noteCommand(onNotify);
  if (wait !== true && progress !== true)
    throw new HqError('HQ_E_USAGE', { detail: "the argument '--on-notify' needs '--wait' or '--progress'" });
  return NoteRunner.open(context, client, words);
}

async function showPreview(context: Context, client: HqClient, { submit, header, job }: Sending): Promise<undefined> {
  const seen = await (await import('./dryRun.ts')).dryRun(client, { submit, name: header.name, job });
  for (const warning of seen.preview.warnings) context.warn(warning);
  context.output.preview(seen);
}

function send(client: HqClient, { submit, header, job }: Sending): Promise<Submitted> {
  return job === undefined ? client.createJob({ ...header, submit }) : client.submitTasks(job, submit);
}
