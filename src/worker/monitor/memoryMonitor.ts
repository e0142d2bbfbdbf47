/**
 * Watches the memory of running tasks: samples all their processes in one pass, keeps the highest sum of each task, and says when a task holds
 * more than it has requested. Owned by the worker. Short tasks cost nothing: no timer per task, and none is looked at in its first moments.
 */
import type { HeldTask, MemoryExcess } from '../heldTask.ts';
import { requestedBytes } from '../requestedMemory.ts';
import { type MemoryUse, measure, ProcessReader, pageBytes } from './processFiles.ts';
import { type ProcessRow, treesOf } from './processTree.ts';

/** Between two looks at the list of running tasks, milliseconds: memory fills at some GiB per second. */
const TICK_MS = 250;
/** A sample takes longer on a machine with many processes: it is made so seldom that it takes 2 % of the time, but every 5 s, milliseconds. */
const COST_FACTOR = 50;
const INTERVAL_MAX_MS = 5_000;
/** Age from which a task is looked at, milliseconds. What ends earlier has what the system tells of its largest process. */
const FIRST_MS = 500;
const LIMITED_FIRST_MS = 250;

/** What happens to a task that holds more memory than it has requested. */
export type MemEnforce = 'on' | 'warn' | 'off';

export interface MemoryMonitorOptions {
  readonly enforce: MemEnforce;
  /** Between two samples where no task has a limit to keep, milliseconds; 0: such tasks are not looked at. */
  readonly intervalMs: number;
  running(): Iterable<HeldTask>;
  /** Main process of a running task; 0 while it is not known. */
  pidOf(task: HeldTask): number;
  /** Called once per task; what is left of it outside of its process group, `strays`, is nobody else's to kill. */
  onExceeded(task: HeldTask, excess: MemoryExcess, strays: readonly number[]): void;
}

/** A running task that is looked at. */
interface Watched {
  readonly task: HeldTask;
  readonly limitBytes: number;
}

export class MemoryMonitor {
  private readonly options: MemoryMonitorOptions;
  /** Highest use so far, bytes. */
  private readonly peaks = new Map<HeldTask, number>();
  /** Those that have been told about. */
  private readonly exceeded = new WeakSet<HeldTask>();
  private readonly timer: NodeJS.Timeout;
  /** Monotonic; the earliest moments of the next sample, with and without a limit to keep. */
  private nextLimitedMs = 0;
  private nextMs = 0;
  private isSampling = false;
  private readonly processes = new ProcessReader();
  private readonly pageBytes = pageBytes();

  constructor(options: MemoryMonitorOptions) {
    this.options = options;
    this.timer = setInterval(() => void this.tick(), TICK_MS);
  }

  /** Highest use of a task that has ended, bytes; null when it was never looked at. Forgets it. */
  takePeak(task: HeldTask): number | null {
    const peak = this.peaks.get(task) ?? null;
    this.peaks.delete(task);
    return peak;
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async tick(): Promise<void> {
    const startMs = performance.now();
    if (this.isSampling || startMs < this.nextLimitedMs) return;
    const { watched, hasLimit } = this.due(Date.now());
    if (watched.size === 0 || (!hasLimit && startMs < this.nextMs)) return;
    this.isSampling = true;
    const trees = treesOf(this.processes.read(), new Set(watched.keys()));
    const restMs = Math.min(INTERVAL_MAX_MS, (performance.now() - startMs) * COST_FACTOR);
    this.nextLimitedMs = startMs + restMs;
    this.nextMs = startMs + Math.max(this.options.intervalMs, restMs);
    await Promise.all([...trees].map(([pid, tree]) => this.look(watched.get(pid) as Watched, tree)));
    this.isSampling = false;
  }

  /** Tasks that are old enough, by main process; is there one with a limit? */
  private due(nowMs: number): { watched: Map<number, Watched>; hasLimit: boolean } {
    const watched = new Map<number, Watched>();
    let hasLimit = false;
    for (const task of this.options.running()) {
      const limitBytes = this.options.enforce === 'off' ? Number.POSITIVE_INFINITY : (requestedBytes(task) ?? Number.POSITIVE_INFINITY);
      const isLimited = limitBytes !== Number.POSITIVE_INFINITY;
      if (!isLimited && this.options.intervalMs === 0) continue;
      if (nowMs - task.startedAtMs < (isLimited ? LIMITED_FIRST_MS : FIRST_MS)) continue;
      const pid = this.options.pidOf(task);
      if (pid === 0) continue;
      watched.set(pid, { task, limitBytes });
      hasLimit ||= isLimited;
    }
    return { watched, hasLimit };
  }

  private async look({ task, limitBytes }: Watched, tree: readonly ProcessRow[]): Promise<void> {
    const residentBytes = tree.reduce((sum, row) => sum + row.residentPages, 0) * this.pageBytes;
    // Pages that processes share count several times in this sum: it is never too small.
    const peak = this.peaks.get(task) ?? 0;
    if (residentBytes <= peak && residentBytes <= limitBytes) return;
    const isPlain = tree.length === 1 && residentBytes <= limitBytes;
    const use: MemoryUse = isPlain ? { bytes: residentBytes, heldBytes: 0 } : await measure(tree);
    if (task.state !== 'running') return;
    this.peaks.set(task, Math.max(peak, use.bytes));
    if (use.heldBytes <= limitBytes || this.exceeded.has(task)) return;
    this.exceeded.add(task);
    const root = this.options.pidOf(task);
    const strays = tree.filter(({ group }) => group !== root).map(({ pid }) => pid);
    this.options.onExceeded(task, { usedBytes: use.heldBytes, limitBytes }, strays);
  }
}
