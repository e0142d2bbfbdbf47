/** `--dry-run`: asks the server what it would do with a submit, and completes the tasks as it would. Loaded only for that. */
import type { HqClient } from '../../client/client.ts';
import type { SubmitInput, TaskSpec } from '../../protocol/schema/task.ts';
import { submit as submitSchema, taskSpec } from '../../protocol/schema/task.ts';
import type { Preview } from '../output/previewText.ts';

/**
 * @param o.job an open job that would get the tasks
 * @throws HqError whatever the server would refuse
 */
export async function dryRun(client: HqClient, o: { submit: SubmitInput; name: string; job?: number | undefined }): Promise<Preview> {
  const preview = await client.previewSubmit({ submit: o.submit, ...(o.job === undefined ? {} : { jobId: o.job }) });
  const { tasks, submitDir, stream = null } = submitSchema.parse(o.submit);
  const base = { name: o.job === undefined ? o.name : null, submitDir, stream, preview };
  if (tasks.kind === 'array') return { ...base, kind: 'array', specs: [tasks.spec], deps: [] };
  const specs = tasks.tasks.map(({ id: _id, deps: _deps, ...patch }): TaskSpec => taskSpec.parse(patch));
  return { ...base, kind: 'graph', specs, deps: tasks.tasks.map(({ deps }) => deps ?? []) };
}
