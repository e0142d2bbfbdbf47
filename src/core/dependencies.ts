/**
 * Who waits for whom: one singly linked list of dependents per row, in a pool of typed arrays, so that an edge costs eight bytes.
 * Written at submit, consumed when a task ends.
 */
import type { TaskTable } from './taskTable.ts';

const FIRST_CAPACITY_EDGES = 256;

/** Targets from here on are gates (`gates.ts`), not rows: there are never so many of either. */
const FIRST_GATE = 0x8000_0000;

/** @returns the id of the gate that a dependent stands for; null when it is a row */
export function gateOf(dependent: number): number | null {
  return dependent < FIRST_GATE ? null : dependent - FIRST_GATE;
}

/** What stands for a gate among the dependents of a row. */
export function gateTarget(gateId: number): number {
  return FIRST_GATE + gateId;
}

export class Dependencies {
  private target: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_EDGES);
  /** Next edge of the same row plus one; 0 ends the list. For free edges: the free list. */
  private next: Uint32Array<ArrayBuffer> = new Uint32Array(FIRST_CAPACITY_EDGES);
  private used = 0;
  private firstFree = 0;

  /** Records that `dependent` waits for `row` and counts it there. */
  add(tasks: TaskTable, row: number, dependent: number): void {
    this.link(tasks, row, dependent);
    tasks.unfinishedDeps[dependent] = (tasks.unfinishedDeps[dependent] as number) + 1;
  }

  /** Records that a gate waits for `row`; the gate counts. */
  addGate(tasks: TaskTable, row: number, gateId: number): void {
    this.link(tasks, row, gateTarget(gateId));
  }

  /** Removes and returns the dependents of `row`, rows and gates (`gateOf`), in the order in which they were added. */
  take(tasks: TaskTable, row: number): number[] {
    const dependents: number[] = [];
    let link = tasks.firstDependent[row] as number;
    tasks.firstDependent[row] = 0;
    while (link !== 0) {
      const edge = link - 1;
      dependents.push(this.target[edge] as number);
      link = this.next[edge] as number;
      this.next[edge] = this.firstFree;
      this.firstFree = edge + 1;
    }
    return dependents.reverse();
  }

  /** The dependents of `row`, rows and gates, latest first; the list stays. */
  *of(tasks: TaskTable, row: number): Generator<number> {
    for (let link = tasks.firstDependent[row] as number; link !== 0; link = this.next[link - 1] as number) {
      yield this.target[link - 1] as number;
    }
  }

  private link(tasks: TaskTable, row: number, target: number): void {
    const edge = this.takeEdge();
    this.target[edge] = target;
    this.next[edge] = tasks.firstDependent[row] as number;
    tasks.firstDependent[row] = edge + 1;
  }

  private takeEdge(): number {
    if (this.firstFree !== 0) {
      const edge = this.firstFree - 1;
      this.firstFree = this.next[edge] as number;
      return edge;
    }
    if (this.used === this.target.length) {
      const target = new Uint32Array(this.used * 2);
      target.set(this.target);
      this.target = target;
      const next = new Uint32Array(this.used * 2);
      next.set(this.next);
      this.next = next;
    }
    this.used += 1;
    return this.used - 1;
  }
}
