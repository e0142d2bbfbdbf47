/** The crash limit of a task as a column holds it. */
import type { CrashLimit } from '../../protocol/schema/task.ts';
import { CRASH_NEVER_RESTART, CRASH_UNLIMITED } from '../taskTable.ts';

/** @returns the number of the `crashLimit` column */
export function crashLimitColumn(limit: CrashLimit): number {
  if (limit === 'never-restart') return CRASH_NEVER_RESTART;
  if (limit === 'unlimited') return CRASH_UNLIMITED;
  return Math.min(limit, CRASH_UNLIMITED - 1);
}
