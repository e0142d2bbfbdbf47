/** `hq job wait|progress` */
import { jobState } from '../../protocol/jobState.ts';
import type { Context } from '../context.ts';
import { waitForJobs } from '../jobProgress.ts';
import { selectJobs } from '../jobSelection.ts';

/** Exit code 0 also when tasks have failed, as in the original: a line says so. */
export async function runWait(context: Context, [selector]: [string], options: { withoutClose?: boolean }): Promise<undefined> {
  const client = await context.client();
  const jobs = await selectJobs(context, selector, { client });
  const ended = await waitForJobs(context, client, { jobs, bar: false, untilClosed: options.withoutClose !== true });
  if (ended.length === 0) return;
  const counts = new Map<string, number>();
  for (const job of ended) counts.set(jobState(job), (counts.get(jobState(job)) ?? 0) + 1);
  context.output.done(`Wait finished: ${[...counts].map(([state, count]) => `${count} ${state}`).join(', ')}`);
}

export async function runProgress(context: Context, [selector]: [string]): Promise<undefined> {
  const client = await context.client();
  const jobs = await selectJobs(context, selector, { client });
  await waitForJobs(context, client, { jobs, bar: true, untilClosed: false });
}
