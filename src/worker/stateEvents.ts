/** What goes into the worker's state machine and what comes out of it: events of the session, the executor and the clock; instructions to `worker.ts`. */
import type { TaskKey, TaskUpdate, WireBody, WireTask } from '../protocol/messages/worker.ts';
import type { TaskUsage } from '../protocol/schema/task.ts';
import type { HeldTask, MemoryExcess, TaskEnd } from './heldTask.ts';

/** A started task has ended and nothing of its process group is left. `atMs` is Unix time. */
export interface TaskEnded {
  readonly task: HeldTask;
  readonly end: TaskEnd;
  readonly usage: TaskUsage | null;
  readonly atMs: number;
  /** A staged task that started in this moment, with what this one held. */
  readonly next: HeldTask | null;
}

/** A staged task came back from the launcher. */
export interface ReturnedTask {
  readonly task: HeldTask;
  /** The launcher has died; nobody knows whether it has run. */
  readonly lost: boolean;
}

/** `nowMs` is Unix time in milliseconds. */
export type WorkerEvent =
  | { readonly kind: 'compute'; readonly bodies: readonly WireBody[]; readonly tasks: readonly WireTask[]; readonly nowMs: number }
  | { readonly kind: 'cancel'; readonly tasks: readonly TaskKey[]; readonly nowMs: number }
  | { readonly kind: 'retract'; readonly tasks: readonly TaskKey[]; readonly nowMs: number }
  /** After a reconnect: what the server still wants; `settled` are tasks whose result is repeated and that must not be run again. */
  | { readonly kind: 'reconnected'; readonly wanted: readonly TaskKey[]; readonly settled: readonly TaskKey[]; readonly nowMs: number }
  /** The server has confirmed every repeated result. */
  | { readonly kind: 'settled' }
  | { readonly kind: 'ended'; readonly ends: readonly TaskEnded[]; readonly nowMs: number }
  | { readonly kind: 'returned'; readonly returned: readonly ReturnedTask[]; readonly nowMs: number }
  | { readonly kind: 'time-limit'; readonly task: HeldTask }
  | { readonly kind: 'memory-limit'; readonly task: HeldTask; readonly excess: MemoryExcess }
  /** Gives back queued tasks that need more lifetime than is left. */
  | { readonly kind: 'sweep'; readonly nowMs: number }
  /** No task starts any more; queued ones are given back. With `running` the running ones are stopped too. */
  | { readonly kind: 'close'; readonly running: boolean; readonly nowMs: number };

/** What is to be done, in this order. */
export interface Instructions {
  readonly updates: TaskUpdate[];
  /** Interrupt these, and kill them when they do not end. */
  readonly stop: HeldTask[];
  /** Ask these back from the launcher. */
  readonly unstage: HeldTask[];
  readonly start: HeldTask[];
  /** Let these wait in the launcher. */
  readonly stage: HeldTask[];
}
