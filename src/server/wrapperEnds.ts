/**
 * Tells workflow managers of tasks that ended without a worker: never started and no longer wanted, or lost too often. The manager's own script, which would
 * leave an exit code, has not run or is gone. Collected by the recorder, handed over by the turn loop once the ends are committed.
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

/** Leaves exit codes one after the other, also those of several turns, so that a slow file system has one request at a time from here. */
export class ExitCodes {
  private readonly log: (line: string) => void;
  private last: Promise<void> = Promise.resolve();

  /** @param log is told what could not be written: the manager then finds out by itself, after minutes */
  constructor(log: (line: string) => void) {
    this.log = log;
  }

  leave(ends: readonly WrapperEnd[]): void {
    for (const end of ends) {
      this.last = this.last
        .then(() => leave(end))
        .catch((error: Error) => this.log(`the exit code of a task that did not run could not be left: ${error.message}`));
    }
  }
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
