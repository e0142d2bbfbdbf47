/**
 * Compressed lists of non-negative integers, e.g. the task ids of an array: `1-1000,1005,2000-3000:10`.
 * Used by every layer, so that a million-task array is never a million objects. Pure.
 */

/** One arithmetic progression: `start, start + step, …`, `count` values, `count >= 1`, `step >= 1`. */
export interface IntRange {
  readonly start: number;
  readonly count: number;
  readonly step: number;
}

const MAX_U32 = 0xffff_ffff;

/** An ordered list of distinct unsigned 32-bit integers, held as ranges in the order in which they were given. */
export class IntArray {
  readonly ranges: readonly IntRange[];
  /** Number of values. */
  readonly length: number;
  /** `offsets[i]` = index of the first value of range i. */
  private readonly offsets: readonly number[];

  /** @param ranges non-overlapping ranges; use `IntArray.parse` or `IntArray.from` for unchecked input. */
  constructor(ranges: readonly IntRange[]) {
    this.ranges = ranges;
    const offsets: number[] = [];
    let length = 0;
    for (const range of ranges) {
      offsets.push(length);
      length += range.count;
    }
    this.offsets = offsets;
    this.length = length;
  }

  /** `count` consecutive integers from `start`. */
  static range(start: number, count: number): IntArray {
    return new IntArray(count === 0 ? [] : [{ start, count, step: 1 }]);
  }

  /** Compresses distinct integers, keeping their order (runs of step 1 become ranges). */
  static from(values: Iterable<number>): IntArray {
    const runs = new Runs();
    for (const value of values) runs.push(value);
    return runs.toArray();
  }

  /**
   * Parses `N`, `A-B` (inclusive) and `A-B:STEP`, comma separated, `_` allowed between digits, blanks around commas.
   * Grammar of HyperQueue's task selectors.
   * @returns the array, or a sentence that says what is wrong with the text.
   */
  static parse(text: string): IntArray | string {
    const ranges: IntRange[] = [];
    for (const part of text.split(',')) {
      const range = parseRange(part.trim());
      if (typeof range === 'string') return range;
      ranges.push(range);
    }
    const overlap = findOverlap(ranges);
    return overlap === undefined ? new IntArray(ranges) : `value ${overlap} is given twice`;
  }

  /** The value at `index` (0-based); undefined outside the array. */
  at(index: number): number | undefined {
    if (index < 0 || index >= this.length) return undefined;
    const at = this.rangeAt(index);
    const range = this.ranges[at] as IntRange;
    return range.start + (index - (this.offsets[at] as number)) * range.step;
  }

  /** The range that holds the value at an index of this array. */
  private rangeAt(index: number): number {
    let low = 0;
    let high = this.offsets.length - 1;
    while (low < high) {
      const mid = (low + high + 1) >> 1;
      if ((this.offsets[mid] as number) <= index) low = mid;
      else high = mid - 1;
    }
    return low;
  }

  /**
   * The values at these indices, none of which may lie outside; what is a range in both stays one.
   * Cost: ranges of `indices`, and those of this array that they touch.
   */
  pick(indices: IntArray): IntArray {
    const picked: IntRange[] = [];
    for (const { start: first, count: wanted, step: stride } of indices.ranges) {
      for (let done = 0; done < wanted; ) {
        const index = first + done * stride;
        const at = this.rangeAt(index);
        const { start, count, step } = this.ranges[at] as IntRange;
        const skipped = index - (this.offsets[at] as number);
        const taken = Math.min(wanted - done, Math.ceil((count - skipped) / stride));
        picked.push({ start: start + skipped * step, count: taken, step: taken === 1 ? 1 : step * stride });
        done += taken;
      }
    }
    return new IntArray(picked);
  }

  /** Index of `value`, or -1. Cost: number of ranges. */
  indexOf(value: number): number {
    for (let i = 0; i < this.ranges.length; i += 1) {
      const { start, count, step } = this.ranges[i] as IntRange;
      const distance = value - start;
      if (distance >= 0 && distance % step === 0 && distance / step < count) {
        return (this.offsets[i] as number) + distance / step;
      }
    }
    return -1;
  }

  has(value: number): boolean {
    return this.indexOf(value) >= 0;
  }

  /** Largest value, or -1 when empty. */
  max(): number {
    let max = -1;
    for (const { start, count, step } of this.ranges) max = Math.max(max, start + (count - 1) * step);
    return max;
  }

  /** The values in order. */
  *[Symbol.iterator](): Generator<number> {
    for (const { start, count, step } of this.ranges) {
      for (let i = 0; i < count; i += 1) yield start + i * step;
    }
  }

  /** The text form that `parse` reads back. */
  toString(): string {
    return this.ranges
      .map(({ start, count, step }) => {
        if (count === 1) return String(start);
        const end = start + (count - 1) * step;
        return step === 1 ? `${start}-${end}` : `${start}-${end}:${step}`;
      })
      .join(',');
  }
}

/** Gathers distinct integers one by one as an `IntArray`: neighbours in ascending order become one range. */
export class Runs {
  private readonly ranges: { start: number; count: number; readonly step: 1 }[] = [];

  push(value: number): void {
    const last = this.ranges.at(-1);
    if (last !== undefined && value === last.start + last.count) last.count += 1;
    else this.ranges.push({ start: value, count: 1, step: 1 });
  }

  toArray(): IntArray {
    return new IntArray(this.ranges);
  }
}

function parseRange(text: string): IntRange | string {
  const match = /^(\d[\d_]*)(?:\s*-\s*(\d[\d_]*)(?:\s*:\s*(\d[\d_]*))?)?$/.exec(text);
  if (match === null) return text === '' ? 'a value is missing' : `'${text}' is not a number or range`;
  const [start, end, step] = [match[1], match[2], match[3]].map((digits) =>
    digits === undefined ? undefined : Number(digits.replaceAll('_', '')),
  ) as [number, number | undefined, number | undefined];
  if (start > MAX_U32 || (end ?? 0) > MAX_U32) return `'${text}' is larger than ${MAX_U32}`;
  if (end === undefined) return { start, count: 1, step: 1 };
  if (end < start) return `range '${text}' ends before it starts`;
  if (step === 0) return `the step of '${text}' is zero`;
  const stride = step ?? 1;
  const count = Math.floor((end - start) / stride) + 1;
  return { start, count, step: count === 1 ? 1 : stride };
}

/** First value found in two ranges; exact for steps above 1 by enumerating the smaller of two interleaved ranges. */
function findOverlap(ranges: readonly IntRange[]): number | undefined {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  // Ranges still open at the current start: all but the most far-reaching are usually gone, so this stays near linear.
  let open: IntRange[] = [];
  for (const range of sorted) {
    open = open.filter((other) => other.start + (other.count - 1) * other.step >= range.start);
    for (const other of open) {
      const shared = firstShared(other, range);
      if (shared !== undefined) return shared;
    }
    open.push(range);
  }
  return undefined;
}

function firstShared(a: IntRange, b: IntRange): number | undefined {
  const [few, many] = a.count <= b.count ? [a, b] : [b, a];
  const manyEnd = many.start + (many.count - 1) * many.step;
  for (let i = 0; i < few.count; i += 1) {
    const value = few.start + i * few.step;
    if (value > manyEnd) return undefined;
    if (value >= many.start && (value - many.start) % many.step === 0) return value;
  }
  return undefined;
}
