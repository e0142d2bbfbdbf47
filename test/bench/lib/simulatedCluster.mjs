/**
 * A core with workers on a simulated clock, for the benchmark of the scheduler: workers start what fits, as real ones do, and end it after its time; ends
 * of the same moment are one turn. The outbox of the core.
 */
import { Heap } from './heap.mjs';

const UNITS = 10_000;
/** Ends within so long are reported together, milliseconds: the delay of a worker's news. */
const BATCH_MS = 5;
const US_PER_MS = 1_000;

export class Cluster {
  constructor(parts, { workers, node }) {
    this.parts = parts;
    this.core = parts.createCore();
    this.nowMs = 1_000_000;
    this.startMs = this.nowMs;
    this.ends = new Heap();
    this.workers = new Map();
    this.touched = new Set();
    this.durations = [];
    this.needs = [];
    this.work = new Map();
    this.total = new Map(Object.entries(node).map(([name, amount]) => [name, amount * workers]));
    this.busy = new Map(Object.keys(node).map((name) => [name, 0]));
    this.integral = new Map(Object.keys(node).map((name) => [name, 0]));
    this.turnsUs = [];
    for (let id = 1; id <= workers; id += 1) this.addWorker(id, node);
    parts.onJobCreated(this.core, { jobId: 1, open: true, maxFails: null });
    this.count = 0;
  }

  addWorker(id, node) {
    this.workers.set(id, { id, free: { ...node }, queue: [], updates: [] });
    const described = Object.entries(node).map(([name, amount]) => ({ name, kind: 'sum', size: amount * UNITS }));
    const resources = { resources: described, coupling: { weights: [] } };
    const spec = { id, resources, group: 'default', endsAtMs: Number.POSITIVE_INFINITY, minUtilization: 0 };
    this.parts.onWorkerConnected(this.core, this, { spec, nowMs: this.nowMs });
  }

  submit({ count, needs, durationOf }) {
    const entries = Object.entries(needs)
      .filter(([, amount]) => amount > 0)
      .map(([name, amount]) => ({ name, policy: 'compact', units: amount * UNITS }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const request = { variants: [{ nodes: 0, minTimeMs: 0, weight: UNITS, entries }] };
    const traits = [{ request, priority: 0, crashLimit: 5, retry: this.parts.NO_RETRIES, timeLimitMs: null }];
    const ids = this.parts.IntArray.range(this.count, count);
    this.parts.onSubmit(this.core, this, { jobId: 1, submitIndex: this.needs.length, ids, traits, deps: [], nowMs: this.nowMs });
    for (let i = 0; i < count; i += 1) {
      const ms = durationOf();
      this.durations.push(ms);
      for (const [name, amount] of Object.entries(needs)) if (amount > 0) this.work.set(name, (this.work.get(name) ?? 0) + amount * ms);
    }
    this.needs.push({ first: this.count, needs });
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
      this.turn(() => {
        for (const worker of reporting) {
          this.startFitting(worker);
          this.parts.onUpdates(this.core, this, { workerId: worker.id, updates: worker.updates.splice(0), room: null, nowMs: this.nowMs });
        }
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
    worker.queue.push({ id, instance: tasks.instance[row], needs: this.needsOf(id) });
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
    for (const worker of [...this.assigned, ...this.retracted]) {
      if (worker.updates.length > 0)
        this.parts.onUpdates(this.core, this, { workerId: worker.id, updates: worker.updates.splice(0), room: null, nowMs: this.nowMs });
    }
  }

  advanceTo(ms) {
    for (const [name, busy] of this.busy) this.integral.set(name, this.integral.get(name) + busy * (ms - this.nowMs));
    this.nowMs = ms;
  }

  needsOf(id) {
    let [low, high] = [0, this.needs.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.needs[middle].first <= id) low = middle;
      else high = middle - 1;
    }
    return this.needs[low].needs;
  }

  startFitting(worker) {
    worker.queue = worker.queue.filter((task) => {
      if (Object.entries(task.needs).some(([name, amount]) => amount > (worker.free[name] ?? 0) + 1e-9)) return true;
      this.use(worker, task.needs, 1);
      this.ends.push(this.nowMs + this.durations[task.id], { worker, task });
      worker.updates.push([this.parts.UPDATE_STARTED, 1, task.id, task.instance, this.nowMs, 0]);
      return false;
    });
  }

  endTask({ worker, task }) {
    this.use(worker, task.needs, -1);
    worker.updates.push([this.parts.UPDATE_FINISHED, 1, task.id, task.instance, this.nowMs, null]);
    this.touched.add(worker);
  }

  use(worker, needs, sign) {
    for (const [name, amount] of Object.entries(needs)) {
      if (worker.free[name] === undefined) continue;
      worker.free[name] -= sign * amount;
      this.busy.set(name, this.busy.get(name) + sign * amount);
    }
  }
}
