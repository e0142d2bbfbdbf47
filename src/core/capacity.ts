/**
 * What all workers have together, and how large a request class is beside it. Kept up to date by the reactor as workers come and are lost; asked by
 * the planner for the order in which it places classes (`schedule/order.ts`). Pure.
 */
import { resolveResourceName } from '../common/resourceAlias.ts';
import type { ClassVariant, Need, RequestClass, ResourceNames } from './requestClasses.ts';
import type { CoreWorker } from './workerTable.ts';

interface Amount {
  /** Of all workers, 1/10,000. */
  units: number;
  /** How many workers have some of it. */
  workers: number;
}

/** Sums over the workers of a core, connected or expected back. */
export class Capacity {
  private readonly names: ResourceNames;
  /** By resource id. */
  private readonly amounts: (Amount | undefined)[] = [];
  private workers = 0;
  /** Answers since the last worker came or went, by class. */
  private readonly sizes = new Map<number, number>();

  constructor(names: ResourceNames) {
    this.names = names;
  }

  /** A worker has come. */
  add(worker: CoreWorker): void {
    this.change(worker, 1);
  }

  /** A worker that was added is lost. */
  remove(worker: CoreWorker): void {
    this.change(worker, -1);
  }

  /**
   * The dominant share of a class (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011): the largest share that one task takes of what all workers
   * have of a resource, of the preferred variant of which there is everything.
   * @returns 0 to 1, or more for what no worker could ever run; 0 while nothing is known of any variant
   */
  sizeOf(requestClass: RequestClass): number {
    let size = this.sizes.get(requestClass.id);
    if (size === undefined) {
      size = this.measure(requestClass);
      this.sizes.set(requestClass.id, size);
    }
    return size;
  }

  private measure({ variants, order }: RequestClass): number {
    for (const index of order) {
      const share = this.shareOf(variants[index] as ClassVariant);
      if (share !== undefined) return share;
    }
    return 0;
  }

  private shareOf(variant: ClassVariant): number | undefined {
    if (variant.nodes > 0) return this.workers === 0 ? undefined : variant.nodes / this.workers;
    let largest = 0;
    for (const need of variant.needs) {
      const amount = this.amountOf(need);
      if (amount === undefined) return undefined;
      largest = Math.max(largest, need.all ? 1 / amount.workers : need.units / amount.units);
    }
    return largest;
  }

  /** By the name as it stands, else by what stands in for it: where workers of both kinds are mixed this counts one kind, which is enough for an order. */
  private amountOf(need: Need): Amount | undefined {
    const own = this.amounts[need.resource];
    if (own !== undefined) return own;
    const name = resolveResourceName(this.names.nameOf(need.resource), (other) => this.amounts[this.names.idOf(other)] !== undefined);
    return name === undefined ? undefined : this.amounts[this.names.idOf(name)];
  }

  private change(worker: CoreWorker, sign: 1 | -1): void {
    this.workers += sign;
    worker.total.forEach((units, slot) => {
      if (units === undefined || units <= 0) return;
      const amount = this.amounts[slot] ?? { units: 0, workers: 0 };
      amount.units += sign * units;
      amount.workers += sign;
      this.amounts[slot] = amount.workers > 0 ? amount : undefined;
    });
    this.sizes.clear();
  }
}
