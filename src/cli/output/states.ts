/** Words for states, the same in every mode; scripts parse them. */
import { type JobState, jobState } from '../../protocol/jobState.ts';
import type { JobInfo } from '../../protocol/schema/job.ts';
import type { WorkerInfo } from '../../protocol/schema/worker.ts';
import type { Finding, Level } from '../doctor/finding.ts';

/** The original's order of `job summary`; OPENED comes only when there is one. */
const SUMMARY_ORDER: readonly JobState[] = ['RUNNING', 'WAITING', 'FINISHED', 'FAILED', 'ABORTED', 'CANCELED', 'OPENED'];

/** Number of jobs per state. */
export function stateCounts(jobs: readonly JobInfo[]): [JobState, number][] {
  return SUMMARY_ORDER.map((state) => [state, jobs.filter((job) => jobState(job) === state).length]);
}

/** RUNNING, or why it is gone. A worker whose connection broke still counts as running: its tasks do. */
export function workerState(worker: WorkerInfo): string {
  return worker.state === 'offline' ? (worker.endReason ?? 'CONNECTION LOST') : 'RUNNING';
}

/** How many findings of `doctor` there are of each level. */
export function levelCounts(findings: readonly Finding[]): Record<Level, number> {
  const counts = { ok: 0, warning: 0, problem: 0 };
  for (const { level } of findings) counts[level] += 1;
  return counts;
}
