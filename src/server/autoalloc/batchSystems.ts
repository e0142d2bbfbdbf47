/** The batch systems that queues have named so far, each opened once. Owned by the allocation service. */
import { join } from 'node:path';
import type { BatchSystem } from './batchSystem.ts';
import { openBatchSystem } from './openBatchSystem.ts';

export interface BatchSystemsOptions {
  /** Directory of the server's identity. */
  readonly serverDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Default: `openBatchSystem`. */
  readonly openSystem?: (name: string) => BatchSystem;
  /** A poll of this one would tell something new. */
  onChange(name: string): void;
}

export class BatchSystems {
  private readonly o: BatchSystemsOptions;
  private readonly opened = new Map<string, { readonly system: BatchSystem; end(): void }>();

  constructor(options: BatchSystemsOptions) {
    this.o = options;
  }

  /** @throws HqError HQ_E_BATCH_SYSTEM */
  get(name: string): BatchSystem {
    const known = this.opened.get(name);
    if (known !== undefined) return known.system;
    const { openSystem, serverDir, env } = this.o;
    const system = openSystem?.(name) ?? openBatchSystem(name, { directory: join(serverDir, 'batch'), env });
    const end = system.onChange?.(() => this.o.onChange(name)) ?? ((): void => {});
    this.opened.set(name, { system, end });
    return system;
  }

  /** For people; a name that cannot be opened any more (a plugin was removed) stands for itself. */
  titleOf(name: string): string {
    try {
      return this.get(name).title;
    } catch {
      return name;
    }
  }

  close(): void {
    for (const { end } of this.opened.values()) end();
    this.opened.clear();
  }
}
