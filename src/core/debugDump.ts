/** The scheduler's state as plain data, for finding out what is the matter with it. Asked for by `hq server debug-dump`; no contract: it may change with every version. */
import type { Core } from './core.ts';
import type { CoreWorker } from './workerTable.ts';

/** @returns plain data without anything that was submitted (commands, variables); amounts in units of 1/10,000 */
export function debugDump(core: Core, nowMs: number): Record<string, unknown> {
  const { ready, planned, tasks, delayed } = core;
  const queues = ready
    .activePriorities()
    .flatMap((priority) => [...ready.classesOf(priority)].map((id) => ({ priority, requestClass: id, ready: ready.count(priority, id) })));
  const used = new Set(queues.map(({ requestClass }) => requestClass));
  for (const worker of core.workers.values()) for (const id of [...worker.reservedOf.keys(), ...worker.queuedOf.keys()]) used.add(id);
  return {
    nowMs,
    jobs: [...core.jobs.values()].map(({ id, open, aborted, maxFails, stats, taskCount, held, segments, gates, changes }) => ({
      ...{ id, open, aborted, maxFails, stats: { ...stats }, taskCount, held, gates: [...gates], changes: changes.length },
      submits: segments.map(({ submitIndex, base, ids }) => ({ submitIndex, base, ids: ids.toString() })),
    })),
    workers: [...core.workers.values()].map((worker) => workerDump(core, worker)),
    queues,
    classes: [...used]
      .sort((a, b) => a - b)
      .map((id) => {
        const { request, timeLimitMs, workers } = core.classes.get(id);
        return { id, request, timeLimitMs: Number.isFinite(timeLimitMs) ? timeLimitMs : null, workers };
      }),
    gates: [...core.gates.all()].map(({ id, jobId, base, count, remaining, awaited }) => ({
      ...{ id, jobId, base, count, remaining },
      awaited: awaited.map(({ jobId: job, taskIds }) => ({ jobId: job, tasks: taskIds.toString() })),
    })),
    delayedRows: delayed.countLive(tasks),
    table: { rows: tasks.rowCount, free: tasks.freeRows, capacity: tasks.capacityRows },
    plan: {
      full: [...planned.full],
      hopeless: [...planned.hopeless],
      changedWorkers: [...planned.changed],
      retracting: planned.retracting,
      isReserved: planned.reservation !== null,
    },
    wakeAtMs: Number.isFinite(core.wakeAtMs) ? core.wakeAtMs : null,
  };
}

function workerDump(core: Core, worker: CoreWorker): Record<string, unknown> {
  const amounts = (list: readonly (number | undefined)[]): Record<string, number> =>
    Object.fromEntries(list.flatMap((units, slot) => (units === undefined ? [] : [[core.names.nameOf(slot), units] as const])));
  const { id, group, connected, stopping, draining, gang, endsAtMs, ratePerSecond, idleSinceMs } = worker;
  return {
    ...{ id, group, connected, stopping, draining, gang, ratePerSecond, idleSinceMs },
    endsAtMs: Number.isFinite(endsAtMs) ? endsAtMs : null,
    total: amounts(worker.total),
    free: amounts(worker.free),
    rows: [...worker.rows].map((row) => ({
      ...{ jobId: core.tasks.jobId[row], taskId: core.tasks.taskId[row], instance: core.tasks.instance[row] },
      ...{ state: core.tasks.state[row], hold: core.tasks.hold[row], variant: core.tasks.variant[row] },
    })),
  };
}
