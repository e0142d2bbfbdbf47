/** What a submit waits for, as the API takes it: `--after-ok` and `after_ok` of job files. */
import type { HqClient } from '../../client/client.ts';
import { parseAfterOk } from '../../common/afterOkText.ts';
import { HqError } from '../../protocol/errors.ts';
import type { AfterOk } from '../../protocol/schema/task.ts';
import { selectOneJob } from '../jobSelection.ts';

/**
 * @param typed each `JOB` or `JOB.TASKS`
 * @param client asked only for `last`
 * @throws HqError HQ_E_USAGE, HQ_E_NOTHING_SELECTED
 */
export async function afterOkOf(typed: readonly string[], client: HqClient): Promise<AfterOk[]> {
  const found: AfterOk[] = [];
  for (const text of typed) {
    const parsed = parseAfterOk(text);
    if (typeof parsed === 'string') throw new HqError('HQ_E_USAGE', { detail: `invalid value for '--after-ok': ${parsed}` });
    const job = parsed.job === 'last' ? await selectOneJob('last', client) : parsed.job;
    found.push({ job, ...(parsed.tasks === undefined ? {} : { tasks: parsed.tasks }) });
  }
  return found;
}
