/**
 * What a journal's events add up to: jobs, workers, allocations, and lines of what ran when. Events go in one by one, so that a long journal
 * never lies in memory. Pure. Used by `hq journal report`.
 */
import { IntArray } from '../../common/intArray.ts';
import type { HqEvent } from '../../protocol/schema/event.ts';
import type { TaskUsage } from '../../protocol/schema/task.ts';
import { type Step, steps } from '../timeline.ts';

/** Failed tasks that are told one by one. */
const FAILURES_MAX = 100;
/** Upper ends of classes of run times, milliseconds; the last class has none. */
export const DURATION_CLASSES_MS = [100, 1_000, 10_000, 60_000, 600_000, 3_600_000] as const;

export interface JobHistory {
  readonly id: number;
  name: string;
  submitted: number;
  finished: number;
  failed: number;
  canceled: number;
  aborted: number;
  restarts: number;
  /** Of the tasks that ended, milliseconds. */
  wallMs: number;
  /** As far as it is known. */
  cpuMs: number;
  peakBytes: number;
  /** Milliseconds since the beginning; null before. */
  firstStartMs: number | null;
  lastEndMs: number | null;
}

export interface WorkerHistory {
  readonly id: number;
  hostname: string;
  /** What its allocation or group was called. */
  place: string;
  connectedMs: number;
  lostMs: number | null;
  reason: string | null;
  tasks: number;
  /** Sum of the run times of its tasks. */
  busyMs: number;
}

interface Attempt {
  readonly startMs: number;
  readonly workerId: number;
}

interface Change {
  readonly atMs: number;
  readonly by: number;
}

/** Times in milliseconds since the first start of a server, or the first event where that is no longer kept. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

export class JournalHistory {
  readonly jobs = new Map<number, JobHistory>();
  readonly workers = new Map<number, WorkerHistory>();
  readonly failures: { atMs: number; jobId: number; taskId: number; error: string }[] = [];
  /** Number of ended attempts per class of `DURATION_CLASSES_MS`, and above. */
  readonly durations: number[] = [...DURATION_CLASSES_MS.map(() => 0), 0];
  serverStarts = 0;
  events = 0;
  /** Unix milliseconds; null before the first event. */
  originMs: number | null = null;
  lastMs = 0;
  private readonly window: Window;
  private readonly attempts = new Map<string, Attempt>();
  private readonly allocations = new Set<string>();
  private readonly lines: Record<'running' | 'ended' | 'workers' | 'allocations', Change[]> = {
    running: [],
    ended: [],
    workers: [],
    allocations: [],
  };

  /** @param window what happened outside of it is not counted; what runs at its beginning is known all the same */
  constructor(window: Window) {
    this.window = window;
  }

  /** @returns steps, milliseconds since the beginning of the window */
  line(name: keyof JournalHistory['lines']): Step[] {
    return steps(this.lines[name].map(({ atMs, by }) => ({ atMs: atMs - this.window.fromMs, by })));
  }

  /** Length of what was looked at, milliseconds. */
  get lengthMs(): number {
    return Math.max(0, Math.min(this.lastMs, this.window.toMs) - this.window.fromMs);
  }

  /** In the order of their numbers. */
  add(event: HqEvent): void {
    this.originMs ??= event.timeMs;
    const atMs = event.timeMs - this.originMs;
    this.lastMs = Math.max(this.lastMs, atMs);
    if (atMs > this.window.toMs) return;
    if (atMs >= this.window.fromMs) this.events += 1;
    switch (event.type) {
      case 'server-start':
        this.serverStarts += 1;
        return;
      case 'job-created':
        this.job(event.jobId).name = event.name;
        return;
      case 'tasks-submitted':
        this.job(event.jobId).submitted += idsOf(event.ids).length;
        return;
      case 'worker-connected':
        return this.connected(event, atMs);
      case 'worker-lost':
        return this.lost(event, atMs);
      case 'task-started':
        return this.started(event, atMs);
      case 'task-finished':
        return this.ended(event, { atMs, state: 'finished', usage: event.usage });
      case 'task-failed':
        if (this.counts(atMs) && this.failures.length < FAILURES_MAX)
          this.failures.push({ atMs, jobId: event.jobId, taskId: event.taskId, error: event.error });
        return this.ended(event, { atMs, state: 'failed', usage: event.usage });
      case 'task-restarted':
        this.stop(event.jobId, event.taskId, atMs);
        if (this.counts(atMs)) this.job(event.jobId).restarts += 1;
        return;
      case 'tasks-canceled':
      case 'tasks-aborted':
        return this.dropped(event, atMs);
      case 'allocation-started':
        this.allocations.add(`${event.queueId}.${event.number}`);
        this.lines.allocations.push({ atMs, by: 1 });
        return;
      case 'allocation-ended':
        // One that never started was not counted.
        if (this.allocations.delete(`${event.queueId}.${event.number}`)) this.lines.allocations.push({ atMs, by: -1 });
        return;
      default:
    }
  }

  private counts(atMs: number): boolean {
    return atMs >= this.window.fromMs;
  }

  private job(id: number): JobHistory {
    let job = this.jobs.get(id);
    if (job === undefined) {
      const counts = { submitted: 0, finished: 0, failed: 0, canceled: 0, aborted: 0, restarts: 0, wallMs: 0, cpuMs: 0, peakBytes: 0 };
      job = { id, name: '', ...counts, firstStartMs: null, lastEndMs: null };
      this.jobs.set(id, job);
    }
    return job;
  }

  private connected({ workerId, configuration }: Extract<HqEvent, { type: 'worker-connected' }>, atMs: number): void {
    const { hostname, group, allocation } = configuration;
    const place = allocation === null ? group : `${allocation.manager} ${allocation.id}`;
    const rest = { lostMs: null, reason: null, tasks: 0, busyMs: 0 };
    if (!this.workers.has(workerId)) this.lines.workers.push({ atMs, by: 1 });
    this.workers.set(workerId, { id: workerId, hostname, place, connectedMs: atMs, ...rest });
  }

  private lost({ workerId, reason }: Extract<HqEvent, { type: 'worker-lost' }>, atMs: number): void {
    const worker = this.workers.get(workerId);
    if (worker === undefined || worker.lostMs !== null) return;
    this.lines.workers.push({ atMs, by: -1 });
    worker.lostMs = atMs;
    worker.reason = reason;
  }

  private started({ jobId, taskId, workerId }: Extract<HqEvent, { type: 'task-started' }>, atMs: number): void {
    this.stop(jobId, taskId, atMs);
    this.attempts.set(`${jobId}.${taskId}`, { startMs: atMs, workerId });
    this.lines.running.push({ atMs, by: 1 });
    this.job(jobId).firstStartMs ??= atMs;
  }

  private ended(
    { jobId, taskId }: { jobId: number; taskId: number },
    o: { atMs: number; state: 'finished' | 'failed'; usage: TaskUsage | null },
  ): void {
    const ranMs = this.stop(jobId, taskId, o.atMs);
    if (!this.counts(o.atMs)) return;
    const job = this.job(jobId);
    job[o.state] += 1;
    job.lastEndMs = o.atMs;
    const wallMs = o.usage?.wallMs ?? ranMs;
    job.wallMs += wallMs;
    job.cpuMs += (o.usage?.userMs ?? 0) + (o.usage?.systemMs ?? 0);
    job.peakBytes = Math.max(job.peakBytes, o.usage?.peakMemBytes ?? o.usage?.maxRssBytes ?? 0);
    const above = DURATION_CLASSES_MS.findIndex((limit) => wallMs < limit);
    const index = above < 0 ? DURATION_CLASSES_MS.length : above;
    this.durations[index] = (this.durations[index] as number) + 1;
    this.lines.ended.push({ atMs: o.atMs, by: 1 });
  }

  private dropped({ type, jobId, ids }: Extract<HqEvent, { type: 'tasks-canceled' | 'tasks-aborted' }>, atMs: number): void {
    const array = idsOf(ids);
    if (this.attempts.size > 0) for (const id of array) this.stop(jobId, id, atMs);
    if (this.counts(atMs)) this.job(jobId)[type === 'tasks-canceled' ? 'canceled' : 'aborted'] += array.length;
  }

  /** @returns how long the attempt ran, 0 when none did */
  private stop(jobId: number, taskId: number, atMs: number): number {
    const key = `${jobId}.${taskId}`;
    const attempt = this.attempts.get(key);
    if (attempt === undefined) return 0;
    this.attempts.delete(key);
    this.lines.running.push({ atMs, by: -1 });
    const ranMs = atMs - attempt.startMs;
    const worker = this.workers.get(attempt.workerId);
    if (worker !== undefined && this.counts(atMs)) {
      worker.tasks += 1;
      worker.busyMs += ranMs;
    }
    return ranMs;
  }
}

function idsOf(text: string): IntArray {
  const ids = IntArray.parse(text);
  return typeof ids === 'string' ? IntArray.from([]) : ids;
}
