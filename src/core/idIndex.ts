/**
 * Finds the place of a task id among the ids of a submit. Submits with few ranges need no index; one whose ids come in any order may have as
 * many ranges as tasks, and is asked for each update. Made by the job table with each submit.
 */
import type { IntArray } from '../common/intArray.ts';

/** Up to this many ranges a look at each is as quick as a search. */
const FEW_RANGES = 16;

export class IdIndex {
  private readonly ids: IntArray;
  /** Indices of ranges sorted by their first id; null when the ranges are few or interleave. */
  private readonly order: Uint32Array<ArrayBuffer> | null;
  /** Place of the first id of each range. */
  private readonly offsets: Uint32Array<ArrayBuffer> | null;

  constructor(ids: IntArray) {
    this.ids = ids;
    const { ranges } = ids;
    const isSimple = ranges.length > FEW_RANGES && ranges.every(({ step }) => step === 1);
    this.order = isSimple ? Uint32Array.from(ranges.keys()) : null;
    this.offsets = isSimple ? new Uint32Array(ranges.length) : null;
    if (this.order === null || this.offsets === null) return;
    let offset = 0;
    for (const [at, range] of ranges.entries()) {
      this.offsets[at] = offset;
      offset += range.count;
    }
    this.order.sort((a, b) => (ranges[a]?.start ?? 0) - (ranges[b]?.start ?? 0));
  }

  /** @returns the place of the id, or -1 */
  indexOf(id: number): number {
    const { order, offsets } = this;
    if (order === null || offsets === null) return this.ids.indexOf(id);
    let low = 0;
    let high = order.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.startOf(order[middle] as number) <= id) low = middle;
      else high = middle - 1;
    }
    const range = order[low] as number;
    const distance = id - this.startOf(range);
    const isIn = distance >= 0 && distance < (this.ids.ranges[range]?.count ?? 0);
    return isIn ? (offsets[range] as number) + distance : -1;
  }

  private startOf(range: number): number {
    return this.ids.ranges[range]?.start ?? 0;
  }
}
