/**
 * What is free of every index of one worker, as the worker has it: a pool like its own, which places tasks by the same rules. The worker tells what
 * is free with its updates; what is on its way to it is added here. Changed by `reactor/holds.ts`, asked through `fitsNow`. It exists while the
 * worker has a task that shares an index, insists on its groups, or is a range; for all others sums of amounts tell everything.
 */
import type { Room, WorkerResources } from '../protocol/schema/resources.ts';
import { type Allocation, type ResolvedRequest, ResourcePool } from '../resources/pool.ts';
import type { ClassVariant } from './requestClasses.ts';

export class RoomMirror {
  private readonly pool: ResourcePool;
  /** Variants as positions of the worker; null for what it could never run. */
  private readonly requests = new Map<ClassVariant, ResolvedRequest | null>();
  /** Rows that were placed here, in this order; null where there was no room. Started ones are dropped when the worker tells what is free. */
  private readonly placed = new Map<number, { readonly variant: ClassVariant; allocation: Allocation | null }>();
  /** Those of them that the worker has not started, as far as it has told. */
  private readonly unstarted = new Set<number>();

  /** @param resources as the worker has described them */
  constructor(resources: WorkerResources) {
    this.pool = new ResourcePool(resources);
  }

  /** Would the worker start it at once? */
  fits(variant: ClassVariant): boolean {
    const request = this.requestOf(variant);
    return request !== null && this.pool.canAllocate(request);
  }

  /** @returns which entry of a variant that does not fit has no room by itself, or, when all have, the first that insists on its groups */
  obstacle(variant: ClassVariant): number {
    const request = this.requestOf(variant);
    const alone = request?.entries.findIndex((entry) => !this.pool.canAllocate({ ...request, entries: [entry] })) ?? 0;
    return Math.max(0, alone >= 0 ? alone : variant.needs.findIndex(({ insists }) => insists));
  }

  /** A row has its resources reserved. @param isStarted the worker has told that it runs */
  place(row: number, variant: ClassVariant, isStarted: boolean): void {
    this.placed.set(row, { variant, allocation: this.allocate(variant) });
    if (!isStarted) this.unstarted.add(row);
  }

  /** The worker tells that it runs the row. */
  started(row: number): void {
    this.unstarted.delete(row);
  }

  /** A row no longer has its resources reserved. What the worker had told of it, it tells anew. */
  remove(row: number): void {
    const allocation = this.placed.get(row)?.allocation ?? null;
    if (allocation !== null) this.pool.release(allocation);
    this.placed.delete(row);
    this.unstarted.delete(row);
  }

  /**
   * Takes over what the worker tells, and adds what it has not started.
   * @returns rows for which there is no room, because the worker has placed others differently than was thought here; without effect and empty
   *   when the worker tells what cannot be
   */
  load(room: Room): number[] {
    const waiting = [...this.placed].filter(([row]) => this.unstarted.has(row));
    if (!this.pool.load(room)) return [];
    this.placed.clear();
    for (const [row, { variant }] of waiting) this.place(row, variant, false);
    return waiting.flatMap(([row]) => (this.placed.get(row)?.allocation === null ? [row] : []));
  }

  private allocate(variant: ClassVariant): Allocation | null {
    const request = this.requestOf(variant);
    return request === null ? null : (this.pool.tryAllocate(request) ?? null);
  }

  private requestOf(variant: ClassVariant): ResolvedRequest | null {
    const known = this.requests.get(variant);
    if (known !== undefined) return known;
    // Of a range the least: what it gets beyond that the worker decides when it starts.
    const entries = variant.asked.entries.map(({ name, policy, units }) => ({ name, policy, units }));
    const resolved = this.pool.resolve({ ...variant.asked, entries });
    const request = typeof resolved === 'string' ? null : resolved;
    this.requests.set(variant, request);
    return request;
  }
}
