/** The scene of a journal at any moment: events are applied one after another; for a moment in the past everything is begun anew. Pure. */
import { IntArray } from '../common/intArray.ts';
import { jobState } from '../protocol/jobState.ts';
import { UNITS_PER_WHOLE } from '../protocol/resourceTerms.ts';
import type { HqEvent } from '../protocol/schema/event.ts';
import type { TaskStats } from '../protocol/schema/job.ts';
import type { TaskState } from '../protocol/schema/task.ts';
import { unitsOf } from '../resources/pool.ts';
import { type AllocationLine, EMPTY_STATS, type QueueLine, type Scene, type TaskLine, type WorkerLine } from './scene.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface ReplayedJob {
  readonly id: number;
  readonly name: string;
  isOpen: boolean;
  readonly stats: Mutable<TaskStats>;
  readonly tasks: Map<number, Mutable<TaskLine>>;
}

export class Replay {
  private readonly title: string;
  private readonly events: readonly HqEvent[];
  /** Events that are applied. */
  private applied = 0;
  private jobs = new Map<number, ReplayedJob>();
  private workers = new Map<number, Mutable<WorkerLine>>();
  private queues = new Map<number, Mutable<QueueLine>>();
  private allocations = new Map<string, Mutable<AllocationLine>>();

  /** @param events in their order, at least one */
  constructor(title: string, events: readonly HqEvent[]) {
    this.title = title;
    this.events = events;
  }

  /** Of the first and of the last event, Unix milliseconds. */
  get span(): readonly [number, number] {
    return [this.events[0]?.timeMs ?? 0, this.events.at(-1)?.timeMs ?? 0];
  }

  /** Goes to a moment and tells what was there. @param jobId whose tasks are wanted */
  sceneAt(atMs: number, jobId: number | null): Scene {
    const last = this.events[this.applied - 1];
    if (last !== undefined && last.timeMs > atMs) this.restart();
    for (let next = this.events[this.applied]; next !== undefined && next.timeMs <= atMs; next = this.events[this.applied]) {
      this.apply(next);
      this.applied += 1;
    }
    const jobs = [...this.jobs.values()].reverse();
    return {
      title: this.title,
      atMs,
      note: '',
      jobs: jobs.map(({ id, name, isOpen, stats, tasks }) => ({
        id,
        name,
        taskCount: tasks.size,
        stats,
        state: jobState({ isOpen, stats }),
      })),
      tasks: [...((jobId === null ? undefined : this.jobs.get(jobId)?.tasks.values()) ?? [])],
      workers: [...this.workers.values()],
      queues: [...this.queues.values()],
      allocations: [...this.allocations.values()].reverse(),
    };
  }

  private restart(): void {
    this.applied = 0;
    this.jobs = new Map();
    this.workers = new Map();
    this.queues = new Map();
    this.allocations = new Map();
  }

  private apply(event: HqEvent): void {
    switch (event.type) {
      case 'job-created':
        this.jobs.set(event.jobId, { id: event.jobId, name: event.name, isOpen: event.open, stats: { ...EMPTY_STATS }, tasks: new Map() });
        return;
      case 'job-closed': {
        const job = this.jobs.get(event.jobId);
        if (job !== undefined) job.isOpen = false;
        return;
      }
      case 'job-forgotten':
        this.jobs.delete(event.jobId);
        return;
      case 'tasks-submitted':
        return this.submitted(event.jobId, event.ids);
      case 'tasks-canceled':
      case 'tasks-aborted':
        for (const id of idsOf(event.ids)) this.move(event, id, { state: event.type === 'tasks-canceled' ? 'canceled' : 'aborted' });
        return;
      case 'task-started':
        return this.started(event);
      case 'task-finished':
        return this.move(event, event.taskId, { state: 'finished', finishedAtMs: event.timeMs });
      case 'task-failed':
        return this.move(event, event.taskId, { state: 'failed', finishedAtMs: event.timeMs, error: event.error });
      case 'task-restarted':
        return this.move(event, event.taskId, { state: 'waiting', workers: [], startedAtMs: null, error: event.error });
      default:
        return this.applyToWorkers(event);
    }
  }

  private applyToWorkers(event: HqEvent): void {
    switch (event.type) {
      case 'worker-connected': {
        const { configuration } = event;
        const resources = configuration.resources.resources.map((one) => ({
          name: one.name,
          used: null,
          total: unitsOf(one) / UNITS_PER_WHOLE,
        }));
        const line = {
          id: event.workerId,
          host: configuration.hostname,
          state: 'RUNNING',
          sinceMs: event.timeMs,
          runningTasks: 0,
          resources,
        };
        this.workers.set(event.workerId, line);
        return;
      }
      case 'worker-disconnected':
      case 'worker-reconnected': {
        const worker = this.workers.get(event.workerId);
        if (worker !== undefined) worker.state = event.type === 'worker-reconnected' ? 'RUNNING' : 'RECONNECTING';
        return;
      }
      case 'worker-lost':
        this.workers.delete(event.workerId);
        return;
      default:
        return this.applyToQueues(event);
    }
  }

  private applyToQueues(event: HqEvent): void {
    switch (event.type) {
      case 'queue-created': {
        const { queueId: id, name, system } = event;
        this.queues.set(id, { id, name: name ?? '', system, state: 'ACTIVE', queued: 0, running: 0, why: '' });
        return;
      }
      case 'queue-paused':
      case 'queue-resumed': {
        const queue = this.queues.get(event.queueId);
        const paused = event.type === 'queue-paused';
        if (queue !== undefined) Object.assign(queue, { state: paused ? 'PAUSED' : 'ACTIVE', why: paused ? (event.reason ?? '') : '' });
        return;
      }
      case 'queue-removed':
        this.queues.delete(event.queueId);
        return;
      case 'allocation-queued': {
        const { queueId, number, id, workers, timeMs } = event;
        this.allocations.set(`${queueId}.${number}`, { queueId, number, id, state: 'QUEUED', workers, queuedAtMs: timeMs, detail: '' });
        return this.count(queueId);
      }
      case 'allocation-started':
      case 'allocation-ended': {
        const allocation = this.allocations.get(`${event.queueId}.${event.number}`);
        const ended = event.type === 'allocation-ended';
        if (allocation !== undefined)
          Object.assign(allocation, ended ? { state: event.state.toUpperCase(), detail: event.detail } : { state: 'RUNNING' });
        return this.count(event.queueId);
      }
      default:
    }
  }

  private count(queueId: number): void {
    const queue = this.queues.get(queueId);
    if (queue === undefined) return;
    const own = [...this.allocations.values()].filter((one) => one.queueId === queueId);
    queue.queued = own.filter(({ state }) => state === 'QUEUED').length;
    queue.running = own.filter(({ state }) => state === 'RUNNING').length;
  }

  private submitted(jobId: number, ids: string): void {
    const job = this.jobs.get(jobId);
    for (const id of job === undefined ? [] : idsOf(ids)) {
      job?.tasks.set(id, { id, state: 'waiting', workers: [], startedAtMs: null, finishedAtMs: null, instance: 0, error: null });
      if (job !== undefined) job.stats.waiting += 1;
    }
  }

  private started(event: Extract<HqEvent, { type: 'task-started' }>): void {
    const { taskId, workerId, instance, timeMs } = event;
    this.move(event, taskId, { state: 'running', workers: [workerId], instance, startedAtMs: timeMs, finishedAtMs: null, error: null });
  }

  /** Changes a task, and with it the counts of its job and its worker. */
  private move({ jobId }: { readonly jobId: number }, taskId: number, change: Partial<TaskLine> & { readonly state: TaskState }): void {
    const job = this.jobs.get(jobId);
    const task = job?.tasks.get(taskId);
    if (job === undefined || task === undefined) return;
    this.countRunning(task, -1);
    job.stats[task.state] -= 1;
    Object.assign(task, change);
    job.stats[task.state] += 1;
    this.countRunning(task, 1);
  }

  private countRunning({ state, workers }: TaskLine, by: number): void {
    if (state !== 'running') return;
    for (const id of workers) {
      const worker = this.workers.get(id);
      if (worker !== undefined) worker.runningTasks += by;
    }
  }
}

function idsOf(text: string): Iterable<number> {
  const ids = IntArray.parse(text);
  return typeof ids === 'string' ? [] : ids;
}
