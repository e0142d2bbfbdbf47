import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type TaskKey,
  UPDATE_CANCELED,
  UPDATE_FAILED,
  UPDATE_FINISHED,
  UPDATE_RETRACTED,
  UPDATE_STARTED,
  UPDATE_STOPPED,
} from '../../src/protocol/messages/worker.ts';
import type { HeldTask } from '../../src/worker/heldTask.ts';
import type { WorkerState } from '../../src/worker/state.ts';
import type { Instructions } from '../../src/worker/stateEvents.ts';
import { compute, machine, makeBody, NOW_MS } from '../unit/worker/stateHelp.ts';

const taskIds = fc.uniqueArray(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 4 });
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('compute' as const),
      ids: taskIds,
      cpus: fc.constantFrom(0.5, 1, 2, 4, 5),
      priority: fc.integer({ min: -1, max: 1 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('end' as const), which: fc.nat(), code: fc.constantFrom(0, 1) }) },
  fc.record({ op: fc.constant('cancel' as const), ids: taskIds }),
  fc.record({ op: fc.constant('retract' as const), ids: taskIds }),
  fc.record({ op: fc.constant('limit' as const), which: fc.nat() }),
  fc.record({ op: fc.constant('answer' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ op: fc.constant('reconnect' as const), keep: fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }) }),
);

/** Short enough that tasks are staged. */
const USAGE = { wallMs: 4, userMs: null, systemMs: null, maxRssBytes: null, peakMemBytes: null };

/** Plays the server, the executor and the launcher, and checks what the worker tells them. */
class World {
  readonly state: WorkerState = machine(['cpus=4'], null, true);
  /** Per task: the next instance to give out, and the instance that is out and has not been answered. */
  readonly next = new Map<number, number>();
  readonly out = new Map<number, { instance: number; started: boolean }>();
  readonly processes: HeldTask[] = [];
  /** Waiting in the launcher, and those of them that were asked back. */
  readonly staged: HeldTask[] = [];
  readonly asked: HeldTask[] = [];

  apply(instructions: Instructions): void {
    for (const update of instructions.updates) {
      const [kind, , task, instance] = update;
      const open = this.out.get(task);
      expect(open?.instance, `update ${kind} of task ${task} that is not out`).toBe(instance);
      if (open === undefined) continue;
      if (kind === UPDATE_STARTED) {
        expect(open.started).toBe(false);
        open.started = true;
        continue;
      }
      const needsStart = kind === UPDATE_FINISHED || kind === UPDATE_FAILED || kind === UPDATE_STOPPED;
      if (needsStart) expect(open.started).toBe(true);
      if (kind === UPDATE_RETRACTED) expect(open.started).toBe(false);
      expect([UPDATE_FINISHED, UPDATE_FAILED, UPDATE_STOPPED, UPDATE_RETRACTED, UPDATE_CANCELED]).toContain(kind);
      this.out.delete(task);
    }
    this.processes.push(...instructions.start);
    this.asked.push(...instructions.unstage);
    this.state.checkInvariants();
    for (const task of instructions.stage) {
      const hasLane = this.processes.some(({ queueClass }) => queueClass === task.queueClass);
      this.staged.push(task);
      if (!hasLane) this.giveBack(task);
    }
  }

  keys(ids: readonly number[]): TaskKey[] {
    return ids.flatMap((id) => {
      const open = this.out.get(id);
      return open === undefined ? [] : [[1, id, open.instance] as const];
    });
  }

  end(which: number, code: number): void {
    const [process] = this.processes.splice(which % Math.max(1, this.processes.length), 1);
    if (process === undefined) return;
    // What takes over has the same request; it may have been asked back already.
    const next = this.staged.find(({ queueClass }) => queueClass === process.queueClass) ?? null;
    if (next !== null) {
      this.staged.splice(this.staged.indexOf(next), 1);
      this.processes.push(next);
    }
    const one = { task: process, end: { kind: 'exit', code } as const, usage: USAGE, atMs: NOW_MS, next };
    this.apply(this.state.handle({ kind: 'ended', ends: [one], nowMs: NOW_MS }));
  }

  /** The launcher answers some of what it was asked. */
  answer(count: number): void {
    for (const task of this.asked.splice(0, count)) if (this.staged.includes(task)) this.giveBack(task);
  }

  private giveBack(task: HeldTask): void {
    this.staged.splice(this.staged.indexOf(task), 1);
    this.apply(this.state.handle({ kind: 'returned', returned: [{ task, lost: false }], nowMs: NOW_MS }));
  }
}

test('whatever happens, every task is answered exactly once, resources add up, and nothing that fits waits behind an idle worker', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const world = new World();
      for (const one of commands) {
        switch (one.op) {
          case 'compute': {
            const ids = one.ids.filter((id) => !world.out.has(id));
            for (const id of ids) {
              const instance = world.next.get(id) ?? 0;
              world.next.set(id, instance + 1);
              world.out.set(id, { instance, started: false });
              world.apply(world.state.handle(compute([id], makeBody({ cpus: one.cpus, priority: one.priority }), { instance })));
            }
            break;
          }
          case 'end':
            world.end(one.which, one.code);
            break;
          case 'answer':
            world.answer(one.count);
            break;
          case 'cancel':
          case 'retract':
            world.apply(world.state.handle({ kind: one.op, tasks: world.keys(one.ids), nowMs: NOW_MS }));
            break;
          case 'limit': {
            const task = world.processes[one.which % Math.max(1, world.processes.length)];
            if (task !== undefined) world.apply(world.state.handle({ kind: 'time-limit', task }));
            break;
          }
          case 'reconnect': {
            const held = world.state.heldForHello(1000);
            const wanted = held
              .filter((_, i) => one.keep[i % one.keep.length])
              .map(([job, task, instance]) => [job, task, instance] as const);
            // The server no longer waits for the others.
            for (const [, task] of held) if (!wanted.some((key) => key[1] === task)) world.out.delete(task);
            world.apply(world.state.handle({ kind: 'reconnected', wanted, settled: [], nowMs: NOW_MS }));
            break;
          }
        }
        if (world.processes.length === 0) {
          world.answer(world.asked.length);
          if (world.processes.length === 0) expect([world.state.queue.size, world.staged.length]).toEqual([0, 0]);
        }
      }
      while (world.processes.length + world.asked.length > 0) {
        world.end(0, 0);
        world.answer(world.asked.length);
      }
      expect(world.state.isIdle).toBe(true);
      expect([...world.out]).toEqual([]);
    }),
    { numRuns: Number(process.env['HQ_PROPERTY_RUNS'] ?? 500) },
  );
});
