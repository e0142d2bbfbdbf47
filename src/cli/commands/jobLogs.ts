/** `hq job logs`: what the tasks of a job have printed, or print, wherever it went. */
import { HqError } from '../../protocol/errors.ts';
import { allTasks } from '../allTasks.ts';
import type { Context } from '../context.ts';
import { selectOneJob } from '../jobSelection.ts';
import { parseIdList, reportMissing, selectIds } from '../selectors.ts';
import { CHANNELS, type Channel, followLogs, printLogs, taskHeader } from '../taskLogs.ts';

export interface LogsOptions {
  readonly follow?: boolean;
  readonly channel?: Channel;
}

export async function runLogs(context: Context, [text]: [string], options: LogsOptions): Promise<undefined> {
  if (context.mode === 'json') throw new HqError('HQ_E_LOG', { detail: "JSON output mode doesn't support the `job logs` command" });
  const dot = text.indexOf('.');
  const ids = dot < 0 ? undefined : parseIdList(text.slice(dot + 1));
  const client = await context.client();
  const jobId = await selectOneJob(dot < 0 ? text : text.slice(0, dot), client);
  const tasks = await allTasks(client, jobId, { ids: ids?.toString() });
  if (ids !== undefined) {
    const known = tasks.map(({ id }) => id);
    reportMissing(context, selectIds(ids, known), (task) => new HqError('HQ_E_TASK_NOT_FOUND', { job: jobId, task }));
  }
  const early = tasks.filter(({ startedAtMs }) => startedAtMs === null).length;
  if (early > 0 && options.follow !== true) context.warn(`${early} of ${tasks.length} tasks have not started: they have no output`);
  const channels = options.channel === undefined ? CHANNELS : [options.channel];
  const several = tasks.length > 1;
  if (options.follow === true) await followLogs(context, client, { tasks, channels, prefix: several });
  else await printLogs(context, client, { tasks, channels, header: several ? taskHeader : null });
}
