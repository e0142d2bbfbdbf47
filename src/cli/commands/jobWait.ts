/** `hq job wait|progress` */
import { jobState } from '../../protocol/jobState.ts';
import type { Context } from '../context.ts';
import { waitForJobs } from '../jobProgress.ts';
import { selectJobs } from '../jobSelection.ts';

/** Exit code 0 also when tasks have failed, as in the original: a line says so; with `--fail-on-error` 1. */
export async function runWait(
  context: Context,
  [selector]: [string],
  options: { withoutClose?: boolean; failOnError?: boolean },
): Promise<number | undefined> {
  const client = await context.client();
  const jobs = await selectJobs(context, selector, { client });
  const ended = await waitForJobs(context, client, { jobs, bar: false, untilClosed: options.withoutClose !== true });
  if (ended.length === 0) return undefined;
  const counts = new Map<string, number>();
  for (const job of ended) counts.set(jobState(job), (counts.get(jobState(job)) ?? 0) + 1);
  context.output.done(`Wait finished: ${[...counts].map(([state, count]) => `${count} ${state}`).join(', ')}`);
  const unfinished = ended.filter(({ stats }) => stats.failed + stats.aborted + stats.canceled > 0);
  return options.failOnError === true && unfinished.length > 0 ? 1 : undefined;
}

export async function runProgress(context: Context, [selector]: [string]): Promise<undefined> {
  const client = await context.client();
  const jobs = await selectJobs(context, selector, { client });
  await waitForJobs(context, client, { jobs, bar: true, untilClosed: false });
}
