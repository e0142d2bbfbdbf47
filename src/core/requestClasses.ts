/**
 * Interning of resource requests: tasks that ask for the same are one class, and planning works per class. Used at submit and by
 * everything that needs to know what a row asks for.
 */
import { UNITS_PER_WHOLE } from '../protocol/resourceTerms.ts';
import type { RequestVariant, ResourceEntry, ResourceRequest } from '../protocol/schema/resources.ts';

/** One resource of a variant with its name interned. */
export interface Need {
  /** Index into `ResourceNames`. */
  readonly resource: number;
  /** Least amount in 1/10,000; meaningless when `all`. */
  readonly units: number;
  /** Everything the worker has of it, which must be entirely free. */
  readonly all: boolean;
  /** A range: the worker decides how much it gets. */
  readonly isRange: boolean;
  /** Where it has indices, one of them is shared. */
  readonly isShared: boolean;
  /** Where it has groups, it waits for the best of them. */
  readonly insists: boolean;
}

export interface ClassVariant {
  readonly nodes: number;
  readonly minTimeMs: number;
  readonly weight: number;
  readonly needs: readonly Need[];
  /** Where a worker has indices of what it needs, sums may not tell whether it fits. */
  readonly mayBeIntricate: boolean;
  readonly insists: boolean;
  /** As it was submitted. */
  readonly asked: RequestVariant;
}

export interface RequestClass {
  readonly id: number;
  readonly request: ResourceRequest;
  readonly variants: readonly ClassVariant[];
  /** Indices of the variants, the preferred one first: falling weight, then as they were given. */
  readonly order: readonly number[];
  /** Of its preferred variant: among classes of one priority the heavier one comes first. */
  readonly weight: number;
  /** Tasks of it are killed after this time; Infinity for no limit. */
  readonly timeLimitMs: number;
  /** Number of workers that have resources reserved for tasks of it. */
  workers: number;
}

/** Resource names as small integers, shared by requests and workers. */
export class ResourceNames {
  private readonly ids = new Map<string, number>();
  private readonly names: string[] = [];

  idOf(name: string): number {
    let id = this.ids.get(name);
    if (id === undefined) {
      id = this.names.length;
      this.names.push(name);
      this.ids.set(name, id);
    }
    return id;
  }

  get size(): number {
    return this.names.length;
  }

  /** Forgets all names but the first ones. */
  cut(size: number): void {
    for (const name of this.names.splice(size)) this.ids.delete(name);
  }

  nameOf(id: number): string {
    return this.names[id] ?? `resource ${id}`;
  }
}

function keyOf(request: ResourceRequest, timeLimitMs: number): string {
  return `${timeLimitMs} ${JSON.stringify(request.variants)}`;
}

export class RequestClasses {
  private readonly names: ResourceNames;
  private readonly byKey = new Map<string, RequestClass>();
  private readonly list: RequestClass[] = [];

  constructor(names: ResourceNames) {
    this.names = names;
  }

  /**
   * The class of a request and time limit; equal ones give the same class. Entries must be sorted by name.
   * @param timeLimitMs null for no limit
   */
  intern(request: ResourceRequest, timeLimitMs: number | null = null): RequestClass {
    const key = keyOf(request, timeLimitMs ?? Number.POSITIVE_INFINITY);
    let found = this.byKey.get(key);
    if (found === undefined) {
      const variants = request.variants.map((variant) => this.compile(variant));
      const order = [...variants.keys()].sort((a, b) => (variants[b]?.weight ?? 0) - (variants[a]?.weight ?? 0));
      const limit = timeLimitMs ?? Number.POSITIVE_INFINITY;
      const weight = variants[order[0] ?? 0]?.weight ?? UNITS_PER_WHOLE;
      found = { id: this.list.length, request, variants, order, weight, timeLimitMs: limit, workers: 0 };
      this.byKey.set(key, found);
      this.list.push(found);
    }
    return found;
  }

  /** @throws Error for an id that was never given out (a defect). */
  get(id: number): RequestClass {
    const found = this.list[id];
    if (found === undefined) throw new Error(`unknown request class ${id}`);
    return found;
  }

  /** Runs a question whose classes and resource names nobody needs afterwards. */
  forget<T>(ask: () => T): T {
    const [classes, names] = [this.list.length, this.names.size];
    try {
      return ask();
    } finally {
      for (const { request, timeLimitMs } of this.list.splice(classes)) this.byKey.delete(keyOf(request, timeLimitMs));
      this.names.cut(names);
    }
  }

  private compile(variant: RequestVariant): ClassVariant {
    const needs = variant.entries.map((entry) => this.needOf(entry));
    return {
      nodes: variant.nodes,
      minTimeMs: variant.minTimeMs,
      weight: variant.weight,
      needs,
      mayBeIntricate: needs.some(({ isRange, isShared, insists }) => isRange || isShared || insists),
      insists: needs.some(({ insists }) => insists),
      asked: variant,
    };
  }

  private needOf({ name, policy, units, maxUnits }: ResourceEntry): Need {
    return {
      resource: this.names.idOf(name),
      units,
      all: policy === 'all',
      isRange: maxUnits !== undefined,
      isShared: units % UNITS_PER_WHOLE > 0,
      insists: policy.endsWith('!'),
    };
  }
}
