/**
 * The complete check of a core's consistency. Tests call it after every step; the server calls it after every turn with HQ_PARANOID=1.
 */
import { invariant } from '../common/assert.ts';
import type { Core } from './core.ts';
import { type Job, type JobStats, publicState } from './jobTable.ts';
import { isMultiNode } from './schedule/gangs.ts';
import { BLOCKED, DELAYED, HOLD_NONE, HOLD_PREFILLED, HOLD_RESERVED, HOLD_RETRACTING, READY, RUNNING, SENT } from './taskTable.ts';
import { type CoreWorker, demandOf, isIntricate } from './workerTable.ts';

/** @throws Error that names the first thing that is wrong. */
export function checkInvariants(core: Core): void {
  let readyRows = 0;
  let delayedRows = 0;
  let rowsInJobs = 0;
  for (const job of core.jobs.values()) {
    const { ready, delayed } = checkJob(core, job);
    readyRows += ready;
    delayedRows += delayed;
    rowsInJobs += job.taskCount;
  }
  invariant(readyRows === core.ready.size, `${readyRows} rows are ready, the queues count ${core.ready.size}`);
  const delayed = core.delayed.countLive(core.tasks);
  invariant(delayedRows === delayed, `${delayedRows} rows are delayed, ${delayed} of them wait for their time`);
  invariant(core.tasks.rowCount - core.tasks.freeRows === rowsInJobs, 'rows in use are not the rows of the jobs');
  const queued = new Map<number, number>();
  let retracting = 0;
  for (const worker of core.workers.values()) {
    checkWorker(core, worker);
    checkCounts(core, worker);
    for (const [id, count] of worker.queuedOf) queued.set(id, (queued.get(id) ?? 0) + count);
    retracting += worker.retracting;
  }
  checkGangs(core);
  for (const gate of core.gates.all())
    invariant(core.jobs.has(gate.jobId) && gate.remaining > 0, `gate ${gate.id} of job ${gate.jobId} is open or nobody's`);
  invariant(sameCounts(queued, core.planned.queued), 'rows queued ahead are miscounted');
  invariant(retracting === core.planned.retracting, `${retracting} rows are asked back, counted ${core.planned.retracting}`);
}

function checkJob(core: Core, job: Job): { ready: number; delayed: number } {
  const stats: JobStats = { waiting: 0, running: 0, finished: 0, failed: 0, canceled: 0, aborted: 0 };
  let held = 0;
  let ready = 0;
  let delayed = 0;
  for (const segment of job.segments) {
    for (let row = segment.base; row < segment.base + segment.count; row += 1) {
      const state = core.tasks.state[row] as number;
      stats[publicState(state)] += 1;
      if (state === READY) ready += 1;
      if (state === DELAYED) delayed += 1;
      if (core.tasks.hold[row] !== HOLD_NONE) held += 1;
      checkRow(core, job, row);
    }
  }
  for (const key of Object.keys(stats) as (keyof JobStats)[]) {
    invariant(stats[key] === job.stats[key], `job ${job.id} counts ${job.stats[key]} ${key} tasks, there are ${stats[key]}`);
  }
  invariant(held === job.held, `job ${job.id} counts ${job.held} held rows, there are ${held}`);
  invariant(job.open || held > 0 || stats.waiting + stats.running > 0, `job ${job.id} is done and still in memory`);
  return { ready, delayed };
}

function checkRow(core: Core, job: Job, row: number): void {
  const { tasks } = core;
  const [state, hold, workerId] = [tasks.state[row] as number, tasks.hold[row] as number, tasks.worker[row] as number];
  const name = `task ${job.id}.${tasks.taskId[row]}`;
  invariant(tasks.jobId[row] === job.id, `${name} names job ${tasks.jobId[row]}`);
  invariant((hold === HOLD_NONE) === (workerId === 0), `${name} has hold ${hold} and worker ${workerId}`);
  if (state === BLOCKED) invariant((tasks.unfinishedDeps[row] as number) > 0, `${name} is blocked by nothing`);
  if (state === BLOCKED || state === READY || state === DELAYED)
    invariant(hold === HOLD_NONE, `${name} waits and is held by worker ${workerId}`);
  if (state === SENT || state === RUNNING) {
    invariant(core.workers.get(workerId)?.rows.has(row) === true, `${name} is out, but worker ${workerId} does not hold it`);
    invariant(tasks.unfinishedDeps[row] === 0, `${name} is out before its dependencies`);
  }
  if (state === RUNNING) invariant(hold === HOLD_RESERVED, `${name} runs without reserved resources`);
}

function checkWorker(core: Core, worker: CoreWorker): void {
  const free = [...worker.total];
  let intricate = 0;
  for (const row of worker.rows) {
    invariant(core.tasks.worker[row] === worker.id, `worker ${worker.id} holds row ${row} of worker ${core.tasks.worker[row]}`);
    const hold = core.tasks.hold[row] as number;
    invariant(
      hold !== HOLD_NONE && worker.queued.has(row) === (hold !== HOLD_RESERVED),
      `worker ${worker.id}: row ${row} has hold ${hold}`,
    );
    if (hold !== HOLD_RESERVED) continue;
    const variant = core.classes.get(core.tasks.requestClass[row] as number).variants[core.tasks.variant[row] as number];
    if (variant !== undefined && isIntricate(core.names, worker, variant)) intricate += 1;
    for (const need of variant?.needs ?? []) {
      const demand = demandOf(core.names, worker, need);
      if (demand !== undefined) free[demand.slot] = (free[demand.slot] as number) - demand.units;
    }
  }
  invariant(intricate === worker.intricate, `worker ${worker.id} has ${intricate} rows that share indices, counted ${worker.intricate}`);
  invariant(intricate > 0 === (worker.room !== null), `worker ${worker.id} counts its indices without need, or not`);
  free.forEach((units, slot) => {
    invariant(
      units === worker.free[slot],
      `worker ${worker.id}: ${core.names.nameOf(slot)} has ${units} free, counted ${worker.free[slot]}`,
    );
    invariant((units ?? 0) >= 0, `worker ${worker.id}: ${core.names.nameOf(slot)} is over-allocated by ${-(units ?? 0)}`);
  });
  invariant((worker.rows.size === 0) === (worker.idleSinceMs !== null), `worker ${worker.id} is idle or not`);
}

/** A held multi-node task has its root and nobody else's workers; they hold nothing beside it. */
function checkGangs(core: Core): void {
  for (const [row, members] of core.gangs) {
    invariant(core.tasks.worker[row] === members[0], `row ${row} is held by worker ${core.tasks.worker[row]}, its gang is ${members}`);
    for (const id of members) invariant(core.workers.get(id)?.gang === row, `worker ${id} does not know that it belongs to row ${row}`);
  }
  for (const worker of core.workers.values()) {
    const { gang } = worker;
    if (gang !== null)
      invariant(core.gangs.get(gang)?.includes(worker.id) === true, `worker ${worker.id} is in the gang of row ${gang} alone`);
    for (const row of worker.rows) {
      invariant(
        gang === null ? !isMultiNode(core, row) : gang === row,
        `worker ${worker.id} holds row ${row} beside the gang of row ${gang}`,
      );
    }
  }
}

/** The counts that save the planner from looking at each row. */
function checkCounts(core: Core, worker: CoreWorker): void {
  const { hold, priority, requestClass } = core.tasks;
  const reserved = new Map<number, number>();
  const queued = new Map<number, number>();
  let retracting = 0;
  for (const row of worker.rows) {
    const counts = hold[row] === HOLD_RESERVED ? reserved : queued;
    counts.set(requestClass[row] as number, (counts.get(requestClass[row] as number) ?? 0) + 1);
    if (hold[row] === HOLD_RETRACTING) retracting += 1;
    if (hold[row] === HOLD_PREFILLED)
      invariant((priority[row] as number) >= worker.lowestQueued, `worker ${worker.id}: row ${row} is queued below`);
  }
  const name = `worker ${worker.id}`;
  invariant(retracting === worker.retracting, `${name}: ${retracting} rows are asked back, counted ${worker.retracting}`);
  invariant(sameCounts(queued, worker.queuedOf), `${name}: queued rows per class are miscounted`);
  const counted = new Map([...worker.reservedOf].map(([id, { count }]) => [id, count]));
  invariant(sameCounts(reserved, counted), `${name}: reserved rows per class are miscounted`);
}

function sameCounts(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): boolean {
  return a.size === b.size && [...a].every(([key, count]) => b.get(key) === count);
}
