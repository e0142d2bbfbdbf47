/** The scheduler's whole state. Owned by one thread; changed only by the functions in `reactor/` and `schedule/`. */
import { Dependencies } from './dependencies.ts';
import type { Job } from './jobTable.ts';
import { ReadyQueues } from './readyQueue.ts';
import { RequestClasses, ResourceNames } from './requestClasses.ts';
import { TaskTable } from './taskTable.ts';
import type { CoreWorker } from './workerTable.ts';

export interface Core {
  readonly names: ResourceNames;
  readonly classes: RequestClasses;
  readonly tasks: TaskTable;
  readonly dependencies: Dependencies;
  readonly ready: ReadyQueues;
  readonly jobs: Map<number, Job>;
  /** By id; insertion order = order of registration. */
  readonly workers: Map<number, CoreWorker>;
}

export function createCore(): Core {
  const names = new ResourceNames();
  return {
    names,
    classes: new RequestClasses(names),
    tasks: new TaskTable(),
    dependencies: new Dependencies(),
    ready: new ReadyQueues(),
    jobs: new Map(),
    workers: new Map(),
  };
}
