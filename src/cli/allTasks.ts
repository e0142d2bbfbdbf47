/** Lists the tasks of a job page by page: an answer of the API has a largest size, a job has none. */
import type { HqClient } from '../client/client.ts';
import type { TaskInfo, TaskState } from '../protocol/schema/task.ts';

/** Small enough that a page is read and shown before it is a burden, large enough that most jobs are one page. */
const PAGE_TASKS = 20_000;

export interface TaskFilter {
  /** Like `1-10,20`. */
  readonly ids?: string | undefined;
  readonly states?: readonly TaskState[] | undefined;
}

/**
 * @param o.pageTasks tasks per request
 * @returns every selected task, by rising id
 * @throws HqError HQ_E_JOB_NOT_FOUND
 */
export async function allTasks(client: HqClient, jobId: number, o: TaskFilter & { pageTasks?: number } = {}): Promise<TaskInfo[]> {
  const limit = o.pageTasks ?? PAGE_TASKS;
  const tasks: TaskInfo[] = [];
  for (;;) {
    const after = tasks.at(-1)?.id;
    const page = await client.listTasks(jobId, {
      limit,
      ...(o.ids === undefined ? {} : { ids: o.ids }),
      ...(o.states === undefined ? {} : { states: o.states }),
      ...(after === undefined ? {} : { after }),
    });
    tasks.push(...page);
    if (page.length < limit) return tasks;
  }
}
