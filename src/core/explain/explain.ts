/**
 * Why a task in memory is not running: what it waits for, who is before it, and what is in its way on each worker. Typed reasons; the command
 * line makes sentences of them. Asked by the server for one task at a time.
 */
import { IntArray } from '../../common/intArray.ts';
import { formatEntry } from '../../common/requestText.ts';
import type { Obstacle, TaskExplanation, VariantExplained, WaitReason, WorkersExplained } from '../../protocol/schema/explain.ts';
import type { Core } from '../core.ts';
import { gateTarget } from '../dependencies.ts';
import type { Gate } from '../gates.ts';
import { publicState, rowOf } from '../jobTable.ts';
import { allRows, isEnded, jobOf } from '../reactor/transitions.ts';
import type { ClassVariant, RequestClass } from '../requestClasses.ts';
import { classesInOrder } from '../schedule/order.ts';
import { BLOCKED, DELAYED, HOLD_RESERVED, READY, RUNNING } from '../taskTable.ts';
import { impossible } from './impossible.ts';
import { groupObstacles, groupsOf, obstacles, type Waiting } from './obstacles.ts';

/** Dependencies that are told one by one. */
const SHOWN_DEPENDENCIES = 20;

/** What the core knows; the number of dependencies is the submit's. */
export type CoreExplanation = Pick<TaskExplanation, 'state' | 'instance' | 'reason' | 'queue' | 'variants'>;

/** @param nowMs Unix milliseconds */
export function explainRow(core: Core, row: number, nowMs: number): CoreExplanation {
  const { tasks } = core;
  const state = tasks.state[row] as number;
  const base = { state: publicState(state), instance: tasks.instance[row] as number };
  const known = reasonWithoutPlace(core, row);
  if (known !== null) return { ...base, reason: known, queue: null, variants: [] };
  const requestClass = core.classes.get(tasks.requestClass[row] as number);
  const variants = explainRequest(core, requestClass, { priority: tasks.priority[row] as number, nowMs });
  return { ...base, reason: reasonOfPlace(core, requestClass, variants), queue: position(core, row), variants };
}

/**
 * What is in the way of a request on each worker, whether or not a task with it exists.
 * @param o.nowMs Unix milliseconds
 */
export function explainRequest(core: Core, requestClass: RequestClass, o: { priority: number; nowMs: number }): VariantExplained[] {
  const waiting = { ...o, requestClass: requestClass.id };
  return requestClass.variants.map((variant, index) => explainVariant(core, requestClass, { ...waiting, variant, index }));
}

/** Null for a task that waits for nothing but a place. */
function reasonWithoutPlace(core: Core, row: number): WaitReason | null {
  const { tasks } = core;
  const state = tasks.state[row] as number;
  const workerId = tasks.worker[row] as number;
  if (isEnded(state)) return { kind: 'ended', error: null };
  if (state === RUNNING) return { kind: 'running', workerIds: core.gangs.get(row) ?? [workerId] };
  if (state === BLOCKED) return dependencies(core, row);
  if (state === DELAYED) return delayed(core, row);
  if (state === READY) return null;
  return { kind: 'sent', workerId, queued: tasks.hold[row] !== HOLD_RESERVED };
}

/** Edges lead from a task to what waits for it, so the tasks of the job, and those that its submit waits for, are searched. */
function dependencies(core: Core, row: number): WaitReason {
  const { tasks } = core;
  const found: Extract<WaitReason, { kind: 'dependencies' }>['tasks'] = [];
  const gate = gateBefore(core, row);
  const unfinished = (tasks.unfinishedDeps[row] as number) + (gate === undefined ? 0 : gate.remaining - 1);
  const most = Math.min(SHOWN_DEPENDENCIES, unfinished);
  const targets = [row, ...(gate === undefined ? [] : [gateTarget(gate.id)])];
  for (const other of searched(core, row, gate)) {
    if (found.length === most) break;
    for (const dependent of core.dependencies.of(tasks, other)) {
      if (!targets.includes(dependent)) continue;
      const [jobId, taskId] = [tasks.jobId[other] as number, tasks.taskId[other] as number];
      found.push({ jobId, taskId, state: publicState(tasks.state[other] as number) });
      break;
    }
  }
  return { kind: 'dependencies', unfinished, tasks: found };
}

function gateBefore(core: Core, row: number): Gate | undefined {
  const gates = jobOf(core, row).gates.map((id) => core.gates.get(id));
  return gates.find((gate) => gate !== undefined && row >= gate.base && row < gate.base + gate.count);
}

function* searched(core: Core, row: number, gate: Gate | undefined): Generator<number> {
  const own = jobOf(core, row);
  yield* allRows(own);
  for (const { jobId, taskIds } of gate?.awaited ?? []) {
    const job = core.jobs.get(jobId);
    if (job !== undefined && job !== own) for (const taskId of taskIds) yield rowOf(job, taskId);
  }
}

function delayed(core: Core, row: number): WaitReason {
  const { tasks } = core;
  const { maxRetries } = core.retryPolicies.get(tasks.retryPolicy[row] as number);
  return { kind: 'delayed', untilMs: core.delayed.dueOf(tasks, row) ?? 0, retry: tasks.retries[row] as number, maxRetries };
}

function position(core: Core, row: number): TaskExplanation['queue'] {
  const priority = core.tasks.priority[row] as number;
  let higher = 0;
  for (const other of core.ready.activePriorities()) {
    if (other <= priority) break;
    for (const id of core.ready.classesOf(other)) higher += core.ready.count(other, id);
  }
  let others = 0;
  for (const id of classesInOrder(core, priority)) {
    if (id === core.tasks.requestClass[row]) break;
    others += core.ready.count(priority, id);
  }
  return { priority, higher, others, same: core.ready.positionOf(core.tasks, row) };
}

function reasonOfPlace(core: Core, requestClass: RequestClass, variants: readonly VariantExplained[]): WaitReason {
  if (core.workers.size === 0) return { kind: 'no-worker' };
  const details = impossible(core, requestClass);
  if (details.length > 0) return { kind: 'impossible', details };
  const hasRoom = variants.some(({ workers }) => workers.some((one) => one.obstacles.length === 0));
  return { kind: hasRoom ? 'turn' : 'occupied' };
}

function explainVariant(core: Core, { request }: RequestClass, o: Waiting & { variant: ClassVariant; index: number }): VariantExplained {
  const { variant } = o;
  const found: { ids: number[]; obstacles: Obstacle[] }[] =
    variant.nodes > 0
      ? [...groupsOf(core).values()].map((workers) => ({ ids: workers.map(({ id }) => id), obstacles: groupObstacles(core, workers, o) }))
      : [...core.workers.values()].map((worker) => ({ ids: [worker.id], obstacles: obstacles(core, worker, o) }));
  return { variant: o.index, request: requestText(request.variants[o.index]), workers: alike(found) };
}

/** Workers in the way of which the same is stand together: a cluster has a thousand workers and few kinds of them. */
function alike(found: readonly { readonly ids: number[]; readonly obstacles: Obstacle[] }[]): WorkersExplained[] {
  const groups = new Map<string, { ids: number[]; obstacles: Obstacle[] }>();
  for (const one of found) {
    const key = JSON.stringify(one.obstacles.map(likeness));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ids: [...one.ids], obstacles: one.obstacles });
    else group.ids.push(...one.ids);
  }
  return [...groups.values()].map(({ ids, obstacles: same }) => {
    return { workerIds: IntArray.from(ids.sort((a, b) => a - b)).toString(), count: ids.length, obstacles: same };
  });
}

/** What must be equal: who holds what, and for how many milliseconds more, differs everywhere. */
function likeness(obstacle: Obstacle): unknown {
  switch (obstacle.kind) {
    case 'busy':
      return [obstacle.kind, obstacle.resource, obstacle.free];
    case 'lifetime':
    case 'draining':
      return [obstacle.kind];
    default:
      return obstacle;
  }
}

function requestText(variant: RequestClass['request']['variants'][number] | undefined): string {
  if (variant === undefined) return '';
  const parts = variant.nodes > 0 ? [`nodes=${variant.nodes}`] : variant.entries.map((entry) => `${entry.name}=${formatEntry(entry)}`);
  return parts.join(' ');
}
