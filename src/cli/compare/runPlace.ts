/**
 * The directory of one run of one side, with its shims: what the side writes lies below `work`, what the comparison notes lies beside it. Made by
 * `compareRuns.ts`, used by the sides.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ComparedFiles } from '../../protocol/schema/compare.ts';
import { Shims } from './shims.ts';
import type { Environment } from './slurm.ts';

export class RunPlace {
  /** Working directory of everything that the side starts. */
  readonly work: string;
  /** For notes of tasks. */
  readonly records: string;
  readonly shims: Shims;
  /** What of `work` the side was given and has not made: it does not count. */
  given: ComparedFiles = { inodes: 0, logFiles: 0 };
  /** Aborted when the comparison is interrupted. */
  readonly signal: AbortSignal;
  private readonly root: string;

  /** @param o.root is made */
  constructor(o: { readonly root: string; readonly env: Environment; readonly signal: AbortSignal }) {
    this.root = o.root;
    this.signal = o.signal;
    this.work = join(o.root, 'work');
    this.records = join(o.root, 'records');
    for (const folder of [this.work, this.records]) mkdirSync(folder, { recursive: true });
    this.shims = new Shims(join(o.root, 'shims'), o.env);
  }

  /** @returns path of a file of the comparison's own */
  own(name: string): string {
    return join(this.root, name);
  }
}
