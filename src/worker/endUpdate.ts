/** The end of a task that ran, as the server hears of it. Used by the worker's state. */
import { assertNever } from '../common/assert.ts';
import { type TaskUpdate, UPDATE_CANCELED, UPDATE_FAILED, UPDATE_FINISHED, UPDATE_STOPPED } from '../protocol/messages/worker.ts';
import { failureOf } from './failureText.ts';
import type { TaskOutcome } from './heldTask.ts';
import type { TaskEnded } from './stateEvents.ts';

/** @param outcome of a task that the server still wants */
export function endUpdate(outcome: Exclude<TaskOutcome, 'unwanted'>, { task, end, usage, atMs }: TaskEnded): TaskUpdate {
  const { job, task: id, instance } = task;
  switch (outcome) {
    case 'finished':
      return [UPDATE_FINISHED, job, id, instance, atMs, usage];
    case 'failed':
      return [UPDATE_FAILED, job, id, instance, atMs, usage, failureOf(task, end)];
    case 'canceled':
      return [UPDATE_CANCELED, job, id, instance, atMs];
    case 'stopped':
      return [UPDATE_STOPPED, job, id, instance, atMs];
    default:
      return assertNever(outcome, 'outcome');
  }
}
