/** `hq job submit-file|validate`: jobs that are described in a file. */
import { HqError } from '../../protocol/errors.ts';
import { submit } from '../../protocol/schema/task.ts';
import type { Context } from '../context.ts';
import { fault, readJobFile } from '../jobfile/read.ts';
import { jobFileWarnings, jobNameOf, submitOf } from '../jobfile/submit.ts';
import { sendSubmit, type WaitFlags } from '../submit/send.ts';

export interface SubmitFileOptions extends WaitFlags {
  readonly job?: number;
  readonly strict?: boolean;
  readonly dryRun?: boolean;
  readonly afterOk?: string[];
}

export async function runSubmitFile(context: Context, [path]: [string], options: SubmitFileOptions): Promise<undefined> {
  const file = await readJobFile(path, context.io.cwd);
  for (const warning of jobFileWarnings(file)) context.warn(warning);
  const { job } = options;
  if (job !== undefined && (file.name !== undefined || file.max_fails !== undefined))
    context.warn(`'name' and 'max_fails' of ${path} are not used: job ${job} has its own`);
  return sendSubmit(context, {
    ...options,
    afterOk: [...(file.after_ok ?? []), ...(options.afterOk ?? [])],
    submit: submitOf(file, { submitDir: context.io.cwd, isNewJob: job === undefined, strict: options.strict === true }),
    header: { name: jobNameOf(file, path), ...(file.max_fails === undefined ? {} : { maxFails: file.max_fails }) },
  });
}

/** Everything that the server would find, too, but what depends on its workers; nothing is sent. */
export async function runValidate(context: Context, [path]: [string]): Promise<undefined> {
  const file = await readJobFile(path, context.io.cwd);
  const { checkSubmit } = await import('../../server/submitCheck.ts');
  const request = submit.parse(submitOf(file, { submitDir: context.io.cwd, isNewJob: true, strict: false }));
  let taskCount: number;
  try {
    taskCount = checkSubmit(request, { jobId: 0, maxTaskId: -1, has: () => false }).ids.length;
  } catch (error) {
    if (!(error instanceof HqError)) throw error;
    throw fault(path, undefined, error.message, error);
  }
  for (const warning of jobFileWarnings(file)) context.warn(warning);
  context.output.done(`${path} is valid: job '${jobNameOf(file, path)}' with ${taskCount} ${taskCount === 1 ? 'task' : 'tasks'}`);
}
