/**
 * Sees to it that a task keeps to the memory that it has requested, in the way that is possible here, and knows how much each has used: the kernel
 * does it for tasks with a control group, the monitor for all others. Owned by the worker.
 */
import type { GroupEnd, TaskGroups } from '../cgroup/taskGroups.ts';
import { HostFiles } from '../detect/hostFiles.ts';
import type { HeldTask, MemoryExcess, TaskEnd } from '../heldTask.ts';
import { type MemEnforce, MemoryMonitor } from './memoryMonitor.ts';
import { OomKills } from './oomKills.ts';

/** Between two looks at the groups for kills, milliseconds: where the kernel kills one process of a task only, the others end so much later. */
const TICK_MS = 250;
/** At each so manieth look also how much is in the groups, which costs the kernel more. */
const USE_TICKS = 4;

export interface MemoryGuardOptions {
  readonly enforce: MemEnforce;
  /** As of the monitor. */
  readonly intervalMs: number;
  /** Null where there are none. */
  readonly groups: TaskGroups | null;
  running(): Iterable<HeldTask>;
  /** Main process of a running task; 0 while it is not known. */
  pidOf(task: HeldTask): number;
  /** Called once per task; `strays` are processes that a signal to its group may not reach. */
  onExceeded(task: HeldTask, excess: MemoryExcess, strays: readonly number[]): void;
}

export class MemoryGuard {
  private readonly options: MemoryGuardOptions;
  private readonly monitor: MemoryMonitor;
  private readonly oomKills = new OomKills(new HostFiles());
  private readonly told = new WeakSet<HeldTask>();
  private readonly timer: NodeJS.Timeout | undefined;
  private ticks = 0;

  constructor(options: MemoryGuardOptions) {
    const { groups } = options;
    this.options = options;
    this.monitor = new MemoryMonitor({ ...options, running: groups === null ? options.running : () => this.withoutGroup(groups) });
    this.timer = groups === null ? undefined : setInterval(() => this.look(groups), TICK_MS);
  }

  /** @returns the file through which a task that is about to start enters its control group; null when it gets none */
  controlGroupOf(task: HeldTask): string | null {
    return this.options.groups?.make(task) ?? null;
  }

  /** The task will not start after all. */
  discard(task: HeldTask): void {
    this.options.groups?.discard(task);
  }

  /**
   * To be called once for each task that has ended; forgets it.
   * @returns the end, marked when lack of memory explains it, and the highest use, bytes; null when it was never looked at
   */
  ended(task: HeldTask, end: TaskEnd): { end: TaskEnd; peakMemBytes: number | null } {
    const group = this.options.groups?.end(task) ?? null;
    if (group === null) return { end: task.stop === null ? this.oomKills.explain(end) : end, peakMemBytes: this.monitor.takePeak(task) };
    if (this.options.enforce === 'warn' && group.excess !== null) this.tell(task, group.excess, []);
    return { end: task.stop === null ? explain(end, group) : end, peakMemBytes: group.peakBytes };
  }

  close(): void {
    this.monitor.close();
    clearInterval(this.timer);
  }

  private *withoutGroup(groups: TaskGroups): Generator<HeldTask> {
    for (const task of this.options.running()) if (!groups.has(task)) yield task;
  }

  private look(groups: TaskGroups): void {
    groups.sweep();
    this.ticks += 1;
    const looksAtUse = this.ticks % USE_TICKS === 0;
    for (const task of this.options.running()) {
      if (!groups.has(task)) continue;
      const excess = looksAtUse ? groups.excessOf(task) : null;
      if (this.options.enforce === 'warn' && excess !== null) this.tell(task, excess, []);
      const kill = groups.killOf(task);
      if (kill !== null) this.tell(task, kill, groups.processesOf(task));
    }
  }

  private tell(task: HeldTask, excess: MemoryExcess, strays: readonly number[]): void {
    if (this.told.has(task)) return;
    this.told.add(task);
    this.options.onExceeded(task, excess, strays);
  }
}

/** A task of which the kernel has killed a process has failed, whatever its main process says: `big | small` is cut off, and ends with 0. */
function explain(end: TaskEnd, { excess, killedBy }: GroupEnd): TaskEnd {
  if (killedBy === null || (end.kind !== 'exit' && end.kind !== 'signal')) return end;
  if (killedBy === 'own-limit' && excess !== null) return { ...end, excess };
  return end.kind === 'exit' && end.code === 0 ? end : { ...end, outOfMemory: true };
}
