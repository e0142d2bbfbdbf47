/**
 * Multi-node tasks: so many whole workers of one group, all of them idle. The first is the root, which runs the command; the others are only kept
 * free of other work. Used by the planner; the reactor ends a gang with its row.
 */
import type { Core } from '../core.ts';
import type { ClassVariant, RequestClass } from '../requestClasses.ts';
import { type CoreWorker, livesFor } from '../workerTable.ts';

/**
 * @param workers that may get tasks
 * @param o.idleOnly false: also such as must first become idle, those with the fewest tasks first
 * @returns the workers, the root first; undefined when no group has enough
 */
export function chooseGang(
  workers: readonly CoreWorker[],
  variant: ClassVariant,
  o: { nowMs: number; idleOnly: boolean },
): CoreWorker[] | undefined {
  const groups = new Map<string, CoreWorker[]>();
  for (const worker of workers) {
    if (!livesFor(worker, variant, o.nowMs) || (o.idleOnly && worker.rows.size > 0)) continue;
    const group = groups.get(worker.group);
    if (group === undefined) groups.set(worker.group, [worker]);
    else group.push(worker);
  }
  let best: { readonly members: CoreWorker[]; readonly busy: number } | undefined;
  for (const group of groups.values()) {
    if (group.length < variant.nodes) continue;
    const members = group.sort((a, b) => a.rows.size - b.rows.size || a.id - b.id).slice(0, variant.nodes);
    const busy = members.reduce((sum, { rows }) => sum + rows.size, 0);
    if (best === undefined || busy < best.busy) best = { members, busy };
  }
  return best?.members;
}

/** Could the workers that are there ever run it, were they idle and had they time? */
export function couldEverGather(workers: Iterable<CoreWorker>, nodes: number): boolean {
  const sizes = new Map<string, number>();
  for (const { group } of workers) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  return [...sizes.values()].some((size) => size >= nodes);
}

/** Do tasks of the class ask for whole workers? Then all its variants do. */
export function asksForNodes({ variants }: RequestClass): boolean {
  return (variants[0]?.nodes ?? 0) > 0;
}

/** Does the row ask for whole workers? */
export function isMultiNode(core: Core, row: number): boolean {
  return asksForNodes(core.classes.get(core.tasks.requestClass[row] as number));
}

/** Has the held row all workers that it asks for? */
export function isComplete(core: Core, row: number): boolean {
  const { tasks, classes, gangs } = core;
  const nodes = classes.get(tasks.requestClass[row] as number).variants[tasks.variant[row] as number]?.nodes ?? 0;
  return nodes === 0 || gangs.get(row)?.length === nodes;
}

/** The row holds these workers from now on. */
export function formGang(core: Core, row: number, members: readonly CoreWorker[]): void {
  core.gangs.set(
    row,
    members.map(({ id }) => id),
  );
  for (const member of members) {
    member.gang = row;
    core.gangChanges.add(member.id);
  }
}

/** Does the worker belong to a task that another one holds? Then it is busy, though it holds nothing. */
export function isMember(core: Core, worker: CoreWorker): boolean {
  return worker.gang !== null && core.gangs.get(worker.gang)?.[0] !== worker.id;
}

/** The row no longer holds anybody. Without effect on rows that are no gang. */
export function dissolveGang(core: Core, row: number): void {
  const members = core.gangs.get(row);
  if (members === undefined) return;
  core.gangs.delete(row);
  for (const id of members) {
    const worker = core.workers.get(id);
    if (worker === undefined || worker.gang !== row) continue;
    worker.gang = null;
    core.gangChanges.add(id);
    core.planned.changed.add(id);
    core.planned.arrived.add(id);
  }
}

/** A worker is lost: a gang goes on without it, unless it was the root, whose row the reactor takes back. */
export function leaveGang(core: Core, worker: CoreWorker): void {
  if (worker.gang === null) return;
  const members = core.gangs.get(worker.gang);
  if (members !== undefined && members[0] !== worker.id) {
    core.gangs.set(
      worker.gang,
      members.filter((id) => id !== worker.id),
    );
  }
}
