/** Events of a workflow run -> the attempts of its jobs. Pure. Used by `hq report snakemake`. */
import { IntArray } from '../../common/intArray.ts';
import type { HqEvent } from '../../protocol/schema/event.ts';
import type { JobAttempt } from '../../protocol/schema/snakemakeReport.ts';
import type { TaskSpec, TaskUsage } from '../../protocol/schema/task.ts';

const MIB = 1024 * 1024;

/** What was submitted for a job. */
export interface SubmittedJob {
  readonly rule: string;
  readonly label: string;
  readonly spec: Pick<TaskSpec, 'request' | 'timeLimitMs'> | undefined;
}

export interface RunHistory {
  /** Of the run's job, in their order. */
  readonly events: readonly HqEvent[];
  readonly jobs: ReadonlyMap<number, SubmittedJob>;
  /** Unix time in milliseconds: when what still runs is cut off. */
  readonly nowMs: number;
}

/** An attempt that has not ended yet. */
interface Open {
  readonly instance: number;
  readonly worker: number;
  readonly startedAtMs: number;
  readonly variant: number;
}

/** @returns Unix time of the first submission, and the attempts in the order of their starts */
export function attemptsOf({ events, jobs, nowMs }: RunHistory): { startedAtMs: number; attempts: JobAttempt[] } {
  const startedAtMs = events[0]?.timeMs ?? nowMs;
  const submitted = new Map<number, number>();
  const open = new Map<number, Open>();
  const attempts: JobAttempt[] = [];
  const end = (taskId: number, atMs: number, how: Pick<JobAttempt, 'outcome'> & Partial<Ending>): void => {
    const attempt = open.get(taskId);
    if (attempt === undefined) return;
    open.delete(taskId);
    const waitsSince = attempt.instance === 0 ? submitted.get(taskId) : undefined;
    attempts.push({
      ...{ taskId, instance: attempt.instance, worker: attempt.worker, outcome: how.outcome },
      ...{ rule: jobs.get(taskId)?.rule ?? '', label: jobs.get(taskId)?.label ?? '' },
      submittedMs: waitsSince === undefined ? null : waitsSince - startedAtMs,
      startedMs: attempt.startedAtMs - startedAtMs,
      endedMs: Math.max(atMs, attempt.startedAtMs) - startedAtMs,
      ...{ reason: how.reason ?? null, failure: how.failure ?? null },
      ...asked(jobs.get(taskId)?.spec, attempt.variant),
      ...used(how.usage ?? null, atMs - attempt.startedAtMs),
    });
  };
  for (const event of events) {
    switch (event.type) {
      case 'tasks-submitted':
        for (const id of idsOf(event.ids)) submitted.set(id, event.timeMs);
        break;
      case 'task-started':
        open.set(event.taskId, { instance: event.instance, worker: event.workerId, startedAtMs: event.timeMs, variant: event.variant });
        break;
      case 'task-finished':
        end(event.taskId, event.timeMs, { outcome: 'finished', usage: event.usage });
        break;
      case 'task-failed':
        end(event.taskId, event.timeMs, { outcome: 'failed', usage: event.usage, reason: event.error, failure: event.failure });
        break;
      case 'task-restarted':
        end(event.taskId, event.timeMs, { outcome: 'restarted', reason: event.error ?? event.cause });
        break;
      case 'tasks-canceled':
      case 'tasks-aborted':
        for (const id of idsOf(event.ids)) end(id, event.timeMs, { outcome: 'canceled' });
        break;
      default: // nothing of a job's life
    }
  }
  for (const taskId of [...open.keys()]) end(taskId, nowMs, { outcome: 'running' });
  return { startedAtMs, attempts: attempts.sort((a, b) => a.startedMs - b.startedMs || a.taskId - b.taskId) };
}

interface Ending {
  readonly usage: TaskUsage | null;
  readonly reason: string;
  readonly failure: string;
}

function asked(spec: SubmittedJob['spec'], variant: number): Pick<JobAttempt, 'cpus' | 'memBytes' | 'limitMs'> {
  const request = spec?.request[variant] ?? spec?.request[0];
  const amount = (name: string): number | null => {
    const value = request?.resources?.[name];
    return typeof value === 'number' ? value : null;
  };
  const memory = amount('mem');
  return { cpus: amount('cpus'), memBytes: memory === null ? null : memory * MIB, limitMs: spec?.timeLimitMs ?? null };
}

function used(usage: TaskUsage | null, wallMs: number): Pick<JobAttempt, 'wallMs' | 'cpuMs' | 'peakMemBytes'> {
  const cpuMs = usage === null || usage.userMs === null || usage.systemMs === null ? null : usage.userMs + usage.systemMs;
  return { wallMs: usage?.wallMs ?? Math.max(wallMs, 0), cpuMs, peakMemBytes: usage?.peakMemBytes ?? usage?.maxRssBytes ?? null };
}

function idsOf(text: string): Iterable<number> {
  const ids = IntArray.parse(text);
  return typeof ids === 'string' ? [] : ids;
}
