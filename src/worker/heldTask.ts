/** A task that a worker holds, from the frame that brought it to the report of its end. Made and changed by the state machine only. */
import type { TaskKey, WireBody } from '../protocol/messages/worker.ts';
import type { Allocation } from '../resources/pool.ts';
import type { QueueClass } from './taskQueue.ts';

/** Why a running task is being stopped. `unwanted`: the server no longer wants it, nothing of it is reported. */
export type StopCause = 'cancel' | 'time-limit' | 'memory-limit' | 'worker-stop' | 'unwanted';

/** Memory of a task at the moment when it was found to hold more than it has requested, bytes. */
export interface MemoryExcess {
  readonly usedBytes: number;
  readonly limitBytes: number;
  /** The kernel has refused more: what it would have used is not known. */
  readonly atLimit?: true;
}

export interface HeldTask {
  readonly job: number;
  readonly task: number;
  readonly instance: number;
  readonly body: WireBody;
  readonly entry: string | null;
  /** Index into the body's request. */
  readonly variant: number;
  readonly queueClass: QueueClass;
  /** Host names of a multi-node task, this worker's first; null for others. */
  readonly nodes: readonly string[] | null;
  /**
   * `queued` -> `running` -> `ended`. `staged`: waits in the launcher for the end of a task of its class, and comes back from there as `queued`
   * when it is asked back. What has not run may end, too.
   */
  state: 'queued' | 'staged' | 'running' | 'ended';
  /** It is started by itself: it takes the whole worker, or the launcher has given it back unasked. */
  alone: boolean;
  /** Set while it runs. */
  allocation: Allocation | null;
  /** Unix time of its start, milliseconds; 0 before. */
  startedAtMs: number;
  /** The first cause counts. */
  stop: StopCause | null;
  /** Set when it is stopped for its memory. */
  excess: MemoryExcess | null;
}

/** How a started task ended, as far as the executor knows. Texts are for the user. */
export type TaskEnd =
  /**
   * `outOfMemory`: the kernel has killed a process of it. `excess`: it did so because the task wanted more than it had requested. `message`: the
   * task's own words about its failure. `byItself`: it has ended so before it was stopped.
   */
  | {
      readonly kind: 'exit';
      readonly code: number;
      readonly outOfMemory?: true;
      readonly excess?: MemoryExcess;
      readonly message?: string;
      readonly byItself?: true;
    }
  | {
      readonly kind: 'signal';
      readonly signal: string;
      readonly outOfMemory?: true;
      readonly excess?: MemoryExcess;
      readonly message?: string;
    }
  | { readonly kind: 'spawn' | 'log' | 'internal'; readonly error: string };

/** What counts as the result once the reason of a stop is taken into account. */
export type TaskOutcome = 'finished' | 'failed' | 'canceled' | 'stopped' | 'unwanted';

/** @returns the result of a task that ended so */
export function outcomeOf(task: HeldTask, end: TaskEnd): TaskOutcome {
  switch (task.stop) {
    case 'cancel':
      return 'canceled';
    case 'worker-stop':
      return end.kind === 'exit' && end.byItself === true ? ownOutcome(end) : 'stopped';
    case 'unwanted':
      return 'unwanted';
    case 'time-limit':
    case 'memory-limit':
      return 'failed';
    case null:
      return ownOutcome(end);
  }
}

function ownOutcome(end: TaskEnd): TaskOutcome {
  return end.kind === 'exit' && end.code === 0 && end.excess === undefined ? 'finished' : 'failed';
}

export function keyOf(task: HeldTask): TaskKey {
  return [task.job, task.task, task.instance];
}
