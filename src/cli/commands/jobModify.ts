/** `hq job modify`: priority and limits of tasks that have not ended. */
import { HqError } from '../../protocol/errors.ts';
import type { JobInfo, ModifyRequest } from '../../protocol/schema/job.ts';
import type { Context } from '../context.ts';
import { selectJobs } from '../jobSelection.ts';
import { noneAsNull } from '../options.ts';
import { parseIdList } from '../selectors.ts';
import { crashLimitOf } from '../submit/spec.ts';

/** As commander delivers them; durations in milliseconds. */
interface ModifyOptions {
  readonly tasks?: string;
  readonly priority?: number;
  readonly timeLimit?: number | 'none';
  readonly crashLimit?: string;
  readonly maxRetries?: number;
  readonly maxFails?: number | 'none';
}

export async function runModify(context: Context, [selector]: [string], options: ModifyOptions): Promise<undefined> {
  const request = requestOf(options);
  const client = await context.client();
  const isUnfinished = ({ isOpen, stats }: JobInfo): boolean => isOpen || stats.waiting + stats.running > 0;
  for (const { id } of await selectJobs(context, selector, { client, allows: isUnfinished })) {
    const { modified, withWorker } = await client.modifyJob(id, request);
    const later = withWorker === 0 ? '' : `, ${withWorker} of them with their next attempt, because a worker has them`;
    context.output.done(`Job ${id} modified (${modified} ${modified === 1 ? 'task' : 'tasks'}${later})`);
  }
}

function requestOf({ tasks, crashLimit, ...options }: ModifyOptions): ModifyRequest {
  const { timeLimit, ...rest } = noneAsNull(options);
  const change = {
    ...rest,
    ...(timeLimit === undefined ? {} : { timeLimitMs: timeLimit }),
    ...(crashLimit === undefined ? {} : { crashLimit: crashLimitOf(crashLimit) }),
  };
  const { maxFails: _ofJob, ...ofTasks } = change;
  if (Object.keys(change).length === 0)
    throw new HqError('HQ_E_USAGE', {
      detail: 'there is nothing to change: give --priority, --time-limit, --crash-limit, --max-retries or --max-fails',
    });
  if (tasks !== undefined && Object.keys(ofTasks).length === 0)
    throw new HqError('HQ_E_USAGE', { detail: "the argument '--max-fails' is of the whole job and cannot be used with '--tasks' alone" });
  return { ...change, ...(tasks === undefined ? {} : { taskIds: parseIdList(tasks).toString() }) };
}
