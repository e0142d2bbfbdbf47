/** Builders for tests of the worker's state machine. */

import { makeWorkerResources } from '../../../src/common/coupling.ts';
import { parseResourceOption } from '../../../src/common/resourceDescriptor.ts';
import type { WireBody } from '../../../src/protocol/messages/worker.ts';
import type { ResourceEntry } from '../../../src/protocol/schema/resources.ts';
import type { HeldTask, TaskEnd } from '../../../src/worker/heldTask.ts';
import { WorkerState } from '../../../src/worker/state.ts';
import type { WorkerEvent } from '../../../src/worker/stateEvents.ts';

export const NOW_MS = 1_790_000_000_000;

export function machine(descriptors: string[] = ['cpus=4'], endsAtMs: number | null = null, canStage = false): WorkerState {
  return new WorkerState({ resources: makeWorkerResources(descriptors.map(parseResourceOption)), endsAtMs, canStage });
}

export function makeBody(o: Partial<WireBody> & { cpus?: number; minTimeMs?: number; entries?: ResourceEntry[] } = {}): WireBody {
  const { cpus = 1, minTimeMs = 0, entries, ...rest } = o;
  const asked = entries ?? [{ name: 'cpus', policy: 'compact', units: cpus * 10_000 }];
  return {
    command: ['true'],
    env: {},
    cwd: '/',
    stdout: null,
    stderr: null,
    stdin: null,
    submitDir: '/',
    stream: null,
    timeLimitMs: null,
    priority: 0,
    request: [{ nodes: 0, minTimeMs, weight: 10_000, entries: asked }],
    ...rest,
  };
}

/** Tasks `ids` of job 1, instance 0. */
export function compute(ids: number[], body: WireBody = makeBody(), o: { job?: number; instance?: number } = {}): WorkerEvent {
  return { kind: 'compute', bodies: [body], tasks: ids.map((id) => [o.job ?? 1, id, o.instance ?? 0, 0, null, 0] as const), nowMs: NOW_MS };
}

export function ended(tasks: readonly HeldTask[], end: TaskEnd = { kind: 'exit', code: 0 }): WorkerEvent {
  return { kind: 'ended', ends: tasks.map((task) => ({ task, end, usage: null, atMs: NOW_MS, next: null })), nowMs: NOW_MS };
}
