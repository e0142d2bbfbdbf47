/**
 * Feeding workers ahead of need: a worker gets more tasks of a kind that it runs already, so that the next one starts without a round
 * trip. The amount follows the measured rate of the worker; long tasks are not sent ahead at all.
 */
import type { Core } from '../core.ts';
import type { Outbox } from '../outbox.ts';
import { takeHold } from '../reactor/holds.ts';
import { setState } from '../reactor/transitions.ts';
import { HOLD_PREFILLED, SENT } from '../taskTable.ts';
import { type CoreWorker, livesFor } from '../workerTable.ts';
import { isLastFew } from './lastFew.ts';
import type { PlanView } from './planView.ts';
import { bucketKey, isReserved } from './reserve.ts';
import { canBeSentAhead } from './topPriority.ts';

/** Work sent ahead, milliseconds: well above a round trip with its commit (1-5 ms), short enough to rebalance soon. */
const HORIZON_MS = 100;
/** Tasks sent ahead per running one before the first measurement. */
const FIRST_GUESS_PER_RUNNING = 2;
/** Upper bound per worker, so that one frame stays small. */
const MAX_PER_WORKER = 2048;

/**
 * Only tasks of the priority that is next to start are sent ahead, and only what is left after every free worker was filled. Not the last few: where they
 * run is decided together, each time something ends.
 */
export function prefill(core: Core, out: Outbox, { view, priority }: { view: PlanView; priority: number }): void {
  if (isLastFew(core, priority)) return;
  let leastWeight = Number.NEGATIVE_INFINITY;
  for (const requestClass of view.classes(priority)) {
    if (core.ready.count(priority, requestClass) === 0) continue;
    const { weight } = core.classes.get(requestClass);
    // What is lighter must not start first because a worker runs its like already.
    if (weight < leastWeight) break;
    if (weight > leastWeight && canBeSentAhead(core, view, requestClass)) leastWeight = weight;
    // Leave as much unassigned as is sent ahead, so that a worker that becomes free first finds something.
    const running = Math.max(1, core.classes.get(requestClass).workers);
    const share = Math.ceil(core.ready.count(priority, requestClass) / (2 * running));
    // The others got their part in the plan before this one.
    for (const worker of view.candidates(requestClass)) {
      feed(core, out, { worker, priority, requestClass, share, nowMs: view.nowMs });
    }
  }
}

interface Feeding {
  readonly worker: CoreWorker;
  readonly priority: number;
  readonly requestClass: number;
  readonly share: number;
  readonly nowMs: number;
}

function feed(core: Core, out: Outbox, o: Feeding): void {
  const { worker, requestClass } = o;
  const reserved = worker.reservedOf.get(requestClass);
  if (reserved === undefined || isReserved(core, worker)) return;
  // The variant with which the worker runs this class, so that the end of one makes room for the next.
  const variant = core.classes.get(requestClass).variants[reserved.variant];
  // A worker near its end would give such tasks back at once.
  if (variant === undefined || !livesFor(worker, variant, o.nowMs)) return;
  // The next multi-node task needs all of its workers, not only the one that runs this one.
  if (variant.nodes > 0) return;
  const budget = Math.min(o.share, wantedAhead(worker, reserved.count) - worker.queued.size);
  for (let i = 0; i < budget; i += 1) {
    const row = core.ready.take(core.tasks, o.priority, requestClass);
    if (row < 0) return;
    core.planned.fed.add(bucketKey(o.priority, requestClass));
    setState(core, row, SENT);
    takeHold(core, { row, workerId: worker.id, hold: HOLD_PREFILLED, variant: reserved.variant });
    out.assign(worker.id, row);
  }
}

function wantedAhead(worker: CoreWorker, running: number): number {
  if (worker.ratePerSecond === null) return running * FIRST_GUESS_PER_RUNNING;
  const ahead = Math.floor((worker.ratePerSecond * HORIZON_MS) / 1000);
  // A slow worker gets nothing ahead; a quick one at least one task per running one.
  return ahead === 0 ? 0 : Math.min(MAX_PER_WORKER, Math.max(ahead, running));
}
