/**
 * Interning of resource requests: tasks that ask for the same are one class, and planning works per class. Used at submit and by
 * everything that needs to know what a row asks for.
 */
import type { RequestVariant, ResourceRequest } from '../protocol/schema/resources.ts';

/** One resource of a variant with its name interned. */
export interface Need {
  /** Index into `ResourceNames`. */
  readonly resource: number;
  /** Least amount in 1/10,000; meaningless when `all`. */
  readonly units: number;
  /** Everything the worker has of it, which must be entirely free. */
  readonly all: boolean;
}

export interface ClassVariant {
  readonly nodes: number;
  readonly minTimeMs: number;
  readonly needs: readonly Need[];
}

export interface RequestClass {
  readonly id: number;
  readonly request: ResourceRequest;
  readonly variants: readonly ClassVariant[];
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

  nameOf(id: number): string {
    return this.names[id] ?? `resource ${id}`;
  }
}

export class RequestClasses {
  private readonly names: ResourceNames;
  private readonly byKey = new Map<string, RequestClass>();
  private readonly list: RequestClass[] = [];

  constructor(names: ResourceNames) {
    this.names = names;
  }

  /** The class of a request; equal requests give the same class. Entries must be sorted by name. */
  intern(request: ResourceRequest): RequestClass {
    const key = JSON.stringify(request.variants);
    let found = this.byKey.get(key);
    if (found === undefined) {
      found = { id: this.list.length, request, variants: request.variants.map((variant) => this.compile(variant)), workers: 0 };
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

  private compile(variant: RequestVariant): ClassVariant {
    return {
      nodes: variant.nodes,
      minTimeMs: variant.minTimeMs,
      needs: variant.entries.map((entry) => ({ resource: this.names.idOf(entry.name), units: entry.units, all: entry.policy === 'all' })),
    };
  }
}
