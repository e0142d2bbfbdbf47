/**
 * Turns a task into what the launcher needs: placeholders resolved, paths absolute, environment complete. Pure; called by the executor.
 */
import { resolve } from 'node:path';
import { fillPlaceholders } from '../../common/placeholders.ts';
import type { WireBody } from '../../protocol/messages/worker.ts';
import type { StdioSpec } from '../../protocol/schema/task.ts';
import type { HeldTask } from '../heldTask.ts';

/** Where a task runs and prints. `undefined`: the channel goes to the job's stream; null: nowhere. */
export interface TaskPaths {
  readonly cwd: string;
  readonly stdout: string | null | undefined;
  readonly stderr: string | null | undefined;
}

/** @returns absolute paths; relative ones of stdout and stderr start at the working directory */
export function taskPaths(task: HeldTask): TaskPaths {
  const { body } = task;
  const cwd = resolve(body.submitDir, fill(body.cwd, task, undefined));
  return { cwd, stdout: channelPath(body.stdout, task, cwd), stderr: channelPath(body.stderr, task, cwd) };
}

/** True when something of the task goes to the job's stream. */
export function isStreamed(body: WireBody): boolean {
  return body.stream !== null && (body.stdout === undefined || body.stderr === undefined);
}

/** Files that are to be removed because the task has finished. */
export function filesToRemove(task: HeldTask, paths: TaskPaths): string[] {
  const { stdout, stderr } = task.body;
  const files = new Set<string>();
  if (stdout?.onClose === 'rm-if-finished' && typeof paths.stdout === 'string') files.add(paths.stdout);
  if (stderr?.onClose === 'rm-if-finished' && typeof paths.stderr === 'string') files.add(paths.stderr);
  return [...files];
}

function channelPath(spec: StdioSpec | undefined, task: HeldTask, cwd: string): string | null | undefined {
  return spec === null || spec === undefined ? spec : resolve(cwd, fill(spec.path, task, cwd));
}

/** The server has resolved what is the same for all tasks of a job; unknown names stay as they are. */
function fill(text: string, task: HeldTask, cwd: string | undefined): string {
  if (!text.includes('%{')) return text;
  const values = { TASK_ID: String(task.task), INSTANCE_ID: String(task.instance) };
  return fillPlaceholders(text, cwd === undefined ? values : { ...values, CWD: cwd });
}
