/**
 * A core with workers on a simulated clock, for the benchmark of the scheduler: workers have the pool of real ones, start what fits, tell what is free where
 * groups or shares matter, and end tasks after their time; ends of the same moment are one turn. The outbox of the core.
 */
import { Heap } from './heap.mjs';

const UNITS = 10_000;
/** Ends within so long are reported together, milliseconds: the delay of a worker's news. */
const BATCH_MS = 5;
const US_PER_MS = 1_000;

export class Cluster {
  /**
   * @param {object} parts the modules of the core and of the pool
   * @param {{ workers: number, node: Record<string, { groups: number, each: number }> }} given what each worker has: indices in groups; the groups of all
   *   its resources belong together in order
   */
  constructor(parts, { workers, node }) {
    this.parts = parts;
    this.core = parts.createCore();
    this.nowMs = 1_000_000;
    this.startMs = this.nowMs;
    this.ends = new Heap();
    this.workers = new Map();
    this.touched = new Set();
    this.durations = [];
    this.classes = [];
    this.work = new Map();
    this.total = new Map(Object.entries(node).map(([name, { groups, each }]) => [name, groups * each * workers]));
    this.busy = new Map(Object.keys(node).map((name) => [name, 0]));
    this.integral = new Map(Object.keys(node).map((name) => [name, 0]));
    this.turnsUs = [];
    for (let id = 1; id <= workers; id += 1) this.addWorker(id, node);
    parts.onJobCreated(this.core, { jobId: 1, open: true, maxFails: null });
    this.count = 0;
  }

  addWorker(id, node) {
    const resources = resourcesOf(node);
    this.workers.set(id, { id, pool: new this.parts.ResourcePool(resources), queue: [], updates: [] });
    const spec = { id, resources, group: 'default', endsAtMs: Number.POSITIVE_INFINITY, minUtilization: 0 };
    this.parts.onWorkerConnected(this.core, this, { spec, nowMs: this.nowMs });
  }

  /** @param {{ count: number, needs: Record<string, { amount: number, policy: string }>, durationOf: () => number }} tasks of one class */
  submit({ count, needs, durationOf }) {
    const entries = Object.entries(needs)
      .filter(([, { amount }]) => amount > 0)
      .map(([name, { amount, policy }]) => ({ name, policy, units: amount * UNITS }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const variant = { nodes: 0, minTimeMs: 0, weight: UNITS, entries };
    const traits = [{ request: { variants: [variant] }, priority: 0, crashLimit: 5, retry: this.parts.NO_RETRIES, timeLimitMs: null }];
    const ids = this.parts.IntArray.range(this.count, count);
    this.parts.onSubmit(this.core, this, { jobId: 1, submitIndex: this.classes.length, ids, traits, deps: [], nowMs: this.nowMs });
    for (let i = 0; i < count; i += 1) {
      const ms = durationOf();
      this.durations.push(ms);
      for (const { name, units } of entries) this.work.set(name, (this.work.get(name) ?? 0) + (units / UNITS) * ms);
    }
    this.classes.push({ first: this.count, entries, variant, request: null });
    this.count += count;
  }

  /** @returns {{ makespanMs: number, boundMs: number, used: number, turnsUs: number[] }} */
  runToEnd() {
    const ratios = [...this.work].map(([name, work]) => ({ name, ms: work / this.total.get(name) }));
    const scarcest = ratios.reduce((a, b) => (a.ms > b.ms ? a : b));
    this.turn(() => {});
    let used = null;
    while (this.ends.size > 0) {
      this.advanceTo(Math.ceil((this.ends.first - this.startMs) / BATCH_MS) * BATCH_MS + this.startMs);
      while (this.ends.size > 0 && this.ends.first <= this.nowMs) this.endTask(this.ends.pop());
      const reporting = [...this.touched];
      this.touched.clear();
      for (const worker of reporting) this.startFitting(worker);
      const reports = reporting.map((worker) => this.reportOf(worker));
      this.turn(() => {
        for (const report of reports) this.parts.onUpdates(this.core, this, report);
      });
      if (used === null && this.core.ready.size === 0)
        used = this.integral.get(scarcest.name) / (this.total.get(scarcest.name) * (this.nowMs - this.startMs));
    }
    return { makespanMs: this.nowMs - this.startMs, boundMs: scarcest.ms, used: used ?? 0, turnsUs: this.turnsUs };
  }

  assign(workerId, row) {
    const { tasks } = this.core;
    const id = tasks.taskId[row];
    const worker = this.workers.get(workerId);
    worker.queue.push({ id, instance: tasks.instance[row], of: this.classOf(id), allocation: null });
    this.assigned.add(worker);
  }

  control(workerId, kind, row) {
    const worker = this.workers.get(workerId);
    const { taskId, instance } = this.core.tasks;
    const at = worker.queue.findIndex(({ id }) => id === taskId[row]);
    if (kind !== 'retract' || at < 0) return;
    worker.queue.splice(at, 1);
    worker.updates.push([this.parts.UPDATE_RETRACTED, 1, taskId[row], instance[row], this.nowMs]);
    this.retracted.add(worker);
  }

  emit() {}

  askPlan() {}

  turn(step) {
    this.assigned = new Set();
    this.retracted = new Set();
    const begun = performance.now();
    step();
    this.parts.plan(this.core, this, this.nowMs);
    this.turnsUs.push((performance.now() - begun) * US_PER_MS);
    for (const worker of this.assigned) this.startFitting(worker);
    for (const worker of new Set([...this.assigned, ...this.retracted]))
      if (worker.updates.length > 0) this.parts.onUpdates(this.core, this, this.reportOf(worker));
  }

  /** The next frame of a worker. */
  reportOf(worker) {
    const { pool } = worker;
    return { workerId: worker.id, updates: worker.updates.splice(0), room: pool.hasGroups ? pool.room() : null, nowMs: this.nowMs };
  }

  advanceTo(ms) {
    for (const [name, busy] of this.busy) this.integral.set(name, this.integral.get(name) + busy * (ms - this.nowMs));
    this.nowMs = ms;
  }

  classOf(id) {
    let [low, high] = [0, this.classes.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.classes[middle].first <= id) low = middle;
      else high = middle - 1;
    }
    return this.classes[low];
  }

  startFitting(worker) {
    worker.queue = worker.queue.filter((task) => {
      // All workers are alike, so that one of them can read the request for all.
      task.of.request ??= worker.pool.resolve(task.of.variant);
      const allocation = worker.pool.tryAllocate(task.of.request);
      if (allocation === undefined) return true;
      task.allocation = allocation;
      this.countBusy(task, 1);
      this.ends.push(this.nowMs + this.durations[task.id], { worker, task });
      worker.updates.push([this.parts.UPDATE_STARTED, 1, task.id, task.instance, this.nowMs, 0]);
      return false;
    });
  }

  endTask({ worker, task }) {
    worker.pool.release(task.allocation);
    this.countBusy(task, -1);
    worker.updates.push([this.parts.UPDATE_FINISHED, 1, task.id, task.instance, this.nowMs, null]);
    this.touched.add(worker);
  }

  countBusy(task, sign) {
    for (const { name, units } of task.of.entries) this.busy.set(name, this.busy.get(name) + (sign * units) / UNITS);
  }
}

/** Couplings refer to the order of names. */
function resourcesOf(node) {
  const named = Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1));
  const resources = named.map(([name, { groups, each }]) => {
    const indices = Array.from({ length: groups }, (_, group) => Array.from({ length: each }, (_, at) => String(group * each + at)));
    return groups === 1 ? { name, kind: 'list', values: indices[0] } : { name, kind: 'groups', groups: indices };
  });
  const groups = named[0][1].groups;
  const isCoupled = named.length > 1 && groups > 1;
  const pairs = isCoupled ? Array.from({ length: groups }, (_, group) => group) : [];
  const weights = pairs.map((group) => ({ resource1_idx: 0, group1_idx: group, resource2_idx: 1, group2_idx: group, weight: 256 }));
  return { resources, coupling: { weights } };
}
