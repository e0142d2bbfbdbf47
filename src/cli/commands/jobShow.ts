/** `hq job list|summary|info|task-ids`: commands that show jobs. */

import type { HqClient } from '../../client/client.ts';
import { IntArray } from '../../common/intArray.ts';
import { jobState } from '../../protocol/jobState.ts';
import type { TaskInfo } from '../../protocol/schema/task.ts';
import { allTasks } from '../allTasks.ts';
import type { Context } from '../context.ts';
import { selectJobs } from '../jobSelection.ts';
import { sortedIds } from '../output/idText.ts';
import { type JobWithTasks, SHOWN_FAILED_TASKS } from '../output/output.ts';
import { isPlainId, parseSelector } from '../selectors.ts';
import { parseJobStates, parseTaskStates } from '../states.ts';

/** Tasks looked at for the workers of a job in its summary; all of a large job would take seconds. */
const SEEN_TASKS = 10_000;

export async function runList(
  context: Context,
  _args: [],
  options: { all?: boolean; filter?: string; verbose?: boolean },
): Promise<undefined> {
  const states = options.filter === undefined ? undefined : parseJobStates(options.filter);
  const client = await context.client();
  const all = await client.listJobs(options.all === true || states !== undefined || context.mode === 'cli' ? {} : { live: true });
  const isLive = (job: (typeof all)[number]): boolean => job.isOpen || ['WAITING', 'RUNNING'].includes(jobState(job));
  const jobs = states !== undefined ? all.filter((job) => states.has(jobState(job))) : options.all === true ? all : all.filter(isLive);
  context.output.jobs(jobs, {
    total: all.length,
    verbose: options.verbose === true,
    listsAll: options.all === true || states !== undefined,
  });
}

export async function runSummary(context: Context): Promise<undefined> {
  context.output.jobSummary(await (await context.client()).listJobs());
}

export async function runInfo(context: Context, [text]: [string], options: { tasks?: boolean }): Promise<undefined> {
  const client = await context.client();
  const infos = await selectJobs(context, text, { client });
  // Nothing is shown in quiet mode, and a table of one job needs little of its tasks.
  if (context.mode === 'quiet') return;
  const jobs: JobWithTasks[] = [];
  for (const { id } of infos) {
    const isBrief = context.mode === 'cli' && options.tasks !== true;
    jobs.push({ job: await client.jobDetail(id), tasks: isBrief ? await someTasks(client, id) : await allTasks(client, id) });
  }
  const single = isPlainId(parseSelector(text));
  if (jobs.length === 0 && single) return;
  context.output.jobInfos(jobs, { single, listTasks: options.tasks === true });
}

/** What a summary of a job tells about its tasks: the first failed ones, and where the others ran. */
async function someTasks(client: HqClient, jobId: number): Promise<TaskInfo[]> {
  const failed = await client.listTasks(jobId, { states: ['failed'], limit: SHOWN_FAILED_TASKS });
  const others = await client.listTasks(jobId, { states: ['running', 'finished', 'canceled', 'aborted'], limit: SEEN_TASKS });
  return [...failed, ...others];
}

/** Of an unknown job it says so with its exit code in the original, too: scripts go on with what it prints. */
export async function runTaskIds(context: Context, [selector]: [string], options: { filter?: string }): Promise<undefined> {
  const states = parseTaskStates(options.filter);
  const client = await context.client();
  const ids = new Map<number, string>();
  for (const { id } of await selectJobs(context, selector, { client, mustExist: true })) {
    // Without a filter the compressed list is enough: no task is looked at.
    const text =
      states === undefined
        ? sortedIds((await client.jobDetail(id)).taskIds)
        : (await allTasks(client, id, { states })).map((task) => task.id);
    ids.set(id, typeof text === 'string' ? text : IntArray.from(text).toString());
  }
  if (ids.size > 0) context.output.taskIds(ids);
}
