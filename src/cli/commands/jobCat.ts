/** `hq job cat`: prints the output files of tasks, read by this process from the file system. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { HqError } from '../../protocol/errors.ts';
import type { TaskInfo } from '../../protocol/schema/task.ts';
import type { Context } from '../context.ts';
import { selectJobs } from '../jobSelection.ts';
import { parseIdList } from '../selectors.ts';
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
  const states = parseTaskStates(options.taskStatus);
  const client = await context.client();
  for (const job of await selectJobs(context, selector, { client, allowAll: false })) {
    const query = { ...(ids === undefined ? {} : { ids: ids.toString() }), ...(states === undefined ? {} : { states }) };
    const tasks = new Map((await client.listTasks(job.id, query)).map((task) => [task.id, task]));
    for (const id of ids ?? tasks.keys()) {
      const task = tasks.get(id);
      if (task !== undefined) await printTask(context, task, { channel, header: options.printTaskHeader === true });
      else if (states === undefined) context.fail(new HqError('HQ_E_TASK_NOT_FOUND', { job: job.id, task: id }));
    }
  }
}

async function printTask(context: Context, task: TaskInfo, o: { channel: 'stdout' | 'stderr'; header: boolean }): Promise<void> {
  const path = task[o.channel];
  if (o.header) context.io.stdout.write(`# Job ${task.jobId}, task ${task.id}\n`);
  if (task.startedAtMs === null) return context.warn(`Task ${task.id} has not started: it has no output`);
  if (path === null) return context.warn(`Task ${task.id} has no ${o.channel}`);
  if (path === '<stream>') {
    return context.fail(
      new HqError('HQ_E_LOG', { detail: `the output of task ${task.id} is in a consolidated log: read it with hq output-log` }),
    );
  }
  try {
    await pipeline(createReadStream(path), context.io.stdout, { end: false });
  } catch (error) {
    context.fail(new HqError('HQ_E_FILE', { path, detail: (error as Error).message }, { cause: error }));
  }
}
