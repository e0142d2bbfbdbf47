/** Taking back tasks that were sent ahead and have not started: for a higher priority, and for workers that would sit idle. */
import type { Core } from '../core.ts';
import type { Outbox } from '../outbox.ts';
import { HOLD_PREFILLED, HOLD_RETRACTING } from '../taskTable.ts';
import { type CoreWorker, fitsNow } from '../workerTable.ts';

/** What was sent ahead with a lower priority than something that waits is taken back, so that it cannot start first. */
export function retractForHigherPriority(core: Core, out: Outbox, workers: readonly CoreWorker[]): void {
  const waiting = core.ready.activePriorities()[0];
  if (waiting === undefined) return;
  for (const worker of workers) {
    for (const row of worker.queued) {
      if (core.tasks.hold[row] === HOLD_PREFILLED && (core.tasks.priority[row] as number) < waiting) retract(core, out, worker, row);
    }
  }
}

/** Nothing waits in the queues, but a worker has room for a task that another one only holds for later: take that one back. */
export function retractForIdleWorkers(core: Core, out: Outbox, o: { workers: readonly CoreWorker[]; nowMs: number }): void {
  const holders = o.workers.filter((worker) => worker.queued.size > 0);
  if (holders.length === 0) return;
  for (const worker of o.workers) {
    if (worker.queued.size > 0) continue;
    const room = roomFor(core, holders, { worker, nowMs: o.nowMs });
    const underWay = holders.reduce((sum, holder) => sum + countRetracting(core, holder), 0);
    takeBack(core, out, { holders, worker, count: room - underWay, nowMs: o.nowMs });
  }
}

/** How many of the tasks held elsewhere the worker could start now; an estimate by the first such task. */
function roomFor(core: Core, holders: readonly CoreWorker[], o: { worker: CoreWorker; nowMs: number }): number {
  for (const holder of holders) {
    for (const row of holder.queued) {
      const requestClass = core.classes.get(core.tasks.requestClass[row] as number);
      const variant = requestClass.variants.find((candidate) => fitsNow(core.names, o.worker, candidate, o.nowMs));
      if (variant === undefined) continue;
      const ratios = variant.needs.map((need) => (need.all ? 1 : Math.floor((o.worker.free[need.resource] ?? need.units) / need.units)));
      return Math.max(1, Math.min(...ratios, Number.MAX_SAFE_INTEGER));
    }
  }
  return 0;
}

/** From the end of the longest queue: what would start last there. */
function takeBack(core: Core, out: Outbox, o: { holders: readonly CoreWorker[]; worker: CoreWorker; count: number; nowMs: number }): void {
  let left = o.count;
  for (const holder of [...o.holders].sort((a, b) => b.queued.size - a.queued.size)) {
    for (const row of [...holder.queued].reverse()) {
      if (left <= 0) return;
      if (core.tasks.hold[row] !== HOLD_PREFILLED) continue;
      const variants = core.classes.get(core.tasks.requestClass[row] as number).variants;
      if (!variants.some((variant) => fitsNow(core.names, o.worker, variant, o.nowMs))) continue;
      retract(core, out, holder, row);
      left -= 1;
    }
  }
}

function retract(core: Core, out: Outbox, worker: CoreWorker, row: number): void {
  core.tasks.hold[row] = HOLD_RETRACTING;
  out.control(worker.id, 'retract', row);
}

function countRetracting(core: Core, worker: CoreWorker): number {
  let count = 0;
  for (const row of worker.queued) if (core.tasks.hold[row] === HOLD_RETRACTING) count += 1;
  return count;
}
