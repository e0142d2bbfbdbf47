/**
 * Small integers that the database keeps in place of words. Written and read by the journal only. A number is never given to another
 * word: databases outlive versions.
 */
import type { FailureKind } from '../../protocol/schema/task.ts';
import type { TaskRow } from './types.ts';

/** Below `finished` the attempt has not ended; the order is used in SQL. */
export const STATE_CODE = {
  waiting: 0,
  assigned: 1,
  running: 2,
  finished: 3,
  failed: 4,
  canceled: 5,
  aborted: 6,
} as const satisfies Record<TaskRow['state'], number>;

export const FAILURE_CODE = {
  exit: 0,
  signal: 1,
  'time-limit': 2,
  'memory-limit': 3,
  spawn: 4,
  log: 5,
  'worker-lost': 6,
  canceled: 7,
  internal: 8,
} as const satisfies Record<FailureKind, number>;

const STATES = Object.keys(STATE_CODE) as TaskRow['state'][];
const FAILURES = Object.keys(FAILURE_CODE) as FailureKind[];

/** @throws Error for a number that this version does not know */
export function stateOf(code: number): TaskRow['state'] {
  return known(STATES[code], 'task state', code);
}

/** @throws Error for a number that this version does not know */
export function failureOf(code: number): FailureKind {
  return known(FAILURES[code], 'kind of failure', code);
}

function known<T>(word: T | undefined, what: string, code: number): T {
  if (word === undefined) throw new Error(`${code} is no known ${what}`);
  return word;
}
