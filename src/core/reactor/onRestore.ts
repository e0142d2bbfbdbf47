/** A server starts on an existing journal: jobs, tasks and workers enter the core in the state in which they were written. */
import { invariant } from '../../common/assert.ts';
import type { IntArray } from '../../common/intArray.ts';
import type { Core } from '../core.ts';
import { linkGate, passGate } from '../gates.ts';
import { type Job, rowOf, unfinishedCount } from '../jobTable.ts';
import { formGang, isMultiNode } from '../schedule/gangs.ts';
import { ABORTED, CANCELED, DELAYED, FAILED, FINISHED, HOLD_PREFILLED, HOLD_RESERVED, RUNNING, SENT } from '../taskTable.ts';
import { couldEverFit, createWorker, type WorkerSpec } from '../workerTable.ts';
import { promoteQueued, takeHold } from './holds.ts';
import { applyChanges } from './onModify.ts';
import { enterRows, type SubmitEvent } from './onSubmit.ts';
import { enterWorker } from './onWorker.ts';
import { growMemory } from './requeues.ts';
import { isEnded, queueRuns, restoreState } from './transitions.ts';

/** What the journal knows of one task. */
export interface RestoredTask {
  readonly taskId: number;
  readonly state: 'waiting' | 'assigned' | 'running' | 'finished' | 'failed' | 'canceled' | 'aborted';
  readonly instance: number;
  readonly workerId: number | null;
  readonly variant: number;
  readonly crashes: number;
  readonly retries: number;
  /** Of a waiting task: not to be started before, Unix milliseconds; null for none. */
  readonly dueAtMs: number | null;
  /** Workers of a multi-node task that is out, the root first. */
  readonly gang: readonly number[] | null;
}

export interface RestoredSubmit {
  readonly event: SubmitEvent;
  /** Tasks of this submit that are not plainly waiting. */
  readonly tasks: readonly RestoredTask[];
  readonly ended: readonly { readonly ids: IntArray; readonly state: 'canceled' | 'aborted' }[];
  /** Of its tasks, after the submit, in order. */
  readonly changes: Job['changes'];
}

const END_STATES = { finished: FINISHED, failed: FAILED, canceled: CANCELED, aborted: ABORTED } as const;

/** A worker of the previous server process: it holds its tasks and may come back. Must be restored before the jobs. */
export function onRestoreWorker(core: Core, spec: WorkerSpec, nowMs: number): void {
  const worker = createWorker(core.names, spec, nowMs);
  worker.connected = false;
  enterWorker(core, worker);
}

/** One submit of a restored job (made by `onJobCreated`), in the order of the submits. @returns how many of its tasks have not ended */
export function onRestoreSubmit(core: Core, restored: RestoredSubmit): number {
  const { event } = restored;
  const job = core.jobs.get(event.jobId);
  invariant(job !== undefined, `job ${event.jobId} is not in memory`);
  const before = unfinishedCount(job);
  const out: { row: number; task: RestoredTask }[] = [];
  const { base } = enterRows(core, job, event, () => {
    for (const task of restored.tasks) {
      const row = rowOf(job, task.taskId);
      if (row < 0) continue;
      restoreRow(core, row, task);
      if (task.state === 'assigned' || task.state === 'running') out.push({ row, task });
    }
    for (const { ids, state } of restored.ended) for (const id of ids) endRow(core, rowOf(job, id), END_STATES[state]);
  });
  job.changes.push(...restored.changes);
  if (restored.changes.length > 0) {
    for (let row = base; row < base + event.ids.length; row += 1) {
      if (!isEnded(core.tasks.state[row] as number)) applyChanges(core, row);
    }
  }
  for (const { row, task } of out) giveBack(core, row, task);
  queueRuns(core, base, event.ids.length);
  job.aborted = job.maxFails !== null && job.stats.failed > job.maxFails;
  return unfinishedCount(job) - before;
}

/**
 * Call once after all jobs are restored: submits wait for what has not finished of other jobs, and what workers had queued is reserved as far as
 * it fits, as they do themselves.
 */
export function onRestoreDone(core: Core): void {
  for (const gate of [...core.gates.all()]) {
    linkGate(core, gate);
    if (passGate(core, gate)) queueRuns(core, gate.base, gate.count);
  }
  for (const workerId of core.workers.keys()) promoteQueued(core, workerId);
}

function restoreRow(core: Core, row: number, task: RestoredTask): void {
  core.tasks.instance[row] = task.instance;
  core.tasks.crashes[row] = task.crashes;
  core.tasks.retries[row] = task.retries;
  if (task.retries > 0) growMemory(core, row, task.retries);
  if (task.state === 'waiting' && task.dueAtMs !== null) {
    restoreState(core, row, DELAYED);
    core.delayed.add(core.tasks, row, task.dueAtMs);
  }
  if (task.state === 'finished' || task.state === 'failed' || task.state === 'canceled' || task.state === 'aborted')
    endRow(core, row, END_STATES[task.state]);
}

function endRow(core: Core, row: number, state: number): void {
  if (row >= 0 && !isEnded(core.tasks.state[row] as number)) restoreState(core, row, state);
}

/** A task that is out stays with its worker; one whose worker is unknown waits as its next instance, because it may have run. */
function giveBack(core: Core, row: number, task: RestoredTask): void {
  if (task.workerId === null || !core.workers.has(task.workerId)) {
    core.tasks.instance[row] = task.instance + 1;
    return;
  }
  const running = task.state === 'running';
  const isGang = isMultiNode(core, row);
  restoreState(core, row, running ? RUNNING : SENT);
  const variant = running ? task.variant : possibleVariant(core, row, task.workerId);
  takeHold(core, { row, workerId: task.workerId, hold: running || isGang ? HOLD_RESERVED : HOLD_PREFILLED, variant });
  const members = (task.gang ?? [task.workerId]).map((id) => core.workers.get(id));
  if (isGang)
    formGang(
      core,
      row,
      members.filter((worker) => worker !== undefined),
    );
}

/** The journal does not know the variant of a task that has not started: one that the worker can run, until its start tells. */
function possibleVariant(core: Core, row: number, workerId: number): number {
  const { variants } = core.classes.get(core.tasks.requestClass[row] as number);
  const worker = core.workers.get(workerId);
  return Math.max(
    0,
    variants.findIndex((variant) => worker !== undefined && couldEverFit(core.names, worker, variant)),
  );
}
