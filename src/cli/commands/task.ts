/** `hq task list|info|explain`: commands that show tasks. */
import { HqError } from '../../protocol/errors.ts';
import type { TaskInfo } from '../../protocol/schema/task.ts';
import { allTasks } from '../allTasks.ts';
import type { Context } from '../context.ts';
import { selectJobs, selectOneJob } from '../jobSelection.ts';
import { parseIdList } from '../selectors.ts';
import { parseTaskStates } from '../states.ts';

export interface ListOptions {
  readonly tasks?: string;
  readonly taskStatus?: string;
  readonly filter?: string;
  readonly printLogs?: boolean;
  readonly verbose?: boolean;
}

export async function runList(context: Context, [selector]: [string], options: ListOptions): Promise<undefined> {
  if (context.mode === 'json' && options.printLogs === true)
    throw new HqError('HQ_E_LOG', { detail: "JSON output mode doesn't support `task list --print-logs`" });
  const states = parseTaskStates(options.taskStatus ?? options.filter, options.taskStatus === undefined ? '--filter' : '--task-status');
  const ids = options.tasks === undefined ? undefined : parseIdList(options.tasks).toString();
  const client = await context.client();
  const lists = new Map<number, TaskInfo[]>();
  for (const { id } of await selectJobs(context, selector, { client, allowAll: false })) {
    lists.set(id, await allTasks(client, id, { states, ids }));
  }
  if (lists.size > 0) context.output.taskLists(lists, { verbose: options.verbose === true });
  if (options.printLogs !== true) return;
  const { CHANNELS, printLogs, taskHeader } = await import('../taskLogs.ts');
  await printLogs(context, client, { tasks: [...lists.values()].flat(), channels: CHANNELS, header: taskHeader });
}

export async function runInfo(context: Context, [job, tasks]: [string, string], options: { verbose?: boolean }): Promise<undefined> {
  const ids = parseIdList(tasks);
  const client = await context.client();
  const jobId = await selectOneJob(job, client);
  const details = [];
  for (const id of ids) details.push(await client.taskDetail(jobId, id));
  context.output.taskDetails(details, { verbose: options.verbose === true });
}

export async function runExplain(context: Context, [job, task]: [string, number]): Promise<undefined> {
  const client = await context.client();
  context.output.explanation(await client.explainTask(await selectOneJob(job, client), task));
}
