/** `task explain` as JSON: the original's keys, and everything that the server knows beside them. */
import { IntArray } from '../../common/intArray.ts';
import type { Obstacle, TaskExplanation } from '../../protocol/schema/explain.ts';
import { adviceOf, summaryOf } from './explainText.ts';

/** Amounts in JSON are integers in units of 1/10,000, as in the original. */
const UNITS = 10_000;

/** @param extras false: the original's keys only */
export function explanationJson(explanation: TaskExplanation, extras: boolean): Record<string, unknown> {
  const { jobId, taskId, dependencies, reason, state, instance, queue, queues, variants } = explanation;
  return {
    task_id: { job_id: jobId, job_task_id: taskId },
    explanation: {
      n_task_deps: dependencies,
      n_waiting_deps: reason.kind === 'dependencies' ? reason.unfinished : 0,
      workers: workersJson(explanation),
    },
    ...(extras ? { state, instance, reason, queue, queues, variants, summary: summaryOf(explanation), advice: adviceOf(explanation) } : {}),
  };
}

/** Per worker and variant what is in the way whatever else runs there; an empty list: nothing. */
function workersJson({ variants }: TaskExplanation): unknown[] {
  const lists = new Map<number, unknown[][]>();
  for (const { workers } of variants) {
    for (const { workerIds, obstacles } of workers) {
      const ids = IntArray.parse(workerIds);
      const blocking = obstacles.flatMap(obstacleJson);
      for (const id of typeof ids === 'string' ? [] : ids) lists.set(id, [...(lists.get(id) ?? []), blocking]);
    }
  }
  return [...lists].sort(([a], [b]) => a - b).map(([worker_id, perVariant]) => ({ worker_id, variants: perVariant }));
}

function obstacleJson(obstacle: Obstacle): unknown[] {
  switch (obstacle.kind) {
    case 'missing':
    case 'too-little': {
      const { resource, requested } = obstacle;
      const total = obstacle.kind === 'missing' ? 0 : obstacle.total;
      return [{ Resources: { resource, request_amount: Math.round(requested * UNITS), worker_amount: Math.round(total * UNITS) } }];
    }
    case 'lifetime':
      return [{ Time: { min_time: duration(obstacle.neededMs), remaining_time: duration(obstacle.leftMs) } }];
    case 'nodes':
      return [{ WorkerGroup: { n_nodes: obstacle.needed, group_size: obstacle.size } }];
    default:
      return [];
  }
}

function duration(ms: number): { secs: number; nanos: number } {
  return { secs: Math.floor(ms / 1_000), nanos: Math.floor(ms % 1_000) * 1_000_000 };
}
