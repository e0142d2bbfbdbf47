/** The scheduler's whole state. Owned by one thread; changed only by the functions in `reactor/` and `schedule/`. */
import { Capacity } from './capacity.ts';
import { DelayedRows } from './delayedRows.ts';
import { Dependencies } from './dependencies.ts';
import { Gates } from './gates.ts';
import type { Job } from './jobTable.ts';
import { ReadyQueues } from './readyQueue.ts';
import { RequestClasses, ResourceNames } from './requestClasses.ts';
import { RetryPolicies } from './retryPolicy.ts';
import type { Blocked, Reservation } from './schedule/reserve.ts';
import { TaskTable } from './taskTable.ts';
import type { CoreWorker } from './workerTable.ts';

/** What the last plan found, so that the next one looks only at what has changed. */
export interface PlanMemory {
  /** Ids of workers on which something became free, or that came (back), since the last plan. */
  readonly changed: Set<number>;
  /** Ids of workers that came (back) or left a gang since the last plan: only they can make possible what no worker could ever run. */
  readonly arrived: Set<number>;
  /** Request classes that no worker could run, were it idle, when they were last looked for. */
  readonly hopeless: Set<number>;
  /** A worker that could run a class, were it idle, as far as one was looked for, so that it need not be found anew. */
  readonly homes: Map<number, number>;
  /** Request classes of which tasks waited after the last plan: they fitted nowhere, so they can only fit on a changed worker. */
  full: Set<number>;
  /** The priority that was next to start. */
  priority: number;
  /** Rows queued ahead per request class, on all workers together. */
  readonly queued: Map<number, number>;
  /** Those of them that are asked back. */
  retracting: number;
  /** Something was queued of a new class, or what was asked back has been settled: idle workers may get something of it. */
  reviewIdle: boolean;
  /** What waits, by bucket. */
  blocked: Map<number, Blocked>;
  reservation: Reservation | null;
  /** Buckets of which something was sent ahead since tasks that wait were last looked at. */
  readonly fed: Set<number>;
  /** Workers with a least utilisation: they change with what waits, not only by themselves. */
  readonly picky: Set<number>;
}

export interface Core {
  readonly names: ResourceNames;
  readonly classes: RequestClasses;
  /** Of all workers in `workers`. */
  readonly capacity: Capacity;
  readonly tasks: TaskTable;
  readonly dependencies: Dependencies;
  readonly gates: Gates;
  readonly ready: ReadyQueues;
  readonly retryPolicies: RetryPolicies;
  readonly delayed: DelayedRows;
  readonly jobs: Map<number, Job>;
  /** By id; insertion order = order of registration. */
  readonly workers: Map<number, CoreWorker>;
  /** Workers of running multi-node tasks by row, the root first. */
  readonly gangs: Map<number, number[]>;
  /** Ids of workers that have joined or left a gang and have not been told. */
  readonly gangChanges: Set<number>;
  readonly planned: PlanMemory;
  /** When the next plan is due even if nothing happens until then, Unix milliseconds; Infinity for never. */
  wakeAtMs: number;
}

export function createCore(): Core {
  const names = new ResourceNames();
  return {
    names,
    classes: new RequestClasses(names),
    capacity: new Capacity(names),
    tasks: new TaskTable(),
    dependencies: new Dependencies(),
    gates: new Gates(),
    ready: new ReadyQueues(),
    retryPolicies: new RetryPolicies(),
    delayed: new DelayedRows(),
    jobs: new Map(),
    workers: new Map(),
    gangs: new Map(),
    gangChanges: new Set(),
    wakeAtMs: Number.POSITIVE_INFINITY,
    planned: {
      changed: new Set(),
      arrived: new Set(),
      hopeless: new Set(),
      homes: new Map(),
      full: new Set(),
      priority: Number.NEGATIVE_INFINITY,
      queued: new Map(),
      retracting: 0,
      reviewIdle: false,
      blocked: new Map(),
      reservation: null,
      fed: new Set(),
      picky: new Set(),
    },
  };
}
