/**
 * The server's outbox: collects what one turn of the core decided, as frames per worker, journal entries and events. The turn loop
 * empties it; nothing leaves the server from here.
 */

import { assertNever } from '../common/assert.ts';
import { IntArray } from '../common/intArray.ts';
import { canceledFailure, type WrapperFailure } from '../common/nextflowWrapper.ts';
import type { Core } from '../core/core.ts';
import { type Job, segmentOf } from '../core/jobTable.ts';
import type { Change, ControlKind, Outbox } from '../core/outbox.ts';
import { isMember } from '../core/schedule/gangs.ts';
import type { TaskKey, ToWorker, WireBody, WireTask } from '../protocol/messages/worker.ts';
import type { EventBody } from '../protocol/schema/event.ts';
import { type EventPage, EventWriter } from './journal/eventCodec.ts';
import type { JournalEntry } from './journal/types.ts';
import { bodyWith, entryAt, type SubmitRecord, wireBody } from './specs.ts';
import type { WrapperEnd } from './wrapperEnds.ts';

/** Frames of one worker in this turn. */
interface WorkerBatch {
  readonly bodies: WireBody[];
  readonly bodyIndex: Map<WireBody, number>;
  readonly tasks: WireTask[];
  readonly gangs: JournalEntry[];
  readonly cancel: TaskKey[];
  readonly retract: TaskKey[];
}

/** What the recorder must look up: the submits of the jobs in memory. */
export interface SpecSource {
  record(jobId: number, submitIndex: number): SubmitRecord | undefined;
  noteJobEnded(jobId: number, atMs: number): void;
  /** @returns true when neither of the two below has an answer for any task of the job */
  endsQuietly(jobId: number): boolean;
  /** @returns the submit whose secrets are no longer needed with the end of this task */
  secretTaskEnded(jobId: number, taskId: number): SubmitRecord | undefined;
  /** @returns where a workflow manager looks for the end of the task; null for tasks of none */
  wrapperDirectory(jobId: number, taskId: number): string | null;
}

/** Everything one turn produced. */
export interface TurnOutput {
  readonly entries: JournalEntry[];
  readonly events: EventPage | null;
  readonly frames: Map<number, ToWorker[]>;
  /** Completed jobs, whose last entries are in this turn. */
  readonly completedJobs: number[];
  /** Ends that no worker can tell a workflow manager. */
  readonly wrapperEnds: WrapperEnd[];
}

export class Recorder implements Outbox {
  planAsked = false;
  private readonly core: Core;
  private readonly specs: SpecSource;
  private readonly hostOf: (workerId: number) => string;
  private readonly now: () => number;
  private entries: JournalEntry[] = [];
  private readonly events: EventWriter;
  private batches = new Map<number, WorkerBatch>();
  private completedJobs: number[] = [];
  private wrapperEnds: WrapperEnd[] = [];

  /**
   * @param o.hostOf host name of a worker that is known
   * @param o.now Unix milliseconds
   */
  constructor(o: { core: Core; specs: SpecSource; lastSeq: number; hostOf: (workerId: number) => string; now: () => number }) {
    this.core = o.core;
    this.specs = o.specs;
    this.events = new EventWriter(o.lastSeq);
    this.hostOf = o.hostOf;
    this.now = o.now;
  }

  /** Number of changes collected so far in this turn. */
  get size(): number {
    return this.entries.length + this.events.size;
  }

  assign(workerId: number, row: number): void {
    const { tasks, gangs } = this.core;
    const [jobId, taskId, instance] = [tasks.jobId[row] as number, tasks.taskId[row] as number, tasks.instance[row] as number];
    const job = this.core.jobs.get(jobId) as Job;
    const segment = segmentOf(job, taskId);
    const record = segment === undefined ? undefined : this.specs.record(jobId, segment.submitIndex);
    if (segment === undefined || record === undefined) throw new Error(`task ${jobId}.${taskId} has no submit`);
    const index = row - segment.base;
    const batch = this.batchOf(workerId);
    const body = bodyIndexOf(batch, this.bodyOf(record, { row, index, isChanged: job.changes.length > 0 }));
    const [entry, variant] = [entryAt(record, index), tasks.variant[row] as number];
    const gang = gangs.get(row);
    if (gang === undefined) batch.tasks.push([jobId, taskId, instance, body, entry, variant]);
    else {
      batch.tasks.push([jobId, taskId, instance, body, entry, variant, gang.map(this.hostOf)]);
      batch.gangs.push({ kind: 'gang', jobId, taskId, instance, workerIds: [...gang] });
    }
  }

  /** What a task that was run again asks for may be more than was submitted, and some of it may have been changed since. */
  private bodyOf(record: SubmitRecord, { row, index, isChanged }: { row: number; index: number; isChanged: boolean }): WireBody {
    const { tasks, retryPolicies, classes } = this.core;
    const body = wireBody(record, index);
    const isGrown = tasks.retries[row] !== 0 && retryPolicies.get(tasks.retryPolicy[row] as number).memFactor !== 1;
    if (!isGrown && !isChanged) return body;
    return bodyWith(body, classes.get(tasks.requestClass[row] as number), tasks.priority[row] as number);
  }

  control(workerId: number, kind: ControlKind, row: number): void {
    const { tasks } = this.core;
    this.batchOf(workerId)[kind].push([tasks.jobId[row] as number, tasks.taskId[row] as number, tasks.instance[row] as number]);
  }

  askPlan(): void {
    this.planAsked = true;
  }

  /** Adds a change of the journal that is no consequence of the core's. */
  entry(entry: JournalEntry): void {
    this.entries.push(entry);
  }

  /** Sequence number of the last event given out. */
  get lastSeq(): number {
    return this.events.lastSeq;
  }

  event(body: EventBody): void {
    this.events.add(this.now(), body);
  }

  emit(change: Change): void {
    switch (change.kind) {
      case 'started': {
        this.entries.push(change);
        return this.events.started(this.now(), change);
      }
      case 'finished': {
        const { jobId, taskId, instance, atMs, usage } = change;
        this.entries.push({ kind: 'ended', jobId, taskId, instance, state: 'finished', atMs, usage, failure: null });
        this.redactAfter(jobId, taskId);
        return this.events.finished(this.now(), change);
      }
      case 'failed': {
        const { jobId, taskId, instance, atMs, usage, failure } = change;
        this.entries.push({ kind: 'ended', jobId, taskId, instance, state: 'failed', atMs, usage, failure });
        this.redactAfter(jobId, taskId);
        if (failure.kind === 'worker-lost') this.noteWrapperEnd(jobId, taskId, failure);
        const { kind, ...rest } = failure;
        return this.event({ type: 'task-failed', jobId, taskId, instance, failure: kind, ...rest, usage });
      }
      case 'requeued': {
        const { jobId, taskId, instance, nextInstance, crashes, retries, dueAtMs, cause, error } = change;
        this.entries.push({ kind: 'requeued', jobId, taskId, nextInstance, crashes, retries, dueAtMs });
        if (cause !== null) this.event({ type: 'task-restarted', jobId, taskId, instance, cause, error });
        return;
      }
      case 'notified': {
        const { kind: _kind, ...rest } = change;
        return this.event({ type: 'task-notify', ...rest });
      }
      case 'dropped':
        return this.dropped(change);
      case 'job-idle':
      case 'job-completed':
        return this.jobEnded(change);
      case 'worker-lost':
        this.entries.push({ kind: 'worker-ended', workerId: change.workerId, reason: change.reason, atMs: change.atMs });
        return this.event({ type: 'worker-lost', workerId: change.workerId, reason: change.reason });
      default:
        assertNever(change);
    }
  }

  /** Hands over what was collected and starts anew. Assignments become journal entries here, one per worker. */
  take(): TurnOutput {
    const frames = new Map<number, ToWorker[]>();
    for (const [workerId, batch] of this.batches) {
      const messages: ToWorker[] = [];
      if (batch.tasks.length > 0) {
        this.entries.push({ kind: 'assigned', workerId, tasks: batch.tasks });
        this.entries.push(...batch.gangs);
        messages.push(['compute', batch.bodies, batch.tasks]);
      }
      if (batch.retract.length > 0) messages.push(['retract', batch.retract]);
      if (batch.cancel.length > 0) messages.push(['cancel', batch.cancel]);
      frames.set(workerId, messages);
    }
    for (const workerId of this.core.gangChanges) {
      const worker = this.core.workers.get(workerId);
      if (worker !== undefined) frames.set(workerId, [...(frames.get(workerId) ?? []), ['member', isMember(this.core, worker)]]);
    }
    this.core.gangChanges.clear();
    const { entries, completedJobs, wrapperEnds } = this;
    const output: TurnOutput = { entries, events: this.events.take(), frames, completedJobs, wrapperEnds };
    this.entries = [];
    this.batches = new Map();
    this.completedJobs = [];
    this.wrapperEnds = [];
    this.planAsked = false;
    return output;
  }

  private dropped(change: Extract<Change, { kind: 'dropped' }>): void {
    const { jobId, taskIds, held, state, atMs, reason } = change;
    if (taskIds.length > 0) {
      this.entries.push({ kind: 'bulk-ended', jobId, taskIds: IntArray.from(taskIds).toString(), state, atMs, error: reason });
    }
    const failure = reason === null ? null : { kind: 'canceled' as const, error: reason, exitCode: null, signal: null };
    for (const task of held) this.entries.push({ kind: 'ended', jobId, ...task, state, atMs, usage: null, failure });
    const all = held.length === 0 ? taskIds : [...taskIds, ...held.map((task) => task.taskId)].sort((a, b) => a - b);
    // Asked once: an array of a million tasks is canceled as a whole.
    if (!this.specs.endsQuietly(jobId)) {
      const told = canceledFailure(reason);
      for (const taskId of all) {
        this.redactAfter(jobId, taskId);
        this.noteWrapperEnd(jobId, taskId, told);
      }
    }
    const ids = IntArray.from(all).toString();
    if (state === 'canceled') this.event({ type: 'tasks-canceled', jobId, ids });
    else this.event({ type: 'tasks-aborted', jobId, ids, reason: reason ?? '' });
  }

  private jobEnded(change: { kind: 'job-idle' | 'job-completed'; jobId: number; atMs: number }): void {
    const { jobId, atMs } = change;
    this.specs.noteJobEnded(jobId, atMs);
    const stats = { ...(this.core.jobs.get(jobId) as Job).stats };
    this.entries.push({ kind: 'job-stats', jobId, stats, finishedAtMs: atMs, completed: change.kind === 'job-completed' });
    if (change.kind === 'job-completed') this.completedJobs.push(jobId);
    this.event({ type: change.kind, jobId });
  }

  private redactAfter(jobId: number, taskId: number): void {
    const record = this.specs.secretTaskEnded(jobId, taskId);
    if (record !== undefined) this.entries.push({ kind: 'redact', jobId, submitIndex: record.submitIndex });
  }

  private noteWrapperEnd(jobId: number, taskId: number, failure: WrapperFailure): void {
    const directory = this.specs.wrapperDirectory(jobId, taskId);
    if (directory !== null) this.wrapperEnds.push({ directory, failure });
  }

  private batchOf(workerId: number): WorkerBatch {
    let batch = this.batches.get(workerId);
    if (batch === undefined) {
      batch = { bodies: [], bodyIndex: new Map(), tasks: [], gangs: [], cancel: [], retract: [] };
      this.batches.set(workerId, batch);
    }
    return batch;
  }
}

function bodyIndexOf(batch: WorkerBatch, body: WireBody): number {
  let index = batch.bodyIndex.get(body);
  if (index === undefined) {
    index = batch.bodies.length;
    batch.bodies.push(body);
    batch.bodyIndex.set(body, index);
  }
  return index;
}
