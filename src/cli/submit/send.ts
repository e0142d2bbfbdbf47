/** The end of every submit: to the server, into a job of its own or an open one; what it says is shown, and waited for if asked. */
import type { HqClient } from '../../client/client.ts';
import type { Submitted } from '../../protocol/schema/job.ts';
import type { SubmitInput } from '../../protocol/schema/task.ts';
import type { Context } from '../context.ts';

export interface Sending {
  readonly submit: SubmitInput;
  /** Of the job that is made. */
  readonly header: { readonly name: string; readonly maxFails?: number };
  /** An open job that gets the tasks instead. */
  readonly job?: number | undefined;
  /** Show what would become of it instead. */
  readonly dryRun?: boolean | undefined;
  readonly wait?: boolean | undefined;
  readonly progress?: boolean | undefined;
}

/** @throws HqError whatever the server refuses; nothing was submitted then */
export async function sendSubmit(context: Context, o: Sending): Promise<undefined> {
  const client = await context.client();
  if (o.dryRun === true) {
    const seen = await (await import('./dryRun.ts')).dryRun(client, { submit: o.submit, name: o.header.name, job: o.job });
    for (const warning of seen.preview.warnings) context.warn(warning);
    context.output.preview(seen);
    return;
  }
  const submitted = await send(client, o);
  for (const warning of submitted.warnings) context.warn(warning);
  context.output.submitted(submitted.jobId);
  if (o.wait !== true && o.progress !== true) return;
  const { waitForJobs } = await import('../jobProgress.ts');
  const jobs = await client.listJobs({ ids: String(submitted.jobId) });
  await waitForJobs(context, client, { jobs, bar: o.progress === true, untilClosed: false });
}

function send(client: HqClient, { submit, header, job }: Sending): Promise<Submitted> {
  return job === undefined ? client.createJob({ ...header, submit }) : client.submitTasks(job, submit);
}
