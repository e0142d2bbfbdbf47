/** What the sides of a comparison have in common: the interface, and how what tasks noted and what was seen of them comes together. */
import type { ComparedTask, CompareSide } from '../../protocol/schema/compare.ts';
import type { RunPlace } from './runPlace.ts';
import type { TaskRecord } from './taskScript.ts';

/** What a run of a side was, in its own times. */
export interface SideRun {
  /** Unix milliseconds of the first submission. */
  readonly startedAtMs: number;
  /** Until the last end was noticed. */
  readonly wallMs: number;
  readonly tasks: readonly ComparedTask[];
}

export interface Side {
  readonly name: CompareSide;
  /**
   * Does the work once, from the submission until every end was noticed, and ends what it has started on this host, also when it fails or is interrupted.
   * Jobs that it leaves in Slurm are cancelled by the caller.
   */
  run(place: RunPlace): Promise<SideRun>;
}

/** Unix milliseconds with their fractions, as the notes of tasks have them. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** When tasks were submitted and when their ends were noticed, by index, in Unix milliseconds. */
export class Watch {
  private readonly submitted: number[] = [];
  private readonly noticed = new Map<number, number>();
  private readonly total: number;
  private readonly cpus: number;

  /** @param o.cpus of each task */
  constructor(o: { readonly tasks: number; readonly cpus: number }) {
    this.total = o.tasks;
    this.cpus = o.cpus;
  }

  /** The submission of the next `count` tasks begins now. */
  submit(count: number): void {
    const atMs = nowMs();
    for (let added = 0; added < count; added += 1) this.submitted.push(atMs);
  }

  /** Later calls for the same task change nothing. */
  notice(index: number, atMs: number): void {
    if (index < this.total && !this.noticed.has(index)) this.noticed.set(index, atMs);
  }

  get isComplete(): boolean {
    return this.noticed.size >= this.total;
  }

  /** @param records what the tasks have noted themselves */
  result(records: ReadonlyMap<number, TaskRecord>): SideRun {
    const startedAtMs = this.submitted[0] ?? nowMs();
    const lastMs = [...this.noticed.values()].reduce((last, atMs) => Math.max(last, atMs), startedAtMs);
    const since = (atMs: number | undefined): number | null => (atMs === undefined ? null : atMs - startedAtMs);
    const tasks = this.submitted.map((submittedAtMs, index) => {
      const record = records.get(index);
      return {
        name: String(index),
        submittedMs: submittedAtMs - startedAtMs,
        startedMs: since(record?.startMs),
        endedMs: since(record?.endMs),
        noticedMs: since(this.noticed.get(index)),
        runMs: record === undefined ? null : record.endMs - record.startMs,
        cpus: this.cpus,
        failed: record?.exitCode !== 0,
      };
    });
    return { startedAtMs, wallMs: lastMs - startedAtMs, tasks };
  }
}
