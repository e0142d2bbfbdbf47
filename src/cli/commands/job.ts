/** `hq job cancel|close|open|forget`: commands that change jobs. */
import { type JobState, jobState } from '../../protocol/jobState.ts';
import type { JobInfo } from '../../protocol/schema/job.ts';
import type { Context } from '../context.ts';
import { selectJobs } from '../jobSelection.ts';
import { parseJobStates } from '../states.ts';

const ENDED: ReadonlySet<JobState> = new Set<JobState>(['FINISHED', 'FAILED', 'ABORTED', 'CANCELED']);

export async function runCancel(context: Context, [selector]: [string], options: { reason?: string }): Promise<undefined> {
  const client = await context.client();
  const isActive = (job: JobInfo): boolean => ['WAITING', 'RUNNING'].includes(jobState(job));
  const jobs = await selectJobs(context, selector, { client, allows: isActive });
  const sentences = new Map<number, string>();
  try {
    // Newest first: what runs is of the older ones as a rule, and its end must not start what is canceled next.
    for (const { id } of [...jobs].sort((a, b) => b.id - a.id)) {
      const { canceled, alreadyDone } = await client.cancel(id, options.reason === undefined ? {} : { reason: options.reason });
      sentences.set(id, `Job ${id} canceled (${canceled} tasks canceled, ${alreadyDone} tasks already finished)`);
    }
  } finally {
    for (const { id } of jobs) {
      const sentence = sentences.get(id);
      if (sentence !== undefined) context.output.done(sentence);
    }
  }
}

export async function runClose(context: Context, [selector]: [string]): Promise<undefined> {
  const client = await context.client();
  for (const job of await selectJobs(context, selector, { client, allows: (candidate) => candidate.isOpen })) {
    await client.closeJob(job.id);
    context.output.done(`Job ${job.id} closed`);
  }
}

export async function runOpen(context: Context, _args: [], options: { name?: string; maxFails?: number }): Promise<undefined> {
  const { jobId } = await (await context.client()).createJob({
    name: options.name ?? 'job',
    open: true,
    ...(options.maxFails === undefined ? {} : { maxFails: options.maxFails }),
  });
  context.output.opened(jobId, { sentence: context.compat.jobOpenSentence });
}

export async function runForget(context: Context, [selector]: [string], options: { filter?: string }): Promise<undefined> {
  const states = options.filter === undefined ? ENDED : parseJobStates(options.filter);
  const client = await context.client();
  const jobs = await selectJobs(context, selector, { client, allows: (job) => states.has(jobState(job)) });
  let forgotten = 0;
  for (const job of jobs) {
    if (job.isOpen || !states.has(jobState(job)) || !ENDED.has(jobState(job))) continue;
    await client.forgetJob(job.id);
    forgotten += 1;
  }
  const ignored = jobs.length - forgotten;
  context.output.done(
    `${forgotten} jobs were forgotten${ignored === 0 ? '' : `, ${ignored} were ignored due to wrong state or invalid ID`}`,
  );
}
