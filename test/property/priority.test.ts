/** No plan lets a lower priority start where a higher one could: neither what it places nor what lies ahead on workers. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isOpenTo } from '../../src/core/schedule/reserve.ts';
import { HOLD_PREFILLED, HOLD_RESERVED } from '../../src/core/taskTable.ts';
import { fitsNow } from '../../src/core/workerRoom.ts';
import { type CoreWorker, couldEverFit, livesFor } from '../../src/core/workerTable.ts';
import { CoreSim, traits } from '../helpers/coreSim.ts';

/** Looks at each task at the moment at which it is given away. */
class Watched extends CoreSim {
  override assign(workerId: number, row: number): void {
    this.checkOrder(workerId, row);
    super.assign(workerId, row);
  }

  /** Nothing of a higher priority that waits could take the place that the row takes, or has a right to what is sent ahead. */
  private checkOrder(workerId: number, row: number): void {
    const { tasks, ready } = this.core;
    const priority = tasks.priority[row] as number;
    const isStart = tasks.hold[row] === HOLD_RESERVED;
    for (const higher of ready.activePriorities()) {
      if (higher <= priority) break;
      for (const id of ready.classesOf(higher)) {
        const canTake = [...this.core.workers.values()].some((worker) =>
          isStart ? worker.id === workerId && this.couldStart(worker, { id, higher, row }) : this.couldRun(worker, id),
        );
        if (canTake)
          throw new Error(`task ${tasks.taskId[row]} of priority ${priority} is given away before class ${id} of priority ${higher}`);
      }
    }
  }

  /** With what the row has just been given back, would the class have had room there? */
  private couldStart(worker: CoreWorker, { id, higher, row }: { id: number; higher: number; row: number }): boolean {
    const { classes, tasks } = this.core;
    const taken = classes.get(tasks.requestClass[row] as number).variants[tasks.variant[row] as number];
    const free = [...worker.free];
    for (const { resource, units } of taken?.needs ?? []) free[resource] = (free[resource] ?? 0) + units;
    const before = { ...worker, free };
    if (!isOpenTo(this.core, worker, { priority: higher, requestClass: id, nowMs: this.nowMs })) return false;
    return classes.get(id).variants.some((variant) => fitsNow(this.core, before, variant, this.nowMs));
  }

  private couldRun(worker: CoreWorker, id: number): boolean {
    const { classes, names } = this.core;
    const isUsable = worker.connected && !worker.stopping && worker.gang === null;
    return (
      isUsable && classes.get(id).variants.some((variant) => livesFor(worker, variant, this.nowMs) && couldEverFit(names, worker, variant))
    );
  }

  /** After each turn: what lies unstarted on workers below the highest priority that waits and can run there is asked back. */
  override turn(step: () => void): void {
    super.turn(step);
    const { ready, tasks, workers } = this.core;
    const runnable = ready
      .activePriorities()
      .find((priority) => [...ready.classesOf(priority)].some((id) => [...workers.values()].some((worker) => this.couldRun(worker, id))));
    if (runnable === undefined) return;
    for (const worker of workers.values()) {
      if (!worker.connected || worker.stopping || worker.gang !== null) continue;
      for (const row of worker.queued) {
        if (tasks.hold[row] !== HOLD_PREFILLED) continue;
        expect(tasks.priority[row], `task ${tasks.taskId[row]} lies on worker ${worker.id}`).toBeGreaterThanOrEqual(runnable);
      }
    }
  }
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      count: fc.integer({ min: 1, max: 30 }),
      cpus: fc.integer({ min: 1, max: 4 }),
      gpus: fc.constantFrom(0, 0, 0, 1),
      priority: fc.integer({ min: -2, max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('join' as const), cpus: fc.integer({ min: 1, max: 6 }), gpus: fc.integer({ min: 0, max: 1 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('talk' as const), pick: fc.nat() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('end' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 90_000 }) }) },
);

test('no plan inverts priorities, and what lies ahead of a higher one is asked back', () => {
  let sentAhead = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const sim = new Watched();
      sim.openJob(1);
      sim.addWorker({ cpus: 4 });
      let count = 0;
      for (const next of steps) {
        const workers = [...sim.workers.values()];
        const worker = workers[('pick' in next ? next.pick : 0) % workers.length];
        if (worker === undefined) continue;
        if (next.do === 'submit') {
          const needs = { cpus: next.cpus, ...(next.gpus > 0 ? { gpus: next.gpus } : {}) };
          sim.submit(1, `${count}-${count + next.count - 1}`, { traits: traits({ needs, priority: next.priority }) });
          count += next.count;
        } else if (next.do === 'join') sim.addWorker({ cpus: next.cpus, ...(next.gpus > 0 ? { gpus: next.gpus } : {}) });
        else if (next.do === 'wait') sim.wait(next.ms);
        else {
          sim.receive(worker);
          const task = worker.tasks.find((candidate) => candidate.running);
          if (next.do === 'end' && task !== undefined) sim.end(worker, task);
          sim.report(worker);
        }
        for (const { queued } of sim.core.workers.values()) sentAhead += queued.size;
      }
    }),
    { numRuns: Number(process.env['HQ_PROPERTY_RUNS'] ?? 500) },
  );
  // The histories are such that there is something to invert.
  expect(sentAhead).toBeGreaterThan(0);
});
