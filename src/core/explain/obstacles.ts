/**
 * What keeps one worker, or one group of workers, from starting a variant: for ever (it has too little), or now (it is used, kept, leaving). Asked by
 * `explain.ts`, and at submit by `server/unmet.ts`, so that both give the same reasons. Pure; costs time, so never asked by the planner.
 */

import { UNITS_PER_WHOLE } from '../../protocol/resourceTerms.ts';
import type { Obstacle } from '../../protocol/schema/explain.ts';
import type { Core } from '../core.ts';
import type { ClassVariant, Need } from '../requestClasses.ts';
import { isOpenTo } from '../schedule/reserve.ts';
import { wouldBeUsed } from '../schedule/utilisation.ts';
import { HOLD_RESERVED } from '../taskTable.ts';
import { lacksRoomFor } from '../workerRoom.ts';
import { type CoreWorker, demandOf, livesFor } from '../workerTable.ts';

/** Holders of a resource that are told one by one. */
const SHOWN_HOLDERS = 3;

/** @returns why the worker could never run the variant, even unused; empty when it could */
export function lastingObstacles(core: Core, worker: CoreWorker, variant: ClassVariant): Obstacle[] {
  return variant.needs.flatMap((need): Obstacle[] => {
    const demand = demandOf(core.names, worker, need);
    const resource = core.names.nameOf(need.resource);
    if (demand === undefined) return [{ kind: 'missing', resource, requested: whole(need.units) }];
    const total = worker.total[demand.slot] as number;
    if (demand.units > 0 && demand.units <= total) return [];
    return [{ kind: 'too-little', resource, requested: whole(need.units), total: whole(total) }];
  });
}

/** A row that waits, as far as its place matters. */
export interface Waiting {
  readonly priority: number;
  readonly requestClass: number;
  readonly nowMs: number;
}

/** @returns why the worker does not start the variant now; empty when it could */
export function obstacles(core: Core, worker: CoreWorker, o: Waiting & { variant: ClassVariant }): Obstacle[] {
  const lasting = lastingObstacles(core, worker, o.variant);
  if (lasting.length > 0) return lasting;
  const found = attendance(core, worker, o);
  const inUse = o.variant.needs.flatMap((need) => busy(core, worker, need));
  return [...found, ...(inUse.length > 0 ? inUse : scattered(core, worker, o.variant))];
}

/** Of everything enough is free in sum. */
function scattered(core: Core, worker: CoreWorker, variant: ClassVariant): Obstacle[] {
  const need = variant.needs[lacksRoomFor(core, worker, variant) ?? -1];
  const demand = need === undefined ? undefined : demandOf(core.names, worker, need);
  if (need === undefined || demand === undefined) return [];
  const free = whole(worker.free[demand.slot] as number);
  return [{ kind: 'scattered', resource: core.names.nameOf(need.resource), requested: whole(demand.units), free }];
}

/** What has nothing to do with single resources. */
function attendance(core: Core, worker: CoreWorker, o: Waiting & { variant: ClassVariant }): Obstacle[] {
  const found: Obstacle[] = [];
  if (worker.stopping) found.push({ kind: 'stopping' });
  if (worker.draining)
    found.push({ kind: 'draining', leftMs: Number.isFinite(worker.endsAtMs) ? Math.max(0, worker.endsAtMs - o.nowMs) : null });
  if (!worker.connected) found.push({ kind: 'reconnecting' });
  if (!livesFor(worker, o.variant, o.nowMs)) {
    found.push({ kind: 'lifetime', neededMs: o.variant.minTimeMs, leftMs: Math.max(0, worker.endsAtMs - o.nowMs) });
  }
  if (worker.gang !== null) found.push({ kind: 'gang', task: keyOf(core, worker.gang) });
  const { reservation } = core.planned;
  if (reservation !== null && !isOpenTo(core, worker, o)) {
    const row = core.ready.first(core.tasks, reservation.priority, reservation.requestClass);
    found.push({ kind: 'reserved', forTask: row < 0 ? null : keyOf(core, row) });
  }
  if (found.length === 0 && !wouldBeUsed(core, worker, o.nowMs)) found.push({ kind: 'utilization', least: worker.minUtilization });
  return found;
}

function busy(core: Core, worker: CoreWorker, need: Need): Obstacle[] {
  const demand = demandOf(core.names, worker, need);
  const free = demand === undefined ? 0 : (worker.free[demand.slot] as number);
  if (demand === undefined || demand.units <= free) return [];
  const holders = holdersOf(core, worker, demand.slot);
  return [
    {
      kind: 'busy',
      resource: core.names.nameOf(need.resource),
      requested: whole(demand.units),
      free: whole(free),
      holders: holders.length,
      largest: holders.slice(0, SHOWN_HOLDERS),
    },
  ];
}

/** Tasks with reserved units of a resource of the worker, those with the most first. */
function holdersOf(core: Core, worker: CoreWorker, slot: number): { jobId: number; taskId: number; amount: number }[] {
  const { tasks } = core;
  const holders: { jobId: number; taskId: number; amount: number }[] = [];
  for (const row of worker.rows) {
    if (tasks.hold[row] !== HOLD_RESERVED) continue;
    const variant = core.classes.get(tasks.requestClass[row] as number).variants[tasks.variant[row] as number];
    for (const need of variant?.needs ?? []) {
      const demand = demandOf(core.names, worker, need);
      if (demand?.slot === slot) holders.push({ ...keyOf(core, row), amount: whole(demand.units) });
    }
  }
  return holders.sort((a, b) => b.amount - a.amount || a.jobId - b.jobId || a.taskId - b.taskId);
}

/** Workers of each group, by name. */
export function groupsOf(core: Core): Map<string, CoreWorker[]> {
  const groups = new Map<string, CoreWorker[]>();
  for (const worker of core.workers.values()) {
    const group = groups.get(worker.group);
    if (group === undefined) groups.set(worker.group, [worker]);
    else group.push(worker);
  }
  return groups;
}

/** @returns why a group does not start a multi-node variant now; empty when it could */
export function groupObstacles(core: Core, workers: readonly CoreWorker[], o: Waiting & { variant: ClassVariant }): Obstacle[] {
  const needed = o.variant.nodes;
  const isIdle = (worker: CoreWorker): boolean => worker.rows.size === 0 && attendance(core, worker, o).length === 0;
  const idle = workers.filter(isIdle).length;
  if (idle >= needed) return [];
  return [{ kind: 'nodes', group: workers[0]?.group ?? '', needed, size: workers.length, idle }];
}

export function keyOf(core: Core, row: number): { jobId: number; taskId: number } {
  return { jobId: core.tasks.jobId[row] as number, taskId: core.tasks.taskId[row] as number };
}

function whole(units: number): number {
  return units / UNITS_PER_WHOLE;
}
