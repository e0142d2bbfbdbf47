/** State lists of filters: `failed,canceled`. */
import { HqError } from '../protocol/errors.ts';
import type { JobState } from '../protocol/schema/job.ts';
import type { TaskState } from '../protocol/schema/task.ts';

const TASK_STATES: readonly TaskState[] = ['waiting', 'running', 'finished', 'failed', 'canceled', 'aborted'];
const JOB_WORDS = [...TASK_STATES, 'opened'] as const;

/** @param flag of the option with the list @throws HqError HQ_E_USAGE */
export function parseTaskStates(text: string | undefined, flag = '--filter'): TaskState[] | undefined {
  return text === undefined ? undefined : parseWords(text, TASK_STATES, flag);
}

/** @throws HqError HQ_E_USAGE */
export function parseJobStates(text: string): Set<JobState> {
  return new Set(parseWords(text, JOB_WORDS, '--filter').map((word) => word.toUpperCase() as JobState));
}

function parseWords<T extends string>(text: string, known: readonly T[], flag: string): T[] {
  return text.split(',').map((word) => {
    const found = known.find((candidate) => candidate === word.trim().toLowerCase());
    if (found === undefined)
      throw new HqError('HQ_E_USAGE', { detail: `invalid value '${word}' for '${flag}': a list of ${known.join(', ')} is expected` });
    return found;
  });
}
