/** State lists of filters: `failed,canceled`. */
import { HqError } from '../protocol/errors.ts';
import type { JobState } from '../protocol/schema/job.ts';
import type { TaskState } from '../protocol/schema/task.ts';

const TASK_STATES: readonly TaskState[] = ['waiting', 'running', 'finished', 'failed', 'canceled', 'aborted'];
const JOB_WORDS = [...TASK_STATES, 'opened'] as const;

/** @throws HqError HQ_E_USAGE */
export function parseTaskStates(text: string | undefined): TaskState[] | undefined {
  return text === undefined ? undefined : parseWords(text, TASK_STATES);
}

/** @throws HqError HQ_E_USAGE */
export function parseJobStates(text: string): Set<JobState> {
  return new Set(parseWords(text, JOB_WORDS).map((word) => word.toUpperCase() as JobState));
}

function parseWords<T extends string>(text: string, known: readonly T[]): T[] {
  return text.split(',').map((word) => {
    const found = known.find((candidate) => candidate === word.trim().toLowerCase());
    if (found === undefined)
      throw new HqError('HQ_E_USAGE', { detail: `invalid value '${word}': a list of ${known.join(', ')} is expected` });
    return found;
  });
}
