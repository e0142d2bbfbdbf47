/**
 * One allocation from its submission to its end: a record and what may happen to it. Pure: each function returns the record as it is afterwards;
 * the allocation service writes it to the journal.
 *
 * Phases: `submitting` -> `queued` -> `running` -> `ended`; any but `ended` -> `ended`; `running` -> `queued` when the batch system starts it
 * again under the same id; `running` <-> `suspended`. In `submitting` it is not known whether the batch system has it: it is looked up by its comment.
 */
import type { WorkerEnd } from '../../protocol/schema/worker.ts';
import type { AllocationOutcome, BatchJobStatus } from './batchSystem.ts';
import { SHORT_LIFE_MS } from './failures.ts';

export type AllocationPhase = 'submitting' | 'queued' | 'running' | 'suspended' | 'ended';

/** Why we end an allocation. */
export type CancelReason = 'useless' | 'hopeless' | 'removed' | 'server-stop';

/** As the journal keeps it, too. Times are Unix milliseconds. */
export interface AllocationRecord {
  readonly queueId: number;
  /** Counts the allocations of its queue from 1. */
  readonly number: number;
  readonly phase: AllocationPhase;
  /** Of the batch system; null while it is being submitted, and when that failed. */
  readonly batchId: string | null;
  readonly comment: string;
  readonly directory: string;
  /** Nodes, and workers that are to come. */
  readonly workers: number;
  readonly queuedAtMs: number;
  readonly startedAtMs: number | null;
  /** When its time limit ends, as far as it is known. */
  readonly limitAtMs: number | null;
  readonly endedAtMs: number | null;
  /** How the batch system says it ended; null for one that is no longer known there, and before its end. */
  readonly outcome: AllocationOutcome | null;
  readonly exitCode: number | null;
  /** The batch system's word for its state, as last heard; and the same as a sentence without a full stop. */
  readonly rawState: string | null;
  readonly statusText: string | null;
  readonly restarts: number;
  readonly cancel: CancelReason | null;
  /** Workers that have connected since it started (again), and those of them that are gone. */
  readonly connected: number;
  readonly gone: number;
  /** Ever. */
  readonly everConnected: number;
  /** A worker of it has left in order, or lived for a while. */
  readonly wasOfUse: boolean;
  readonly hopelessSinceMs: number | null;
}

/** @param o.nowMs Unix milliseconds */
export function newAllocation(
  o: Pick<AllocationRecord, 'queueId' | 'number' | 'comment' | 'directory' | 'workers'> & { readonly nowMs: number },
): AllocationRecord {
  const { nowMs, ...identity } = o;
  return {
    ...identity,
    phase: 'submitting',
    batchId: null,
    queuedAtMs: nowMs,
    startedAtMs: null,
    limitAtMs: null,
    endedAtMs: null,
    outcome: null,
    exitCode: null,
    rawState: null,
    statusText: null,
    restarts: 0,
    cancel: null,
    connected: 0,
    gone: 0,
    everConnected: 0,
    wasOfUse: false,
    hopelessSinceMs: null,
  };
}

/** The batch system has it under this id. */
export function submitted(allocation: AllocationRecord, batchId: string): AllocationRecord {
  return allocation.phase === 'submitting' ? { ...allocation, phase: 'queued', batchId } : allocation;
}

/** It was never accepted. */
export function notSubmitted(allocation: AllocationRecord, nowMs: number): AllocationRecord {
  return { ...allocation, phase: 'ended', endedAtMs: nowMs, outcome: 'launch failed' };
}

/**
 * What a status says is taken over. A status of another's job (its comment differs) counts as vanished.
 * @param o.text the status as a sentence
 */
export function afterStatus(
  allocation: AllocationRecord,
  told: BatchJobStatus,
  { nowMs, text }: { readonly nowMs: number; readonly text: string },
): AllocationRecord {
  if (allocation.phase === 'ended') return allocation;
  const isOurs = told.comment === null || told.comment === allocation.comment;
  const heard = isOurs ? { rawState: told.rawState, statusText: text } : {};
  const at = { ...allocation, ...heard };
  if (!isOurs || told.state === 'vanished') return { ...at, phase: 'ended', endedAtMs: nowMs };
  const again = told.restarts > allocation.restarts ? { restarts: told.restarts, connected: 0, gone: 0 } : {};
  switch (told.state) {
    case 'queued': {
      // Asked before a worker of it came.
      if (told.restarts === allocation.restarts && allocation.connected > allocation.gone) return allocation;
      const hopelessSinceMs = told.hopeless ? (allocation.hopelessSinceMs ?? nowMs) : null;
      return { ...at, ...again, phase: 'queued', startedAtMs: null, limitAtMs: null, hopelessSinceMs };
    }
    case 'running':
    case 'suspended':
      return {
        ...at,
        ...again,
        phase: told.state,
        startedAtMs: told.startMs ?? allocation.startedAtMs ?? nowMs,
        limitAtMs: told.endMs ?? allocation.limitAtMs,
        hopelessSinceMs: null,
      };
    case 'ended':
      return {
        ...at,
        phase: 'ended',
        startedAtMs: told.startMs ?? allocation.startedAtMs,
        endedAtMs: told.endMs ?? nowMs,
        outcome: told.outcome,
        exitCode: told.exitCode,
      };
  }
}

/** A worker of it has connected: it runs, whatever was heard so far. */
export function workerCame(allocation: AllocationRecord, nowMs: number): AllocationRecord {
  if (allocation.phase === 'ended') return allocation;
  const { connected, everConnected, startedAtMs } = allocation;
  return {
    ...allocation,
    phase: 'running',
    startedAtMs: startedAtMs ?? nowMs,
    connected: connected + 1,
    everConnected: everConnected + 1,
    hopelessSinceMs: null,
  };
}

/** @param o.lifeMs since the worker had connected */
export function workerWent(allocation: AllocationRecord, o: { readonly reason: WorkerEnd; readonly lifeMs: number }): AllocationRecord {
  const vanished = o.reason === 'CONNECTION LOST' || o.reason === 'HEARTBEAT LOST';
  const wasOfUse = allocation.wasOfUse || !vanished || o.lifeMs >= SHORT_LIFE_MS;
  // Workers of an earlier start of it no longer count.
  return { ...allocation, gone: Math.min(allocation.connected, allocation.gone + 1), wasOfUse };
}

export function isActive({ phase }: AllocationRecord): boolean {
  return phase !== 'ended';
}

/** Has it not started, as far as is known? */
export function isQueued({ phase }: AllocationRecord): boolean {
  return phase === 'submitting' || phase === 'queued';
}

/** Workers that are still to connect. */
export function comingWorkers({ phase, workers, connected }: AllocationRecord): number {
  return phase === 'ended' || phase === 'suspended' ? 0 : Math.max(0, workers - connected);
}

/**
 * What the end of an allocation means for a worker of it that has not said goodbye. Its processes are gone by order, so its tasks did
 * not break it: unless the node did, they are requeued without a crash.
 */
export function endOfWorkers({ outcome, cancel }: AllocationRecord): WorkerEnd {
  if (cancel !== null) return 'STOPPED';
  switch (outcome) {
    case 'timed out':
      return 'TIME LIMIT REACHED';
    case 'canceled':
    case 'preempted':
    case 'finished':
      return 'STOPPED';
    default:
      return 'CONNECTION LOST';
  }
}

/** The original's word for its state. */
export function publicState(allocation: AllocationRecord): 'queued' | 'running' | 'finished' | 'failed' {
  if (isQueued(allocation)) return 'queued';
  if (allocation.phase !== 'ended') return 'running';
  const { outcome, wasOfUse, cancel, everConnected } = allocation;
  if (outcome === 'finished' || outcome === 'timed out') return everConnected > 0 ? 'finished' : 'failed';
  return cancel !== null || (outcome === null && wasOfUse) ? 'finished' : 'failed';
}
