/** Waiting for jobs on the event stream, with or without a progress bar. Used by `submit --wait|--progress`, `job wait` and `job progress`. */
import type { HqClient } from '../client/client.ts';
import { HqError } from '../protocol/errors.ts';
import type { JobInfo, TaskStats } from '../protocol/schema/job.ts';
import type { Context } from './context.ts';
import { makeProgress, type Progress } from './progress.ts';

export interface WaitOptions {
  readonly ids: readonly number[];
  /** Draw progress on stderr. */
  readonly bar: boolean;
  /** Wait for open jobs until they are closed; false: until they have no unfinished task. */
  readonly untilClosed: boolean;
}

/** Events after which the state of a job may have changed for good, or its progress. */
const TYPES = ['job-completed', 'job-idle', 'job-closed', 'job-forgotten', 'tasks-submitted'] as const;
const PROGRESS_TYPES = [
  ...TYPES,
  'task-started',
  'task-finished',
  'task-failed',
  'task-restarted',
  'tasks-canceled',
  'tasks-aborted',
] as const;

/**
 * Returns when every job has ended. The events tell that something has changed, the jobs' own counts tell what, so nothing is counted twice.
 * @throws HqError HQ_E_SERVER_GONE and others when the server stays away
 */
export async function waitForJobs(context: Context, client: HqClient, o: WaitOptions): Promise<void> {
  if (o.ids.length === 0) return;
  const { signal } = context.io;
  const types = o.bar ? PROGRESS_TYPES : TYPES;
  const events = client.events({
    jobIds: o.ids,
    types: [...types],
    signal,
    onCut: (error) => context.warn(`${error.message}; waiting for it to return`),
  });
  const progress = o.bar ? makeProgress(context.io) : null;
  const interrupted = (): void => context.note(`Interrupted: the jobs go on. Cancel them with: hq job cancel ${o.ids.join(',')}`);
  signal.addEventListener('abort', interrupted);
  try {
    await events.ready();
    let jobs = await look(client, o.ids, progress);
    while (!jobs.every((job) => hasEnded(job, o.untilClosed))) {
      const { done } = await events.next();
      if (done === true)
        throw signal.aborted
          ? new HqError('HQ_E_SERVER_GONE', { detail: 'interrupted' })
          : new HqError('HQ_E_SERVER_GONE', { detail: 'its events ended' });
      jobs = await look(client, o.ids, progress);
    }
  } finally {
    signal.removeEventListener('abort', interrupted);
    progress?.stop();
    await events.return();
  }
}

async function look(client: HqClient, ids: readonly number[], progress: Progress | null): Promise<JobInfo[]> {
  const jobs = await client.listJobs({ ids: ids.join(',') });
  progress?.update({ jobs: ids.length, endedJobs: jobs.filter((job) => hasEnded(job, false)).length, tasks: total(jobs) });
  return jobs;
}

function hasEnded(job: JobInfo, untilClosed: boolean): boolean {
  return job.stats.waiting + job.stats.running === 0 && !(untilClosed && job.isOpen);
}

function total(jobs: readonly JobInfo[]): TaskStats {
  const sum: TaskStats = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 };
  for (const { stats } of jobs) for (const key of Object.keys(sum) as (keyof TaskStats)[]) sum[key] += stats[key];
  return sum;
}
