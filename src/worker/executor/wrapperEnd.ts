/**
 * Keeps what a workflow manager believes of a task and what hq says of it the same, for tasks whose command is the manager's own script: the manager
 * reads an exit code that the script leaves in a file. Called by the executor at the start and at the end of such tasks.
 */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import {
  canceledFailure,
  ERROR_FILE,
  EXIT_CODE_FILE,
  exitCodeFor,
  LOG_FILE,
  reasonText,
  type WrapperFailure,
} from '../../common/nextflowWrapper.ts';
import { failureOf } from '../failureText.ts';
import { type HeldTask, outcomeOf, type TaskEnd } from '../heldTask.ts';

const LINE_FEED = 0x0a;

/** Is this task a script that leaves its exit code in a file? */
export function hasWrapper({ body }: HeldTask): boolean {
  return body.wrapper !== undefined;
}

/**
 * Must the script not notice that it is stopped? The manager would take the exit code that it leaves for the end of the task, and begin it anew,
 * while hq does the same.
 */
export function stopsUnnoticed(task: HeldTask): boolean {
  return hasWrapper(task) && (task.stop === 'worker-stop' || task.stop === 'unwanted');
}

/**
 * An earlier instance whose worker was lost may have come to its end before that. The manager has seen its exit code, and other tasks may read its results by
 * now, so it must not run again.
 * @param directory of the task, absolute
 * @returns the end of the task, which then is not started
 */
export function earlierEnd(task: HeldTask, directory: string): TaskEnd | undefined {
  return hasWrapper(task) && task.instance > 0 ? ownEnd(directory) : undefined;
}

/**
 * Leaves the exit code where the script has not, and the reason of an end that it cannot know.
 * @param directory of the task, absolute
 * @param end as it was found
 * @returns the same, or, when the script has ended by itself just before it was stopped, what it has said
 */
export function settleWrapper(task: HeldTask, directory: string, end: TaskEnd): TaskEnd {
  if (!hasWrapper(task)) return end;
  const outcome = outcomeOf(task, end);
  if (outcome === 'stopped') return ownEnd(directory) ?? end;
  if (outcome === 'canceled') leave(directory, canceledFailure(null));
  else if (outcome === 'failed') leave(directory, failureOf(task, end));
  return end;
}

function ownEnd(directory: string): TaskEnd | undefined {
  const code = readExitCode(directory);
  return code === null ? undefined : { kind: 'exit', code, byItself: true };
}

/** @returns null when there is none, or not yet all of it */
function readExitCode(directory: string): number | null {
  try {
    const text = readFileSync(join(directory, EXIT_CODE_FILE), 'utf8').trim();
    return /^\d{1,3}$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}

/** What the script has said itself needs no explanation. */
function leave(directory: string, failure: WrapperFailure): void {
  const missing = readExitCode(directory) === null;
  if (!missing && failure.kind === 'exit') return;
  const log = join(directory, LOG_FILE);
  attempt(() => addReason(join(directory, ERROR_FILE), failure));
  if (existsSync(log)) attempt(() => addReason(log, failure));
  // Last: with it the manager begins to read the others.
  if (missing) attempt(() => writeFileSync(join(directory, EXIT_CODE_FILE), String(exitCodeFor(failure))));
}

/** Where the directory is gone or full, the manager finds that out by itself, if later. */
function attempt(write: () => void): void {
  try {
    write();
  } catch {
    // The end of the task is told to the server all the same.
  }
}

/** A task that was killed may have left half a line, and more than anybody wants to read. */
function addReason(path: string, failure: WrapperFailure): void {
  const file = openSync(path, 'a+');
  try {
    const { size } = fstatSync(file);
    const last = Buffer.alloc(1);
    if (size > 0) readSync(file, last, 0, 1, size - 1);
    writeSync(file, reasonText(failure, size === 0 || last[0] === LINE_FEED));
  } finally {
    closeSync(file);
  }
}
