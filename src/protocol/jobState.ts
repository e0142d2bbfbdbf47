/** The state of a job out of its counts. Apart from the schema of jobs, so that a short command does not load zod. */
import type { JobInfo } from './schema/job.ts';

/** HyperQueue's job states, first match wins. */
export type JobState = 'RUNNING' | 'WAITING' | 'FAILED' | 'ABORTED' | 'CANCELED' | 'OPENED' | 'FINISHED';

/** HyperQueue's rule: running, waiting, failed, aborted, canceled, open, finished. */
export function jobState(job: Pick<JobInfo, 'stats' | 'isOpen'>): JobState {
  const { stats } = job;
  if (stats.running > 0) return 'RUNNING';
  if (stats.waiting > 0) return 'WAITING';
  if (stats.failed > 0) return 'FAILED';
  if (stats.aborted > 0) return 'ABORTED';
  if (stats.canceled > 0) return 'CANCELED';
  return job.isOpen ? 'OPENED' : 'FINISHED';
}
