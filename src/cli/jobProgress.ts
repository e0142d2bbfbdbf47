/** Waiting for jobs on the event stream, with or without a progress bar. Used by `submit --wait|--progress`, `job wait` and `job progress`. */
import { setTimeout as delay } from 'node:timers/promises';
import type { HqClient } from '../client/client.ts';
import type { EventReader } from '../client/eventReader.ts';
import { IntArray } from '../common/intArray.ts';
import { type ErrorCode, HqError } from '../protocol/errors.ts';
import { type EventBody, TASK_EVENT_TYPES } from '../protocol/schema/event.ts';
import type { JobInfo, TaskStats } from '../protocol/schema/job.ts';
import type { Context } from './context.ts';
import type { ProgressState } from './progress.ts';

export interface WaitOptions {
  /** Those that have ended already cost nothing. */
  readonly jobs: readonly JobInfo[];
  /** Draw progress on stderr. */
  readonly bar: boolean;
  /** Wait for open jobs until they are closed; false: until they have no unfinished task. */
  readonly untilClosed: boolean;
}

/** Events that may end a wait: a look at the jobs follows at once. */
const FINAL_TYPES: ReadonlySet<EventBody['type']> = new Set(['job-completed', 'job-idle', 'job-closed', 'job-forgotten']);

/** A busy job has thousands of events a second, a person sees ten changes. */
const LOOK_GAP_MS = 100;
/** What a server that is being started again looks like from outside, and how often it is asked again. */
const AWAY: ReadonlySet<ErrorCode> = new Set(['HQ_E_NO_SERVER', 'HQ_E_SERVER_UNREACHABLE', 'HQ_E_SERVER_GONE']);
const AWAY_RETRY_MS = 250;
/** More ids than this do not fit into the address of a request; all events are read instead. */
const FILTERED_JOBS_MAX = 500;

/**
 * Waits until every job has ended. The events tell that something has changed, the jobs' own counts tell what, so nothing is counted twice.
 * @returns the jobs as they ended; without those that were forgotten meanwhile
 * @throws HqError HQ_E_SERVER_GONE and others when the server stays away; the signal's reason when it is aborted
 */
export async function waitForJobs(context: Context, client: HqClient, o: WaitOptions): Promise<JobInfo[]> {
  const ended = o.jobs.filter((job) => hasEnded(job, o.untilClosed));
  const waiting = o.jobs.filter((job) => !hasEnded(job, o.untilClosed)).map((job) => job.id);
  const progress = o.bar && o.jobs.length > 0 ? (await import('./progress.ts')).makeProgress(context.io) : null;
  if (waiting.length === 0) {
    progress?.update(progressOf(ended));
    progress?.stop();
    return ended;
  }
  const { signal } = context.io;
  const ids = IntArray.from(waiting).toString();
  const isMany = waiting.length > FILTERED_JOBS_MAX;
  const events = client.events({
    types: [...FINAL_TYPES, ...(o.bar ? TASK_EVENT_TYPES : [])],
    ...(isMany ? {} : { jobIds: waiting }),
    signal,
    onCut: (error) => context.warn(`${error.message}; waiting for it to return`),
  });
  const interrupted = (): void => context.note(`Interrupted: the jobs go on. Cancel them with: hq job cancel ${ids}`);
  signal.addEventListener('abort', interrupted);
  try {
    await events.ready();
    const changes = new Changes(events);
    const wanted = new Set(waiting);
    for (;;) {
      const listed = await changes.persist(() => client.listJobs(isMany ? {} : { ids }));
      const jobs = [...ended, ...listed.filter((job) => wanted.has(job.id))];
      progress?.update(progressOf(jobs));
      if (jobs.every((job) => hasEnded(job, o.untilClosed))) return jobs;
      await changes.next(LOOK_GAP_MS);
    }
  } finally {
    signal.removeEventListener('abort', interrupted);
    progress?.stop();
    await events.return();
  }
}

/** Reads events as fast as they come and remembers only whether it is worth to look at the jobs again. */
class Changes {
  private readonly reading: Promise<never>;
  private hasChanged = false;
  private isFinal = false;
  private wake: () => void = () => {};

  constructor(events: EventReader) {
    this.reading = this.read(events);
    // Whoever waits in `next` gets the failure; after that nobody asks.
    this.reading.catch(() => {});
  }

  /** Resolves after the next change; `gapMs` later when it is no final one, so that many changes are one. */
  async next(gapMs: number): Promise<void> {
    await this.until(() => this.hasChanged);
    if (!this.isFinal) await Promise.race([delay(gapMs, undefined, { ref: false }), this.until(() => this.isFinal)]);
    this.hasChanged = false;
    this.isFinal = false;
  }

  /** Repeats a question while the server is away, for as long as the events wait for its return. */
  async persist<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof HqError) || !AWAY.has(error.code)) throw error;
        await Promise.race([delay(AWAY_RETRY_MS), this.reading]);
      }
    }
  }

  private async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const woken = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      await Promise.race([woken, this.reading]);
    }
  }

  private async read(events: EventReader): Promise<never> {
    for await (const batch of events) {
      this.hasChanged = true;
      this.isFinal ||= batch.some(({ type }) => FINAL_TYPES.has(type));
      this.wake();
    }
    throw new HqError('HQ_E_SERVER_GONE', { detail: 'its events ended' });
  }
}

function hasEnded(job: JobInfo, untilClosed: boolean): boolean {
  return job.stats.waiting + job.stats.running === 0 && !(untilClosed && job.isOpen);
}

function progressOf(jobs: readonly JobInfo[]): ProgressState {
  return { jobs: jobs.length, endedJobs: jobs.filter((job) => hasEnded(job, false)).length, tasks: total(jobs) };
}

function total(jobs: readonly JobInfo[]): TaskStats {
  const sum: TaskStats = { running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, waiting: 0 };
  for (const { stats } of jobs) for (const key of Object.keys(sum) as (keyof TaskStats)[]) sum[key] += stats[key];
  return sum;
}
