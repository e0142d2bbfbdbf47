/** Workers come, break off, come back, and are lost. */
import type { WorkerEnd } from '../../protocol/schema/worker.ts';
import type { Core } from '../core.ts';
import { rowOf } from '../jobTable.ts';
import type { Outbox } from '../outbox.ts';
import { isComplete, leaveGang } from '../schedule/gangs.ts';
import { retractAll } from '../schedule/retract.ts';
import { CRASH_NEVER_RESTART, CRASH_UNLIMITED, HOLD_NONE, RUNNING, SENT } from '../taskTable.ts';
import { type CoreWorker, createWorker, type WorkerSpec } from '../workerTable.ts';
import { forgetRetracts } from './holds.ts';
import { failRestartForbidden, failWithWorker, restartForbidden } from './onUpdates.ts';
import { requeueNext } from './requeues.ts';
import { isEnded, releaseHold } from './transitions.ts';

/** Registers a worker (or replaces its lifetime when it comes back with the same id). */
export function onWorkerConnected(core: Core, out: Outbox, o: { spec: WorkerSpec; nowMs: number }): void {
  enterWorker(core, createWorker(core.names, o.spec, o.nowMs));
  core.planned.changed.add(o.spec.id);
  core.planned.arrived.add(o.spec.id);
  out.askPlan();
}

/** A worker is among those of the core from now on, instead of an earlier one with its id. */
export function enterWorker(core: Core, worker: CoreWorker): void {
  const earlier = core.workers.get(worker.id);
  if (earlier !== undefined) core.capacity.remove(earlier);
  core.workers.set(worker.id, worker);
  core.capacity.add(worker);
  if (worker.minUtilization > 0) core.planned.picky.add(worker.id);
}

function removeWorker(core: Core, worker: CoreWorker): void {
  core.workers.delete(worker.id);
  core.capacity.remove(worker);
  for (const ids of [core.planned.changed, core.planned.arrived, core.planned.picky]) ids.delete(worker.id);
}

/** Its connection broke: it gets nothing new, its tasks stay its own until it returns or is lost. */
export function onWorkerDisconnected(core: Core, workerId: number): void {
  const worker = core.workers.get(workerId);
  if (worker !== undefined) worker.connected = false;
}

/** It gets nothing new from now on; what was only sent ahead is taken back. */
export function onWorkerDraining(core: Core, out: Outbox, workerId: number): void {
  const worker = core.workers.get(workerId);
  if (worker === undefined || worker.draining) return;
  worker.draining = true;
  if (worker.connected) retractAll(core, out, worker);
  out.askPlan();
}

/** What a returning worker holds: [job, task, instance]. */
export type HeldTask = readonly [job: number, task: number, instance: number];

export interface Reconciliation {
  /** Held and still wanted. */
  readonly wanted: HeldTask[];
  /** Given to this worker but unknown to it: their frame was lost. They were never started, so the same instance is sent again. */
  readonly resend: number[];
}

/**
 * A worker returns in the same session. The caller has applied every result that the worker had reported before; results that are
 * still under way stand in `reported` (the worker held them when it sent its hello, or will repeat them), so such rows are neither
 * killed nor sent again.
 */
export function onWorkerReconnected(
  core: Core,
  out: Outbox,
  o: { workerId: number; held: readonly HeldTask[]; nowMs: number },
): Reconciliation {
  const worker = core.workers.get(o.workerId);
  if (worker === undefined) return { wanted: [], resend: [] };
  worker.connected = true;
  core.planned.changed.add(worker.id);
  core.planned.arrived.add(worker.id);
  forgetRetracts(core, worker);
  const heldRows = new Set<number>();
  const wanted: HeldTask[] = [];
  for (const key of o.held) {
    const row = wantedRow(core, o.workerId, key);
    if (row < 0) continue;
    heldRows.add(row);
    wanted.push(key);
  }
  const resend: number[] = [];
  for (const row of [...worker.rows]) {
    if (heldRows.has(row)) continue;
    // Ended rows that the worker no longer holds are settled: it killed them, or its report was already applied.
    if (isEnded(core.tasks.state[row] as number)) releaseHold(core, row, o.nowMs);
    // A worker of its gang was lost meanwhile: it is gathered anew.
    else if (!isComplete(core, row)) requeueNext(core, out, { row, cause: 'worker-lost', error: null, nowMs: o.nowMs });
    else resend.push(row);
  }
  if (worker.draining) retractAll(core, out, worker);
  out.askPlan();
  return { wanted, resend };
}

function wantedRow(core: Core, workerId: number, key: HeldTask): number {
  const { tasks } = core;
  const job = core.jobs.get(key[0]);
  const row = job === undefined ? -1 : rowOf(job, key[1]);
  if (row < 0 || tasks.hold[row] === HOLD_NONE || tasks.worker[row] !== workerId || tasks.instance[row] !== key[2]) return -1;
  return tasks.state[row] === SENT || tasks.state[row] === RUNNING ? row : -1;
}

/**
 * A worker is gone. Running tasks count a crash when it vanished (not when it ended in an orderly way) and run again as their next
 * instance, unless their crash limit says otherwise. HyperQueue's rules: docs/jobs/failure.md.
 */
export function onWorkerLost(core: Core, out: Outbox, o: { workerId: number; reason: WorkerEnd; nowMs: number }): void {
  const worker = core.workers.get(o.workerId);
  if (worker === undefined) return;
  const vanished = o.reason === 'CONNECTION LOST' || o.reason === 'HEARTBEAT LOST';
  out.emit({ kind: 'worker-lost', workerId: o.workerId, reason: o.reason, atMs: o.nowMs });
  leaveGang(core, worker);
  // Latest first, so that tasks pushed to the front of their queue keep their order.
  for (const row of [...worker.rows].reverse()) loseRow(core, out, { row, vanished, nowMs: o.nowMs });
  removeWorker(core, worker);
  out.askPlan();
}

function loseRow(core: Core, out: Outbox, o: { row: number; vanished: boolean; nowMs: number }): void {
  const { tasks } = core;
  const { row } = o;
  if (tasks.hold[row] === HOLD_NONE) return;
  if (isEnded(tasks.state[row] as number)) return releaseHold(core, row, o.nowMs);
  if (restartForbidden(core, row)) return failRestartForbidden(core, out, row, o.nowMs);
  if (o.vanished && tasks.state[row] === RUNNING) {
    const crashes = Math.min((tasks.crashes[row] as number) + 1, 0xffff);
    tasks.crashes[row] = crashes;
    const limit = tasks.crashLimit[row] as number;
    if (limit !== CRASH_UNLIMITED && limit !== CRASH_NEVER_RESTART && crashes >= limit) {
      const error = `Task was running on a worker that was lost; the task has occurred ${crashes} times in this situation and limit was reached.`;
      return failWithWorker(core, out, { row, error, atMs: o.nowMs });
    }
  }
  requeueNext(core, out, { row, cause: o.vanished ? 'worker-lost' : 'worker-stopped', error: null, nowMs: o.nowMs });
}
