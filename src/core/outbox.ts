/**
 * Everything the core may do to the outside: four methods. The server turns assignments and controls into frames and changes into
 * journal entries and events; tests record them.
 */

import type { AttemptFailure } from '../protocol/messages/worker.ts';
import type { TaskUsage } from '../protocol/schema/task.ts';
import type { WorkerEnd } from '../protocol/schema/worker.ts';

export type ControlKind = 'cancel' | 'retract';

/** What happened, in the order in which it happened. */
export type Change =
  | {
      readonly kind: 'started';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly workerId: number;
      readonly variant: number;
      readonly atMs: number;
    }
  | {
      readonly kind: 'finished';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly atMs: number;
      readonly usage: TaskUsage | null;
    }
  | {
      readonly kind: 'failed';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly atMs: number;
      readonly usage: TaskUsage | null;
      readonly failure: AttemptFailure;
    }
  /** A task has sent a message. */
  | {
      readonly kind: 'notified';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly workerId: number;
      readonly message: string;
    }
  /** `instance` ended (or was taken back before it started: `cause` null) and `nextInstance` waits. */
  | {
      readonly kind: 'requeued';
      readonly jobId: number;
      readonly taskId: number;
      readonly instance: number;
      readonly nextInstance: number;
      readonly crashes: number;
      readonly retries: number;
      readonly cause: RequeueCause | null;
      readonly error: string | null;
      /** Before this moment (Unix milliseconds) the next attempt does not start; null: as soon as there is room. */
      readonly dueAtMs: number | null;
    }
  /** Tasks that will not run: those that a worker holds with their instance, all others compressible. */
  | {
      readonly kind: 'dropped';
      readonly jobId: number;
      readonly taskIds: readonly number[];
      readonly held: readonly { readonly taskId: number; readonly instance: number }[];
      readonly state: 'canceled' | 'aborted';
      readonly atMs: number;
      readonly reason: string | null;
    }
  | { readonly kind: 'job-idle'; readonly jobId: number; readonly atMs: number }
  | { readonly kind: 'job-completed'; readonly jobId: number; readonly atMs: number }
  | { readonly kind: 'worker-lost'; readonly workerId: number; readonly reason: WorkerEnd; readonly atMs: number };

export type RequeueCause = 'retry' | 'worker-lost' | 'worker-stopped';

export interface Outbox {
  /** The row goes to the worker; its state, instance, worker and variant columns are set already. */
  assign(workerId: number, row: number): void;
  control(workerId: number, kind: ControlKind, row: number): void;
  emit(change: Change): void;
  /** Something changed that may let tasks start: plan before this turn ends. */
  askPlan(): void;
}
