/**
 * Tells workflow managers of tasks that ended without a worker: never started and no longer wanted, or lost too often. The manager's own script, which would
 * leave an exit code, has not run or is gone. Filled by the recorder, emptied by the turn loop once what it says is committed.
 */
import { appendFile, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ERROR_FILE, EXIT_CODE_FILE, exitCodeFor, reasonText, type WrapperFailure } from '../common/nextflowWrapper.ts';
import { fillPlaceholders } from '../common/placeholders.ts';
import { type SubmitRecord, wireBody } from './specs.ts';

export interface WrapperEnd {
  /** Of the task, absolute. */
  readonly directory: string;
  readonly failure: WrapperFailure;
}

/**
 * @param index of the task in its submit
 * @returns where the manager looks for the end of the task; null for tasks of no manager
 */
export function wrapperDirectory(record: SubmitRecord, index: number, taskId: number): string | null {
  const { tasks, submitDir } = record.submit;
  const wrapper = tasks.kind === 'array' ? tasks.spec.wrapper : (tasks.tasks[index]?.wrapper ?? tasks.shared.wrapper);
  if (wrapper === undefined) return null;
  return resolve(submitDir, fillPlaceholders(wireBody(record, index).cwd, { TASK_ID: String(taskId) }));
}

/** One after the other, so that a slow file system has one request at a time from here. What cannot be written is left to the manager's patience. */
export async function leaveExitCodes(ends: readonly WrapperEnd[]): Promise<void> {
  for (const end of ends) await leave(end).catch(() => {});
}

/** An exit code that is there is the script's own. */
async function leave({ directory, failure }: WrapperEnd): Promise<void> {
  const path = join(directory, EXIT_CODE_FILE);
  if (await exists(path)) return;
  const errors = join(directory, ERROR_FILE);
  await appendFile(errors, reasonText(failure, !(await exists(errors))));
  await writeFile(path, String(exitCodeFor(failure)), { flag: 'wx' });
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
