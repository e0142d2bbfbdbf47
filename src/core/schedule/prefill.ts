/**
 * Feeding workers ahead of need: a worker gets more tasks of a kind that it runs already, so that the next one starts without a round
 * trip. The amount follows the measured rate of the worker; long tasks are not sent ahead at all.
 */
import type { Core } from '../core.ts';
import type { Outbox } from '../outbox.ts';
import { setState, takeHold } from '../reactor/transitions.ts';
import { HOLD_PREFILLED, HOLD_RESERVED, SENT } from '../taskTable.ts';
import type { CoreWorker } from '../workerTable.ts';

/** Work sent ahead, milliseconds: well above a round trip with its commit (1-5 ms), short enough to rebalance soon. */
const HORIZON_MS = 100;
/** Tasks sent ahead per running one before the first measurement. */
const FIRST_GUESS_PER_RUNNING = 2;
/** Upper bound per worker, so that one frame stays small. */
const MAX_PER_WORKER = 2048;

/** Only tasks of the highest waiting priority are sent ahead, and only what is left after every free worker was filled. */
export function prefill(core: Core, out: Outbox, o: { workers: readonly CoreWorker[]; nowMs: number }): void {
  const priority = core.ready.activePriorities()[0];
  if (priority === undefined) return;
  for (const requestClass of core.ready.activeClasses(core.tasks, priority)) {
    const running = o.workers
      .map((worker) => ({ worker, running: countRunning(core, worker, requestClass) }))
      .filter((entry) => entry.running > 0);
    // Leave as much unassigned as is sent ahead, so that a worker that becomes free first finds something.
    const share = Math.ceil(core.ready.count(priority, requestClass) / (2 * Math.max(1, running.length)));
    for (const { worker, running: count } of running) {
      const budget = Math.min(share, wantedAhead(worker, count) - worker.queued.size);
      for (let i = 0; i < budget; i += 1) {
        const row = core.ready.take(core.tasks, priority, requestClass);
        if (row < 0) return;
        setState(core, row, SENT);
        takeHold(core, { row, workerId: worker.id, hold: HOLD_PREFILLED, variant: variantInUse(core, worker, requestClass) });
        out.assign(worker.id, row);
      }
    }
  }
}

function wantedAhead(worker: CoreWorker, running: number): number {
  if (worker.ratePerSecond === null) return running * FIRST_GUESS_PER_RUNNING;
  const ahead = Math.floor((worker.ratePerSecond * HORIZON_MS) / 1000);
  // A slow worker gets nothing ahead; a quick one at least one task per running one.
  return ahead === 0 ? 0 : Math.min(MAX_PER_WORKER, Math.max(ahead, running));
}

/** Reserved rows of a class, counted up to the size at which the answer no longer matters. */
function countRunning(core: Core, worker: CoreWorker, requestClass: number): number {
  let count = 0;
  for (const row of worker.rows) {
    if (core.tasks.requestClass[row] === requestClass && core.tasks.hold[row] === HOLD_RESERVED) count += 1;
  }
  return count;
}

/** The variant with which the worker runs this class, so that the end of one makes room for the next. */
function variantInUse(core: Core, worker: CoreWorker, requestClass: number): number {
  for (const row of worker.rows) {
    if (core.tasks.requestClass[row] === requestClass && core.tasks.hold[row] === HOLD_RESERVED) return core.tasks.variant[row] as number;
  }
  return 0;
}
