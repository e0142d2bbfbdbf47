/** `hq job cat`: prints the output files of tasks, read by this process from the file system. */
import { createReadStream } from 'node:fs';
import type { HqClient } from '../../client/client.ts';
import { HqError } from '../../protocol/errors.ts';
import type { TaskInfo } from '../../protocol/schema/task.ts';
import { allTasks } from '../allTasks.ts';
import type { Context } from '../context.ts';
import { selectJobs } from '../jobSelection.ts';
import { parseIdList, reportMissing, selectIds } from '../selectors.ts';
import { parseTaskStates } from '../states.ts';

interface CatOptions {
  readonly tasks?: string;
  readonly taskStatus?: string;
  readonly printTaskHeader?: boolean;
}

export async function runCat(context: Context, [selector, channel]: [string, string], options: CatOptions): Promise<undefined> {
  if (context.mode === 'json') throw new HqError('HQ_E_LOG', { detail: "JSON output mode doesn't support the `job cat` command" });
  if (channel !== 'stdout' && channel !== 'stderr')
    throw new HqError('HQ_E_USAGE', { detail: `invalid value '${channel}': stdout or stderr is expected` });
  const ids = options.tasks === undefined ? undefined : parseIdList(options.tasks);
  const states = parseTaskStates(options.taskStatus, '--task-status');
  const client = await context.client();
  for (const job of await selectJobs(context, selector, { client, allowAll: false })) {
    const tasks = new Map((await allTasks(client, job.id, { states, ids: ids?.toString() })).map((task) => [task.id, task]));
    const found = ids === undefined ? { ids: [...tasks.keys()], missing: [], missingCount: 0 } : selectIds(ids, [...tasks.keys()]);
    // With a list of states the others are not missing, only not wanted.
    if (states === undefined) reportMissing(context, found, (task) => new HqError('HQ_E_TASK_NOT_FOUND', { job: job.id, task }));
    const stream = [...tasks.values()].some((task) => task[channel] === '<stream>') ? await streamOf(client, job.id) : null;
    for (const id of found.ids)
      await printTask(context, tasks.get(id) as TaskInfo, { channel, stream, header: options.printTaskHeader === true });
  }
}

/** Where the consolidated log of a job is. */
async function streamOf(client: HqClient, jobId: number): Promise<string | null> {
  const { submits } = await client.jobDetail(jobId);
  return submits.find((submit) => submit.stream !== null)?.stream ?? null;
}

interface PrintOptions {
  readonly channel: 'stdout' | 'stderr';
  readonly stream: string | null;
  readonly header: boolean;
}

async function printTask(context: Context, task: TaskInfo, o: PrintOptions): Promise<void> {
  const path = task[o.channel];
  if (o.header) await context.raw(`# Job ${task.jobId}, task ${task.id}\n`);
  if (task.startedAtMs === null) return context.warn(`Task ${task.id} of job ${task.jobId} has not started: it has no output`);
  if (path === null) return context.warn(`Task ${task.id} of job ${task.jobId} has no ${o.channel}`);
  if (path === '<stream>') {
    const command = `hq output-log ${o.stream ?? 'DIR'} cat ${task.jobId} ${o.channel} --task ${task.id}`;
    return context.fail(
      new HqError('HQ_E_LOG', { detail: `The output of task ${task.id} is in a consolidated log. Read it with: ${command}` }),
    );
  }
  try {
    for await (const piece of createReadStream(path)) await context.raw(piece as Buffer);
  } catch (error) {
    context.io.signal.throwIfAborted();
    context.fail(new HqError('HQ_E_FILE', { path, detail: (error as Error).message }, { cause: error }));
  }
}
