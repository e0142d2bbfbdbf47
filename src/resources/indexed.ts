/**
 * The free indices of one resource, group by group. Whole indices go to one task; an index may also be shared by tasks that each hold a
 * fraction of it. Owned by the pool.
 */
import { type ResourceDescriptor, UNITS_PER_WHOLE } from '../protocol/schema/resources.ts';
import type { GroupsFree } from './groups.ts';

/** Indices taken for one task. */
export interface TakenIndices {
  readonly whole: readonly number[];
  /** Index of which only `sharedUnits` are taken, -1 without one. */
  readonly shared: number;
  readonly sharedUnits: number;
}

/** Indices are numbers from 0 over all groups; `label` gives the name that the task sees. */
export class IndexedResource {
  readonly groupSizes: readonly number[];
  private readonly labels: readonly string[];
  private readonly groupOf: Int32Array;
  /** Free units of every index. */
  private readonly free: Int32Array;
  /** Entirely free indices of every group, a stack: the last one is handed out next. */
  private readonly wholes: number[][] = [];
  /** Indices of which a part is free, of every group. */
  private readonly partials: number[][] = [];
  private freeUnitsNow: number;

  constructor(groups: readonly (readonly string[])[]) {
    this.labels = groups.flat();
    this.groupSizes = groups.map((group) => group.length);
    this.groupOf = new Int32Array(this.labels.length);
    this.free = new Int32Array(this.labels.length).fill(UNITS_PER_WHOLE);
    this.freeUnitsNow = this.labels.length * UNITS_PER_WHOLE;
    let next = 0;
    groups.forEach((labels, group) => {
      const indices = labels.map(() => next++);
      for (const index of indices) this.groupOf[index] = group;
      this.wholes.push(indices);
      this.partials.push([]);
    });
  }

  /** @returns the resource of a descriptor with indices, undefined for a sum */
  static of(descriptor: ResourceDescriptor): IndexedResource | undefined {
    switch (descriptor.kind) {
      case 'sum':
        return undefined;
      case 'list':
        return new IndexedResource([descriptor.values]);
      case 'groups':
        return new IndexedResource(descriptor.groups);
      case 'range':
        return new IndexedResource([Array.from({ length: descriptor.end - descriptor.start + 1 }, (_, i) => String(descriptor.start + i))]);
    }
  }

  /** Free units over all indices, shared ones included. */
  get freeUnits(): number {
    return this.freeUnitsNow;
  }

  get isNumbered(): boolean {
    return this.labels.every((label) => /^\d+$/.test(label));
  }

  label(index: number): string {
    return this.labels[index] as string;
  }

  /** What is free for a need with this fraction (units, 0 for none). */
  freeFor(fractionUnits: number): GroupsFree {
    return {
      wholes: this.wholes.map((indices) => indices.length),
      partialFits: this.partials.map(
        (indices) => fractionUnits > 0 && indices.some((index) => (this.free[index] as number) >= fractionUnits),
      ),
    };
  }

  /** Has it so many entirely free indices, and a share of another one? In whatever groups they lie. */
  fits(whole: number, fractionUnits: number): boolean {
    let left = -whole;
    for (const indices of this.wholes) left += indices.length;
    if (left > 0 || (left === 0 && fractionUnits === 0)) return true;
    const hasRoom = (index: number): boolean => (this.free[index] as number) >= fractionUnits;
    return left === 0 && this.partials.some((indices) => indices.some(hasRoom));
  }

  /** What is free, group by group: the number of entirely free indices, then the free units of each shared one. */
  room(): number[][] {
    return this.wholes.map((indices, group) => [
      indices.length,
      ...(this.partials[group] as number[]).map((index) => this.free[index] as number),
    ]);
  }

  /** Can this be the room of a resource with the same groups? */
  accepts(room: readonly (readonly number[])[]): boolean {
    const isPossible = ([wholes = -1, ...partials]: readonly number[], group: number): boolean =>
      wholes >= 0 &&
      wholes + partials.length <= (this.groupSizes[group] as number) &&
      partials.every((units) => units > 0 && units < UNITS_PER_WHOLE);
    return room.length === this.groupSizes.length && room.every(isPossible);
  }

  /**
   * Becomes like another one of the same groups; what was taken here is forgotten and must not be released.
   * @param room what `room` of that one told; must be accepted
   */
  load(room: readonly (readonly number[])[]): void {
    this.freeUnitsNow = 0;
    let first = 0;
    room.forEach(([wholes = 0, ...partials], group) => {
      const size = this.groupSizes[group] as number;
      // Indices of one group are alike, so it does not matter which of them are free.
      for (let i = 0; i < size; i += 1) this.free[first + i] = i < wholes ? UNITS_PER_WHOLE : (partials[i - wholes] ?? 0);
      this.wholes[group] = Array.from({ length: wholes }, (_, i) => first + i);
      this.partials[group] = partials.map((_, i) => first + wholes + i);
      this.freeUnitsNow += partials.reduce((sum, units) => sum + units, wholes * UNITS_PER_WHOLE);
      first += size;
    });
  }

  /** What an unused worker would have free. */
  allFree(): GroupsFree {
    return { wholes: this.groupSizes, partialFits: this.groupSizes.map(() => false) };
  }

  /** Takes what `distribute` has chosen; it must be free. */
  take(takes: ReadonlyMap<number, number>, shared: { group: number; units: number }): TakenIndices {
    const whole: number[] = [];
    for (const [group, count] of takes) {
      const stack = this.wholes[group] as number[];
      if (stack.length < count) throw new Error('invariant broken: more indices taken than are free');
      for (const index of stack.splice(stack.length - count, count)) {
        this.free[index] = 0;
        whole.push(index);
      }
    }
    this.freeUnitsNow -= whole.length * UNITS_PER_WHOLE;
    whole.sort((a, b) => a - b);
    return { whole, shared: shared.group < 0 ? -1 : this.takeShared(shared), sharedUnits: shared.group < 0 ? 0 : shared.units };
  }

  release(taken: TakenIndices): void {
    for (const index of taken.whole) {
      if (this.free[index] !== 0) throw new Error('invariant broken: an index is released twice');
      this.free[index] = UNITS_PER_WHOLE;
      (this.wholes[this.groupOf[index] as number] as number[]).push(index);
    }
    this.freeUnitsNow += taken.whole.length * UNITS_PER_WHOLE;
    if (taken.shared >= 0) this.releaseShared(taken.shared, taken.sharedUnits);
  }

  /** Free units of one index, for tests. */
  freeOf(index: number): number {
    return this.free[index] as number;
  }

  private takeShared({ group, units }: { group: number; units: number }): number {
    const partials = this.partials[group] as number[];
    // The fullest index that still fits, so that others stay usable for larger fractions.
    let index = -1;
    for (const one of partials) {
      if ((this.free[one] as number) >= units && (index < 0 || (this.free[one] as number) < (this.free[index] as number))) index = one;
    }
    if (index < 0) {
      index = (this.wholes[group] as number[]).shift() ?? -1;
      if (index < 0) throw new Error('invariant broken: no index for a fraction');
      partials.push(index);
    }
    this.free[index] = (this.free[index] as number) - units;
    this.freeUnitsNow -= units;
    if (this.free[index] === 0) partials.splice(partials.indexOf(index), 1);
    return index;
  }

  private releaseShared(index: number, units: number): void {
    const group = this.groupOf[index] as number;
    const partials = this.partials[group] as number[];
    const before = this.free[index] as number;
    const after = before + units;
    if (after > UNITS_PER_WHOLE) throw new Error('invariant broken: a share is released twice');
    this.free[index] = after;
    this.freeUnitsNow += units;
    if (before === 0 && after < UNITS_PER_WHOLE) partials.push(index);
    if (after < UNITS_PER_WHOLE) return;
    if (before > 0) partials.splice(partials.indexOf(index), 1);
    (this.wholes[group] as number[]).push(index);
  }
}
