/** How large a task is on the wire: one that no worker would accept is refused at submit. Pure; called by the check of submits. */
import { HqError } from '../protocol/errors.ts';
import { FRAME_LIMIT_BYTES } from '../protocol/messages/worker.ts';
import type { Submit, TaskPatch } from '../protocol/schema/task.ts';

/** Half a frame: the other half is for what is not counted here (headers of strings, paths, the request). */
export const MAX_TASK_BYTES: number = FRAME_LIMIT_BYTES / 2;

/** @throws HqError HQ_E_REQUEST for a task whose command, variables, entry and input take more than 16 MiB together */
export function refuseLargeTasks({ tasks }: Submit): void {
  if (tasks.kind === 'array') {
    const entry = (tasks.entries ?? []).reduce((most, text) => Math.max(most, text.length), 0);
    // At most three bytes for each unit of a string.
    return refuseAbove(sizeOf(tasks.spec) + 3 * entry);
  }
  const shared = sizeOf(tasks.shared);
  for (const task of tasks.tasks) refuseAbove(shared + sizeOf(task));
}

function refuseAbove(bytes: number): void {
  if (bytes <= MAX_TASK_BYTES) return;
  const detail = `one task takes ${Math.ceil(bytes / 2 ** 20)} MiB, more than ${MAX_TASK_BYTES / 2 ** 20} MiB; let it read its input from a file`;
  throw new HqError('HQ_E_REQUEST', { detail });
}

function sizeOf({ command, env, stdin }: TaskPatch): number {
  let units = 0;
  for (const word of command ?? []) units += word.length;
  for (const [name, value] of Object.entries(env ?? {})) units += name.length + value.length;
  return 3 * units + (stdin?.length ?? 0);
}
