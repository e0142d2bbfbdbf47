/**
 * Submits that wait for tasks of earlier submits, of their own job or of others. All tasks of such a submit wait at one gate, so that a million
 * tasks that wait for a million others cost one edge per awaited task. Written at submit and restore, asked whenever a task ends.
 */
import type { IntArray } from '../common/intArray.ts';
import type { Core } from './core.ts';
import { type Job, rowOf } from './jobTable.ts';
import { BLOCKED, FINISHED } from './taskTable.ts';

/** Tasks that must finish, of one job. */
export interface Awaited {
  readonly jobId: number;
  readonly taskIds: IntArray;
}

export interface TaskName {
  readonly jobId: number;
  readonly taskId: number;
}

/** One submit that waits. */
export interface Gate {
  readonly id: number;
  /** Whose tasks wait. */
  readonly jobId: number;
  /** Rows of the submit: consecutive. */
  readonly base: number;
  readonly count: number;
  readonly awaited: readonly Awaited[];
  /** Awaited tasks that have not finished, and one more until they are all linked. */
  remaining: number;
}

export class Gates {
  private readonly byId = new Map<number, Gate>();
  /** Never given out again, so that an edge to a gate that is gone leads nowhere. */
  private lastId = 0;

  get size(): number {
    return this.byId.size;
  }

  get(id: number): Gate | undefined {
    return this.byId.get(id);
  }

  all(): Iterable<Gate> {
    return this.byId.values();
  }

  add(o: Omit<Gate, 'id' | 'remaining'>): Gate {
    this.lastId += 1;
    const gate: Gate = { ...o, id: this.lastId, remaining: 1 };
    this.byId.set(gate.id, gate);
    return gate;
  }

  delete(id: number): void {
    this.byId.delete(id);
  }
}

/** The rows of a submit wait at a new gate, which stays shut until it is linked and `passGate` was called for it. */
export function shutGate(core: Core, job: Job, o: { base: number; count: number; awaited: readonly Awaited[] }): Gate {
  const gate = core.gates.add({ jobId: job.id, ...o });
  job.gates.push(gate.id);
  const { state, unfinishedDeps } = core.tasks;
  for (let row = o.base; row < o.base + o.count; row += 1) {
    if (state[row] === BLOCKED) unfinishedDeps[row] = (unfinishedDeps[row] as number) + 1;
  }
  return gate;
}

/**
 * Counts the awaited tasks that have not ended. Tasks of jobs that are no longer in memory have finished: what waited for one that did not was
 * aborted together with its end.
 * @returns the first awaited task that ended without success; null when there is none
 */
export function linkGate(core: Core, gate: Gate): TaskName | null {
  const { tasks } = core;
  let unsuccessful: TaskName | null = null;
  for (const { jobId, taskIds } of gate.awaited) {
    const job = core.jobs.get(jobId);
    if (job === undefined) continue;
    for (const taskId of taskIds) {
      const row = rowOf(job, taskId);
      if (row < 0) continue;
      const state = tasks.state[row] as number;
      if (state < FINISHED) {
        core.dependencies.addGate(tasks, row, gate.id);
        gate.remaining += 1;
      } else if (state !== FINISHED) unsuccessful ??= { jobId, taskId };
    }
  }
  return unsuccessful;
}

/**
 * One of the things that a gate waits for has come.
 * @returns true when it was the last one: the rows no longer wait for the gate, and those that wait for nothing else may be queued
 */
export function passGate(core: Core, gate: Gate): boolean {
  gate.remaining -= 1;
  if (gate.remaining > 0) return false;
  const { state, unfinishedDeps } = core.tasks;
  for (let row = gate.base; row < gate.base + gate.count; row += 1) {
    if (state[row] === BLOCKED) unfinishedDeps[row] = (unfinishedDeps[row] as number) - 1;
  }
  core.gates.delete(gate.id);
  return true;
}
