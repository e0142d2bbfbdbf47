/** A core whose simulated workers start tasks as their real pools and the rule of `worker/state.ts` allow, and tell what is free as real workers do. For tests of what the server promises. */
import { rowOf } from '../../src/core/jobTable.ts';
import { HOLD_RESERVED, RUNNING, SENT } from '../../src/core/taskTable.ts';
import { fitsNow } from '../../src/core/workerRoom.ts';
import type { CoreWorker } from '../../src/core/workerTable.ts';
import { UPDATE_STARTED } from '../../src/protocol/messages/worker.ts';
import type { RequestVariant, Room, WorkerResources } from '../../src/protocol/schema/resources.ts';
import { type Allocation, type ResolvedRequest, ResourcePool, type Rivals } from '../../src/resources/pool.ts';
import { CoreSim, type SimTask, type SimWorker } from './coreSim.ts';

interface Holding {
  readonly pool: ResourcePool;
  readonly allocations: Map<SimTask, Allocation>;
  readonly tells: boolean;
}

export class PoolSim extends CoreSim {
  private readonly holdings = new Map<number, Holding>();
  private described: WorkerResources = { resources: [], coupling: { weights: [] } };

  /** @param o.tells false: it is of a version that never tells what is free */
  join(described: WorkerResources, o: { tells?: boolean } = {}): SimWorker {
    this.described = described;
    const worker = this.addWorker();
    this.holdings.set(worker.id, { pool: new ResourcePool(described), allocations: new Map(), tells: o.tells ?? true });
    return worker;
  }

  /** Everybody reads and reports until nothing is under way; nothing ends. After each reading, what was promised to start must run. */
  settle(o: { promised: boolean }): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const worker of this.workers.values()) {
        if (!worker.connected) continue;
        this.receive(worker);
        if (o.promised) this.checkPromises(worker);
        if (worker.outgoing.length === 0) continue;
        this.report(worker);
        moved = true;
      }
    }
    for (const worker of this.workers.values()) if (this.holding(worker).tells) this.checkPromises(worker);
  }

  /** @throws Error when a task waits on its worker that should have started there, or when server and worker disagree on what would fit */
  checkAgreement(): void {
    const variants = [...this.core.jobs.values()].flatMap(({ segments }) =>
      segments.flatMap(({ base, count }) =>
        Array.from({ length: count }, (_, i) => this.core.classes.get(this.core.tasks.requestClass[base + i] as number)),
      ),
    );
    for (const requestClass of new Set(variants)) {
      for (const variant of requestClass.variants) {
        for (const worker of this.workers.values()) {
          const request = this.resolve(worker, variant.asked);
          const really = request !== null && this.holding(worker).pool.canAllocate(request);
          const thought = fitsNow(this.core, this.coreWorker(worker), variant, this.nowMs);
          if (really === thought) continue;
          const room = JSON.stringify(this.holding(worker).pool.room());
          throw new Error(`worker ${worker.id} ${really ? 'has' : 'has no'} room for ${JSON.stringify(variant.asked.entries)}: ${room}`);
        }
      }
    }
  }

  protected override resourcesOf(): WorkerResources {
    return this.described;
  }

  protected override roomOf(worker: SimWorker): Room | null {
    const { pool, tells } = this.holding(worker);
    return tells ? pool.room() : null;
  }

  protected override startFitting(worker: SimWorker): void {
    const { pool, allocations } = this.holding(worker);
    for (const [task, allocation] of allocations) {
      if (worker.tasks.includes(task)) continue;
      pool.release(allocation);
      allocations.delete(task);
    }
    const queue = worker.tasks
      .map((task, index) => ({ task, index }))
      .sort((a, b) => b.task.priority - a.task.priority || a.index - b.index);
    const waiting = new Map<SimTask, ResolvedRequest>();
    for (const { task } of queue) {
      const request = task.running ? null : this.resolve(worker, this.variantOf(task));
      if (request !== null) waiting.set(task, request);
    }
    const kept: number[] = [];
    const blocked = new Set<string>();
    for (const [task, request] of waiting) {
      const { like } = task;
      if (blocked.has(like)) continue;
      const allocation = pool.tryAllocate(request, kept, rivalsOf(request, waiting));
      if (allocation === undefined) {
        blocked.add(like);
        if (!worker.tasks.some((other) => other.running && other.request === task.request)) pool.keepFor(request, kept);
        continue;
      }
      waiting.delete(task);
      allocations.set(task, allocation);
      task.running = true;
      this.starts.push(task.key);
      worker.outgoing.push([UPDATE_STARTED, task.job, task.task, task.instance, this.nowMs, task.variant]);
    }
  }

  private checkPromises(worker: SimWorker): void {
    const { tasks } = this.core;
    for (const row of this.coreWorker(worker).rows) {
      const isOut = tasks.state[row] === SENT || tasks.state[row] === RUNNING;
      if (!isOut || tasks.hold[row] !== HOLD_RESERVED) continue;
      const found = worker.tasks.find((task) => task.task === tasks.taskId[row] && task.job === tasks.jobId[row]);
      if (found?.running === false) {
        const room = JSON.stringify(this.holding(worker).pool.room());
        throw new Error(
          `task ${found.key} was to start on worker ${worker.id} and waits: ${JSON.stringify(this.variantOf(found))} ${room}`,
        );
      }
    }
  }

  private resolve(worker: SimWorker, variant: RequestVariant): ResolvedRequest | null {
    const request = this.holding(worker).pool.resolve(variant);
    return typeof request === 'string' ? null : request;
  }

  private variantOf(task: SimTask): RequestVariant {
    const job = this.core.jobs.get(task.job);
    const row = job === undefined ? -1 : rowOf(job, task.task);
    const variant = this.core.classes.get(this.core.tasks.requestClass[row] as number).variants[task.variant];
    if (variant === undefined) throw new Error(`task ${task.key} has no variant ${task.variant}`);
    return variant.asked;
  }

  private coreWorker(worker: SimWorker): CoreWorker {
    return this.core.workers.get(worker.id) as CoreWorker;
  }

  private holding(worker: SimWorker): Holding {
    const found = this.holdings.get(worker.id);
    if (found === undefined) throw new Error(`worker ${worker.id} has not joined with a description`);
    return found;
  }
}

/** As the queue of a real worker: what a range takes beyond its least amount, it takes from those that wait beside it. */
function rivalsOf(request: ResolvedRequest, waiting: ReadonlyMap<SimTask, ResolvedRequest>): Rivals {
  const others: number[] = [];
  let same = 0;
  for (const other of waiting.values()) {
    if (JSON.stringify(other) === JSON.stringify(request)) same += 1;
    else for (const { resource, units } of other.entries) others[resource] = (others[resource] ?? 0) + units;
  }
  return { same, others };
}
