/** Resolves a selector of jobs against the server. */
import type { HqClient } from '../client/client.ts';
import { HqError } from '../protocol/errors.ts';
import type { JobInfo } from '../protocol/schema/job.ts';
import type { Context } from './context.ts';
import { parseSelector, reportMissing, select } from './selectors.ts';

/**
 * @param o.allows which jobs `all` means; default: every one
 * @param o.mustExist an unknown id ends with 1 also where the original's other commands end with 0
 * @returns the jobs in rising order; unknown ids are reported and missing
 * @throws HqError HQ_E_USAGE, HQ_E_NOTHING_SELECTED
 */
export async function selectJobs(
  context: Context,
  text: string,
  o: { client: HqClient; allows?: (job: JobInfo) => boolean; allowAll?: boolean; mustExist?: boolean },
): Promise<JobInfo[]> {
  const selector = parseSelector(text, o.allowAll ?? true);
  const filter = selector.kind === 'ids' ? { ids: selector.ids.toString() } : {};
  const jobs = await o.client.listJobs(filter);
  const selected = select(selector, ids(jobs), 'job');
  reportMissing(context, selected, (job) => new HqError('HQ_E_JOB_NOT_FOUND', { job }), o.mustExist);
  const wanted = new Set(selected.ids);
  return jobs.filter((job) => wanted.has(job.id) && (selector.kind !== 'all' || o.allows === undefined || o.allows(job)));
}

/** @throws HqError HQ_E_USAGE, HQ_E_NOTHING_SELECTED, HQ_E_JOB_NOT_FOUND */
export async function selectOneJob(text: string, client: HqClient): Promise<number> {
  const selector = parseSelector(text, false);
  if (selector.kind === 'ids') {
    if (selector.ids.length !== 1)
      throw new HqError('HQ_E_USAGE', { detail: `invalid value '${text}': one job id or \`last\` is expected` });
    return selector.ids.at(0) as number;
  }
  const last = (await client.listJobs()).at(-1);
  if (last === undefined) throw new HqError('HQ_E_NOTHING_SELECTED', { what: 'job' });
  return last.id;
}

function ids(jobs: readonly JobInfo[]): number[] {
  return jobs.map((job) => job.id);
}
