/**
 * In which order the classes of one priority get their places: by weight, then jobs in the order of their submission, in a job what is large before what is small. Asked
 * by all parts of the planner that go through classes, and by `core/explain`. Why this order: docs/scheduler.md.
 */
import type { Core } from '../core.ts';
import type { Head } from '../readyQueue.ts';

/**
 * A class belongs to the job of its oldest waiting task. Cost: classes that wait with this priority, sorted.
 * @returns ids of request classes with ready tasks of this priority, the one that is placed first first
 */
export function classesInOrder(core: Core, priority: number): number[] {
  const sizeOf = ({ requestClass }: Head): number => core.capacity.sizeOf(core.classes.get(requestClass));
  const weightOf = ({ requestClass }: Head): number => core.classes.get(requestClass).weight;
  return core.ready
    .heads(core.tasks, priority)
    .sort((a, b) => weightOf(b) - weightOf(a) || a.jobId - b.jobId || sizeOf(b) - sizeOf(a) || a.taskId - b.taskId)
    .map(({ requestClass }) => requestClass);
}
